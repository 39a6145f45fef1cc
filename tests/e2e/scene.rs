//! What most tests here need together: a lab on an engine, the strict receivers, and the program watching that lab
//! alone. On the shared engine other tests run; their containers are nobody's business here.

use std::time::Duration;

use bollard::models::ContainerStateStatusEnum as Status;
use serde_json::Value;

use crate::support::container::Container;
use crate::support::engine::Engine;
use crate::support::lab::{HEALED, LABEL, Lab};
use crate::support::portreeve::Portreeve;
use crate::support::receiver::{Options, Receiver};
use crate::support::wait;

/// Fields go in this order when it ends: first who looks, then who is told, then what is looked at.
pub struct Scene {
    pub portreeve: Portreeve,
    pub receiver: Receiver,
    pub lab: Lab,
    pub engine: Engine,
}

impl Scene {
    /// On the shared engine.
    pub async fn shared() -> Self {
        Self::on(Engine::shared().await).await
    }

    /// On an engine of its own: nothing else is in its event memory, and it may be stopped.
    pub async fn own() -> Self {
        Self::on(Engine::own().await).await
    }

    pub async fn on(engine: Engine) -> Self {
        let endpoint = engine.endpoint().to_owned();
        Self::through(engine, &endpoint).await
    }

    /// On an engine that the program reaches at `endpoint`: a proxy's, say.
    pub async fn through(engine: Engine, endpoint: &str) -> Self {
        let lab = Lab::new(&engine).await;
        let receiver = Receiver::start(Options::default()).await.unwrap();
        let portreeve = Portreeve::new(env!("CARGO_BIN_EXE_portreeve")).docker_host(endpoint);
        let scene = Self { portreeve, receiver, lab, engine };
        scene.declare_services("labels", &scene.of_the_lab());
        // The built-in policy would heal other tests' containers, too.
        scene.declare_policy("");
        scene
    }

    /// Something about the process, before its first start.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(Portreeve) -> Portreeve) -> Self {
        self.portreeve = change(self.portreeve);
        self
    }

    /// `portreeve.test: "<run>"`, as a selector's labels.
    pub fn of_the_lab(&self) -> String {
        format!("{{{LABEL}: \"{}\"}}", self.lab.run())
    }

    /// Discovery `d` and Billing `b`, for the containers that `selector` (a field and its value) means.
    pub fn declare_services(&self, field: &str, value: &str) {
        let (discovery, billing) = (self.receiver.discovery.url(), self.receiver.billing.url());
        let resource = |kind: &str, name: &str, url: &str, more: &str| {
            format!(
                "apiVersion: portreeve/v1\nkind: {kind}\nmetadata: {{name: {name}}}\n\
                 spec:\n  url: {url}\n  selector: {{{field}: {value}}}\n{more}"
            )
        };
        let registry = resource("DiscoveryRegistry", "d", &discovery, "");
        let retry = "  retry: {initial: 100ms, max: 2s}\n";
        self.portreeve.manifest("registry.yaml", &registry);
        self.portreeve.manifest("billing.yaml", &resource("BillingService", "b", &billing, retry));
    }

    /// The policy `default` for what [`Lab::healed`] makes, with `more` lines of its spec.
    pub fn declare_policy(&self, more: &str) {
        self.portreeve.manifest(
            "policy.yaml",
            &format!(
                "apiVersion: portreeve/v1\nkind: AutohealPolicy\nmetadata: {{name: default}}\n\
                 spec:\n  selector: {{labels: {{{HEALED}: \"{}\"}}}}\n{more}",
                self.lab.run()
            ),
        );
    }

    /// Waits until the bills of a container are these, and sees that none follows before the others came.
    pub async fn billed(&self, container: &str, expected: &[&str]) {
        self.billed_within(container, expected, wait::SOON).await;
    }

    pub async fn billed_within(&self, container: &str, expected: &[&str], within: Duration) {
        let what = format!("{} is billed {expected:?}", &container[..12]);
        wait::until(&what, within, || async {
            let names = self.names(container);
            wait::is(names == expected, (names, self.portreeve.log()))
        })
        .await;
    }

    /// The names of a container's bills so far.
    pub fn names(&self, container: &str) -> Vec<String> {
        self.receiver.look(|state| state.names_of(container).into_iter().map(str::to_owned).collect())
    }

    /// Waits until exactly these containers are registered as up.
    pub async fn registered(&self, expected: &[&Container]) {
        let mut expected: Vec<&str> = expected.iter().map(|container| container.id()).collect();
        expected.sort_unstable();
        wait::until("the registry holds what runs", wait::SOON, || async {
            let up: Vec<String> =
                self.receiver.look(|state| state.up().into_iter().map(str::to_owned).collect());
            wait::is(up == expected, (up, expected.clone()))
        })
        .await;
    }

    /// `GET path` as JSON; whatever is wrong, as text.
    pub async fn json(&self, path: &str) -> Result<Value, String> {
        let answer = self.portreeve.get(path).await?;
        if answer.status == 200 { Ok(answer.json()) } else { Err(format!("{answer:?}")) }
    }

    /// The events about a container, oldest first, of the given types (none: all).
    pub async fn events(&self, container: &Container, types: &[&str]) -> Vec<Value> {
        let path = format!("/api/events?limit=10000&container={}", container.id());
        let Value::Array(events) = self.json(&path).await.unwrap() else { panic!("no array") };
        let wanted =
            |event: &Value| types.is_empty() || types.iter().any(|kind| event["event_type"] == *kind);
        events.into_iter().rev().filter(wanted).collect()
    }

    /// Waits until there are `count` events of this type about a container.
    pub async fn told(&self, container: &Container, kind: &str, count: usize) -> Vec<Value> {
        wait::until(&format!("{count} × {kind} about {}", container.name()), wait::SOON, || async {
            let events = self.events(container, &[kind]).await;
            if events.len() == count {
                Ok(events)
            } else {
                Err((events, self.events(container, &[]).await, self.portreeve.log()))
            }
        })
        .await
    }
}

/// `State.StartedAt` as the engine writes it.
pub async fn started_at(container: &Container) -> String {
    container.inspect().await.state.unwrap().started_at.unwrap()
}

/// Waits until another run than the one that began at `before` runs, and says when it began.
pub async fn restarted(container: &Container, before: &str) -> String {
    wait::until(&format!("{} is restarted", container.name()), wait::SOON, || async {
        let state = container.inspect().await.state.unwrap();
        let at = state.started_at.clone().unwrap();
        if at != before && state.status == Some(Status::RUNNING) { Ok(at) } else { Err(state) }
    })
    .await
}

/// `State.FinishedAt` as the engine writes it.
pub async fn finished_at(container: &Container) -> String {
    container.inspect().await.state.unwrap().finished_at.unwrap()
}

/// An engine's time as bills carry it: milliseconds, truncated.
pub fn billed_time(engine_time: &str) -> String {
    let (seconds, fraction) =
        engine_time.trim_end_matches('Z').split_once('.').unwrap_or((engine_time.trim_end_matches('Z'), ""));
    let millis: String = fraction.chars().chain("000".chars()).take(3).collect();
    format!("{seconds}.{millis}+00:00")
}
