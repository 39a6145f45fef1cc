//! The interfaces of this process's network namespace, read anew where an address is in doubt.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use super::world::WorldCell;
use crate::locked::locked;

/// Interfaces that were read so short a time ago are good enough: many checks may fail at once.
const FRESH: Duration = Duration::from_secs(1);

/// When they were last read.
#[derive(Debug, Default)]
pub(super) struct InterfacesRead(Mutex<Option<Instant>>);

impl InterfacesRead {
    /// Reads them into the world, unless that was done a moment ago.
    pub(super) async fn renew(&self, world: &WorldCell) {
        let fresh = {
            let mut read = locked(&self.0);
            let fresh = read.is_some_and(|at| at.elapsed() < FRESH);
            if !fresh {
                *read = Some(Instant::now());
            }
            fresh
        };
        if !fresh {
            let found = crate::docker::interfaces().await;
            world.change(|world| world.interfaces = found);
        }
    }
}
