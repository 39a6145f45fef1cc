//! Why did a container stop? The engine does not say; the events around the stop do.
//!
//! The engine's `kill`, `die` and `stop` events are fed, in the order of the stream, into [`StopMarks`], one value per
//! container, stored with it. The rules (RELIABILITY.md, invariant 4):
//!
//! - A kill with the stop signal or 9 that is not ours: someone is stopping the container. Healing waits for `die`, at
//!   most the stop timeout + 10 s. Any other signal (`kill -s HUP`) is not a stop.
//! - Such a kill followed by `die` within that time, or a `stop` that is not ours: stopped by hand, until the next `start`.
//! - The connection to the engine ended within the stop timeout + 15 s (what `dockerd` gives containers when it shuts
//!   down) after such a kill or stop, or they were replayed from before the first contact after an outage: the
//!   engine was shutting down, however much it looked like a stop by hand. An outage of Portreeve alone, through which the
//!   engine ran (its default bridge is older), explains nothing.
//! - A `die` with none of this before it: the container ended by itself.
//! - No `die`, no `stop`: nobody saw why.
//!
//! Every rule errs towards not acting.

mod marks;
mod signal;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::observed::{Container, Nanos};
use crate::resource::Duration;

pub use marks::StopMarks;
pub(in crate::reconcile) use marks::{EVENT_LAG, MARGIN};
pub use signal::signal_number;

/// What the event stream said of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Fact {
    /// A signal was sent (`kill`; a `docker stop` sends one or two).
    Kill {
        /// The signal's number, from the event's attribute `signal`.
        signal: i32,
    },
    /// A stop was completed (`stop`); follows `die`.
    Stop,
    /// The run ended (`die`).
    Die {
        /// From the event's attribute `exitCode`.
        exit_code: i64,
        /// Whether an `oom` event preceded it in this run.
        oom: bool,
    },
    /// A run began (`start`).
    Start,
    /// The connection to the engine was lost; not its planned renewal.
    StreamEnded,
    /// Events before this one may have been missed (the engine's ring was overrun).
    Gap,
}

/// A fact with its circumstances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// The event's own time, by the engine's clock; for `StreamEnded`, by ours.
    pub at: Nanos,
    /// What happened.
    pub fact: Fact,
    /// Whether an action of ours explains it: [`Intent::claims`](super::intent::Intent::claims).
    pub ours: bool,
    /// Whether it happened before the first contact after an outage of the connection.
    pub replayed_from_outage: bool,
}

/// How a container is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopHabits {
    /// Number of its stop signal.
    pub signal: i32,
    /// How long the engine waits before it kills.
    pub timeout: Duration,
}

impl StopHabits {
    /// Those of `container`: SIGTERM and 10 s unless configured. A name of a signal that is not known counts as
    /// SIGTERM; "wait for ever" (a negative timeout) counts as an hour, so that nothing is blocked for ever.
    pub fn of(container: &Container) -> Self {
        const FOREVER: u64 = 3600;
        const DEFAULT: u64 = 10;
        const SIGTERM: i32 = 15;
        let timeout = container
            .stop_timeout
            .map_or(DEFAULT, |seconds| u64::try_from(seconds).unwrap_or(FOREVER).min(FOREVER));
        let signal = container.stop_signal.as_deref().and_then(signal_number).unwrap_or(SIGTERM);
        Self { signal, timeout: Duration::from_secs(timeout) }
    }
}

/// Why a container that is down is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopCause {
    /// Nothing was seen.
    Unseen,
    /// It ended by itself.
    Crash {
        /// Its exit code.
        exit_code: i64,
        /// Whether it ran out of memory.
        oom: bool,
    },
    /// Someone stopped or killed it.
    ByHand,
    /// The engine stopped it while shutting down or booting.
    EngineShutdown,
    /// An action of ours stopped it.
    Ours {
        /// Whether the stop was completed, and not just begun when it ended.
        completed: bool,
    },
    /// A kill long ago may yet turn out to be a long stop: wait until this instant for `stop`, which follows `die`.
    Undecided {
        /// When the wait is over.
        until: Nanos,
    },
    /// It has been started since: what was inspected is old.
    StartedSince,
}
