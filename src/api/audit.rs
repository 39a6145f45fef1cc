//! Events of what requests did, for those that no reconciler tells of.

use tracing::warn;

use super::Api;
use super::caller::Caller;
use crate::observed::Nanos;
use crate::resource::event::EventKind;
use crate::resource::event::subject::EventSubject;
use crate::store::{ChangeSet, Commit, NewEvent};

/// What a request did.
pub(super) struct Deed {
    /// Kind of the event.
    pub(super) kind: EventKind,
    /// One word of state.
    pub(super) status: &'static str,
    /// What was done, without by whom.
    pub(super) what: String,
    /// What it was done to.
    pub(super) subject: EventSubject,
}

/// Stores the event of what was done. What cannot be stored is logged: it is done all the same.
pub(super) async fn record(api: &Api, caller: &Caller, deed: Deed) {
    let Deed { kind, status, what, subject } = deed;
    let at = crate::clock::now();
    let message = format!("{what}, by {}", caller.who);
    let event = told(kind, subject, status, caller, at).saying(&message);
    let changes = ChangeSet::told(event);
    if let Err(error) = api.requests.committer().commit(changes).await {
        warn!(target: "portreeve::api", "{kind}: {message}; its event cannot be stored: {error}");
    }
}

/// The event of a request, but for its sentence.
pub(super) fn told(
    kind: EventKind,
    subject: EventSubject,
    status: &str,
    caller: &Caller,
    at: Nanos,
) -> NewEvent {
    NewEvent::new(kind, subject, at).because(kind.as_str()).status(status).asked_by(caller.who.to_string())
}
