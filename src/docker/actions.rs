//! The calls that change an engine: one method per call, no decisions.

use std::time::Duration;

use bollard::query_parameters::{
    RemoveContainerOptionsBuilder, RestartContainerOptionsBuilder, StartContainerOptions,
    StopContainerOptionsBuilder,
};

use super::client::CALL;
use super::error::naming;
use super::{Client, DockerError};

impl Client {
    /// Stops and starts a container, giving it `timeout` to stop.
    ///
    /// The call's deadline exceeds the stop timeout: a slow stop is not a failure. The engine goes on with a restart
    /// whose caller is gone.
    pub async fn restart(&self, id: &str, timeout: Duration) -> Result<(), DockerError> {
        let options = RestartContainerOptionsBuilder::default().t(whole_seconds(timeout)).build();
        let call = self.call_within(timeout + CALL * 2, self.docker.restart_container(id, Some(options)));
        call.await.map_err(naming("POST /containers/{id}/restart"))
    }

    /// Starts a container; one that already runs is left alone.
    pub async fn start(&self, id: &str) -> Result<(), DockerError> {
        let call = self.call_within(CALL * 2, self.docker.start_container(id, None::<StartContainerOptions>));
        call.await.map_err(naming("POST /containers/{id}/start"))
    }

    /// Stops a container, giving it `timeout`.
    pub async fn stop(&self, id: &str, timeout: Duration) -> Result<(), DockerError> {
        let options = StopContainerOptionsBuilder::default().t(whole_seconds(timeout)).build();
        let call = self.call_within(timeout + CALL * 2, self.docker.stop_container(id, Some(options)));
        call.await.map_err(naming("POST /containers/{id}/stop"))
    }

    /// Removes a stopped container.
    pub async fn remove(&self, id: &str) -> Result<(), DockerError> {
        let options = RemoveContainerOptionsBuilder::default().build();
        let call = self.call(self.docker.remove_container(id, Some(options)));
        call.await.map_err(naming("DELETE /containers/{id}"))
    }
}

/// The engine counts stop timeouts in whole seconds; a started second is granted.
fn whole_seconds(timeout: Duration) -> i32 {
    i32::try_from(timeout.as_millis().div_ceil(1000)).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_started_second_is_granted() {
        assert_eq!(whole_seconds(Duration::from_millis(1)), 1);
        assert_eq!(whole_seconds(Duration::from_secs(10)), 10);
        assert_eq!(whole_seconds(Duration::ZERO), 0);
    }
}
