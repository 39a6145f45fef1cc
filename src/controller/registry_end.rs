//! Seeing to the end of registries that were deleted.
//!
//! # Guarantees
//! - A registry that was deleted with `deletionPolicy: deregister` is told so as it was last declared, whether Portreeve ran
//!   when it was deleted or not; for ten minutes, and what came of it is told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::commit::Tickets;
use super::parts::Parts;
use crate::locked::locked;
use crate::observed::{Nanos, Shard};
use crate::reconcile::discovery::Wanted;
use crate::resource::event::{EventKind, Severity};
use crate::resource::{KindId, ObjectKey, count};
use crate::store::{ChangeSet, NewEvent, Settlement};

/// How long a deleted registry is told.
const PATIENCE: Duration = Duration::from_secs(600);
/// Between two looks at how far that is.
const LOOK: Duration = Duration::from_secs(1);

/// What is to be done about a deleted registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Wait,
    Done,
    GiveUp,
}

fn verdict(left: u64, gone: Nanos, now: Nanos) -> Verdict {
    let waited = u128::try_from(now.since(gone)).unwrap_or(0);
    match left {
        // What was in hand when it was deleted may yet be entered.
        0 if waited >= LOOK.as_nanos() => Verdict::Done,
        1.. if waited >= PATIENCE.as_nanos() => Verdict::GiveUp,
        _ => Verdict::Wait,
    }
}

impl Parts {
    /// How many containers a registry is still to be told of.
    async fn left(&self, registry: &str) -> Option<(u64, Option<String>)> {
        // Those that are not decided on again yet, and then those that are and that it has not taken.
        let held = self.held_by(registry);
        let target = ObjectKey { kind: KindId::DiscoveryRegistry, name: registry.to_owned() };
        let depth = self.store.depths().await.ok()?.remove(&target).unwrap_or_default();
        Some((depth.pending.saturating_add(held), depth.last_error))
    }

    /// Of how many containers a registry is to hold something. It looks at all of them: once a second, and only while a
    /// deleted registry is being told.
    pub(super) fn held_by(&self, registry: &str) -> u64 {
        let held = |wanted: &BTreeMap<String, Wanted>| {
            wanted.get(registry).is_some_and(|wanted| *wanted != Wanted::Absent)
        };
        let count = self.records.keys(|record| held(&record.wanted)).len();
        u64::try_from(count).unwrap_or(u64::MAX)
    }
}

/// Sees to the end of a registry that was deleted at `gone` and held something of `held` containers then.
pub(super) async fn see_off(
    parts: Arc<Parts>,
    (name, gone): (String, Nanos),
    held: u64,
    stop: CancellationToken,
) {
    let key = ObjectKey { kind: KindId::DiscoveryRegistry, name: name.clone() };
    // All of it may have gone before the first look.
    let mut most = held;
    while stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
        if !parts.departed.is_gone(&key, gone) {
            return; // It is declared again.
        }
        let Some((left, error)) = parts.left(&name).await else { continue };
        most = most.max(left);
        let now = crate::clock::now();
        let event = match verdict(left, gone, now) {
            Verdict::Wait => continue,
            Verdict::Done => (most > 0).then(|| taken_back(&key, now)),
            Verdict::GiveUp => Some(given_up(&key, left, error.as_deref(), now)),
        };
        let changes = ChangeSet {
            last_specs: vec![(key.clone(), None)],
            settled: vec![Settlement::RegistryLeft { registry: name.clone() }],
            events: event.clone().into_iter().collect(),
            at: now,
            ..ChangeSet::of(Shard::Fleet)
        };
        if parts.committer.commit_with(changes, Tickets::new()).await.is_err() {
            continue;
        }
        match event {
            Some(event) if event.severity() == Severity::Warning => {
                warn!(target: "portreeve::discovery", "{}", event.message());
            }
            Some(event) => info!(target: "portreeve::discovery", "{}", event.message()),
            None => {}
        }
        let mut specs = locked(&parts.departed.specs);
        if specs.get(&key).is_some_and(|last| last.gone == Some(gone)) {
            specs.remove(&key);
        }
        drop(specs);
        parts.departed.changed.notify_one();
        return;
    }
}

fn taken_back(key: &ObjectKey, at: Nanos) -> NewEvent {
    let event = NewEvent::new(EventKind::Deregistered, key, at).because("RegistryDeleted");
    event.status("deregistered").saying(format!("{key} is deleted, and its registrations were removed"))
}

fn given_up(key: &ObjectKey, left: u64, error: Option<&str>, at: Nanos) -> NewEvent {
    let why = error.map(|error| format!(": {error}")).unwrap_or_default();
    let message = format!(
        "{key} is deleted and did not accept that within {} minutes; {} may remain there{why}",
        PATIENCE.as_secs() / 60,
        count(left, "registration")
    );
    let event = NewEvent::new(EventKind::DeregistrationFailed, key, at).because("RegistryUnreachable");
    event.status("failed").saying(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_for_ten_minutes() {
        let at = |second: i64| Nanos(second * 1_000_000_000);
        assert_eq!(verdict(0, at(0), at(0)), Verdict::Wait);
        assert_eq!(verdict(0, at(0), at(1)), Verdict::Done);
        assert_eq!([599, 600].map(|second| verdict(3, at(0), at(second))), [Verdict::Wait, Verdict::GiveUp]);
        assert_eq!(verdict(3, at(9), at(0)), Verdict::Wait, "our clock stepped back");
    }
}
