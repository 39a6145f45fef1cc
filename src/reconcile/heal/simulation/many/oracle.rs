//! What must hold of several containers, by what Portreeve was shown of them.

use super::{Many, One, Trouble};
use crate::reconcile::heal::simulation::world::SECOND;
use crate::reconcile::plan::Action;

impl Many {
    fn many(&self) -> bool {
        let counted = self.all.iter().filter(|one| one.counts() && one.shown.is_some()).count();
        let sick = self.all.iter().filter(|one| one.troubles()).count();
        let rules = &self.spec.breaker;
        sick > 0
            && counted >= rules.min_targets as usize
            && sick as f64 >= rules.unhealthy_ratio * counted as f64
    }

    /// Portreeve gives itself ten seconds to see everybody.
    fn known(&self) -> bool {
        self.time - self.begun > 10 * SECOND
    }

    pub(super) fn notice(&mut self) {
        if matches!(self.trouble, Trouble::Since(_)) && !self.many() {
            self.trouble = Trouble::Some;
        }
    }

    fn rest(&self) -> i64 {
        self.spec.backoff.max.max(self.spec.verify.within).as_nanos()
    }

    pub(super) fn judge(&self, number: usize, action: &Action) {
        let one = &self.all[number];
        self.hold(action.container == one.container.key, "acted on another container");
        let unproven = self.all.iter().filter(|one| one.unproven).count();
        self.hold(!one.unproven || one.restarted_at.is_none(), "acted while its restart was under way");
        self.hold(unproven - usize::from(one.unproven) < 3, "more than three at once");
        let window = self.spec.pace.per.as_nanos();
        let given = self.acted.iter().filter(|at| **at + window > self.time).count();
        self.hold(given < self.spec.pace.restarts as usize, "faster than its pace");
        if self.many() && self.known() {
            self.hold(self.spec.breaker.resume_one_by_one, "acted while most were sick");
            self.hold(unproven == usize::from(one.unproven), "more than one at a time while most were sick");
            let rested = match self.trouble {
                Trouble::Since(opened) => self.time - opened >= self.rest(),
                Trouble::No | Trouble::Some => true,
            };
            self.hold(rested, "acted before the breaker's rest was over");
        }
    }

    /// Nothing locks healing: who is sick is healed, or somebody else is.
    pub(super) fn judge_patience(&mut self) {
        let wanted = self.down_until.is_none() && self.all.iter().any(One::sick);
        let held = !self.spec.breaker.resume_one_by_one && self.trouble != Trouble::No;
        if !wanted || held {
            self.idle = None;
            return;
        }
        let since = *self.idle.get_or_insert(self.time);
        let longest = 2 * self.rest() + self.spec.pace.per.as_nanos() + 5 * 60 * SECOND;
        self.hold(self.time - since < longest || self.jumped(longest), "nobody is healed any more");
    }

    /// Whether time went on for longer than that at once: nobody could be asked meanwhile.
    fn jumped(&self, longest: i64) -> bool {
        let due = self.all.iter().filter_map(|one| one.requeue).any(|at| at.0 <= self.time);
        due || longest > 4 * 3600 * SECOND
    }
}
