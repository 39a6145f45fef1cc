//! The interfaces of this process's network namespace, read anew when they matter.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::controller::locked::locked;
use crate::controller::shared::Shared;

/// What was read so short a time ago is good enough: many checks may fail at once.
const FRESH: Duration = Duration::from_secs(1);

/// When they were last read.
#[derive(Debug, Default)]
pub(in crate::controller) struct Interfaces {
    read: Mutex<Option<Instant>>,
}

impl Shared {
    /// Reads them.
    pub(in crate::controller) async fn read_interfaces(&self) {
        let fresh = {
            let mut read = locked(&self.interfaces.read);
            let fresh = read.is_some_and(|at| at.elapsed() < FRESH);
            if !fresh {
                *read = Some(Instant::now());
            }
            fresh
        };
        if !fresh {
            let found = crate::docker::interfaces().await;
            self.change_world(|world| world.interfaces = found);
        }
    }
}
