//! Docker's own health check: what its word is worth.
//!
//! The engine tells of a health check only when its word changes. It keeps the last word of a container whose checks it has
//! stopped to make: an engine before 23.0 makes none after a restart that containers survived (moby/moby#41871). And it
//! calls a container unhealthy whose checks it stops itself, for a pause, until the next check after that passes.
//!
//! A word counts while a check stands behind it: one that ended no longer ago than the next may take, after whatever
//! stopped the checks. [`observe`] decides that with each inspect; [`look_due`] says when there must be one because nobody
//! would tell that nothing comes: once after each contact with the engine and after each pause.

use serde::{Deserialize, Serialize};

use crate::observed::{Container, Health, HealthCheck, Nanos, State};
use crate::reconcile::plan::{Note, Reason};
use crate::resource::event::{EventKind, Severity};
use crate::resource::{Duration, count};

/// How much later than configured a check may end: an engine with much to do makes them late.
const MARGIN: Duration = Duration::from_secs(10);

/// The longest time between two looks at a container whose checks stay away.
const SELDOM: Duration = Duration::from_secs(3600);

/// What is remembered of a container's checks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CheckMemory {
    /// When it last went on after a pause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resumed: Option<Nanos>,
    /// The checks that stay away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missed: Option<Missed>,
    /// Whether it was told that they do, and not yet that they are made again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub told: bool,
    /// The run of which it was told that it became unhealthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sick: Option<Nanos>,
}

/// Checks that did not come when they were due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Missed {
    /// Since when they are waited for.
    pub since: Nanos,
    /// The end of the last one there was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Nanos>,
    /// Whether they were waited for long enough.
    #[serde(default)]
    pub silent: bool,
}

impl CheckMemory {
    /// Whether there is nothing to remember.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl HealthCheck {
    /// How long after the end of one check the next has ended at the latest.
    pub fn longest_gap(self) -> Duration {
        let sum =
            [self.interval, self.timeout, MARGIN].iter().map(|part| part.get()).sum::<std::time::Duration>();
        Duration::from_millis(u64::try_from(sum.as_millis()).unwrap_or(u64::MAX))
    }
}

/// What the word of an inspect is worth, and what is to be told of it; `memory` is brought up to that.
///
/// `contact`: when the engine was last contacted. All times are the engine's.
pub fn observe(
    container: &Container,
    memory: &mut CheckMemory,
    contact: Nanos,
    now: Nanos,
) -> (Option<Health>, Option<Note>) {
    let (Some(word), Some(check)) = (container.health, container.health_check) else {
        memory.missed = None;
        return (container.health, None);
    };
    // Fewer have failed than it takes: the engine says so because it has stopped to check.
    let by_no_check =
        word == Health::Unhealthy && container.failing_streak.is_some_and(|streak| streak < check.retries);
    match container.state {
        State::Running => {}
        State::Paused => return (Some(if by_no_check { Health::Awaited } else { word }), None),
        State::Created | State::Restarting | State::Removing | State::Exited | State::Dead => {
            return (Some(word), None);
        }
    }
    if is_undated(container) {
        memory.missed = None;
        return (Some(word), None);
    }
    let gap = check.longest_gap();
    let recent =
        |last: Nanos| now.since(last) <= gap.as_nanos() && memory.resumed.is_none_or(|at| last >= at);
    if container.last_check.is_some_and(recent) {
        memory.missed = None;
        let word = if by_no_check { Health::Awaited } else { word };
        let heard = std::mem::take(&mut memory.told);
        return (Some(word), heard.then(|| checked_again(container, word)));
    }
    let missed = missed(container, memory, contact, now, gap);
    if !missed.silent && word == Health::Starting {
        // Too early for the first check; that needs no memory.
        memory.missed = None;
        return (Some(word), None);
    }
    let news = missed.silent && !memory.told;
    memory.told |= missed.silent;
    let word = if missed.silent { Health::Silent } else { Health::Awaited };
    let note = news.then(|| silent_now(container, check, missed.since));
    memory.missed = Some(missed);
    (Some(word), note)
}

/// What is to be told of a container that became unhealthy: once for each time. `container` has the word that counts.
pub fn fell_sick(container: &Container, memory: &mut CheckMemory) -> Option<Note> {
    match (container.state, container.health) {
        (State::Running, Some(Health::Unhealthy)) if memory.sick != container.started => {
            memory.sick = container.started;
            let failed = match container.failing_streak {
                Some(streak) if streak > 0 => {
                    format!(": {} failed in a row", count(streak, "health check"))
                }
                Some(_) | None => String::new(),
            };
            let message = format!("{} became unhealthy{failed}", container.name);
            let output = container.health_output.clone();
            Some(Note { severity: Severity::Warning, output, ..note(EventKind::Unhealthy, None, message) })
        }
        (_, Some(Health::Healthy)) => {
            memory.sick = None;
            None
        }
        _ => None,
    }
}

/// Whether checks have spoken and the engine does not keep when, as Podman can be told to.
fn is_undated(container: &Container) -> bool {
    container.last_check.is_none() && matches!(container.health, Some(Health::Healthy | Health::Unhealthy))
}

/// What is missed: since the last thing that set the checks going, or, if some came after that, since it was first seen that
/// no more do. A clock that stepped forward is no proof: the next look finds a check, or proves that there is none.
fn missed(container: &Container, memory: &CheckMemory, contact: Nanos, now: Nanos, gap: Duration) -> Missed {
    let last = container.last_check;
    let same_run = |since: Nanos| container.started.is_none_or(|started| since >= started);
    let known = memory.missed.as_ref().filter(|known| known.last == last && same_run(known.since));
    let owed = owed_since(container, memory, contact);
    let since = match known {
        // Another contact proves nothing.
        Some(known) if known.silent => known.since,
        Some(known) if last >= Some(owed) => known.since,
        None if last >= Some(owed) => now,
        Some(_) | None => owed,
    };
    let since = since.min(now);
    let silent = known.is_some_and(|known| known.silent) || now.since(since) >= gap.as_nanos();
    Missed { since, last, silent }
}

/// Since when the engine is to make checks of the present run, without anything that stopped them since.
fn owed_since(container: &Container, memory: &CheckMemory, contact: Nanos) -> Nanos {
    container.started.unwrap_or_default().max(last_turn(memory, contact))
}

/// When a check was last made sure of, or last in doubt: the contact with the engine, or the end of a pause.
fn last_turn(memory: &CheckMemory, contact: Nanos) -> Nanos {
    contact.max(memory.resumed.unwrap_or_default())
}

/// When the container is to be inspected although nothing was heard of it; `None`: nothing has to be found out.
///
/// `spread` keeps many containers from being looked at in one moment.
pub fn look_due(
    container: &Container,
    memory: &CheckMemory,
    contact: Nanos,
    now: Nanos,
    spread: Duration,
) -> Option<Nanos> {
    let check = container.health_check.filter(|_| container.state == State::Running)?;
    let (word, gap, turn) = (container.health?, check.longest_gap(), last_turn(memory, contact));
    if is_undated(container) {
        return None;
    }
    let due = match (&memory.missed, container.last_check) {
        (Some(missed), _) if missed.silent => ever_rarer(missed.since.max(turn), gap, now),
        (Some(missed), _) => missed.since.plus(gap),
        // Checks are made; what they come to is not clear yet.
        (None, Some(last)) if last >= turn && word == Health::Awaited => last.plus(gap),
        (None, Some(last)) if last >= turn => return None,
        // A run that began under Portreeve's eyes is told of by events.
        (None, _) => match container.started.filter(|started| *started > turn) {
            Some(started) if memory.told => started.plus(gap),
            Some(_) => return None,
            None => turn.plus(gap),
        },
    };
    Some(due.plus(spread))
}

/// The next of looks that are twice as far apart each time.
fn ever_rarer(since: Nanos, gap: Duration, now: Nanos) -> Nanos {
    let (mut at, mut step) = (since.plus(gap), gap);
    while at <= now && step < SELDOM {
        step = Duration::from_millis(u64::try_from(step.get().as_millis() * 2).unwrap_or(u64::MAX));
        at = at.plus(step);
    }
    if at > now { at } else { now.plus(SELDOM) }
}

fn silent_now(container: &Container, check: HealthCheck, since: Nanos) -> Note {
    let last =
        container.last_check.map_or_else(String::new, |last| format!("; the last one ended at {last}"));
    let message = format!(
        "{}: no health check has ended since {since}, although one is due every {}{last}. The last result no longer \
        counts. An engine before 23.0 with live-restore runs no checks after its own restart until the container is \
        restarted, or paused and unpaused",
        container.name, check.interval,
    );
    note(EventKind::HealthCheckSilent, Some(Reason::HealthCheckSilent), message)
}

fn checked_again(container: &Container, word: Health) -> Note {
    let message = format!(
        "{}: the engine runs its health check again, the result is \
        {}",
        container.name,
        word.as_str()
    );
    note(EventKind::HealthCheckHeard, None, message)
}

fn note(kind: EventKind, reason: Option<Reason>, message: String) -> Note {
    let severity = reason.map_or(Severity::Info, Reason::severity);
    Note { kind, reason, message, severity, restart_count: 0, output: None }
}

/// What a container whose checks stay away is judged to be, in words that stay the same until one comes.
pub fn silence(container: &Container) -> String {
    match container.last_check {
        Some(at) => {
            format!(
                "Docker's health check is silent: the last one ended at {at}, and the next one is overdue"
            )
        }
        None => "Docker's health check is silent: none has ended, and the first one is overdue".to_owned(),
    }
}

#[cfg(test)]
mod tests;
