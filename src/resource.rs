//! The kinds: what people declare, with their shared parts. Pure: no I/O, no clock.
//!
//! An [`Object`] has [`Metadata`], a [`Spec`] of one of the kinds in [`kinds`]' table, and a [`Status`]. Types refuse
//! what has the wrong shape; [`Object::validate`] refuses what has the right shape and no sense, and says where.

pub mod alert_rule;
mod amount;
pub mod annotation;
pub mod autoheal_policy;
pub mod billing_service;
pub mod check;
pub mod condition;
mod deletion_policy;
pub mod discovery_registry;
pub mod docker_host;
mod duration;
pub mod event;
pub mod explain;
mod header;
mod json_path;
mod kind;
mod kind_id;
pub mod kinds;
mod metadata;
pub mod monitored_service;
mod nearest;
pub mod notification_sink;
mod object;
mod path;
pub mod pattern;
pub mod probe;
mod quantity;
pub mod schema;
pub mod secret;
pub mod selector;
pub mod settings;
pub mod silence;
mod words;
pub mod workload;

pub use amount::{Amount, AmountError};
pub use deletion_policy::DeletionPolicy;
pub use duration::{Duration, DurationError};
pub use header::Header;
pub use json_path::{Astray, JsonPath, JsonPathError, same};
pub use kind::Kind;
pub use kind_id::KindId;
pub use kinds::Spec;
pub use metadata::{Metadata, Origin, OriginError, name_fault};
pub use nearest::nearest;
pub use object::{API_VERSION, Object, ObjectKey, Status};
pub use path::{FieldPath, Segment};
pub use quantity::{Cpu, Memory, QuantityError};
pub use secret::{Auth, BasicAuth, Login, SecretRef, Signing};
pub(crate) use secret::{LITERAL, SECRET_REF};
pub use selector::{ComposeSelector, Selector, Subject};
pub use words::{count, not_ours};
