//! Containers that share another's network.

use std::sync::Arc;

use crate::observed::{Container, ContainerKey, World};

/// The container whose network `container` uses: another one, with `--network container:…`.
pub(super) fn network_owner<'a>(container: &'a Container, world: &'a World) -> Result<&'a Container, String> {
    let mut owner = container;
    // A container can join one that has joined another; nobody builds long chains, and a circle has no end.
    for _ in 0..8 {
        let Some(parent) = owner.network_mode.strip_prefix("container:") else { return Ok(owner) };
        let key = ContainerKey::new(owner.key.engine.clone(), parent);
        let named = || {
            let is_it = |other: &&Arc<Container>| other.key.engine == key.engine && other.name == parent;
            world.containers.values().find(is_it)
        };
        let gone = || format!("it uses the network of the container {parent}, which is not there");
        owner = world.containers.get(&key).or_else(named).ok_or_else(gone)?;
    }
    Err("it uses the network of a container, which uses that of another, and so on".to_owned())
}
