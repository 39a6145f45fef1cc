//! The world as last seen, behind one pointer: whoever reads takes the snapshot of that moment and waits for nobody.

use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;

use crate::locked::locked;
use crate::observed::World;

/// The present snapshot.
#[derive(Debug)]
pub(super) struct WorldCell {
    present: ArcSwap<World>,
    /// Held by whoever makes the next one.
    writing: Mutex<()>,
}

impl WorldCell {
    pub(super) fn new(world: World) -> Self {
        Self { present: ArcSwap::from_pointee(world), writing: Mutex::default() }
    }

    /// The present snapshot.
    pub(super) fn load(&self) -> Arc<World> {
        self.present.load_full()
    }

    /// Looks at the present snapshot for a moment.
    pub(super) fn read<T>(&self, read: impl FnOnce(&World) -> T) -> T {
        read(&self.present.load())
    }

    /// Makes the next snapshot.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let _writing = locked(&self.writing);
        let mut next = World::clone(&self.present.load());
        let changed = change(&mut next);
        next.revision += 1;
        self.present.store(Arc::new(next));
        changed
    }
}
