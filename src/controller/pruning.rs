//! Forgetting what is older than people want it kept: now and then, and at once when the disk is full.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use super::commit::Tickets;
use super::parts::Parts;
use crate::observed::{Nanos, Shard};
use crate::store::{ChangeSet, IntentChange, Pruned};

/// Between two prunings of the store.
const PRUNE_EVERY: Duration = Duration::from_secs(3600);
/// Between two tries while the disk is full.
const AGAIN: Duration = Duration::from_secs(60);

pub(super) async fn prune(parts: Arc<Parts>) {
    // Soon after the start too: a process may live for less than the interval.
    let mut wait = PRUNE_EVERY / 12;
    loop {
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            // What is old may go, and the store keeps a reserve to delete it with.
            () = parts.committer.full() => {}
        }
        let days = i64::from(parts.desired.load().settings.metrics_retention_days);
        let before = Nanos(crate::clock::now().0 - days * 86_400 * 1_000_000_000);
        forget_memories(&parts, before).await;
        // Nothing reads events by a cursor yet.
        let readers = BTreeSet::new();
        match parts.store.prune(before, &readers).await {
            Ok(Pruned { rows: 0, .. }) => {}
            Ok(Pruned { rows, .. }) => {
                info!(target: "portreeve::store", rows, "deleted records older than {days} days");
            }
            Err(error) => warn!(target: "portreeve::store", "old records could not be deleted: {error}"),
        }
        wait = if parts.committer.health().full { AGAIN } else { PRUNE_EVERY };
    }
}

/// Forgets healing memories of containers that are gone since `before`, with their intents.
async fn forget_memories(parts: &Parts, before: Nanos) {
    let gone = parts.memories.forget_gone(before, &parts.records.ids());
    let mut by_shard: BTreeMap<Shard, Vec<String>> = BTreeMap::new();
    for id in gone {
        // Logical identities begin with their engine.
        by_shard.entry(Shard::of(id.split('/').next())).or_default().push(id);
    }
    for (shard, gone) in by_shard {
        let open = gone.iter().filter_map(|id| parts.intents.of_owner(id));
        let intents: Vec<_> = open.map(|open| IntentChange::Close(open.intent.id)).collect();
        // One about which something is being decided stays, in memory and in the store.
        let closed = parts.intents.reserve(&intents, &[]);
        let intents = if closed.is_some() { intents } else { Vec::new() };
        let healing = gone.into_iter().map(|id| (id, None)).collect();
        let changes = ChangeSet { healing, intents, ..ChangeSet::of(shard) };
        // They are forgotten in memory; the rows go with the next start's first pruning if not now.
        if parts.committer.commit_with(changes, Tickets::new()).await.is_ok()
            && let Some(closed) = closed
        {
            closed.keep();
        }
    }
}
