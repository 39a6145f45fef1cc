//! Engines over TCP in clear: the client library's own connection, but that names are resolved to what may be reached.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bollard::{BollardRequest, Docker};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioExecutor;
use tower::Service;

use super::DockerError;
use super::wire::Wire;
use crate::guard::Guard;

/// Refuses an endpoint whose host may not be reached, by any of the addresses that it resolves to now.
pub(super) async fn check(endpoint: &str, guard: &Guard) -> Result<(), DockerError> {
    let unusable = |why: &dyn std::fmt::Display| DockerError::Unusable(why.to_string());
    let url = url::Url::parse(endpoint).map_err(|error| unusable(&error))?;
    guard.check(&url).map_err(|error| unusable(&error))?;
    let Some(host) = url.host_str().filter(|host| !host.starts_with('[')) else { return Ok(()) };
    // A name that cannot be resolved now is told by the connection itself.
    let Ok(found) = tokio::net::lookup_host((host, url.port().unwrap_or(0))).await else { return Ok(()) };
    guard.allowed(host, found.collect()).map(drop).map_err(|error| unusable(&error))
}

/// A client that connects to what `guard` lets be reached.
pub(super) fn docker(endpoint: &str, guard: &Guard) -> Result<(Docker, Wire), DockerError> {
    let client = Client::builder(TokioExecutor::new())
        .build(HttpConnector::new_with_resolver(Resolver(guard.clone())));
    let request = move |request: BollardRequest| {
        let answer = client.request(request);
        Box::pin(async { answer.await.map_err(bollard::errors::Error::from) }) as Pin<Box<_>>
    };
    let address = endpoint.replacen("tcp://", "http://", 1);
    Wire::new(endpoint, address.trim_end_matches('/'), request)
}

/// The system's resolver, without the addresses that may not be reached.
#[derive(Clone)]
pub(super) struct Resolver(pub(super) Guard);

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let guard = self.0.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let allowed = guard.allowed(name.as_str(), found).map_err(io::Error::other)?;
            Ok(allowed.into_iter())
        })
    }
}
