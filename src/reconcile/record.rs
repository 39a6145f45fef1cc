//! What is remembered of one container, stored as one document with its runs as rows beside it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::billing::Follower;
use super::cause::StopMarks;
use super::discovery::Wanted;
use super::health::checks::CheckMemory;
use super::lifecycle::Ledger;
use crate::observed::{Container, ContainerKey, EngineEvent, Nanos, logical_id};
use crate::resource::Subject;

/// Everything that decisions about one container need from before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Engine and id.
    pub key: ContainerKey,
    /// Last known name.
    pub name: String,
    /// `Config.Image`.
    pub image: String,
    /// Labels; they never change.
    pub labels: BTreeMap<String, String>,
    /// What its engine last called its host: bills that are made while the engine is away, or no longer declared, name it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// The ports that it last published, such as `80/tcp` and the host's: events about its end name them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ports: BTreeMap<String, u16>,
    /// Its runs; stored as rows of their own.
    #[serde(skip)]
    pub ledger: Ledger,
    /// What each BillingService was told.
    #[serde(default)]
    pub followers: BTreeMap<String, Follower>,
    /// What each DiscoveryRegistry should hold.
    #[serde(default)]
    pub wanted: BTreeMap<String, Wanted>,
    /// What the events around its stops said.
    #[serde(default)]
    pub marks: StopMarks,
    /// When the kernel last killed a process of it for want of memory.
    #[serde(default)]
    pub out_of_memory: Option<Nanos>,
    /// Whether auto-monitoring was announced; once per container id.
    #[serde(default)]
    pub auto_monitored: bool,
    /// The last thing said about why it is not monitored, so that it is said once.
    #[serde(default)]
    pub told: Option<String>,
    /// What is known of its health checks beside their word.
    #[serde(default, skip_serializing_if = "CheckMemory::is_empty")]
    pub checks: CheckMemory,
    /// Engine time at which it was last known to exist.
    pub last_known: Nanos,
}

impl Record {
    /// A record of a container never seen before, from an event.
    pub fn of_event(event: &EngineEvent) -> Self {
        Self::new(event.key.clone(), &event.name, &event.image, event.labels.clone(), event.at)
    }

    /// A record of a container never seen before, from an inspect.
    pub fn of_container(container: &Container, at: Nanos) -> Self {
        Self::new(container.key.clone(), &container.name, &container.image, container.labels.clone(), at)
    }

    fn new(
        key: ContainerKey,
        name: &str,
        image: &str,
        labels: BTreeMap<String, String>,
        last_known: Nanos,
    ) -> Self {
        Self {
            key,
            name: name.to_owned(),
            image: image.to_owned(),
            labels,
            host: String::new(),
            ports: BTreeMap::new(),
            ledger: Ledger::default(),
            followers: BTreeMap::new(),
            wanted: BTreeMap::new(),
            marks: StopMarks::default(),
            out_of_memory: None,
            auto_monitored: false,
            told: None,
            checks: CheckMemory::default(),
            last_known,
        }
    }

    /// The name under which healing memory is kept; see [`Container::logical_id`].
    pub fn logical_id(&self) -> String {
        logical_id(&self.key.engine, &self.name, &self.labels)
    }

    /// What selectors look at.
    pub fn subject(&self) -> Subject<'_> {
        Subject { engine: &self.key.engine, name: &self.name, image: &self.image, labels: &self.labels }
    }
}
