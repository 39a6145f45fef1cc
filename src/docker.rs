//! The engine's side: connect, watch, convert, act. The only user of `bollard`.
//!
//! Events are hints here: the stream tells when to look, a list what may have changed, an inspect what is so.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::time::Instant;

use crate::guard::Guard;
use crate::observed::{Container, Health, Nanos};
use crate::resource::docker_host::DockerHostSpec;

mod actions;
mod answer;
mod client;
mod clock;
mod connect;
mod convert;
mod dialect;
mod error;
mod exec;
mod fingerprint;
pub mod informer;
mod likeness;
mod listed;
mod own;
mod recreate;
mod ring;
mod ssh;
mod stats;
mod surroundings;
mod tcp;
mod timestamp;
mod tls;
mod unix;
mod uptime;
mod wire;

use client::CALL;
pub use client::{Client, EngineInfo};
use clock::ClockReading;
pub(crate) use dialect::Dialect;
pub use error::DockerError;
pub use exec::Awaited;
pub use fingerprint::Fingerprint;
pub use listed::Listed;
pub use own::own_containers;
pub use surroundings::interfaces;

impl Client {
    /// Connects to `spec`'s endpoint and checks that the engine is recent enough.
    pub async fn connect(
        name: &Arc<str>,
        spec: &DockerHostSpec,
        guard: &Guard,
    ) -> Result<(Self, EngineInfo), DockerError> {
        let (docker, wire) = connect::docker(spec, guard).await?;
        let version: answer::Version = wire.get("GET /version", "/version", CALL).await?.read()?;
        connect::check_version(
            version.api_version.as_deref().unwrap_or_default(),
            spec.api_version.as_deref(),
        )?;
        let client = Self {
            docker,
            wire,
            dialect: Dialect::of(&version),
            name: name.clone(),
            endpoint: spec.endpoint.as_str().into(),
            running: Arc::default(),
        };
        let info = client.info(&version).await?;
        Ok((client, info))
    }

    /// The engine's clock now, and that minus ours in nanoseconds: 0 when the two cannot be told apart.
    pub(crate) async fn clock(&self) -> Result<(Nanos, i64), DockerError> {
        self.ask().await.map(|(_, clock)| clock.time_and_lead())
    }

    /// What it says of itself, or why a proxy keeps that to itself; and its clock, which the date of an answer tells then.
    async fn ask(&self) -> Result<(Result<answer::Info, DockerError>, ClockReading), DockerError> {
        let asked = crate::clock::now();
        let info = match self.wire.get("GET /info", "/info", CALL).await {
            Ok(answer) => Ok(answer.read::<answer::Info>()?),
            Err(error) if error.is_forbidden() => Err(error),
            Err(error) => return Err(error),
        };
        let told = info.as_ref().ok().and_then(|info| info.system_time.as_deref()).and_then(timestamp::time);
        let answered = crate::clock::now();
        let clock = match told {
            Some(time) => ClockReading { asked, answered, least: time, most: time },
            None => self.date().await?,
        };
        Ok((info, clock))
    }

    /// The engine's name for its host, its version and its clock; and where it is. Where `/info` is refused the name is that
    /// of the endpoint.
    async fn info(&self, version: &answer::Version) -> Result<EngineInfo, DockerError> {
        let (info, clock) = self.ask().await?;
        let since = Instant::now();
        let info = info.unwrap_or_else(|error| {
            tracing::info!(target: "portreeve::engine", engine = %self.name, "{error}. Portreeve works without it: it takes the host's name from the endpoint and the time from the dates of answers");
            answer::Info::default()
        });
        let (time, clock_ahead) = clock.time_and_lead();
        let kernel = info.kernel_version.as_deref().or(version.kernel_version.as_deref());
        let (surroundings, interfaces) = (self.surroundings(&info, kernel).await, interfaces().await);
        let looking = i64::try_from(since.elapsed().as_nanos()).unwrap_or(0);
        Ok(EngineInfo {
            host: info.name.filter(|name| !name.is_empty()).unwrap_or_else(|| self.host_by_endpoint()),
            version: info.server_version.or_else(|| version.version.clone()).unwrap_or_default(),
            time: Nanos(time.0.saturating_add(looking)),
            clock_ahead,
            surroundings: Arc::new(surroundings),
            interfaces,
        })
    }

    /// The engine's clock, to the second, by when it says it answered.
    async fn date(&self) -> Result<ClockReading, DockerError> {
        const SECOND: i64 = 1_000_000_000;
        let asked = crate::clock::now();
        let answer = self.wire.get("GET /version", "/version", CALL).await?;
        let answered = crate::clock::now();
        // Whoever leaves the date out says nothing against our own clock.
        let reading =
            |date: Nanos| ClockReading { asked, answered, least: date, most: Nanos(date.0 + SECOND - 1) };
        Ok(answer.date.map_or(ClockReading { asked, answered, least: asked, most: answered }, reading))
    }

    /// What its host is called, as far as its endpoint tells.
    fn host_by_endpoint(&self) -> String {
        let remote = url::Url::parse(&self.endpoint).ok().filter(|url| url.scheme() != "unix");
        let remote = remote.and_then(|url| url.host_str().map(str::to_owned));
        let own = || {
            let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
            // In a container this machine's name is the container's.
            if own_containers().is_empty() { name } else { self.name.to_string() }
        };
        match remote {
            Some(host) if host != "localhost" && !host.starts_with("127.") && host != "[::1]" => host,
            Some(_) | None => own(),
        }
    }

    /// Inspects one container; `None` when there is no such container.
    pub async fn inspect(&self, id: &str) -> Result<Option<(Container, Fingerprint)>, DockerError> {
        let path = format!("/containers/{id}/json");
        let answer = match self.wire.get("GET /containers/{id}/json", &path, CALL).await {
            Ok(answer) => answer,
            Err(DockerError::Refused { status: 404, .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut value = answer.value()?;
        self.dialect.inspect(&mut value);
        let read = wire::lenient(&mut value).map_err(|error| answer.unreadable(&error))?;
        let fingerprint = Fingerprint::of_inspect(&read);
        Ok(Some((convert::container(&self.name, read)?, fingerprint)))
    }

    /// Lists all containers, running or not.
    pub async fn list(&self) -> Result<Vec<Listed>, DockerError> {
        let answer = self.wire.get("GET /containers/json", "/containers/json?all=true", CALL).await?;
        // Of a row that is something else altogether its id is enough: it is inspected.
        let row = |row: Result<answer::Row, serde_json::Value>| {
            row.unwrap_or_else(|odd| answer::Row {
                id: odd.get("Id").and_then(serde_json::Value::as_str).map(str::to_owned),
                ..answer::Row::default()
            })
        };
        let mut rows: Vec<answer::Row> = answer.rows()?.into_iter().map(row).collect();
        for health in self.dialect.healths_to_ask() {
            let such = self.ids_of_health(*health).await?;
            let such = |row: &&mut answer::Row| row.id.as_ref().is_some_and(|id| such.contains(id));
            rows.iter_mut().filter(such).for_each(|row| row.health = Some(*health));
        }
        Ok(rows.iter().filter_map(|row| convert::listed(&self.name, row)).collect())
    }

    /// Ids of the containers that run and whose health check's word is this.
    async fn ids_of_health(&self, health: Health) -> Result<HashSet<String>, DockerError> {
        let filters = serde_json::json!({"health": [health.as_str()], "status": ["running"]}).to_string();
        let query =
            url::form_urlencoded::Serializer::new(String::new()).append_pair("filters", &filters).finish();
        let path = format!("/containers/json?{query}");
        let rows = self.wire.get("GET /containers/json", &path, CALL).await?.rows::<answer::Row>()?;
        Ok(rows.into_iter().flatten().filter_map(|row| row.id).collect())
    }
}
