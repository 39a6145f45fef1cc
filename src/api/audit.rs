//! Events of what requests did, for those that no reconciler tells of.

use tracing::warn;

use super::Api;
use super::caller::Caller;
use crate::outbox::Commit;
use crate::store::{ChangeSet, NewEvent};

/// What a request did.
pub(super) struct Deed<'a> {
    /// Type of the event.
    pub(super) kind: &'static str,
    /// One word of state.
    pub(super) status: &'static str,
    /// What was done, without by whom.
    pub(super) what: String,
    /// The container that it was done to.
    pub(super) container: Option<&'a crate::observed::Container>,
}

/// Stores the event of what was done. What cannot be stored is logged: it is done all the same.
pub(super) async fn record(api: &Api, caller: &Caller, deed: Deed<'_>) {
    let Deed { kind, status, what, container } = deed;
    let at = crate::clock::now();
    let (name, id, engine, image) = container.map_or_else(Default::default, |container| {
        let key = &container.key;
        (container.name.clone(), key.id.to_string(), key.engine.to_string(), container.image.to_string())
    });
    let event = NewEvent {
        at,
        engine,
        container_id: id,
        container_name: name,
        image,
        event_type: kind.to_owned(),
        reason: kind.to_owned(),
        status: status.to_owned(),
        message: format!("{what}, by {}", caller.who),
        caller: caller.who.to_string(),
        ..NewEvent::default()
    };
    let changes = ChangeSet { events: vec![event.clone()], at, ..ChangeSet::default() };
    if let Err(error) = api.shared.committer.commit(changes).await {
        warn!(target: "portreeve::api", "{kind}: {}; its event cannot be stored: {error}", event.message);
    }
}
