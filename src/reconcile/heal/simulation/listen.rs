//! How what the engine kept reaches the marks.

use super::Simulation;
use super::world::Event;
use crate::observed::Nanos;
use crate::reconcile::cause::{Fact, Seen, StopHabits};
use crate::reconcile::intent::IntentCall;

impl Simulation {
    pub(super) fn feed(&mut self, at: Nanos, fact: Fact) {
        let mut marks = self.portreeve.marks;
        let (open, key) = (self.portreeve.memory.intent.as_ref(), &self.world.container.key);
        let ours = open.is_some_and(|open| open.claims(key, &marks, at, IntentCall::NotInHand));
        let seen = Seen { at, fact, ours, replayed_from_outage: self.away };
        let habits = StopHabits::of(&self.world.container);
        let changed = marks.feed(&seen, habits);
        self.hold(changed == (marks != self.portreeve.marks), "feed says whether it changed anything");
        let again = marks.feed(&Seen { replayed_from_outage: true, ours: false, ..seen }, habits);
        self.hold(!again, "a fact that comes twice changes nothing");
        self.portreeve.marks = marks;
    }

    /// What the engine kept is read, in order; sometimes its ring was overrun, sometimes a stretch comes twice.
    pub(super) fn listen(&mut self) {
        if !self.running() || !self.connected() {
            return;
        }
        let mut events = std::mem::take(&mut self.world.events);
        if self.away && events.len() > 1 && self.dice.percent(10) {
            events.drain(..events.len() / 2);
            self.portreeve.memory.interrupt_health();
            if let Some((at, _)) = events.first() {
                self.feed(*at, Fact::Gap);
            }
        }
        let times = if self.dice.percent(10) { 2 } else { 1 };
        for _ in 0..times {
            for (at, event) in &events {
                match event {
                    Event::Fact(fact) => self.feed(*at, *fact),
                    Event::Unhealthy => self.portreeve.memory.interrupt_health(),
                }
            }
        }
        self.away = false;
    }
}
