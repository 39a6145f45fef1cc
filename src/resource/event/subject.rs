//! What an event is about.

use std::collections::BTreeMap;

use crate::resource::KindId;

/// What an event is about. It decides in which shard the event is numbered: that of the engine, where there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum EventSubject {
    /// Portreeve itself, or its surroundings.
    #[default]
    Portreeve,
    /// A container.
    Container {
        /// Name of its engine's DockerHost.
        engine: String,
        /// Full container id.
        id: String,
        /// Its name; empty if it is not known.
        name: String,
        /// Its image; empty if it is not known.
        image: String,
        /// The engine's name for its host; empty if it is not known.
        host: String,
        /// Its published ports at the time, such as `80/tcp` and the host's; empty if it has none, or none is known.
        ports: BTreeMap<String, u16>,
    },
    /// A service, by its name.
    Service(String),
    /// An engine, by the name of its DockerHost.
    Engine(String),
    /// What a policy selects on one engine.
    Policy {
        /// Name of the engine's DockerHost.
        engine: String,
        /// The engine's name for its host.
        host: String,
        /// Name of the AutohealPolicy.
        policy: String,
    },
    /// An object.
    Object {
        /// Its kind.
        kind: KindId,
        /// Its name.
        name: String,
    },
}

impl EventSubject {
    /// A container of which no more than this is known.
    pub fn container(engine: impl Into<String>, id: impl Into<String>, name: impl Into<String>) -> Self {
        Self::Container {
            engine: engine.into(),
            id: id.into(),
            name: name.into(),
            image: String::new(),
            host: String::new(),
            ports: BTreeMap::new(),
        }
    }

    /// The engine it belongs to; `None`: to none, or to several.
    pub fn engine(&self) -> Option<&str> {
        match self {
            Self::Container { engine, .. } | Self::Engine(engine) | Self::Policy { engine, .. } => {
                Some(engine)
            }
            Self::Portreeve | Self::Service(_) | Self::Object { .. } => None,
        }
    }

    /// The object it is, or the policy it is of, as `KIND/NAME`; `None`: it is none.
    pub fn object(&self) -> Option<String> {
        let (kind, name) = match self {
            Self::Object { kind, name } => (*kind, name),
            Self::Policy { policy, .. } => (KindId::AutohealPolicy, policy),
            Self::Portreeve | Self::Container { .. } | Self::Service(_) | Self::Engine(_) => return None,
        };
        Some(format!("{kind}/{name}"))
    }
}
