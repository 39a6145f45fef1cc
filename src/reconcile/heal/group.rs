//! What the containers of one policy on one engine have in common: how many are sick at once, who is being healed, and how
//! many attempts the engine was given.
//!
//! A restart at a time is a cure; a hundred at a time are a second outage. So no more than three attempts are under way or
//! unproven at once, and when as many are sick as the policy's breaker says, none is made: then the cause lies elsewhere.
//! The breaker is open until it has been calm for a while or, where the policy resumes one by one, until it is time to try with
//! one container; each that is healed makes room for the next, and one that is not opens the breaker again.

mod breaker;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::backoff::elapsed;
use super::healing::Wait;
use crate::observed::Nanos;
use crate::reconcile::plan::{Note, Reason, earlier};
use crate::resource::autoheal_policy::{AutohealPolicySpec, Pace};
use crate::resource::count;

pub(super) use breaker::Turn;
use breaker::{Breaker, CALM};

/// Attempts under way or unproven at once.
const AT_ONCE: usize = 3;

/// The containers of one policy on one engine. Handed to each decision on one of them, and changed by it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PolicyGroup {
    /// What is stored, so that a restart of Portreeve changes no decision.
    pub kept: Kept,
    /// Those that count, by id. Every one of them is decided on soon after a start.
    members: BTreeMap<Arc<str>, Member>,
    /// When the first of them was seen. For a while after that there may be more than are known.
    begun: Option<Nanos>,
    /// Whether the breaker would open or close, were it known that these are all.
    suspected: bool,
}

/// The part of a [`PolicyGroup`] that is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Kept {
    breaker: Breaker,
    /// When attempts were made, oldest first: those the pace still counts.
    given: Vec<Nanos>,
    /// Attempts that are under way or unproven, by container id, and until when at the latest.
    places: BTreeMap<Arc<str>, Nanos>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Member {
    sick: bool,
    /// Its last decision wanted to act, and the others kept it from doing so.
    waiting: bool,
}

/// How a container counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It needs nothing.
    Well,
    /// It needs healing, or is being healed.
    Sick,
    /// It is nobody's to heal: stopped by hand, quarantined, over and done with.
    Apart,
}

impl PolicyGroup {
    /// A group of which nobody has been seen since what is `kept` was stored.
    pub fn of(kept: Kept) -> Self {
        Self { kept, ..Self::default() }
    }

    /// Whether the breaker keeps every container of the group from being healed.
    pub fn is_open(&self) -> bool {
        self.kept.breaker.is_open()
    }

    /// The container is gone, or belongs elsewhere by now. With the last one a breaker that is not closed closes, which is
    /// to be told; unless there may be more than are known yet.
    pub fn leave(&mut self, id: &str, policy: &str, engine: &str, now: Nanos) -> Option<Note> {
        self.members.remove(id);
        self.kept.places.remove(id);
        if !self.members.is_empty() || self.begun.is_none_or(|begun| begun.plus(CALM) > now) {
            return None;
        }
        self.suspected = false;
        self.kept.breaker.close().map(|turn| turn.note(policy, engine))
    }

    /// Whoever is to be decided on again when another has left: with fewer containers the breaker may have to turn.
    pub fn heir(&self) -> Option<Arc<str>> {
        let turns = self.kept.breaker != Breaker::Closed || self.suspected;
        self.members.keys().next().filter(|_| turns).cloned()
    }

    /// Those whom a decision would let act now, in the order of their ids: as many as there are places.
    pub fn next(&self, spec: &AutohealPolicySpec, now: Nanos) -> Vec<Arc<str>> {
        if self.is_open() || self.out_of_pace(&spec.pace, now).is_some() {
            return Vec::new();
        }
        let free = self.room(&spec.pace).saturating_sub(self.kept.places.len());
        self.waiting().take(free).collect()
    }

    /// Those whom the others kept from acting.
    pub(super) fn waiting(&self) -> impl Iterator<Item = Arc<str>> {
        self.members.iter().filter(|(_, member)| member.waiting).map(|(id, _)| id.clone())
    }

    /// Enters how a container is, and how long its attempt holds a place. Says when the breaker turned.
    pub(super) fn enter(
        &mut self,
        id: &Arc<str>,
        standing: Standing,
        place: Option<Nanos>,
        spec: &AutohealPolicySpec,
        now: Nanos,
    ) -> Option<Turn> {
        self.kept.not_after(now);
        let mine = self.kept.places.contains_key(id);
        self.kept.places.retain(|holder, until| holder != id && *until > now);
        if let Some(until) = place.filter(|until| *until > now) {
            self.kept.places.insert(id.clone(), until);
        }
        let failed = mine && !self.kept.places.contains_key(id) && standing == Standing::Sick;
        let sick = match standing {
            Standing::Well => Some(false),
            Standing::Sick => Some(true),
            Standing::Apart => None,
        };
        match sick {
            Some(sick) => drop(self.members.insert(id.clone(), Member { sick, waiting: false })),
            None => drop(self.members.remove(id)),
        }
        let begun = self.begun.map_or(now, |begun| begun.min(now));
        self.begun = Some(begun);
        let sick = self.members.values().filter(|member| member.sick).count();
        let mut breaker = self.kept.breaker;
        let turn = breaker.turn(sick, self.members.len(), failed, spec, now);
        self.suspected = turn.is_some() && begun.plus(CALM) > now;
        if self.suspected {
            return None;
        }
        self.kept.breaker = breaker;
        turn
    }

    /// Why the breaker keeps a container from being healed.
    pub(super) fn broken(&mut self, id: &str, spec: &AutohealPolicySpec, now: Nanos) -> Option<Wait> {
        let until = self.kept.breaker.holds(spec)?;
        self.wait(id);
        let sick = self.members.values().filter(|member| member.sick).count();
        let message = format!("{sick} of {} containers of its policy are sick at once", self.members.len());
        // The breaker itself is told, once; its containers are not, each.
        let wait = Wait::new(Reason::BreakerOpen, message).quietly();
        Some(match until.filter(|until| *until > now) {
            Some(until) => wait.until(until),
            None => wait,
        })
    }

    /// Why a container has to wait for its turn.
    pub(super) fn in_turn(&mut self, id: &str, spec: &AutohealPolicySpec, now: Nanos) -> Option<Wait> {
        if let Some(until) = self.out_of_pace(&spec.pace, now) {
            self.wait(id);
            let Pace { restarts, per } = spec.pace;
            let left = elapsed(now, until);
            let message = format!(
                "the engine had {} within {per}; the next is possible in {left}",
                count(restarts, "attempt")
            );
            return Some(Wait::new(Reason::Paced, message).until(until));
        }
        // One that drains has its place already.
        let taken = self.kept.places.keys().filter(|holder| ***holder != *id).count();
        let room = self.room(&spec.pace);
        if taken < room {
            return None;
        }
        self.wait(id);
        let message = if room == 1 && self.kept.breaker.resumes() {
            "healing resumes with one container at a time".to_owned()
        } else {
            let are = if taken == 1 { "is" } else { "are" };
            format!("{} {are} under way or not yet verified", count(taken, "other attempt"))
        };
        let wait = Wait::new(Reason::Paced, message);
        Some(match self.kept.places.values().min() {
            Some(until) => wait.until(*until),
            None => wait,
        })
    }

    /// A container holds a place until then at the latest, for the attempt that is prepared.
    pub(super) fn reserve(&mut self, id: &Arc<str>, until: Nanos) {
        self.kept.places.insert(id.clone(), until);
    }

    /// The attempt that was prepared is not made.
    pub(super) fn vacate(&mut self, id: &str) {
        self.kept.places.remove(id);
    }

    /// An attempt is made, and holds a place until then at the latest.
    pub(super) fn give(&mut self, id: &Arc<str>, until: Nanos, pace: &Pace, now: Nanos) {
        self.kept.given.retain(|given| given.plus(pace.per) > now);
        self.kept.given.push(now);
        self.kept.places.insert(id.clone(), until);
    }

    /// When somebody should look again although nothing happened.
    pub(super) fn due(&self) -> Option<Nanos> {
        let known = self.begun.filter(|_| self.suspected).map(|begun| begun.plus(CALM));
        earlier(self.kept.breaker.calm_at(), known)
    }

    fn wait(&mut self, id: &str) {
        if let Some(member) = self.members.get_mut(id) {
            member.waiting = true;
        }
    }

    /// How many attempts may be under way or unproven.
    fn room(&self, pace: &Pace) -> usize {
        if self.kept.breaker.resumes() { 1 } else { AT_ONCE.min(whole(pace.restarts)).max(1) }
    }

    /// When the pace allows another attempt, if it does not now.
    fn out_of_pace(&self, pace: &Pace, now: Nanos) -> Option<Nanos> {
        let counted: Vec<Nanos> =
            self.kept.given.iter().map(|given| given.plus(pace.per)).filter(|until| *until > now).collect();
        let free = counted.len().checked_sub(whole(pace.restarts).max(1))?;
        counted.get(free).copied()
    }
}

impl Kept {
    /// The clock may have stepped back.
    fn not_after(&mut self, now: Nanos) {
        self.given.iter_mut().for_each(|given| *given = (*given).min(now));
        self.breaker.not_after(now);
    }
}

fn whole(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
