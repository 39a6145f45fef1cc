//! A sick container that may be healed: what the policy does, whether it is time, and the attempt itself.

use uuid::Uuid;

use super::backoff::{elapsed, is_spent, spend, wait_after};
use super::{Healing, Intent, Quarantine, Situation, Wait};
use crate::observed::{Container, Nanos};
use crate::reconcile::cause::StopHabits;
use crate::reconcile::plan::{Action, Cause, NoteKind, Reason, Severity, Verb, earlier};
use crate::resource::autoheal_policy::{AutohealPolicySpec, HealAction};

/// Acts, or says why not. The order of the questions is the order in which their answers matter to a reader: our own
/// faults, then what was decided before, then the policy, then time, then whether we may touch the engine at all.
///
/// Breaker, pace, silences and dependencies are further questions before time; escalation takes the place of
/// [`AutohealPolicySpec::action`] in [`verb`].
pub(super) fn attempt(
    healing: &mut Healing,
    situation: &Situation<'_>,
    policy: &str,
    spec: &AutohealPolicySpec,
    cause: Cause,
) {
    healing.memory.ailing = true;
    let refused = own_fault(situation)
        .or_else(|| quarantined(healing, situation.now))
        .or_else(|| suspended(situation, &cause))
        .map_or_else(|| verb(healing, situation.container, spec, &cause), Err)
        .and_then(|verb| in_time(healing, situation, spec, &cause).map_or(Ok(verb), Err))
        .and_then(|verb| hands_off(situation, verb, &cause).map_or(Ok(verb), Err));
    match refused {
        Err(wait) => healing.wait(wait),
        Ok(verb) => commit(healing, situation, policy, spec, verb, cause),
    }
}

fn own_fault(situation: &Situation<'_>) -> Option<Wait> {
    situation
        .own_fault
        .map(|fault| Wait::new(Reason::OwnFault, format!("Portreeve itself is what fails: {fault}")))
}

fn quarantined(healing: &Healing, now: Nanos) -> Option<Wait> {
    let quarantine = healing.memory.quarantined.as_ref()?;
    let since = elapsed(quarantine.since, now);
    let message = format!("quarantined for {since}: {}", quarantine.why);
    Some(Wait::new(Reason::Quarantined, message))
}

fn suspended(situation: &Situation<'_>, cause: &Cause) -> Option<Wait> {
    let what = situation.suspended?;
    let message = format!("{} needs care: {cause}; {what}", situation.container.name);
    Some(Wait::new(Reason::Suspended, message))
}

/// The engine call the policy asks for.
fn verb(
    healing: &mut Healing,
    container: &Container,
    spec: &AutohealPolicySpec,
    cause: &Cause,
) -> Result<Verb, Wait> {
    let up = container.state.is_up();
    let stop_timeout = spec.stop_timeout.unwrap_or(StopHabits::of(container).timeout);
    match spec.action {
        HealAction::Restart if up => Ok(Verb::Restart { stop_timeout }),
        HealAction::Restart => Ok(Verb::Start),
        HealAction::Stop if up => Ok(Verb::Stop { stop_timeout }),
        HealAction::Stop => {
            Err(Wait::new(Reason::ActionNone, "it is down, and the policy's action is `stop`").quietly())
        }
        HealAction::Notify => {
            let message = format!("{} needs care: {cause}; its policy only says so", container.name);
            if healing.memory.told != Some(Reason::NotifyOnly) {
                healing.memory.told = Some(Reason::NotifyOnly);
                healing.note(
                    NoteKind::Unhealthy,
                    Some(Reason::NotifyOnly),
                    Severity::Warning,
                    message.clone(),
                );
            }
            Err(Wait::new(Reason::NotifyOnly, message).quietly())
        }
        HealAction::None => Err(Wait::new(Reason::ActionNone, "the policy's action is `none`").quietly()),
        HealAction::Recreate => Err(Wait::new(
            Reason::ActionUnavailable,
            "this version cannot recreate a container; nothing is done",
        )),
    }
}

/// Waits and budget. The budget is judged as of the time the wait is over: if it will be spent then, nobody needs to wait
/// for the bad news.
fn in_time(
    healing: &mut Healing,
    situation: &Situation<'_>,
    spec: &AutohealPolicySpec,
    cause: &Cause,
) -> Option<Wait> {
    let Situation { container, now, seed, .. } = *situation;
    let memory = &healing.memory;
    let wait = wait_after(&spec.backoff, memory.streak, seed);
    let due = memory.last_action.map_or(now, |last| last.plus(wait)).max(now);
    if is_spent(&memory.spent, &spec.budget, due) {
        return Some(quarantine(healing, &container.name, spec, cause, now));
    }
    if due <= now {
        return None;
    }
    let (next, left) = (memory.streak.saturating_add(1), elapsed(now, due));
    let message = format!("{cause}; attempt {next} is due in {left}");
    Some(Wait::new(Reason::BackingOff, message).until(due))
}

fn quarantine(
    healing: &mut Healing,
    name: &str,
    spec: &AutohealPolicySpec,
    cause: &Cause,
    now: Nanos,
) -> Wait {
    let (restarts, per) = (spec.budget.restarts, spec.budget.per);
    let why = format!("{restarts} attempts within {per} did not help: {cause}");
    let message =
        format!("{name} is left alone until released or healthy for {}: {why}", spec.backoff.reset_after);
    healing.memory.quarantined = Some(Quarantine { since: now, why });
    healing.memory.told = Some(Reason::Quarantined);
    healing.note(NoteKind::Quarantined, Some(Reason::BudgetExhausted), Severity::Critical, message.clone());
    Wait::new(Reason::BudgetExhausted, message).quietly()
}

/// Everything is decided; whether it may be done is someone else's choice.
fn hands_off(situation: &Situation<'_>, verb: Verb, cause: &Cause) -> Option<Wait> {
    let would = format!("would {} {}: {cause}", verb.as_str(), situation.container.name);
    if situation.read_only {
        return Some(Wait::new(Reason::ReadOnly, format!("{would}; the engine is declared read-only")));
    }
    situation.observe.then(|| Wait::new(Reason::Observing, format!("{would}; only observing")))
}

/// The attempt: counted as spent and remembered as an intent, in the same memory that is stored before the call.
fn commit(
    healing: &mut Healing,
    situation: &Situation<'_>,
    policy: &str,
    spec: &AutohealPolicySpec,
    verb: Verb,
    cause: Cause,
) {
    let Situation { container, now, .. } = *situation;
    let memory = &mut healing.memory;
    memory.streak = memory.streak.saturating_add(1);
    memory.restart_count = memory.restart_count.saturating_add(1);
    spend(&mut memory.spent, &spec.budget, now);
    memory.last_action = Some(now);
    memory.told = None;
    let attempt = memory.streak;
    // The count never goes back, so that no two attempts share an id.
    let name =
        format!("portreeve/heal/{}/{}/{}", container.key.engine, container.key.id, memory.restart_count);
    let intent = Intent {
        id: Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()).to_string(),
        container: container.key.clone(),
        name: container.name.clone(),
        verb,
        started_before: container.started,
        committed_at: now,
        attempt,
        cause: cause.clone(),
        answer: None,
    };
    let (kind, word) = match verb {
        Verb::Restart { .. } => (NoteKind::Restarting, "restarting"),
        Verb::Start => (NoteKind::Restarting, "starting"),
        Verb::Stop { .. } => (NoteKind::Stopping, "stopping"),
    };
    let message = format!("{word} {}, attempt {attempt}: {cause}", container.name);
    healing.action = Some(Action {
        intent: intent.id.clone(),
        verb,
        container: container.key.clone(),
        name: container.name.clone(),
        started: container.started,
        state: container.state,
        attempt,
        policy: policy.to_owned(),
        cause,
    });
    healing.requeue_at = earlier(healing.requeue_at, Some(intent.deadline()));
    healing.memory.intent = Some(intent);
    healing.note(kind, None, Severity::Warning, message);
}
