//! The group that a container is decided in: held from the decision to the commit, where what is stored of it changed.

use std::sync::Arc;

use tokio::sync::OwnedMutexGuard;

use super::reconciler::Reconciler;
use super::recording::record_group_note;
use crate::controller::commit::Tickets;
use crate::controller::groups::group_key;
use crate::controller::parts::Parts;
use crate::controller::plan::{About, Plan};
use crate::controller::work::Work;
use crate::observed::{ContainerKey, Nanos, Shard};
use crate::reconcile::heal::{Kept, PolicyGroup};
use crate::reconcile::record::Record;

/// A group in the hands of one decision. What the decision changed of it is taken back unless it was committed.
pub(super) struct Held {
    pub group: OwnedMutexGuard<PolicyGroup>,
    engine: Arc<str>,
    policy: String,
    before: Option<Kept>,
}

impl Held {
    /// What is to be stored, if anything changed: under which key, and the document.
    pub(super) fn changed(&self) -> Option<(String, String)> {
        if self.before.as_ref() == Some(&self.group.kept) {
            return None;
        }
        let document = serde_json::to_string(&self.group.kept).ok()?;
        Some((group_key(&self.engine, &self.policy), document))
    }

    /// It is committed.
    pub(super) fn keep(&mut self) {
        self.before = None;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(before) = self.before.take() {
            self.group.kept = before;
        }
    }
}

impl Reconciler {
    /// Has the container leave the group that it was in, unless that is its policy's; whoever waited for it is woken. A
    /// breaker that closes with it is stored and told here: the group has no other decision to wait for.
    pub(super) async fn leave_group(&self, record: &Record, policy: Option<&str>, now: Nanos) {
        let (parts, key) = (&*self.parts, &record.key);
        let Some(was) = parts.groups.assign(key, policy) else { return };
        let mut held = self.hold_group(&key.engine, &was).await;
        if let Some(note) = held.group.leave(&key.id, &was, &key.engine, now) {
            let mut plan = Plan::of(Shard::Engine(key.engine.clone()));
            record_group_note(record, &was, now, &note, &mut plan);
            plan.changes.healing.extend(held.changed().map(|(key, document)| (key, Some(document))));
            if parts.committer.commit_with(plan.changes, Tickets::new()).await.is_err() {
                // It is found to have left when its own work, which cannot be stored either, is done again.
                parts.groups.assign(key, Some(&was));
                return;
            }
            plan.lines.iter().for_each(|line| line.write(About::Container(&record.name)));
            parts.groups.hide_breaker(key.engine.clone(), was.clone());
        }
        // What else it changed is stored with the next decision on another of them.
        held.keep();
        let mut woken: Vec<Arc<str>> = held.group.heir().into_iter().collect();
        if let Some(spec) = parts.desired.load().policies.get(&was) {
            woken.extend(held.group.next(spec, now));
        }
        drop(held);
        parts.wake(&key.engine, woken);
    }

    /// The group of a policy on an engine.
    pub(super) async fn hold_group(&self, engine: &Arc<str>, policy: &str) -> Held {
        let group = self.parts.groups.get(engine, policy).lock_owned().await;
        let before = Some(group.kept.clone());
        Held { group, engine: engine.clone(), policy: policy.to_owned(), before }
    }
}

impl Parts {
    /// Has containers of an engine decided again.
    pub(super) fn wake(&self, engine: &Arc<str>, ids: Vec<Arc<str>>) {
        for id in ids {
            self.queue.add(ContainerKey::new(engine.clone(), id), Work::default());
        }
    }

    /// The group as it is told of, once the commit is done.
    pub(super) fn show_group(&self, held: &Held) {
        self.groups.show_breaker(held.engine.clone(), held.policy.clone(), held.group.is_open());
    }
}

impl Plan {
    /// Stores a group with the rest, if what is stored of it changed; else lets go of it.
    pub(super) fn store_group(&mut self, held: Held) -> Option<Held> {
        let (key, document) = held.changed()?;
        self.changes.healing.push((key, Some(document)));
        Some(held)
    }
}
