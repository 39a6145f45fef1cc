//! Carrying out what was decided, beside everything else.

use metrics::counter;
use tracing::info;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;

use crate::controller::key::Key;
use crate::controller::parts::Parts;
use crate::controller::work::Work;
use crate::execute::execute;
use crate::observed::{ContainerKey, Nanos};
use crate::reconcile::intent::{ActionOutcome, EndedCall};
use crate::reconcile::plan::Action;

/// Carries out an action whose intent is committed, if its engine is there.
pub(in crate::controller) fn act(parts: &Arc<Parts>, action: Action) {
    let Some(attachment) = parts.engines.get(&action.container.engine) else {
        // It stays open for its time: nobody knows that it was never sent, should this process end now.
        return parts.intents.forget_call(&action.intent);
    };
    let parts = parts.clone();
    tokio::spawn(async move {
        info!(target: "portreeve::healing", container = %action.name, policy = %action.policy, attempt = action.attempt, "{} of {}: {}", action.verb.as_str(), action.name, action.cause);
        let key = action.container.clone();
        let before = stopping(&parts, &key);
        let executing = execute(&attachment.client, &action, || {
            if parts.queue.stop_waits(&Key::from(&key)) || stopping(&parts, &key) != before {
                return true;
            }
            // From here on a kill or a stop may be ours; none before was.
            parts.intents.sent(&action.intent);
            false
        });
        let outcome = AssertUnwindSafe(executing).catch_unwind().await.unwrap_or_else(|panic| {
            // Nobody knows whether it was sent.
            let why = crate::vital::panic_text(&*panic);
            ActionOutcome::Lost { error: format!("a fault of Portreeve's own: {why}") }
        });
        let at = parts.world.engine_now(&key.engine);
        parts.intents.ended_at(&action.intent, at);
        counter!("portreeve_restarts_total", "engine" => key.engine.to_string(), "action" => action.verb.as_str(), "outcome" => word(&outcome)).increment(1);
        if let ActionOutcome::Replaced { by } = &outcome {
            // Nothing was decided about it while the call was in hand.
            let new = ContainerKey::new(key.engine.clone(), by.as_str());
            parts.intents.forget_call(&action.intent);
            parts.queue.add(new, Work { look: Some(Nanos(0)), ..Work::default() });
        }
        // What happened meanwhile may have no event: a start that failed leaves none. The others are on their way.
        let look = Some(Nanos(0));
        let ended = EndedCall { intent: action.intent, outcome, at };
        let work = Work { concluded: vec![ended], look, ..Work::default() };
        parts.queue.add(key, work);
    });
}

/// The newest kill or stop of the container that was heard of.
fn stopping(parts: &Parts, key: &ContainerKey) -> Option<Nanos> {
    parts.records.get(key).and_then(|record| record.marks.being_stopped())
}

/// The word by which an outcome is counted.
const fn word(outcome: &ActionOutcome) -> &'static str {
    match outcome {
        ActionOutcome::Succeeded | ActionOutcome::Replaced { .. } => "succeeded",
        ActionOutcome::Failed { .. } => "failed",
        ActionOutcome::Lost { .. } => "lost",
        ActionOutcome::Superseded { .. } => "superseded",
    }
}
