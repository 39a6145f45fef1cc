//! The kinds: what people declare, with their shared parts. Pure: no I/O, no clock.
//!
//! An [`Object`] has [`Metadata`], a [`Spec`] of one of the kinds in [`kind`]'s table, and a [`Status`]. Types refuse
//! what has the wrong shape; [`Object::validate`] refuses what has the right shape and no sense, and says where.

pub mod autoheal_policy;
pub mod billing_service;
pub mod check;
pub mod condition;
pub mod discovery_registry;
pub mod docker_host;
mod duration;
pub mod kind;
mod metadata;
mod object;
mod path;
pub mod schema;
mod secret;
mod selector;
pub mod settings;

pub use duration::{Duration, DurationError};
pub use kind::{Kind, KindId, Spec};
pub use metadata::{Metadata, Origin, OriginError, name_fault};
pub use object::{API_VERSION, Object, ObjectKey, Status};
pub use path::{FieldPath, Segment};
pub(crate) use secret::LITERAL;
pub use secret::{Auth, BasicAuth, SecretRef, Signing};
pub use selector::{ComposeSelector, Selector, Subject};
