//! What a list says of a container.

use super::fingerprint::Fingerprint;
use crate::observed::ContainerKey;

/// One row of a full list.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// The container.
    pub key: ContainerKey,
    /// What changes whenever something worth an inspect changes.
    pub fingerprint: Fingerprint,
    /// `Up 5 minutes`: bounds of the time since the start, in seconds, for containers without networks of their own.
    pub up_seconds: Option<(u64, u64)>,
}
