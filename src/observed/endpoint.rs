//! Where a container is in a network.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// A container's place in one network of its engine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkEndpoint {
    /// The network's id; empty before the container's first start.
    pub network: String,
    /// Its address there: IPv4 where it has one. `None` while it does not run, and in the network of its host.
    pub address: Option<IpAddr>,
    /// The gateway it was given; `None` in an internal network.
    pub gateway: Option<IpAddr>,
}
