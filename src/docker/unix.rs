//! Engines behind a Unix socket, opened by path for each call: the file behind a mounted socket changes when the engine
//! restarts. And an engine that shuts down takes no new connections while it stops its containers, but would answer on a kept
//! one: each of them would look as if somebody had stopped it by hand.

use std::path::PathBuf;
use std::pin::Pin;

use bollard::{BollardRequest, Docker};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::UnixStream;

use super::DockerError;
use super::wire::Wire;

/// A client of the socket at `path`.
pub(super) fn docker(endpoint: &str, path: &str) -> Result<(Docker, Wire), DockerError> {
    let path = PathBuf::from(path);
    let dial = tower::service_fn(move |_| {
        let path = path.clone();
        Box::pin(async move { UnixStream::connect(path).await.map(TokioIo::new) })
    });
    let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(dial);
    let request = move |request: BollardRequest| {
        let answer = client.request(request);
        Box::pin(async { answer.await.map_err(bollard::errors::Error::from) }) as Pin<Box<_>>
    };
    // Requests name a host; where they go is decided above.
    Wire::new(endpoint, "http://engine", request)
}
