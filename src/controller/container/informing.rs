//! What Discovery and Billing Services are to be told of a container.

use super::reconciler::Reconciler;
use crate::controller::plan::Plan;
use crate::desired::Desired;
use crate::observed::Container;
use crate::reconcile::billing::{Account, bills};
use crate::reconcile::discovery::{self, Member};
use crate::reconcile::lifecycle::Advance;
use crate::reconcile::record::Record;
use crate::resource::{KindId, ObjectKey};
use crate::store::{LaneKey, OutboxRow};

impl Reconciler {
    pub(super) fn bill(&self, record: &mut Record, entered: &Advance, plan: &mut Plan) {
        let desired = self.parts.desired.load();
        if record.host.is_empty() && entered.transitions.is_empty() {
            // The engine has not said its name yet; once it has, every container is decided on again.
            return;
        }
        let mut followers = std::mem::take(&mut record.followers);
        let account = Account {
            subject: record.subject(),
            container: &record.key.id,
            host: &record.host,
            ledger: &record.ledger,
        };
        for bill in bills(&account, &desired.billing, &mut followers, &entered.transitions) {
            let target = ObjectKey { kind: KindId::BillingService, name: bill.target.clone() };
            plan.wake_targets.push(target);
            plan.changes.outbox.push(OutboxRow::bill(record.key.clone(), bill));
        }
        record.followers = followers;
    }

    pub(super) fn register(
        &self,
        record: &mut Record,
        container: Option<&Container>,
        drains: bool,
        plan: &mut Plan,
    ) {
        let desired = self.parts.desired.load();
        let mut changed = self.parts.departed.withdraw(&mut record.wanted);
        if self.may_register(record, container) {
            changed.extend(self.registrations(record, container, drains, &desired));
        }
        for registry in changed {
            if let Some(wanted) = record.wanted.get(&registry) {
                let target = ObjectKey { kind: KindId::DiscoveryRegistry, name: registry.clone() };
                plan.wake_targets.push(target);
                let cell = LaneKey::discovery(registry, record.key.clone());
                plan.changes.cells.push((cell, wanted.clone()));
            }
        }
    }

    /// Whether what registries hold of a container may be wrong.
    fn may_register(&self, record: &Record, container: Option<&Container>) -> bool {
        if record.host.is_empty() {
            return false;
        }
        if container.is_some() || record.ledger.removed.is_some() {
            return true;
        }
        // Of a watched engine: not seen yet by this process, or its removal is on its way.
        let engine = &record.key.engine;
        !self.parts.world.is_watched(engine) && !self.parts.departed.retains(engine)
    }

    /// Sets what registries should hold of a container; gives those for which it changed.
    fn registrations(
        &self,
        record: &mut Record,
        container: Option<&Container>,
        drains: bool,
        desired: &Desired,
    ) -> Vec<String> {
        let verdicts = self.parts.verdicts(&record.key);
        let members: Vec<Member<'_>> = verdicts
            .iter()
            .map(|(service, health)| {
                let service = desired.services.get(service);
                let discovery = service.and_then(|service| service.spec.discovery.as_ref());
                Member { health: *health, discovery }
            })
            .collect();
        let owner = container.and_then(|container| self.parts.world.network_owner(container));
        let owner = owner.as_deref();
        let seen = discovery::Registrant { container, owner, drains, services: &members, host: &record.host };
        discovery::update(&seen, &desired.registries, &mut record.wanted)
    }
}
