//! Worlds for the tests of places and positions.

use std::sync::Arc;

use crate::observed::{
    Container, ContainerKey, Engine, Interface, Nanos, NetworkEndpoint, State, Surroundings, World,
};

/// The only engine.
pub(super) const ENGINE: &str = "local";

/// A container in these networks, each with its address there; the network's id is made of its name.
pub(super) fn container(id: &str, mode: &str, networks: &[(&str, &str)]) -> Container {
    let endpoint = |address: &str, name: &str| NetworkEndpoint {
        network: id_of(name),
        address: address.parse().ok(),
        gateway: None,
    };
    let networks = networks.iter().map(|(name, address)| ((*name).to_owned(), endpoint(address, name)));
    Container { network_mode: mode.to_owned(), networks: networks.collect(), ..blank(id) }
}

fn blank(id: &str) -> Container {
    serde_json::from_value(serde_json::json!({
        "key": ContainerKey::new(ENGINE, id), "name": format!("name-{id}"), "image": "i", "state": State::Running,
        "created": Nanos(1),
    }))
    .expect("a container")
}

pub(super) fn id_of(network: &str) -> String {
    format!("{network:0<64}")
}

pub(super) fn interface(name: &str, address: &str, prefix: u8) -> Interface {
    Interface { name: name.to_owned(), address: address.parse().expect("an address"), prefix }
}

pub(super) fn world(containers: &[&Container], surroundings: Surroundings) -> World {
    let known = Engine {
        connected: true,
        error: None,
        host: "box".to_owned(),
        version: String::new(),
        since: None,
        last_list: None,
        clock_ahead: 0,
        surroundings: Arc::new(surroundings),
    };
    World {
        engines: Arc::new([(Arc::from(ENGINE), known)].into()),
        containers: containers.iter().map(|&one| Arc::new(one.clone())).collect(),
        ..World::default()
    }
}
