//! The parts of the controller, each of which is its own module's: who is given them sees what those modules let be seen.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;

use super::attachments::Attachments;
use super::commit::Committer;
use super::departed::Departed;
use super::event_feed::EventFeed;
use super::groups::Groups;
use super::intents::Intents;
use super::interfaces::InterfacesRead;
use super::memories::Memories;
use super::own_fault::OwnFault;
use super::probing::ProbeInbox;
use super::queue::Queue;
use super::records::Records;
use super::services::HealthCache;
use super::timers::Timers;
use super::usage::Loads;
use super::wakers::Wakers;
use super::world::WorldCell;
use crate::desired::Desired;
use crate::guard::Guard;
use crate::observed::ContainerKey;
use crate::reconcile::heal::dependencies::Dependencies;
use crate::reconcile::lifecycle::Fact;
use crate::store::Store;

/// All of them. Only reconcilers change anything; faces have a [`View`](super::View).
pub(super) struct Parts {
    /// What is in force.
    pub desired: ArcSwap<Desired>,
    pub store: Arc<dyn Store>,
    pub committer: Committer,
    /// Events as they are committed.
    pub feed: Arc<EventFeed>,
    /// What users' words may reach.
    pub guard: Guard,
    pub world: WorldCell,
    pub interfaces: InterfacesRead,
    pub engines: Attachments,
    pub queue: Queue,
    pub timers: Timers,
    pub records: Records,
    /// What happened so far to containers that are being made to take the place of others.
    pub making: Mutex<HashMap<ContainerKey, Vec<Fact>>>,
    pub memories: Memories,
    pub groups: Groups,
    pub intents: Arc<Intents>,
    /// How everything is that containers depend on.
    pub dependencies: Mutex<Dependencies>,
    pub health_cache: HealthCache,
    pub probing: ProbeInbox,
    pub wakers: Wakers,
    /// What was declared and has consequences now that it is not.
    pub departed: Departed,
    pub own_fault: OwnFault,
    pub loads: Loads,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}
