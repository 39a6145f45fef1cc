//! The kinds: what people declare, with their shared parts. Pure: no I/O, no clock.

pub mod autoheal_policy;
pub mod billing_service;
pub mod discovery_registry;
pub mod docker_host;
mod duration;
mod secret;
mod selector;
pub mod settings;

pub use duration::{Duration, DurationError};
pub use secret::{Auth, BasicAuth, SecretRef, Signing};
pub use selector::{ComposeSelector, Selector, Subject};
