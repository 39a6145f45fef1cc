//! What was last seen of each container, to tell from a list alone what needs an inspect.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::locked;
use crate::docker::{Fingerprint, Listed};
use crate::observed::{Container, Nanos};

/// Fingerprints of one engine's containers.
#[derive(Debug, Default)]
pub struct Seen {
    containers: Mutex<HashMap<Arc<str>, Entry>>,
}

#[derive(Debug, Clone)]
struct Entry {
    inspected: Fingerprint,
    /// The fingerprint of a list that an inspect was made for; odd containers look different in the two.
    listed: Option<Fingerprint>,
    started: Option<Nanos>,
}

impl Seen {
    /// An inspect showed this.
    pub fn inspected(&self, container: &Container, fingerprint: Fingerprint) {
        let mut containers = locked(&self.containers);
        let listed = containers
            .get(&container.key.id)
            .filter(|entry| entry.inspected == fingerprint)
            .and_then(|entry| entry.listed);
        containers.insert(
            container.key.id.clone(),
            Entry { inspected: fingerprint, listed, started: container.started },
        );
    }

    /// The container is gone.
    pub fn forget(&self, id: &str) {
        locked(&self.containers).remove(id);
    }

    /// Whether a row of a list made at engine time `at` shows something not yet inspected.
    pub(super) fn differs(&self, row: &Listed, at: Nanos) -> bool {
        let containers = locked(&self.containers);
        let Some(entry) = containers.get(&row.key.id) else { return true };
        let known = entry.inspected == row.fingerprint || entry.listed == Some(row.fingerprint);
        !known || uptime_contradicts(entry.started, row.up_seconds, at)
    }

    /// A row of a list was dealt with.
    pub(super) fn listed(&self, row: &Listed) {
        if let Some(entry) = locked(&self.containers).get_mut(&row.key.id) {
            entry.listed = Some(row.fingerprint);
        }
    }
}

/// Whether a container that runs since `started` cannot have the uptime that the list shows.
fn uptime_contradicts(started: Option<Nanos>, up_seconds: Option<(u64, u64)>, at: Nanos) -> bool {
    let (Some(started), Some((least, most))) = (started, up_seconds) else { return false };
    let up = u64::try_from(at.since(started) / 1_000_000_000).unwrap_or(0);
    up.saturating_add(2) < least || up > most.saturating_add(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_uptime_shorter_than_the_known_run_tells_of_a_restart() {
        let at = Nanos(1_000_000_000_000);
        let started = Some(Nanos(at.0 - 600_000_000_000));
        assert!(!uptime_contradicts(started, Some((540, 660)), at));
        assert!(uptime_contradicts(started, Some((0, 59)), at));
        assert!(!uptime_contradicts(started, None, at));
        assert!(!uptime_contradicts(None, Some((0, 1)), at));
    }
}
