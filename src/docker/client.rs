//! An engine that answered, and how it is called.

use std::sync::Arc;
use std::time::Duration;

use bollard::Docker;

use super::dialect::Dialect;
use super::error::{DockerError, from_library};
use super::exec::running::RunningExecs;
use super::wire::Wire;
use crate::observed::{Interface, Nanos, Surroundings};

/// How long an ordinary call may take. Actions add the container's stop timeout.
pub(super) const CALL: Duration = Duration::from_secs(30);

/// An engine that answered: cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    pub(super) docker: Docker,
    pub(super) wire: Wire,
    pub(super) dialect: Dialect,
    pub(super) name: Arc<str>,
    pub(super) endpoint: Arc<str>,
    pub(super) running: Arc<RunningExecs>,
}

/// What an engine says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineInfo {
    /// Its name for its host.
    pub host: String,
    /// Its version.
    pub version: String,
    /// Its clock now.
    pub time: Nanos,
    /// Its clock minus ours, in nanoseconds; 0 when the two cannot be told apart.
    pub clock_ahead: i64,
    /// Where it is as seen from here.
    pub surroundings: Arc<Surroundings>,
    /// The interfaces in this process's network namespace.
    pub interfaces: Arc<[Interface]>,
}

impl Client {
    /// Whose engine it is.
    pub(crate) const fn dialect(&self) -> Dialect {
        self.dialect
    }

    pub(super) async fn call<T>(
        &self,
        call: impl Future<Output = Result<T, bollard::errors::Error>>,
    ) -> Result<T, DockerError> {
        self.call_within(CALL, call).await
    }

    /// The client library bounds only the wait for the answer's head; this bounds the whole call.
    pub(super) async fn call_within<T>(
        &self,
        limit: Duration,
        call: impl Future<Output = Result<T, bollard::errors::Error>>,
    ) -> Result<T, DockerError> {
        match tokio::time::timeout(limit, call).await {
            Ok(answer) => answer.map_err(|error| from_library(&self.endpoint, error)),
            Err(_) => Err(DockerError::TimedOut(limit)),
        }
    }
}
