//! Following what is in force.

use std::sync::Arc;

use tracing::info;

use super::hold;
use super::identity::Identity;
use super::state::{Catalogue, Inner};
use crate::clock;
use crate::desired::Desired;
use crate::observed::Nanos;
use crate::resource::condition::{Condition, record};
use crate::resource::{Object, ObjectKey, Origin};

impl Catalogue {
    /// Shows what `desired` says is in force. `writes` is how many API writes it takes in; those after are left alone.
    pub fn sync(&self, desired: &Desired, writes: u64) {
        let now = clock::now();
        let mut inner = self.change();
        let inner = &mut *inner;
        inner.touched.retain(|_, write| *write > writes);
        let mut gone: std::collections::BTreeSet<ObjectKey> = inner.identities.keys().cloned().collect();
        gone.extend(inner.objects.keys().cloned());
        for object in &desired.objects {
            let key = object.key();
            gone.remove(&key);
            if !inner.touched.contains_key(&key) {
                self.follow(inner, key, object, now);
            }
        }
        for key in gone {
            if inner.touched.contains_key(&key) || inner.declared.contains_key(&key) {
                continue;
            }
            inner.identities.remove(&key);
            inner.unsaved.insert(key.clone());
            if let Some(object) = inner.objects.remove(&key) {
                let revision = inner.next_revision();
                self.notify(departed(&object, revision), true);
            }
        }
        if !inner.unsaved.is_empty() {
            self.unsaved.notify_one();
        }
    }

    fn follow(&self, inner: &mut Inner, key: ObjectKey, object: &Object, now: Nanos) {
        let before = inner.objects.get(&key).cloned();
        let same = before.as_ref().is_some_and(|before| reads_the_same(before, object));
        let known = inner.identities.get(&key);
        let mut identity = match known {
            Some(known) if same => known.clone(),
            known => Identity::next(known, object, inner.revision + 1, now),
        };
        let last = before.as_ref().map_or(&[][..], |before| &before.status.conditions);
        let left = inner.declared.get(&key).filter(|_| *object.origin() == Origin::Api);
        let left = left.and_then(|declared| declared.copied.as_deref());
        let seen = inner.shown.get(&key);
        // Most objects are as they were: nothing is copied to find that out.
        let (conditions, said) = if left.is_none() && seen.is_none() {
            conditions(last, &object.status.conditions, identity.generation, now)
        } else {
            let mut wanted = object.status.conditions.clone();
            wanted.extend(left.map(hold::condition));
            conditions(last, &inner.with_shown(&key, &wanted), identity.generation, now)
        };
        if same && !said {
            return;
        }
        let mut next = object.clone();
        next.status.conditions = conditions;
        next.status.figures = seen.map(|said| said.figures.clone()).unwrap_or_default();
        // An identity that reads differently has changed hands; after a restart it is all that is known of before.
        let changed = known.is_some_and(|known| *known != identity);
        if let Some(file) = left.filter(|_| changed) {
            let event = hold::event(&key, file, now);
            info!(target: "portreeve::manifests", "{}", event.message());
            inner.events.push(event);
        }
        if before.is_some() || known != Some(&identity) {
            identity.revision = inner.next_revision();
            inner.unsaved.insert(key.clone());
        }
        identity.stamp(&mut next);
        inner.identities.insert(key.clone(), identity);
        let next = Arc::new(next);
        inner.objects.insert(key, next.clone());
        self.notify(next, false);
    }
}

/// An object as it is told of when it is gone.
pub(super) fn departed(object: &Object, revision: u64) -> Arc<Object> {
    let mut object = object.clone();
    object.metadata.resource_version = Some(revision.to_string());
    Arc::new(object)
}

fn reads_the_same(before: &Object, object: &Object) -> bool {
    before.spec == object.spec
        && before.origin() == object.origin()
        && before.metadata.labels == object.metadata.labels
        && before.metadata.annotations == object.metadata.annotations
}

/// `said` now, with the times of what was said before; and whether anything changed.
pub(super) fn conditions(
    before: &[Condition],
    said: &[Condition],
    generation: u64,
    now: Nanos,
) -> (Vec<Condition>, bool) {
    let kept = before.iter().filter(|known| said.iter().any(|condition| condition.kind == known.kind));
    let mut conditions: Vec<Condition> = kept.cloned().collect();
    let mut changed = conditions.len() != before.len();
    let now = jiff::Timestamp::from_second(now.0.div_euclid(1_000_000_000)).unwrap_or_default();
    for condition in said {
        let condition = Condition { observed_generation: generation, ..condition.clone() };
        changed |= record(&mut conditions, condition, now);
    }
    (conditions, changed)
}
