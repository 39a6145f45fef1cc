//! A sick container that may be healed: what the policy does, whether it is time, and the attempt itself.

use uuid::Uuid;

use super::backoff::{elapsed, is_spent, spend, wait_after};
use super::group::PolicyGroup;
use super::healing::{Healing, Wait};
use super::memory::Quarantine;
use super::related::Silenced;
use super::situation::Situation;
use super::step;
use crate::observed::Nanos;
use crate::reconcile::cause::StopHabits;
use crate::reconcile::intent::Intent;
use crate::reconcile::plan::{Action, Cause, Reason, Verb, earlier};
use crate::resource::autoheal_policy::{AutohealPolicySpec, Budget, HealAction};
use crate::resource::event::{EventKind, Severity};
use crate::resource::{Duration, count};

/// By whose orders: a policy's name, and its spec.
#[derive(Clone, Copy)]
pub(super) struct Orders<'a> {
    pub(super) policy: &'a str,
    pub(super) spec: &'a AutohealPolicySpec,
}

/// How long after an attempt that was called off the next one is made at the earliest.
const AFTER_CALLING_OFF: Duration = Duration::from_secs(5);

/// How long a step that touches nothing lasts at least.
const SHORTEST_STEP: Duration = Duration::from_secs(1);

/// Acts, or says why not. The order of the questions is the order in which their answers matter to a reader: our own
/// faults, then what was decided before, then the breaker, the policy, time, whose turn it is, and then whether we may touch
/// the engine at all.
pub(super) fn attempt(
    healing: &mut Healing,
    situation: &Situation<'_>,
    group: &mut PolicyGroup,
    orders: Orders<'_>,
    cause: Cause,
) {
    let (id, spec, now) = (&situation.container.key.id, orders.spec, situation.now);
    healing.memory.ailing |= !cause.is_cascade();
    let refused = own_fault(situation)
        .or_else(|| silenced(situation))
        .or_else(|| quarantined(healing, now))
        .or_else(|| suspended(situation, &cause))
        .or_else(|| missing(situation))
        .or_else(|| group.broken(id, spec, now))
        .map_or_else(|| verb(healing, situation, spec, &cause), Err)
        .and_then(|verb| in_time(healing, situation, spec, &cause).map_or(Ok(verb), Err))
        .and_then(|verb| group.in_turn(id, spec, now).map_or(Ok(verb), Err))
        .and_then(|verb| hands_off(situation, verb, &cause).map_or(Ok(verb), Err))
        .and_then(|verb| drained(healing, situation, group, spec, verb, &cause).map_or(Ok(verb), Err));
    match refused {
        Err(wait) => healing.wait(wait),
        Ok(verb) => {
            commit(healing, situation, orders, verb, cause);
            group.give(id, healing.memory.place(spec, now).unwrap_or(now), &spec.pace, now);
        }
    }
}

fn own_fault(situation: &Situation<'_>) -> Option<Wait> {
    situation
        .own_fault
        .map(|fault| Wait::new(Reason::OwnFault, format!("Portreeve itself has a fault: {fault}")))
}

fn silenced(situation: &Situation<'_>) -> Option<Wait> {
    let Silenced { by, until } =
        situation.related.silence.as_ref().filter(|silence| silence.until > situation.now)?;
    let left = elapsed(situation.now, *until);
    Some(Wait::new(Reason::Silenced, format!("the silence {by} covers it for another {left}")).until(*until))
}

fn missing(situation: &Situation<'_>) -> Option<Wait> {
    let name = situation.related.missing()?;
    Some(Wait::new(Reason::DependencyDown, format!("{name}, which it depends on, is not up and healthy")))
}

fn quarantined(healing: &Healing, now: Nanos) -> Option<Wait> {
    let quarantine = healing.memory.quarantined.as_ref()?;
    let since = elapsed(quarantine.since, now);
    let message = format!("quarantined for {since}: {}", quarantine.why);
    Some(Wait::new(Reason::Quarantined, message))
}

fn suspended(situation: &Situation<'_>, cause: &Cause) -> Option<Wait> {
    let what = situation.suspended?;
    let message = format!("{} needs healing: {cause}; {what}", situation.container.name);
    Some(Wait::new(Reason::Suspended, message))
}

/// The engine call of the policy's action, or of the step that its escalation has come to.
fn verb(
    healing: &mut Healing,
    situation: &Situation<'_>,
    spec: &AutohealPolicySpec,
    cause: &Cause,
) -> Result<Verb, Wait> {
    let container = situation.container;
    let stop_timeout = spec.stop_timeout.unwrap_or(StopHabits::of(container).timeout);
    let orphan = situation.related.parent.as_ref().is_some_and(|parent| parent.replaced);
    if cause.is_cascade() {
        return match step::action(spec, 0) {
            Some(HealAction::Notify | HealAction::None) => {
                Err(Wait::new(Reason::ActionNone, format!("{cause}; its policy restarts nothing")).quietly())
            }
            _ if orphan && container.auto_remove => Err(cannot_be_made_anew()),
            _ if orphan => Ok(Verb::Recreate { stop_timeout }),
            _ => Ok(Verb::Restart { stop_timeout }),
        };
    }
    let Some(action) = step::action(spec, healing.memory.streak) else {
        let why = format!("every step of its escalation was tried and none helped: {cause}");
        return Err(quarantine(healing, situation, spec, Reason::EscalationExhausted, why));
    };
    let up = container.state.is_up();
    match action {
        // It cannot be started while its configuration names a container that is gone.
        HealAction::Restart if orphan && !container.auto_remove => Ok(Verb::Recreate { stop_timeout }),
        HealAction::Restart if up => Ok(Verb::Restart { stop_timeout }),
        HealAction::Restart => Ok(Verb::Start),
        HealAction::Stop if up => Ok(Verb::Stop { stop_timeout }),
        HealAction::Stop => {
            Err(Wait::new(Reason::ActionNone, "it is down, and the policy's action is `stop`").quietly())
        }
        HealAction::Notify => {
            let message = format!("{} needs healing: {cause}; its policy only reports it", container.name);
            if healing.memory.told != Some(Reason::NotifyOnly) {
                healing.memory.told = Some(Reason::NotifyOnly);
                healing.note(
                    EventKind::Unhealthy,
                    Some(Reason::NotifyOnly),
                    Severity::Warning,
                    message.clone(),
                );
            }
            if let Some(passed) = passed(healing, situation, spec) {
                return Err(passed);
            }
            Err(Wait::new(Reason::NotifyOnly, message).quietly())
        }
        HealAction::None => Err(passed(healing, situation, spec)
            .unwrap_or_else(|| Wait::new(Reason::ActionNone, "the policy's action is `none`").quietly())),
        HealAction::Recreate if container.auto_remove => Err(cannot_be_made_anew()),
        HealAction::Recreate if container.set_aside_from().is_some() => Ok(Verb::Start),
        HealAction::Recreate => Ok(Verb::Recreate { stop_timeout }),
    }
}

fn cannot_be_made_anew() -> Wait {
    let message = "the engine removes it when it exits (--rm), so it cannot be recreated without loss";
    Wait::new(Reason::ActionUnavailable, message)
}

/// Goes on to the next step of an escalation from one that touches nothing; its time is that of an attempt.
fn passed(healing: &mut Healing, situation: &Situation<'_>, spec: &AutohealPolicySpec) -> Option<Wait> {
    let Situation { now, seed, .. } = *situation;
    let memory = &mut healing.memory;
    if situation.observe || situation.read_only || !step::is_followed(spec, memory.streak) {
        return None;
    }
    memory.streak = memory.streak.saturating_add(1);
    memory.last_action = Some(now);
    memory.told = Some(Reason::BackingOff);
    let due = now.plus(wait_after(&spec.backoff, memory.streak, seed).max(SHORTEST_STEP));
    let message = format!("the next step of its escalation is due in {}", elapsed(now, due));
    Some(Wait::new(Reason::BackingOff, message).quietly().until(due))
}

/// Waits and budget. The budget is judged as of the time the wait is over: if it will be spent then, nobody needs to wait
/// for the bad news.
fn in_time(
    healing: &mut Healing,
    situation: &Situation<'_>,
    spec: &AutohealPolicySpec,
    cause: &Cause,
) -> Option<Wait> {
    let Situation { now, seed, .. } = *situation;
    let memory = &healing.memory;
    let wait = wait_after(&spec.backoff, memory.streak, seed);
    let due = memory.last_action.map_or(now, |last| last.plus(wait)).max(now);
    let due = memory.called_off.map_or(due, |at| due.max(at.plus(AFTER_CALLING_OFF)));
    if is_spent(&memory.spent, &spec.budget, due) {
        let Budget { restarts, per } = spec.budget;
        let why = format!("{} within {per} did not help: {cause}", count(restarts, "attempt"));
        return Some(quarantine(healing, situation, spec, Reason::BudgetExhausted, why));
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
    situation: &Situation<'_>,
    spec: &AutohealPolicySpec,
    reason: Reason,
    why: String,
) -> Wait {
    let Situation { container, now, .. } = *situation;
    let (name, image) = (&container.name, container.image_id.clone());
    let message =
        format!("{name} is not healed until released or healthy for {}: {why}", spec.backoff.reset_after);
    healing.memory.quarantined = Some(Quarantine { since: now, why, image });
    healing.memory.told = Some(Reason::Quarantined);
    healing.note(EventKind::Quarantined, Some(reason), reason.severity(), message.clone());
    Wait::new(reason, message).quietly()
}

/// Everything is decided; whether it may be done is someone else's choice.
fn hands_off(situation: &Situation<'_>, verb: Verb, cause: &Cause) -> Option<Wait> {
    let would = format!("would {} {}: {cause}", verb.as_str(), situation.container.name);
    if situation.read_only {
        return Some(Wait::new(Reason::ReadOnly, format!("{would}; the engine is declared read-only")));
    }
    situation.observe.then(|| Wait::new(Reason::Observing, format!("{would}; Portreeve only observes")))
}

/// Callers are given time to go elsewhere before a running container is taken from them. The place among the others is its
/// own meanwhile, so that no more drain than are healed at once.
fn drained(
    healing: &mut Healing,
    situation: &Situation<'_>,
    group: &mut PolicyGroup,
    spec: &AutohealPolicySpec,
    verb: Verb,
    cause: &Cause,
) -> Option<Wait> {
    let Situation { container, now, registered, .. } = *situation;
    if spec.drain.is_zero() || !registered || !container.state.is_up() {
        return None;
    }
    let since = *healing.memory.draining.get_or_insert(now);
    let until = since.plus(spec.drain);
    if until <= now {
        return None;
    }
    if let Some(place) = healing.memory.place(spec, now) {
        group.reserve(&container.key.id, place);
    }
    let message =
        format!("{cause}; marked as down in its registries for {} before the {}", spec.drain, verb.as_str());
    Some(Wait::new(Reason::Draining, message).until(until))
}

/// The attempt: counted as spent and remembered as an intent, in the same memory that is stored before the call.
fn commit(healing: &mut Healing, situation: &Situation<'_>, orders: Orders<'_>, verb: Verb, cause: Cause) {
    let Orders { policy, spec } = orders;
    let Situation { container, now, .. } = *situation;
    let memory = &mut healing.memory;
    // Who follows another one is none the worse for it; its budget bounds that all the same.
    memory.streak = memory.streak.saturating_add(u32::from(!cause.is_cascade()));
    memory.committed = memory.committed.max(memory.restart_count).saturating_add(1);
    memory.restart_count = memory.restart_count.saturating_add(1);
    memory.called_off = None;
    spend(&mut memory.spent, &spec.budget, now);
    memory.last_action = Some(now);
    memory.told = None;
    memory.verifying = None;
    let attempt = memory.streak.max(1);
    // The count never goes back, so that no two attempts share an id.
    let name = format!("portreeve/heal/{}/{}/{}", container.key.engine, container.key.id, memory.committed);
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
        Verb::Restart { .. } => (EventKind::Restarting, "restarting"),
        Verb::Recreate { .. } => (EventKind::Recreating, "recreating"),
        Verb::Start => (EventKind::Restarting, "starting"),
        Verb::Stop { .. } => (EventKind::Stopping, "stopping"),
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
        parent: situation
            .related
            .parent
            .as_ref()
            .filter(|parent| parent.replaced)
            .map(|parent| parent.id.clone()),
        policy: policy.to_owned(),
        cause,
    });
    healing.requeue_at = earlier(healing.requeue_at, Some(intent.deadline()));
    healing.memory.intent = Some(intent);
    healing.note(kind, None, Severity::Warning, message);
}
