//! What a look at a whole store found.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::SchemaError;
use crate::observed::Nanos;

/// What a store holds, and what of it is damaged.
#[derive(Debug, Default)]
pub struct StoreCheck {
    /// Bytes of the database, without those that are not written back yet.
    pub bytes: u64,
    /// Bytes of it that are free.
    pub free: u64,
    /// The newest migration that it has; 0: none.
    pub schema: i64,
    /// Migrations that it lacks, which the next start applies.
    pub pending: Vec<i64>,
    /// Why it is not for this program, if it is not.
    pub refusal: Option<SchemaError>,
    /// Events.
    pub events: u64,
    /// The time of the oldest event.
    pub oldest: Option<Nanos>,
    /// Containers that are not known to be removed.
    pub containers: u64,
    /// Containers that are removed and remembered.
    pub removed: u64,
    /// What is not delivered, or differs from what the registry holds, by kind and name of the target.
    pub queues: BTreeMap<(String, String), QueueCheck>,
    /// The newest backup beside it that this program made before a migration and can use.
    pub backup: Option<PathBuf>,
    /// What is damaged, as much as was found.
    pub damages: Vec<Damage>,
}

/// What waits for a target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueCheck {
    /// How much waits.
    pub pending: u64,
    /// How many lanes are parked.
    pub parked: u64,
    /// When the oldest was enqueued.
    pub oldest: Option<Nanos>,
}

/// Something that cannot be read, or is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where it is: `database`, or a document and what it is of.
    pub place: String,
    /// What is wrong with it.
    pub why: String,
}
