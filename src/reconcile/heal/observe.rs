//! What a look at the container teaches: a new run, its health, an attempt settled, a lasting recovery.

use super::backoff::elapsed;
use super::healing::Healing;
use super::memory::{HealMemory, Run, Verifying};
use super::situation::Situation;
use crate::observed::{Container, Health, Nanos, State};
use crate::reconcile::cause::StopMarks;
use crate::reconcile::intent::{Answer, Intent};
use crate::reconcile::plan::{Reason, Verb, earlier};
use crate::resource::Duration;
use crate::resource::autoheal_policy::AutohealPolicySpec;
use crate::resource::event::{EventKind, Severity};

/// How long a container without a health check must run to be called recovered: one in a crash loop runs, too.
const PROOF: Duration = Duration::from_secs(10);

/// What counts for recovery. A run paused, starting or between two runs is neither.
enum Verdict {
    Healthy,
    Unhealthy,
    Neither,
}

impl Verdict {
    fn of(state: State, health: Option<Health>) -> Self {
        match (state, health) {
            (State::Running, None | Some(Health::Healthy)) => Self::Healthy,
            (State::Running, Some(Health::Unhealthy)) => Self::Unhealthy,
            (State::Running, Some(Health::Starting | Health::Awaited | Health::Silent)) => Self::Neither,
            (
                State::Created
                | State::Paused
                | State::Restarting
                | State::Removing
                | State::Exited
                | State::Dead,
                _,
            ) => Self::Neither,
        }
    }
}

/// Brings the memory up to what is seen. The engine is connected: what is seen is the present.
pub(super) fn take_in(healing: &mut Healing, situation: &Situation<'_>, spec: &AutohealPolicySpec) {
    let Situation { container, marks, now, .. } = *situation;
    settle_intent(healing, container, marks, now);
    let memory = &mut healing.memory;
    match (&situation.related.parent, container.network_parent()) {
        (Some(parent), _) => memory.parent = Some(parent.identity.clone()),
        (None, Some(_)) => {}
        (None, None) => memory.parent = None,
    }
    let same_run = memory
        .run
        .as_ref()
        .is_some_and(|run| run.container == container.key.id && run.started == container.started);
    if !same_run {
        memory.run = Some(Run { container: container.key.id.clone(), started: container.started, seen: now });
        memory.unhealthy_since = None;
        memory.healthy_since = None;
        another_image(healing, container);
    }
    let memory = &mut healing.memory;
    memory.stop_seen = marks.being_stopped().filter(|_| container.state.is_up()).map(|at| {
        // Counted from when we saw it, not from the event's time: a clock of the engine that is behind would end it early.
        memory.stop_seen.filter(|(known, _)| *known == at).unwrap_or((at, now))
    });
    match Verdict::of(container.state, situation.health(spec)) {
        Verdict::Healthy => {
            memory.unhealthy_since = None;
            memory.verifying = None;
            memory.healthy_since.get_or_insert(now);
            match proof(situation, spec) {
                Some(until) if healing.memory.ailing => {
                    healing.requeue_at = earlier(healing.requeue_at, Some(until));
                }
                _ => healthy(healing, container, spec, now),
            }
        }
        Verdict::Unhealthy => {
            memory.healthy_since = None;
            let probe_verdict =
                situation.heeded(spec).filter(|probe_verdict| probe_verdict.health == Health::Unhealthy);
            let since = probe_verdict.map_or(now, |probe_verdict| probe_verdict.since.min(now));
            memory.unhealthy_since.get_or_insert(since);
            let counts = probe_verdict.is_some() || spec.triggers.unhealthy;
            memory.ailing |= counts;
            if counts {
                not_healed(healing, container, now);
            }
        }
        Verdict::Neither => {
            memory.healthy_since = None;
            memory.unhealthy_since = None;
            // It answers: whatever was wrong with it before is over, and what is wrong now is nothing to be healed.
            let spoke = container.state == State::Running
                && matches!(container.health, None | Some(Health::Healthy | Health::Unhealthy));
            if spoke && situation.refuses(spec) {
                (memory.ailing, memory.verifying) = (false, None);
            }
        }
    }
}

/// When a run of which nobody says whether it is healthy will have lasted long enough to call it recovered; `None`: it has,
/// or somebody says.
fn proof(situation: &Situation<'_>, spec: &AutohealPolicySpec) -> Option<Nanos> {
    let Situation { container, now, .. } = *situation;
    if container.health.is_some() || situation.heeded(spec).is_some() {
        return None;
    }
    let until = container.started?.plus(PROOF);
    // Bounded also when the clock stepped back.
    Some(until).filter(|until| *until > now && *until <= now.plus(PROOF))
}

/// A container made anew from another image starts afresh: the image may be the cure.
fn another_image(healing: &mut Healing, container: &Container) {
    let before = healing.memory.quarantined.as_ref().map(|quarantine| quarantine.image.as_str());
    if before.is_some_and(|image| !image.is_empty() && image != container.image_id) {
        healing.memory.start_afresh();
        healing.memory.told = None;
        let message = format!("{} has another image: no longer quarantined", container.name);
        healing.note(EventKind::Released, None, Severity::Info, message);
    }
}

/// The run that an attempt brought about is sick, too.
fn not_healed(healing: &mut Healing, container: &Container, now: Nanos) {
    let Some(verifying) = healing.memory.verifying.as_mut().filter(|verifying| !verifying.failed) else {
        return;
    };
    verifying.failed = true;
    let (attempt, after) = (verifying.attempt, elapsed(verifying.since, now));
    let message = format!("attempt {attempt} did not heal {}: unhealthy again after {after}", container.name);
    healing.note(EventKind::NotHealed, None, Severity::Warning, message);
}

/// Closes the open intent when a new run is seen, when the attempt did not happen, or when it is not about this
/// container any more. One whose container is down stays open: it says that the container is ours to start.
///
/// A stop also stays open until the events that tell of it have come, which may be later than the answer: they are ours.
fn settle_intent(healing: &mut Healing, container: &Container, marks: &StopMarks, now: Nanos) {
    let Some(intent) = healing.memory.intent.take() else { return };
    let Intent { verb, attempt, cause, name, .. } = &intent;
    let word = verb.as_str();
    if intent.made(container) && intent.container != container.key {
        if container.started.is_none() {
            healing.memory.intent = Some(intent);
            return;
        }
        let message = format!("{name} was recreated by attempt {attempt}, because {cause}");
        healing.memory.healed = container.started;
        healing.memory.verifying = Some(Verifying { attempt: *attempt, since: now, failed: false });
        healing.note(EventKind::Restarted, None, Severity::Info, message);
        return;
    }
    if intent.container != container.key {
        let message = format!("{name} was replaced during attempt {attempt} to {word} it");
        healing.note(EventKind::Skipped, Some(Reason::Replaced), Reason::Replaced.severity(), message);
        return;
    }
    if container.started != intent.started_before {
        let message = format!("{name} runs again after attempt {attempt} to {word} it because {cause}");
        healing.memory.healed = container.started;
        healing.memory.verifying = Some(Verifying { attempt: *attempt, since: now, failed: false });
        healing.note(EventKind::Restarted, None, Severity::Info, message);
        return;
    }
    let leaves_down = match verb {
        Verb::Stop { .. } => intent.is_heard(marks) || !intent.in_progress(now),
        Verb::Restart { .. } | Verb::Recreate { .. } | Verb::Start => false,
    };
    match container.state {
        State::Exited | State::Created | State::Dead if leaves_down => {
            let message = format!("{name} was stopped because {cause}");
            healing.note(EventKind::Stopped, None, Severity::Warning, message);
        }
        State::Running | State::Paused if !intent.in_progress(now) => match intent.answer {
            // Told when the answer came.
            Some(Answer::Failed { .. }) => {}
            None | Some(Answer::Done { .. } | Answer::Lost { .. }) => {
                let waited = elapsed(intent.committed_at, now);
                let message = format!("attempt {attempt} to {word} {name} shows no effect after {waited}");
                healing.note(EventKind::RestartFailed, None, Severity::Warning, message);
            }
        },
        State::Created
        | State::Running
        | State::Paused
        | State::Restarting
        | State::Removing
        | State::Exited
        | State::Dead => healing.memory.intent = Some(intent),
    }
}

/// It is healthy now; perhaps it has been long enough for waits and budget to start afresh.
fn healthy(healing: &mut Healing, container: &Container, spec: &AutohealPolicySpec, now: Nanos) {
    let name = &container.name;
    if std::mem::take(&mut healing.memory.ailing) {
        let word = if container.health.is_some() { "is healthy again" } else { "is running again" };
        healing.note(EventKind::Recovered, None, Severity::Info, format!("{name} {word}"));
    }
    if reset_due(&healing.memory, spec).is_some_and(|due| due <= now) {
        let also = if healing.memory.quarantined.is_some() { ", no longer quarantined" } else { "" };
        let message = format!(
            "{name} stayed healthy for {}: its wait and its budget are reset{also}",
            spec.backoff.reset_after
        );
        healing.memory.start_afresh();
        healing.note(EventKind::BackoffReset, None, Severity::Info, message);
    }
}

/// When sustained health will let waits and budget start afresh, if there is anything to forget.
pub(super) fn reset_due(memory: &HealMemory, spec: &AutohealPolicySpec) -> Option<Nanos> {
    let anything = memory.streak > 0 || memory.quarantined.is_some() || !memory.spent.is_empty();
    memory.healthy_since.filter(|_| anything).map(|since| since.plus(spec.backoff.reset_after))
}
