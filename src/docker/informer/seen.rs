//! What was last seen of each container, to tell from a list alone what needs an inspect.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use crate::docker::{Fingerprint, Listed};
use crate::locked::locked;
use crate::observed::{Container, Nanos};

/// Fingerprints of one engine's containers.
#[derive(Debug, Default)]
pub struct Fingerprints {
    containers: Mutex<HashMap<Arc<str>, Entry>>,
    /// Those that the engine does not let be inspected; somebody tries again and again.
    refused: Mutex<HashSet<Arc<str>>>,
}

#[derive(Debug, Clone)]
struct Entry {
    inspected: Fingerprint,
    /// The fingerprint of a list after which an inspect showed nothing new; odd containers look different in the two.
    listed: Option<Fingerprint>,
    /// The fingerprint of a list for which an inspect was asked for and has not been made yet.
    asked: Option<Fingerprint>,
    started: Option<Nanos>,
}

impl Fingerprints {
    /// An inspect showed this.
    pub fn inspected(&self, container: &Container, fingerprint: Fingerprint) {
        locked(&self.refused).remove(&container.key.id);
        let mut containers = locked(&self.containers);
        let listed = containers
            .get(&container.key.id)
            .filter(|entry| entry.inspected == fingerprint)
            .and_then(|entry| entry.asked.or(entry.listed));
        containers.insert(
            container.key.id.clone(),
            Entry { inspected: fingerprint, listed, asked: None, started: container.started },
        );
    }

    /// The engine did not let it be inspected.
    pub fn refused(&self, id: &Arc<str>) {
        locked(&self.refused).insert(id.clone());
    }

    /// The container is gone.
    pub fn forget(&self, id: &str) {
        locked(&self.containers).remove(id);
        locked(&self.refused).remove(id);
    }

    /// Whether a row of a list made at engine time `at` shows something not yet inspected.
    pub(super) fn differs(&self, row: &Listed, at: Nanos) -> bool {
        if locked(&self.refused).contains(&row.key.id) {
            return false;
        }
        let containers = locked(&self.containers);
        let Some(entry) = containers.get(&row.key.id) else { return true };
        let known = entry.inspected == row.fingerprint || entry.listed == Some(row.fingerprint);
        !known || uptime_contradicts(entry.started, row.up_seconds, at)
    }

    /// An inspect was asked for because of this row of a list; the row is known when that shows nothing new.
    pub(super) fn asked(&self, row: &Listed) {
        if let Some(entry) = locked(&self.containers).get_mut(&row.key.id) {
            entry.asked = Some(row.fingerprint);
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
    use crate::docker::answer::Row;
    use crate::observed::ContainerKey;

    fn fingerprint(state: &str) -> Fingerprint {
        Fingerprint::of_summary(&Row { state: Some(state.to_owned()), ..Row::default() })
    }

    #[test]
    fn a_row_of_a_list_is_known_when_its_inspect_succeeded_and_not_before() {
        let (seen, key) = (Fingerprints::default(), ContainerKey::new("local", "c1"));
        let answer = serde_json::from_str(r#"{"Id": "c1"}"#).expect("an inspect");
        let container = crate::docker::convert::container(&key.engine, answer).expect("a container");
        let row = Listed { key, fingerprint: fingerprint("as the list has it"), up_seconds: None };
        let at = Nanos(1);
        seen.inspected(&container, fingerprint("running"));
        seen.asked(&row);
        assert!(seen.differs(&row, at), "nobody has looked yet");
        seen.inspected(&container, fingerprint("running"));
        assert!(!seen.differs(&row, at), "it looks different in the two");
        seen.inspected(&container, fingerprint("paused"));
        assert!(seen.differs(&row, at), "it has changed since");
    }

    #[test]
    fn what_cannot_be_inspected_is_left_to_those_who_try_it_again() {
        let (seen, key) = (Fingerprints::default(), ContainerKey::new("local", "c1"));
        let row = Listed { key: key.clone(), fingerprint: fingerprint("running"), up_seconds: None };
        assert!(seen.differs(&row, Nanos(1)));
        seen.refused(&key.id);
        assert!(!seen.differs(&row, Nanos(1)));
        seen.forget(&key.id);
        assert!(seen.differs(&row, Nanos(1)));
    }

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
