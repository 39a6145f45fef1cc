//! What is being done to a container: committed before the call, open until its effect is seen.
//!
//! At most one is open for a container, whoever opened it, so that "was that us?" has one answer for every reconciler:
//! [`Intent::claims`].

use serde::{Deserialize, Serialize};

use crate::observed::{Container, ContainerKey, Nanos};
use crate::reconcile::cause::{EVENT_LAG, MARGIN, StopMarks};
use crate::reconcile::plan::{Cause, Verb};
use crate::resource::Duration;

/// How far the caller's idea of the engine's clock may be off: what an engine tells of it comes in whole seconds.
pub(in crate::reconcile) const CLOCK_ERROR: Duration = Duration::from_secs(1);
/// How much longer it takes to make a container anew than to restart it.
const RECREATION: Duration = Duration::from_secs(20);

/// An attempt committed before its engine call; open until a new run is seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Intent {
    /// The action's intent id.
    pub id: String,
    /// The container.
    pub container: ContainerKey,
    /// Its name, for people.
    pub name: String,
    /// The call.
    pub verb: Verb,
    /// StartedAt before the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_before: Option<Nanos>,
    /// When it was committed.
    pub committed_at: Nanos,
    /// The attempt's number.
    pub attempt: u32,
    /// What failed.
    pub cause: Cause,
    /// What the engine answered, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
}

/// What this process knows of the engine call of an intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntentCall {
    /// It is not sent yet: nothing that happens is its doing.
    Waiting,
    /// It was sent, or may have been, and has not ended: what happens is its doing, however long it takes.
    Sent,
    /// It ended then, and what came of it is not committed yet.
    Ended(Nanos),
    /// It is not in the hands of this process: it has ended, or an earlier process began it.
    NotInHand,
}

/// What came back from the engine call of an intent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Answer {
    /// The engine did it.
    Done {
        /// When the answer came.
        at: Nanos,
    },
    /// The engine refused or failed.
    Failed {
        /// When the answer came.
        at: Nanos,
        /// Its words.
        error: String,
    },
    /// No answer: the engine may still be at it.
    Lost {
        /// When we gave up waiting.
        at: Nanos,
    },
}

/// An engine call that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedCall {
    /// The id of its intent.
    pub intent: String,
    /// How it went.
    pub outcome: ActionOutcome,
    /// When, by the engine's clock: what happened after that is not its doing, whenever it is heard of.
    pub at: Nanos,
}

/// How an engine call went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActionOutcome {
    /// The engine answered that it is done.
    Succeeded,
    /// The engine answered with an error.
    Failed {
        /// Its words.
        error: String,
    },
    /// The call was sent, or may have been, and no answer came: connection lost, deadline passed.
    Lost {
        /// What happened, for people.
        error: String,
    },
    /// The engine answered that it is done, and another container is there in its place.
    Replaced {
        /// The new one's id.
        by: String,
    },
    /// Nothing was sent: the look before the call found another situation, or the call could not even begin.
    Superseded {
        /// What was found, for people.
        why: String,
    },
}

impl Intent {
    /// Until when the engine may still be carrying it out.
    pub fn deadline(&self) -> Nanos {
        let until = self.committed_at.plus(self.verb.stop_timeout()).plus(MARGIN);
        if self.recreates() { until.plus(RECREATION) } else { until }
    }

    /// Whether it explains a kill or stop of `container` at `at`: `ours` of a [`Seen`](crate::reconcile::cause::Seen). `marks`
    /// are the container's, before this fact.
    ///
    /// The times are compared with a second's indulgence for the clocks. A restart stops once: after its `stop`, after a new
    /// `start` and after the engine's answer, kills are of others. A call that outlasts its time is ours until it has ended.
    pub fn claims(&self, container: &ContainerKey, marks: &StopMarks, at: Nanos, call: IntentCall) -> bool {
        let stops = match self.verb {
            Verb::Restart { .. } | Verb::Recreate { .. } | Verb::Stop { .. } => true,
            Verb::Start => false,
        };
        let until = match (call, &self.answer) {
            (IntentCall::Waiting, _) => return false,
            (IntentCall::Sent, _) => None,
            (IntentCall::Ended(at), _) => Some(self.deadline().max(at)),
            (IntentCall::NotInHand, None) => Some(self.deadline()),
            // The engine goes on with it.
            (IntentCall::NotInHand, Some(Answer::Lost { at })) => Some(self.deadline().max(*at)),
            (IntentCall::NotInHand, Some(Answer::Done { at } | Answer::Failed { at, .. })) => Some(*at),
        };
        stops
            && self.container == *container
            && at.plus(CLOCK_ERROR) >= self.committed_at
            && until.is_none_or(|until| at <= until.plus(CLOCK_ERROR))
            && !marks.started_since(self.committed_at)
            && !marks.we_stopped(self.committed_at, at)
    }

    /// When it is over, whatever was seen of it: its time is up, and what it did has been heard of although it took longer.
    pub fn over(&self) -> Nanos {
        let answered = match self.answer {
            Some(Answer::Done { at } | Answer::Failed { at, .. } | Answer::Lost { at }) => at.plus(EVENT_LAG),
            None => self.committed_at,
        };
        self.deadline().max(answered)
    }

    /// Whether the end of its stop has been heard of.
    pub(in crate::reconcile) fn is_heard(&self, marks: &StopMarks) -> bool {
        let since = self.committed_at.0.saturating_sub(CLOCK_ERROR.as_nanos());
        marks.we_stopped(Nanos(since), Nanos(i64::MAX))
    }

    /// Whether it puts another container in the place of this one.
    pub fn recreates(&self) -> bool {
        match self.verb {
            Verb::Recreate { .. } => true,
            Verb::Restart { .. } | Verb::Start | Verb::Stop { .. } => false,
        }
    }

    /// Whether `container` is what it put in the place of its own.
    pub(in crate::reconcile) fn made(&self, container: &Container) -> bool {
        self.recreates()
            && container.key.engine == self.container.engine
            && container.created.plus(CLOCK_ERROR) >= self.committed_at
    }

    /// Whether the container may still be between stop and start, so that what is seen of it proves nothing.
    pub fn in_progress(&self, now: Nanos) -> bool {
        match self.answer {
            Some(Answer::Failed { .. }) => false,
            // Done, but the new run has not been seen yet.
            None | Some(Answer::Done { .. } | Answer::Lost { .. }) => now < self.over(),
        }
    }
}
