//! What containers are known by.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A container's place in the world: its engine's name (that of the DockerHost) and its full id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ContainerKey {
    /// Name of the DockerHost.
    pub engine: Arc<str>,
    /// Full container id, 64 hexadecimal digits.
    pub id: Arc<str>,
}

impl ContainerKey {
    /// A key of its two parts.
    pub fn new(engine: impl Into<Arc<str>>, id: impl Into<Arc<str>>) -> Self {
        Self { engine: engine.into(), id: id.into() }
    }

    /// The first 12 digits of the id, as Docker prints it.
    pub fn short_id(&self) -> &str {
        self.id.get(..12).unwrap_or(&self.id)
    }
}

impl fmt::Display for ContainerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.engine, self.short_id())
    }
}
