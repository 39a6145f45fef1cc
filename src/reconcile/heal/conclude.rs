//! After the engine call returned.

use super::{HealMemory, Healing};
use crate::observed::Nanos;
use crate::reconcile::intent::{ActionOutcome, Answer, EndedCall};
use crate::reconcile::plan::{Note, Reason, one_line};
use crate::resource::event::{EventKind, Severity};

/// Takes in how the engine call of the open intent went; without one, or for one already answered, nothing happens.
///
/// Only a look at the container closes an intent whose call was sent: an answer is not a new run, and an error does not
/// say whether the container is up. Waits count from here. An attempt that was superseded was none: it is not counted as
/// spent, and a short wait keeps the next decision from coming to the same plan at once.
///
/// `ended`: when the call did, which may be long ago if nothing could be decided meanwhile.
pub fn conclude(memory: &HealMemory, outcome: &ActionOutcome, ended: Nanos, now: Nanos) -> Healing {
    let mut healing = Healing { memory: memory.clone(), ..Healing::default() };
    let memory = &mut healing.memory;
    memory.not_after(now);
    let Some(intent) = memory.intent.as_mut().filter(|intent| intent.answer.is_none()) else {
        return healing;
    };
    let what = format!("attempt {} to {} {}", intent.attempt, intent.verb.as_str(), intent.name);
    memory.last_action = Some(now);
    let at = ended.min(now);
    match outcome {
        ActionOutcome::Succeeded | ActionOutcome::Replaced { by: _ } => {
            intent.answer = Some(Answer::Done { at });
            healing.requeue_at = Some(intent.over());
        }
        ActionOutcome::Lost { error: _ } => {
            intent.answer = Some(Answer::Lost { at });
            healing.requeue_at = Some(intent.over());
        }
        ActionOutcome::Failed { error } => {
            let error = one_line(error);
            intent.answer = Some(Answer::Failed { at, error: error.clone() });
            healing.requeue_at = Some(now);
            healing.note(
                EventKind::RestartFailed,
                None,
                Severity::Warning,
                format!("{what} failed: {error}"),
            );
        }
        ActionOutcome::Superseded { why } => {
            memory.call_off(now);
            healing.requeue_at = Some(now);
            let message = format!("{what} was cancelled: {}", one_line(why));
            healing.note(
                EventKind::Skipped,
                Some(Reason::Superseded),
                Reason::Superseded.severity(),
                message,
            );
        }
    }
    healing
}

/// Brings a memory up to the present before it is decided on: somebody lifts the quarantine, and calls have ended. What it is
/// then, that it is released, and what else there is to say.
pub fn catch_up(
    mut memory: HealMemory,
    released_by: Option<&str>,
    concluded: &[EndedCall],
    now: Nanos,
) -> (HealMemory, Option<Note>, Vec<Note>) {
    let released = released_by.and_then(|caller| memory.release(now, caller));
    let mut notes = Vec::new();
    for EndedCall { intent, outcome, at } in concluded {
        if memory.intent.as_ref().is_some_and(|open| open.id == *intent) {
            let concluded = conclude(&memory, outcome, *at, now);
            memory = concluded.memory;
            notes.extend(concluded.notes);
        }
    }
    (memory, released, notes)
}
