//! Names that users chose are resolved without the addresses that nothing is sent to.

use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::Guard;

impl Guard {
    /// The system's resolver, without the addresses that may not be reached.
    pub fn resolver(&self) -> Arc<dyn Resolve> {
        Arc::new(Resolver(self.clone()))
    }
}

/// The system's resolver, without the forbidden addresses.
struct Resolver(Guard);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.0.clone();
        Box::pin(async move {
            let host = name.as_str();
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host, 0)).await?.collect();
            Ok(Box::new(guard.allowed(host, found)?.into_iter()) as Addrs)
        })
    }
}
