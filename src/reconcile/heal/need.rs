//! Is the container sick, and does its own state allow anything to be done about it?

use super::healing::Wait;
use super::memory::HealMemory;
use super::situation::Situation;
use crate::observed::{Container, Health, Nanos, RestartPolicy, State};
use crate::reconcile::cause::{EVENT_LAG, MARGIN, StopCause, StopHabits};
use crate::reconcile::intent::{Answer, Intent};
use crate::reconcile::plan::{Cause, Reason, Verb, one_line};
use crate::resource::Duration;
use crate::resource::autoheal_policy::{AutohealPolicySpec, ExitedTrigger};

/// The engine's restart policy waits a minute at most from one start to the next: what it has not brought back by then it
/// takes for stopped by hand.
const RESTARTS_WITHIN: Duration = Duration::from_secs(120);

/// What the container needs.
pub(super) enum Need {
    /// Nothing is wrong with it.
    Nothing,
    /// Something may be wrong, and its state says to leave it alone.
    Wait(Wait),
    /// It is sick and nothing about itself forbids healing.
    Heal(Cause),
}

/// What the container needs, by its state, its health and the marks of its stops.
pub(super) fn of(situation: &Situation<'_>, spec: &AutohealPolicySpec, memory: &HealMemory) -> Need {
    let container = situation.container;
    let sick = illness(situation, spec);
    let heals_ends = spec.triggers.exited != ExitedTrigger::Never;
    let told_if =
        |tell: bool, reason: Reason, message: &str| Need::Wait(Wait { tell, ..Wait::new(reason, message) });
    match container.state {
        State::Running => up(situation, spec, memory, sick),
        State::Paused if sick.is_some() => told_if(true, Reason::Paused, "it is unhealthy and paused"),
        State::Paused => Need::Nothing,
        State::Restarting => told_if(
            heals_ends || sick.is_some(),
            Reason::Restarting,
            "the engine is restarting it by its own policy",
        ),
        State::Removing => told_if(false, Reason::Removing, "the engine is removing it"),
        State::Dead => told_if(
            heals_ends || memory.ailing,
            Reason::Dead,
            "the engine reports it as dead; it cannot be started",
        ),
        State::Created | State::Exited => down(situation, spec, memory),
    }
}

/// What is wrong with a container that is up, by those whom the policy listens to.
fn illness(situation: &Situation<'_>, spec: &AutohealPolicySpec) -> Option<Cause> {
    let container = situation.container;
    if spec.triggers.unhealthy && container.health == Some(Health::Unhealthy) {
        let output = one_line(container.health_output.as_deref().unwrap_or_default());
        return Some(Cause::Unhealthy { output });
    }
    let probe_verdict =
        situation.heeded(spec).filter(|probe_verdict| probe_verdict.health == Health::Unhealthy)?;
    Some(Cause::Reported { by: one_line(probe_verdict.by), why: one_line(probe_verdict.why) })
}

fn up(
    situation: &Situation<'_>,
    spec: &AutohealPolicySpec,
    memory: &HealMemory,
    sick: Option<Cause>,
) -> Need {
    let Situation { container, now, .. } = *situation;
    if let Some(intent) = &memory.intent {
        return in_progress(intent);
    }
    let quietly = |reason: Reason, message: &str| Wait::new(reason, message).quietly();
    // A start in the future is the engine's clock or a step of ours: then the grace counts from when we saw the run.
    let run =
        memory.run.as_ref().map_or(now, |run| run.started.map_or(run.seen, |started| started.min(run.seen)));
    let blocked = |reason: Reason, message: &str, until: Nanos| {
        (until > now).then(|| Need::Wait(Wait::new(reason, message).until(until)))
    };
    let stop = memory.stop_seen.and_then(|(_, seen)| {
        let until = seen.plus(StopHabits::of(container).timeout).plus(MARGIN);
        blocked(Reason::StopInProgress, "it is being stopped or killed", until)
    });
    let sick = match (container.health, sick) {
        (Some(Health::Starting), _) => {
            let silent = quietly(Reason::Starting, "its health check has no result yet");
            match verified_by(container, spec, memory, run) {
                Some(by) if by <= now => Cause::NotVerified { within: spec.verify.within },
                Some(by) => return Need::Wait(silent.until(by)),
                None => return Need::Wait(silent),
            }
        }
        (_, Some(cause)) => cause,
        (Some(Health::Unhealthy), None) => {
            let message = "it is unhealthy; the policy's trigger `unhealthy` is off";
            return Need::Wait(quietly(Reason::TriggerOff, message));
        }
        (Some(Health::Awaited), None) => {
            return Need::Wait(quietly(Reason::Starting, "waiting for its next health check"));
        }
        (word @ (Some(Health::Healthy | Health::Silent) | None), None) => {
            let cause = situation.related.cascade(container, &spec.cascade);
            let cut_off = || {
                let name = situation.related.cut_off_from(container, &spec.cascade)?;
                let message = format!(
                    "it has no network: {name}, whose network it shares, has a new one and is not ready"
                );
                Some(quietly(Reason::DependencyDown, &message))
            };
            let spared = || spared(situation, spec).or_else(cut_off).map_or(Need::Nothing, Need::Wait);
            // Told when it was found out.
            let silent = || {
                let message = "the engine no longer runs its health check, so its health is not known";
                Need::Wait(quietly(Reason::HealthCheckSilent, message))
            };
            let left = || if word == Some(Health::Silent) { silent() } else { spared() };
            return cause.map_or_else(left, |cause| stop.unwrap_or(Need::Heal(cause)));
        }
    };
    let grace =
        || blocked(Reason::Starting, "it is unhealthy, within its start grace", run.plus(spec.start_grace));
    let patience = || {
        let since = memory.unhealthy_since.unwrap_or(now);
        let message = format!("it must be unhealthy for {} first", spec.min_unhealthy);
        blocked(Reason::NotUnhealthyLongEnough, &message, since.plus(spec.min_unhealthy))
    };
    stop.or_else(grace).or_else(patience).unwrap_or(Need::Heal(sick))
}

/// Why a container is left alone although a probe does not pass.
fn spared(situation: &Situation<'_>, spec: &AutohealPolicySpec) -> Option<Wait> {
    if situation.refuses(spec) {
        let message = "it answers but refuses a probe (denied): a restart would not fix that";
        return Some(Wait::new(Reason::Denied, message));
    }
    if !situation.is_early(spec) {
        return None;
    }
    let message = "it is not ready yet (a probe answers notYet): a restart would make it start over";
    Some(
        match situation.early_until(spec) {
            Some(until) => {
                let bound = spec.triggers.not_yet;
                Wait::new(Reason::NotYet, format!("{message}; it is healed if this lasts for {bound}"))
                    .until(until)
            }
            None => Wait::new(Reason::NotYet, message),
        }
        .quietly(),
    )
}

/// When the health check of a run that an attempt brought about must have spoken. Nothing bounds how long any other run may
/// start; and this one has the time that the check itself grants it.
fn verified_by(
    container: &Container,
    spec: &AutohealPolicySpec,
    memory: &HealMemory,
    run: Nanos,
) -> Option<Nanos> {
    let verifying = memory.verifying.as_ref().filter(|_| spec.triggers.unhealthy)?;
    let granted = run.plus(container.health_check.map_or(Duration::ZERO, |check| check.start_period));
    Some(verifying.since.plus(spec.verify.within).max(granted))
}

fn down(situation: &Situation<'_>, spec: &AutohealPolicySpec, memory: &HealMemory) -> Need {
    let Situation { container, marks, now, .. } = *situation;
    let cause = marks.cause(container, now);
    if let Some(intent) = &memory.intent {
        if intent.in_progress(now) && !is_of_others(cause) {
            return in_progress(intent);
        }
        if left_down(container, intent, cause) {
            return Need::Heal(Cause::LeftDown { error: one_line(&container.error) });
        }
    }
    if container.state == State::Created {
        return Need::Nothing;
    }
    if container.auto_remove {
        return Need::Wait(Wait::new(Reason::Removing, "the engine removes it (--rm)").quietly());
    }
    let wanted = spec.triggers.exited != ExitedTrigger::Never || memory.ailing;
    let told_if = |tell: bool, reason: Reason, message: &str| Wait { tell, ..Wait::new(reason, message) };
    match cause {
        StopCause::ByHand => Need::Wait(Wait::new(Reason::StoppedByHand, "it was stopped by hand")),
        StopCause::EngineShutdown => {
            Need::Wait(told_if(wanted, Reason::EngineShutdown, "the engine stopped it while shutting down"))
        }
        // Within the time of a restart of ours that is not known to have been carried out.
        StopCause::Ours { completed: false } if memory.intent.is_some() => {
            Need::Wait(unseen(container, now, wanted))
        }
        StopCause::Ours { completed: true } if memory.intent.is_some() => Need::Wait(Wait::new(
            Reason::StoppedByHand,
            "it was stopped while a restart by Portreeve was not yet confirmed",
        )),
        StopCause::Ours { .. } => {
            Need::Wait(Wait::new(Reason::StoppedByPolicy, "its policy stopped it").quietly())
        }
        StopCause::Undecided { until } => Need::Wait(
            Wait::new(Reason::StopInProgress, "it exited; the cause may be a slow stop by hand")
                .quietly()
                .until(until),
        ),
        StopCause::StartedSince => {
            Need::Wait(Wait::new(Reason::Starting, "it has been started since; checking again").quietly())
        }
        // Whatever ended it, the policy does not start it.
        StopCause::Unseen if !wanted => {
            let code = container.exit_code;
            let message = format!(
                "it exited with code {code}; the cause was not seen, and the policy's trigger `exited` is off"
            );
            Need::Wait(Wait::new(Reason::TriggerOff, message).quietly())
        }
        StopCause::Unseen => Need::Wait(unseen(container, now, wanted)),
        StopCause::Crash { exit_code, oom } => crashed(now, container, spec, memory, exit_code, oom),
    }
}

/// Whether the end is known to be the work of others, so that waiting for our own attempt is idle.
const fn is_of_others(cause: StopCause) -> bool {
    match cause {
        StopCause::ByHand | StopCause::EngineShutdown => true,
        StopCause::Unseen
        | StopCause::Crash { .. }
        | StopCause::Ours { .. }
        | StopCause::Undecided { .. }
        | StopCause::StartedSince => false,
    }
}

fn in_progress(intent: &Intent) -> Need {
    let message = format!("attempt {} to {} it may still be under way", intent.attempt, intent.verb.as_str());
    Need::Wait(Wait::new(Reason::ActionInProgress, message).quietly().until(intent.over()))
}

/// Whether the container, down since the run the intent was about, is down by our own attempt.
///
/// Proof of a restart that could not start is the engine's error, which a start leaves and nothing else does. Without it, a
/// stop completed within the intent's time is proof if the call was sent and its answer lost. If the engine answered that
/// it failed, it was the stop that failed; if nobody heard the answer (Portreeve died after the commit), perhaps there
/// was no call: in both cases the stop may as well be someone's.
fn left_down(container: &Container, intent: &Intent, cause: StopCause) -> bool {
    let start_failed = !container.error.is_empty();
    match (cause, intent.verb) {
        (
            StopCause::ByHand
            | StopCause::EngineShutdown
            | StopCause::Undecided { .. }
            | StopCause::StartedSince,
            _,
        )
        | (_, Verb::Stop { .. }) => false,
        // Its other name says who stopped it.
        (_, Verb::Recreate { .. }) if container.set_aside_from().is_some() => true,
        // It was down and ours to start when this was committed, and still is.
        (StopCause::Ours { .. } | StopCause::Crash { .. } | StopCause::Unseen, Verb::Start) => true,
        (StopCause::Ours { completed: true }, Verb::Restart { .. } | Verb::Recreate { .. }) => {
            let carried_out = match intent.answer {
                Some(Answer::Done { .. } | Answer::Lost { .. }) => true,
                None | Some(Answer::Failed { .. }) => false,
            };
            start_failed || carried_out
        }
        (
            StopCause::Ours { completed: false } | StopCause::Crash { .. } | StopCause::Unseen,
            Verb::Restart { .. } | Verb::Recreate { .. },
        ) => start_failed,
    }
}

fn unseen(container: &Container, now: Nanos, wanted: bool) -> Wait {
    let message = "it exited and the cause was not seen";
    let wait = Wait { tell: wanted, ..Wait::new(Reason::StopCauseUnknown, message) };
    match container.finished.map(|finished| finished.plus(EVENT_LAG)) {
        // Bounded also when the clock stepped back.
        Some(until) if until > now && until <= now.plus(EVENT_LAG) => wait.quietly().until(until),
        Some(_) | None => wait,
    }
}

fn crashed(
    now: Nanos,
    container: &Container,
    spec: &AutohealPolicySpec,
    memory: &HealMemory,
    exit_code: i64,
    oom: bool,
) -> Need {
    // A run of our making that fails before it was ever healthy is no better than one that could not start.
    let ours = memory.verifying.as_ref().is_some_and(|verifying| {
        let ended = container.finished.unwrap_or(verifying.since);
        exit_code != 0 && ended <= verifying.since.plus(spec.verify.within)
    });
    let wanted = match spec.triggers.exited {
        ExitedTrigger::Never => false,
        ExitedTrigger::OnFailure => exit_code != 0,
        ExitedTrigger::Always => true,
    };
    if !wanted && !ours {
        let message =
            format!("it exited with code {exit_code}; the policy's trigger `exited` does not cover it");
        return Need::Wait(Wait::new(Reason::TriggerOff, message).quietly());
    }
    if engine_brings_back(container, exit_code) {
        let until = container.finished.map(|finished| finished.plus(RESTARTS_WITHIN));
        return Need::Wait(match until {
            // Bounded also when the clock stepped back.
            Some(until) if until <= now || until > now.plus(RESTARTS_WITHIN) => Wait::new(
                Reason::StoppedByHand,
                "Docker's own restart policy leaves it down, as it does after a stop by hand",
            ),
            until => {
                let message = "it exited by itself; Docker's own restart policy restarts it";
                let wait = Wait::new(Reason::RestartPolicyActs, message);
                until.into_iter().fold(wait, Wait::until)
            }
        });
    }
    Need::Heal(Cause::Exited { exit_code, out_of_memory: oom })
}

/// Whether Docker's own restart policy acts on this end. An engine whose own attempt to start it failed (it leaves
/// the error) does not try again.
const fn engine_brings_back(container: &Container, exit_code: i64) -> bool {
    if !container.error.is_empty() {
        return false;
    }
    match container.restart_policy {
        RestartPolicy::No => false,
        RestartPolicy::Always | RestartPolicy::UnlessStopped => true,
        RestartPolicy::OnFailure { max } => exit_code != 0 && (max == 0 || container.restart_count < max),
    }
}
