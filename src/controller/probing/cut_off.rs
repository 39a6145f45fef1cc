//! Our own network's end, by what is heard from outside, and recording of it once.

use tracing::warn;

use super::prober::Prober;
use crate::locked::locked;
use crate::observed::Nanos;
use crate::probe::reach::is_beyond;
use crate::resource::event::EventKind;
use crate::resource::event::subject::EventSubject;
use crate::store::{ChangeSet, NewEvent};

impl Prober {
    /// Takes in whether a host outside answered, and tells when that turns; gives whether it is our own network that fails.
    pub(super) fn observe(&self, host: Option<&str>, answered: bool, now: Nanos) -> bool {
        let Some(host) = host.filter(|host| is_beyond(host)) else { return false };
        let (was, lost) = {
            let mut reach = locked(&self.reach);
            let was = reach.is_lost();
            reach.take_in(host, answered, now);
            (was, reach.is_lost())
        };
        if was != lost {
            self.store(network_event(lost, now));
        }
        lost
    }
}

/// The event of our own network's end, or of its return.
fn network_event(lost: bool, now: Nanos) -> ChangeSet {
    let (kind, status, message) = if lost {
        let message = "no target outside Docker answers any more: checks without an answer do not count until a target \
            answers";
        (EventKind::NetworkLost, "lost", message)
    } else {
        (EventKind::NetworkBack, "back", "a target outside Docker answers again: checks count again")
    };
    warn!(target: "portreeve::services", "{kind}: {message}");
    let event = NewEvent::new(kind, EventSubject::Portreeve, now);
    let event = event.because(kind.as_str()).status(status).saying(message);
    ChangeSet::told(event)
}
