//! How a lab's container is made.

use std::collections::HashMap;
use std::time::Duration;

use bollard::Docker;
use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, PortBinding, RestartPolicy, RestartPolicyNameEnum,
};
use bollard::query_parameters::CreateContainerOptionsBuilder;

use super::container::Container;
use super::image::IMAGE;
use super::lab::LABEL;

/// What a container is made from; the default just runs and stops at once when told to.
#[must_use]
pub struct Builder {
    docker: Docker,
    name: String,
    body: ContainerCreateBody,
    host: HostConfig,
    /// Whether others use the same engine.
    shared: bool,
}

impl Builder {
    pub(super) fn new(docker: Docker, name: String, run: &str, shared: bool) -> Self {
        let labels = HashMap::from([(LABEL.to_owned(), run.to_owned())]);
        let body = ContainerCreateBody {
            image: Some(IMAGE.to_owned()),
            labels: Some(labels),
            stop_timeout: Some(2),
            ..Default::default()
        };
        Self { docker, name, body, host: HostConfig::default(), shared }
    }

    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.body.labels.get_or_insert_default().insert(key.to_owned(), value.to_owned());
        self
    }

    /// Another image than the test image; its PID 1 must end when it is told to, or each stop takes its whole time.
    pub fn image(mut self, reference: &str) -> Self {
        self.body.image = Some(reference.to_owned());
        self
    }

    pub fn cmd(mut self, cmd: &[&str]) -> Self {
        self.body.cmd = Some(cmd.iter().copied().map(str::to_owned).collect());
        self
    }

    /// `cmd` through the container's shell.
    pub fn shell(self, script: &str) -> Self {
        self.cmd(&["sh", "-c", script])
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.body.env.get_or_insert_default().push(format!("{name}={value}"));
        self
    }

    /// A health check by a shell command. The first runs after one interval.
    pub fn healthcheck(mut self, test: &str, interval: Duration, retries: i64) -> Self {
        self.body.healthcheck = Some(HealthConfig {
            test: Some(vec!["CMD-SHELL".to_owned(), test.to_owned()]),
            interval: Some(nanos(interval)),
            timeout: Some(nanos(Duration::from_secs(5))),
            retries: Some(retries),
            ..Default::default()
        });
        self
    }

    /// A health check that the test switches: see [`Container::sicken`] and [`Container::cure`]. Outlives a
    /// restart of the container, as a broken disk would.
    pub fn switched_health(self, interval: Duration, retries: i64) -> Self {
        self.healthcheck("test ! -e /tmp/sick", interval, retries)
    }

    pub fn restart_policy(mut self, name: RestartPolicyNameEnum) -> Self {
        self.host.restart_policy = Some(RestartPolicy { name: Some(name), maximum_retry_count: None });
        self
    }

    /// As `docker run --rm`.
    pub fn auto_remove(mut self) -> Self {
        self.host.auto_remove = Some(true);
        self
    }

    pub fn stop_timeout(mut self, seconds: i64) -> Self {
        self.body.stop_timeout = Some(seconds);
        self
    }

    /// Publishes a TCP port of the container on a free one of the host, for this machine.
    pub fn publish(self, port: u16) -> Self {
        self.publish_on("127.0.0.1", port)
    }

    /// Publishes a TCP port of the container on a free one of this address of the host.
    pub fn publish_on(mut self, address: &str, port: u16) -> Self {
        let any = PortBinding { host_ip: Some(address.to_owned()), host_port: None };
        self.body.exposed_ports.get_or_insert_default().push(format!("{port}/tcp"));
        self.host.port_bindings.get_or_insert_default().insert(format!("{port}/tcp"), Some(vec![any]));
        self
    }

    pub fn memory(mut self, bytes: i64) -> Self {
        self.host.memory = Some(bytes);
        self
    }

    pub fn cpus(mut self, cpus: f64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "a few cores")]
        let nanos = (cpus * 1e9) as i64;
        self.host.nano_cpus = Some(nanos);
        self
    }

    /// Anything else the engine's API knows.
    pub fn with(mut self, change: impl FnOnce(&mut ContainerCreateBody, &mut HostConfig)) -> Self {
        change(&mut self.body, &mut self.host);
        self
    }

    /// Creates it without starting it.
    pub async fn create(self) -> Container {
        let Self { docker, name, mut body, host, shared } = self;
        let label = body.labels.iter().flatten().any(|(key, value)| key == "autoheal" && value == "true");
        assert!(
            !(shared && label),
            "{name} carries autoheal=true on the shared engine, and another healing tool on this engine would restart it: \
             take `Lab::healed`, or an engine of the test's own"
        );
        body.host_config = Some(host);
        let options = CreateContainerOptionsBuilder::default().name(&name).build();
        let made = docker
            .create_container(Some(options), body)
            .await
            .unwrap_or_else(|e| panic!("creating {name}: {e}"));
        Container::new(docker, name, made.id)
    }

    /// Creates and starts it.
    pub async fn start(self) -> Container {
        let container = self.create().await;
        container.start().await;
        container
    }
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).expect("a short duration")
}
