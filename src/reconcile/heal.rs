//! Healing: is a container sick, may something be done about it now, and what.
//!
//! [`decide`] is called whenever something about the container changed or its `requeue_at` has come; [`conclude`] after
//! the engine call returned. Between them stands the commit: the memory that comes with an action holds the
//! intent and has the attempt counted as spent. The caller stores it *before* the call, so that a crash in between
//! can only lose an attempt, never repeat one for free.
//!
//! # Guarantees
//! - Deciding again on the returned memory with nothing changed returns no action and no note.
//! - No more than three attempts of a policy on an engine are under way or unproven at once; none while its breaker is open.
//! - No action before a wait is over, over the budget, or on a container that is starting, paused, restarting, being
//!   removed or stopped, stopped by hand, by the engine's shutdown or for an unknown cause, or Portreeve's own.
//! - Every wanted action that is not taken is a [`super::plan::Blocked`], and a [`super::plan::Note`] once per change of reason.
//!
//! # Assumptions
//! - `now`, the container's times and the events' times are readings of one clock, the engine's, which the caller estimates to
//!   within a second.
//! - Each change of state or health leads to a decision. A change that came and went while nobody looked is made known by
//!   [`HealMemory::interrupt_health`].
//! - `seed` is the same for the same logical identity, always: a restart of Portreeve changes no decision.
//!
//! # When the clock steps
//! Backwards: an instant in memory that lies in the future is moved to `now`. A wait then begins again in full, and
//! an attempt stays in the budget's window for the whole window again: later than needed by at most the wait
//! itself, never early, never for ever. Forwards: nobody can tell it from time that passed; a caller that
//! cares anchors `now` to a monotonic clock.

mod act;
mod backoff;
mod conclude;
pub mod dependencies;
mod group;
mod healing;
mod memory;
mod need;
mod observe;
mod probe_verdict;
pub mod related;
#[cfg(test)]
mod simulation;
mod situation;
mod step;
#[cfg(test)]
mod tests;

use crate::observed::{Container, Health};
use crate::resource::autoheal_policy::AutohealPolicySpec;

use self::group::Standing;
use self::healing::Wait;
use super::plan::{Reason, earlier};

pub use conclude::{catch_up, conclude};
pub use group::{Kept, PolicyGroup};
pub use healing::Healing;
pub use memory::{HealMemory, Quarantine, Run, Verifying};
pub use probe_verdict::ProbeVerdict;
pub use related::Related;
pub use situation::{PolicyView, Situation};

/// Decides what to do about one container, `group` being what it has in common with the others of its policy on its engine.
pub fn decide(situation: &Situation<'_>, group: &mut PolicyGroup) -> Healing {
    let mut healing = weigh(situation, group);
    let drains = healing.blocked.iter().any(|blocked| blocked.reason == Reason::Draining);
    // While the engine is away nobody knows whether the attempt is still wanted.
    let over = situation.engine_connected && !drains && healing.memory.intent.is_none();
    if over && healing.memory.draining.take().is_some() {
        // It was for an attempt that is not made, or that has brought a new run about.
        if let PolicyView::Selected { spec, .. } = situation.policy {
            let id = &situation.container.key.id;
            match healing.memory.place(spec, situation.now) {
                Some(until) => group.reserve(id, until),
                None => group.vacate(id),
            }
            healing.next.extend(group.next(spec, situation.now));
            healing.next.retain(|next| next != id);
        }
    }
    healing
}

fn weigh(situation: &Situation<'_>, group: &mut PolicyGroup) -> Healing {
    let mut healing = Healing { memory: situation.memory.clone(), ..Healing::default() };
    let container = situation.container;
    let says = |health: Option<Health>| health == Some(Health::Unhealthy);
    let looks_sick = container.state.is_up()
        && (says(container.health)
            || says(situation.probe_verdict.map(|probe_verdict| probe_verdict.health)));
    let (policy, spec) = match situation.policy {
        PolicyView::NotSelected => return healing,
        PolicyView::Excluded { by } => {
            let (reason, tell) = match container.is_swarm_task() {
                true => (Reason::LeftToSwarm, true),
                false => (Reason::Excluded, looks_sick),
            };
            healing.wait(Wait { tell, ..Wait::new(reason, format!("not healed: {by}")) });
            return healing;
        }
        PolicyView::Selected { name, spec } => (name, spec),
    };
    if situation.is_own {
        let message = "Portreeve never acts on its own container".to_owned();
        healing.wait(Wait { tell: looks_sick, ..Wait::new(Reason::OwnContainer, message) });
        return healing;
    }
    if !situation.engine_connected {
        // What is known of the container may be old: nothing is learnt from it and nothing settled by it.
        let tell = looks_sick || healing.memory.ailing;
        let message = "the engine does not answer".to_owned();
        healing.wait(Wait { tell, ..Wait::new(Reason::EngineUnreachable, message) });
        return healing;
    }
    // Not before: of an engine that has not been reached yet nobody knows how far its clock is from ours.
    healing.memory.not_after(situation.now);
    let open = healing.memory.intent.as_ref();
    if container.set_aside_from().is_some() && open.is_none_or(|open| open.container != container.key) {
        let message = "another container took its place; this one can be removed".to_owned();
        healing.wait(Wait::new(Reason::Replaced, message).quietly());
        return healing;
    }
    observe::take_in(&mut healing, situation, spec);
    let need = need::of(situation, spec, &healing.memory);
    let standing = standing(&healing.memory, container, &need);
    join(&mut healing, situation, group, policy, spec, standing);
    match need {
        need::Need::Nothing => healing.memory.told = None,
        need::Need::Wait(wait) => healing.wait(wait),
        need::Need::Heal(cause) => {
            act::attempt(&mut healing, situation, group, act::Orders { policy, spec }, cause);
        }
    }
    if healing.memory.quarantined.is_some() && standing != Standing::Apart {
        join(&mut healing, situation, group, policy, spec, Standing::Apart);
    }
    let due = earlier(observe::reset_due(&healing.memory, spec), group.due());
    healing.requeue_at = earlier(healing.requeue_at, due);
    healing.next.extend(group.next(spec, situation.now));
    healing.next.retain(|id| *id != container.key.id);
    healing
}

/// How the container counts among the others.
fn standing(memory: &HealMemory, container: &Container, need: &need::Need) -> Standing {
    let up = container.state.is_up();
    match need {
        _ if memory.quarantined.is_some() => Standing::Apart,
        need::Need::Heal(cause) if cause.is_cascade() => Standing::Well,
        need::Need::Heal(_) => Standing::Sick,
        need::Need::Wait(_) if up && memory.ailing => Standing::Sick,
        // Down, and ours to bring up.
        need::Need::Wait(wait) if !up && wait.reason == Reason::ActionInProgress => Standing::Sick,
        need::Need::Nothing | need::Need::Wait(_) if up => Standing::Well,
        need::Need::Nothing | need::Need::Wait(_) => Standing::Apart,
    }
}

/// Enters in the group how the container is.
fn join(
    healing: &mut Healing,
    situation: &Situation<'_>,
    group: &mut PolicyGroup,
    policy: &str,
    spec: &AutohealPolicySpec,
    standing: Standing,
) {
    let Situation { container, now, .. } = *situation;
    let place = healing.memory.place(spec, now);
    let Some(turn) = group.enter(&container.key.id, standing, place, spec, now) else { return };
    // Whoever waits for its turn waits for another reason now, and until another time.
    healing.next.extend(group.waiting());
    healing.group_notes.push(turn.note(policy, &container.key.engine));
}
