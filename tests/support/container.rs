//! One container of a lab: what a test does to it.

use bollard::Docker;
use bollard::exec::{CreateExecOptions, StartExecResults};
use bollard::models::{ContainerInspectResponse, ContainerStateStatusEnum, HealthStatusEnum};
use bollard::query_parameters::{
    InspectContainerOptions, KillContainerOptionsBuilder, RemoveContainerOptionsBuilder,
    RestartContainerOptionsBuilder, StartContainerOptions, StopContainerOptionsBuilder,
};
use futures_util::StreamExt;

use super::wait;

/// A container in the engine; dropping this does nothing, the lab removes it. Every method panics when the
/// engine refuses.
#[derive(Clone)]
pub struct Container {
    docker: Docker,
    name: String,
    id: String,
}

impl Container {
    pub(super) fn new(docker: Docker, name: String, id: String) -> Self {
        Self { docker, name, id }
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same container, called by way of another client: through a proxy, say.
    #[must_use]
    pub fn through(&self, docker: &Docker) -> Self {
        Self { docker: docker.clone(), ..self.clone() }
    }

    pub async fn start(&self) {
        self.done("start", self.docker.start_container(&self.id, None::<StartContainerOptions>).await);
    }

    /// With the container's own stop timeout.
    pub async fn stop(&self) {
        self.done("stop", self.docker.stop_container(&self.id, None).await);
    }

    pub async fn stop_within(&self, seconds: i32) {
        let options = StopContainerOptionsBuilder::default().t(seconds).build();
        self.done("stop", self.docker.stop_container(&self.id, Some(options)).await);
    }

    /// `signal` as in `KILL` or `HUP`.
    pub async fn kill(&self, signal: &str) {
        let options = KillContainerOptionsBuilder::default().signal(signal).build();
        self.done("kill", self.docker.kill_container(&self.id, Some(options)).await);
    }

    pub async fn restart(&self) {
        let options = RestartContainerOptionsBuilder::default().build();
        self.done("restart", self.docker.restart_container(&self.id, Some(options)).await);
    }

    pub async fn pause(&self) {
        self.done("pause", self.docker.pause_container(&self.id).await);
    }

    pub async fn unpause(&self) {
        self.done("unpause", self.docker.unpause_container(&self.id).await);
    }

    /// As `docker rm -f`.
    pub async fn remove(&self) {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        self.done("remove", self.docker.remove_container(&self.id, Some(options)).await);
    }

    pub async fn inspect(&self) -> ContainerInspectResponse {
        self.done("inspect", self.docker.inspect_container(&self.id, None::<InspectContainerOptions>).await)
    }

    pub async fn exists(&self) -> bool {
        match self.docker.inspect_container(&self.id, None::<InspectContainerOptions>).await {
            Ok(_) => true,
            Err(bollard::errors::Error::DockerResponseServerError { status_code: 404, .. }) => false,
            Err(e) => panic!("inspecting {}: {e}", self.name),
        }
    }

    /// Runs a command inside; its exit code and what it printed, both streams in one.
    pub async fn exec(&self, cmd: &[&str]) -> (i64, String) {
        let config = CreateExecOptions {
            cmd: Some(cmd.to_vec()),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            ..Default::default()
        };
        let exec = self.done("exec", self.docker.create_exec(&self.id, config).await).id;
        let mut text = String::new();
        if let StartExecResults::Attached { mut output, .. } =
            self.done("exec", self.docker.start_exec(&exec, None).await)
        {
            while let Some(piece) = output.next().await {
                text.push_str(&self.done("exec", piece).to_string());
            }
        }
        // The stream can end a moment before the exit code is known.
        let code = wait::until("the command's exit code", wait::SOON, || async {
            let state = self.docker.inspect_exec(&exec).await.map_err(|e| e.to_string())?;
            state.exit_code.ok_or_else(|| format!("{state:?}"))
        })
        .await;
        (code, text)
    }

    /// Makes the checks of [`super::builder::Builder::switched_health`] fail from now on.
    pub async fn sicken(&self) {
        assert_eq!(self.exec(&["touch", "/tmp/sick"]).await, (0, String::new()));
    }

    /// Makes them pass again.
    pub async fn cure(&self) {
        assert_eq!(self.exec(&["rm", "-f", "/tmp/sick"]).await, (0, String::new()));
    }

    /// `State.Status` now.
    pub async fn status(&self) -> ContainerStateStatusEnum {
        self.inspect().await.state.and_then(|state| state.status).expect("a container has a state")
    }

    /// `State.Health.Status` now; `NONE` without a health check.
    pub async fn health(&self) -> HealthStatusEnum {
        let health = self.inspect().await.state.and_then(|state| state.health);
        health.and_then(|health| health.status).unwrap_or(HealthStatusEnum::NONE)
    }

    pub async fn wait_status(&self, wanted: ContainerStateStatusEnum) {
        wait::until(&format!("{} is {wanted}", self.name), wait::SOON, || async {
            let status = self.status().await;
            wait::is(status == wanted, status)
        })
        .await;
    }

    pub async fn wait_health(&self, wanted: HealthStatusEnum) {
        wait::until(&format!("{} is {wanted}", self.name), wait::SOON, || async {
            let health = self.health().await;
            wait::is(health == wanted, health)
        })
        .await;
    }

    /// Waits until the engine does not know it any more.
    pub async fn wait_gone(&self) {
        wait::until(&format!("{} is gone", self.name), wait::SOON, || async {
            wait::is(!self.exists().await, "it is there")
        })
        .await;
    }

    fn done<T>(&self, what: &str, result: Result<T, bollard::errors::Error>) -> T {
        result.unwrap_or_else(|e| panic!("{what} {}: {e}", self.name))
    }
}
