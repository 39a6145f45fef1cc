//! The world as last seen, behind one pointer: whoever reads takes the snapshot of that moment and waits for nobody.

use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use tokio::sync::watch;
use uuid::Uuid;

use super::changes::{ChangeRing, ChangesMissed, RowChange, RowChanges};
use crate::locked::locked;
use crate::observed::{Container, Nanos, World};

/// How many changes are kept for whoever watches: what is further behind compares everything.
const CHANGES_KEPT: usize = 4096;

/// The present snapshot.
#[derive(Debug)]
pub(super) struct WorldCell {
    present: ArcSwap<World>,
    /// Held by whoever makes the next one, with what changed lately.
    changes: Mutex<ChangeRing>,
    /// Tells that something did.
    told: watch::Sender<()>,
    /// Another one in each process: revisions begin anew with it.
    boot: String,
}

impl WorldCell {
    pub(super) fn new(world: World) -> Self {
        let (_, random) = Uuid::now_v7().as_u64_pair();
        Self {
            present: ArcSwap::from_pointee(world),
            changes: Mutex::new(ChangeRing::new(CHANGES_KEPT)),
            told: watch::Sender::new(()),
            boot: format!("{random:016x}"),
        }
    }

    /// The present snapshot.
    pub(super) fn load(&self) -> Arc<World> {
        self.present.load_full()
    }

    /// Looks at the present snapshot for a moment.
    pub(super) fn read<T>(&self, read: impl FnOnce(&World) -> T) -> T {
        read(&self.present.load())
    }

    /// Whether an engine is watched, connected or not: it is declared.
    pub(super) fn is_watched(&self, engine: &str) -> bool {
        self.read(|world| world.engines.contains_key(engine))
    }

    /// The engine's clock, as well as it can be told.
    pub(super) fn engine_now(&self, engine: &str) -> Nanos {
        Nanos(crate::clock::now().0.saturating_add(self.clock_ahead(engine)))
    }

    /// The engine's clock minus ours, as last measured: while it is away its clock goes on.
    pub(super) fn clock_ahead(&self, engine: &str) -> i64 {
        self.read(|world| world.engines.get(engine).map_or(0, |engine| engine.clock_ahead))
    }

    /// The container whose network `container` uses, if it has none of its own and the other one is there.
    pub(super) fn network_owner(&self, container: &Container) -> Option<Arc<Container>> {
        container.network_parent()?;
        self.read(|world| world.network_owner(container).ok().cloned().map(Arc::new))
    }

    /// Makes the next snapshot, in which no container shows anything else.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        self.change_rows(|world, _| change(world))
    }

    /// Makes the next snapshot; `change` says which containers may show something else in it.
    pub(super) fn change_rows<T>(&self, change: impl FnOnce(&mut World, &mut Vec<RowChange>) -> T) -> T {
        let mut changes = locked(&self.changes);
        let mut next = World::clone(&self.present.load());
        let mut rows = Vec::new();
        let changed = change(&mut next, &mut rows);
        next.revision += 1;
        let (revision, any) = (next.revision, !rows.is_empty());
        self.present.store(Arc::new(next));
        rows.into_iter().for_each(|row| changes.add(revision, row));
        drop(changes);
        if any {
            self.told.send_replace(());
        }
        changed
    }

    /// The present snapshot, and what has changed since `revision` up to it.
    pub(super) fn since(&self, revision: u64) -> Result<(Arc<World>, RowChanges), ChangesMissed> {
        let changes = locked(&self.changes);
        let world = self.load();
        if revision > world.revision {
            return Err(ChangesMissed::Future);
        }
        Ok((world, changes.since(revision)?))
    }

    /// Hears of every change that may show in a row.
    pub(super) fn told(&self) -> watch::Receiver<()> {
        self.told.subscribe()
    }

    /// A revision as it is named outside of this process.
    pub(super) fn id(&self, revision: u64) -> String {
        format!("{}.{revision}", self.boot)
    }

    /// The revision that an id names.
    pub(super) fn revision(&self, id: &str) -> Result<u64, ChangesMissed> {
        let of_this = id.split_once('.').filter(|(boot, _)| *boot == self.boot);
        of_this.and_then(|(_, revision)| revision.parse().ok()).ok_or(ChangesMissed::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_known_to_the_process_that_gave_it_alone() {
        let (one, other) = (WorldCell::new(World::default()), WorldCell::new(World::default()));
        assert_eq!(one.revision(&one.id(7)), Ok(7));
        for id in [other.id(7).as_str(), "7", "", ".7", "x.y", &format!("{}7", one.id(7).replace('7', "x"))] {
            assert_eq!(one.revision(id), Err(ChangesMissed::Unknown), "{id}");
        }
    }

    #[test]
    fn what_shows_in_a_row_is_told_and_what_does_not_only_raises_the_revision() {
        let cell = WorldCell::new(World::default());
        let mut told = cell.told();
        cell.change(|world| world.interfaces = Arc::default());
        assert!(!told.has_changed().expect("a cell"));
        let (world, changes) = cell.since(0).expect("changes");
        assert_eq!((world.revision, changes.len()), (1, 0));
        cell.change_rows(|_, rows| rows.push(RowChange::Everything));
        assert!(told.has_changed().expect("a cell"));
        told.mark_unchanged();
        let (world, changes) = cell.since(1).expect("changes");
        assert_eq!((world.revision, changes), (2, vec![(2, RowChange::Everything)]));
        assert_eq!(cell.since(3).map(|_| ()), Err(ChangesMissed::Future));
    }
}
