//! Everything last seen, in one snapshot.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::container::Container;
use super::containers::Containers;
use super::key::ContainerKey;
use super::members::Members;
use super::nanos::Nanos;
use super::network::{Interface, Surroundings};

/// What is known of an engine's connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Engine {
    /// Whether events flow: the stream is open and the first list has been read.
    pub connected: bool,
    /// Why not, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The engine's name for its host (`/info` Name).
    pub host: String,
    /// Engine version, such as `20.10.24`.
    pub version: String,
    /// When the connection was last made or lost.
    pub since: Option<Nanos>,
    /// Engine time of the last full list.
    pub last_list: Option<Nanos>,
    /// Its clock minus ours in nanoseconds, as last measured; 0 before.
    #[serde(skip)]
    pub clock_ahead: i64,
    /// Where it is as seen from here.
    #[serde(skip)]
    pub surroundings: Arc<Surroundings>,
}

/// Everything last seen: a snapshot that never changes. A clone costs nothing, whatever the number of containers.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// Rises with every change.
    pub revision: u64,
    /// Engines by name.
    pub engines: Arc<BTreeMap<Arc<str>, Engine>>,
    /// Containers that exist.
    pub containers: Containers,
    /// Which of them belong to which services.
    pub members: Members,
    /// Portreeve's own containers: never acted on.
    pub own: Arc<BTreeSet<Arc<str>>>,
    /// The interfaces in this process's network namespace.
    pub interfaces: Arc<[Interface]>,
}

impl World {
    /// Whether an engine's events flow.
    pub fn is_connected(&self, engine: &str) -> bool {
        self.engines.get(engine).is_some_and(|engine| engine.connected)
    }

    /// An engine, to be changed.
    pub fn engine_mut(&mut self, name: &str) -> Option<&mut Engine> {
        Arc::make_mut(&mut self.engines).get_mut(name)
    }
}

impl World {
    /// The container whose network `container` uses: another one, with `--network container:…`.
    ///
    /// # Errors
    /// Why there is none, for people.
    pub fn network_owner<'a>(&'a self, container: &'a Container) -> Result<&'a Container, String> {
        let mut owner = container;
        // A container can join one that has joined another; nobody builds long chains, and a circle has no end.
        for _ in 0..8 {
            let Some(parent) = owner.network_parent() else { return Ok(owner) };
            let key = ContainerKey::new(owner.key.engine.clone(), parent);
            let named = || self.containers.named(&key.engine, parent);
            let gone = || format!("it uses the network of the container {parent}, which does not exist");
            owner = self.containers.get(&key).or_else(named).ok_or_else(gone)?;
        }
        Err("it uses the network of a container that uses the network of another, and so on".to_owned())
    }
}
