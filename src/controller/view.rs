//! What faces read: snapshots. Nobody who holds one changes anything by it, and no decision waits for one.
//!
//! It stands here, and not beside the faces, so that nothing else of the controller can be seen by them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::watch;

use super::changes::{ChangesMissed, RowChanges};
use super::commit::StoreHealth;
use super::event_feed::EventFeed;
use super::groups::Breakers;
use super::parts::Parts;
use super::usage::{self, Load};
use crate::desired::{Desired, PolicyChoice};
use crate::guard::Guard;
use crate::observed::{Container, ContainerKey, Counted, Nanos, ServiceState, Usage, World};
use crate::reconcile::heal::HealMemory;
use crate::reconcile::plan::{Blocked, Reason};
use crate::reconcile::record::Record;
use crate::store::{Delivery, DeliveryFilter, EventFilter, EventRow, QueueDepths, StoreError};

/// What a controller shows.
#[derive(Clone, Debug)]
pub struct View(Arc<Parts>);

impl View {
    pub(super) fn of(parts: &Arc<Parts>) -> Self {
        Self(parts.clone())
    }

    /// What is in force.
    pub fn desired(&self) -> Arc<Desired> {
        self.0.desired.load_full()
    }

    /// What users' words may reach.
    pub fn guard(&self) -> &Guard {
        &self.0.guard
    }

    /// See [`EventLog::events`](crate::store::EventLog::events).
    pub async fn events(&self, filter: &EventFilter) -> Result<Vec<EventRow>, StoreError> {
        self.0.store.events(filter).await
    }

    /// See [`EventLog::events_after`](crate::store::EventLog::events_after).
    pub async fn events_after(&self, after: i64, limit: u32) -> Result<Vec<EventRow>, StoreError> {
        self.0.store.events_after(after, limit).await
    }

    /// See [`EventLog::newest_event`](crate::store::EventLog::newest_event).
    pub async fn newest_event(&self) -> Result<i64, StoreError> {
        self.0.store.newest_event().await
    }

    /// See [`EventLog::keeps_events_after`](crate::store::EventLog::keeps_events_after).
    pub async fn keeps_events_after(&self, after: i64) -> Result<bool, StoreError> {
        self.0.store.keeps_events_after(after).await
    }

    /// See [`Deliveries::deliveries`](crate::store::Deliveries::deliveries).
    pub async fn deliveries(&self, filter: &DeliveryFilter) -> Result<Vec<Delivery>, StoreError> {
        self.0.store.deliveries(filter).await
    }

    /// See [`Deliveries::depths`](crate::store::Deliveries::depths).
    pub async fn depths(&self) -> Result<QueueDepths, StoreError> {
        self.0.store.depths().await
    }

    /// Whether the store can commit.
    pub fn store_health(&self) -> StoreHealth {
        self.0.committer.health()
    }

    /// Events as they are committed.
    pub fn feed(&self) -> &EventFeed {
        &self.0.feed
    }

    /// The world as last seen.
    pub fn world(&self) -> Arc<World> {
        self.0.world.load()
    }

    /// Hears of every change that may show in the row of a container.
    pub fn rows_told(&self) -> watch::Receiver<()> {
        self.0.world.told()
    }

    /// The world, and what may have changed in rows of containers since `revision`.
    ///
    /// # Errors
    /// Not all of that is known.
    pub fn rows_since(&self, revision: u64) -> Result<(Arc<World>, RowChanges), ChangesMissed> {
        self.0.world.since(revision)
    }

    /// The id of a revision of the world: `BOOT.REVISION`, where another boot follows each start of the process.
    pub fn revision_id(&self, revision: u64) -> String {
        self.0.world.id(revision)
    }

    /// The revision with this id.
    ///
    /// # Errors
    /// It is none of this process.
    pub fn revision_of(&self, id: &str) -> Result<u64, ChangesMissed> {
        self.0.world.revision(id)
    }

    /// The container whose network `container` uses, if it has none of its own and the other one is there.
    pub fn network_owner(&self, container: &Container) -> Option<Arc<Container>> {
        self.0.world.network_owner(container)
    }

    /// The clock of an engine.
    pub fn clock_of(&self, engine: &str) -> Nanos {
        self.0.world.engine_now(engine)
    }

    /// What is remembered of a container that exists.
    pub fn record(&self, key: &ContainerKey) -> Option<Arc<Record>> {
        self.0.records.get(key)
    }

    /// Why nothing is done about a container, as last decided.
    pub fn blocked(&self, key: &ContainerKey) -> Vec<Blocked> {
        self.0.records.blocked(key)
    }

    /// How many containers nothing is done about, by reason.
    pub fn blocked_by_reason(&self) -> BTreeMap<Reason, usize> {
        self.0.records.blocked_by_reason()
    }

    /// Whether the breaker is open, by engine and policy.
    pub fn breakers(&self) -> Breakers {
        self.0.groups.breakers()
    }

    /// Healing memory of a logical identity, if there is any.
    pub fn healing(&self, logical_id: &str) -> Option<Arc<HealMemory>> {
        self.0.memories.get(logical_id)
    }

    /// A container as `status`, `top` and `/metrics` count it.
    pub fn counted(&self, container: &Container) -> Counted {
        let memory = self.healing(&container.logical_id()).unwrap_or_default();
        let policy = self.0.desired.load().policy_for(container);
        Counted {
            restarts: memory.restarts().into(),
            monitored: matches!(policy, PolicyChoice::Selected { .. }),
            quarantined: memory.quarantined.is_some(),
            ..Counted::from(container)
        }
    }

    /// Keys with work waiting or in progress, and events waiting.
    pub fn queue_depth(&self) -> (usize, usize) {
        self.0.queue.depth()
    }

    /// What is wrong with Portreeve itself, if anything is.
    pub fn own_fault(&self) -> Option<String> {
        self.0.own_fault.get()
    }

    /// Whether a registry is deleted, and is being told that nothing is registered there any more.
    pub fn is_leaving(&self, registry: &str) -> bool {
        self.0.departed.is_leaving(registry)
    }

    /// What is known of the health of each service.
    pub fn services(&self) -> BTreeMap<String, Arc<ServiceState>> {
        self.0.services()
    }

    /// What is known of the health of a service.
    pub fn service(&self, name: &str) -> Option<Arc<ServiceState>> {
        self.0.service(name)
    }

    /// The services of which something else has become known since this was last asked.
    pub fn turned_services(&self) -> BTreeSet<String> {
        self.0.turned_services()
    }

    /// Hears that something else has become known of a service.
    pub fn service_changes(&self) -> watch::Receiver<u64> {
        self.0.service_changes()
    }

    /// What these containers use, for a scrape.
    pub async fn loads(&self, containers: Vec<ContainerKey>) -> BTreeMap<ContainerKey, Load> {
        self.0.loads.measure(&self.0.engines, containers).await
    }

    /// What each of these containers uses. Those that do not run or cannot be measured are left out.
    pub async fn usage(&self, containers: Vec<ContainerKey>) -> BTreeMap<ContainerKey, Usage> {
        usage::usage(&self.0.engines, containers).await
    }
}
