//! What becomes of registrations when the object is deleted that they came from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happens to an object's registrations when it is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum DeletionPolicy {
    /// They are removed from the registry.
    #[default]
    Deregister,
    /// They stay registered as they are.
    Retain,
}

impl DeletionPolicy {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
