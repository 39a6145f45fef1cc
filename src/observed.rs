//! The world as last seen: engines and their containers. Plain data, no I/O.

mod compose;
mod container;
mod containers;
mod endpoint;
mod event;
mod health;
mod identity;
mod key;
mod members;
mod nanos;
mod network;
mod shard;
mod streak;
mod tally;
mod usage;
mod world;

pub use self::compose::Condition;
pub use self::container::{Container, Health, HealthCheck, Port, RestartPolicy, State};
pub use self::containers::Containers;
pub use self::endpoint::NetworkEndpoint;
pub use self::event::{Anchor, Cursor, EngineEvent, EventKind};
pub use self::health::{
    CHECK_TIMES, Checked, Checks, HealthWord, LastCheck, ProbeState, ProbeTarget, Rates, ServiceState,
    Standing, TargetState, Targets, Window,
};
pub use self::identity::{logical_id, predecessor, set_aside, successor};
pub use self::key::ContainerKey;
pub use self::members::Members;
pub use self::nanos::Nanos;
pub use self::network::{Interface, Listener, Network, Route, Surroundings, bridge_of, note_route};
pub use self::shard::Shard;
pub use self::streak::{Streak, Verdict};
pub use self::tally::{Counted, Tally};
pub use self::usage::Usage;
pub use self::world::{Engine, World};
