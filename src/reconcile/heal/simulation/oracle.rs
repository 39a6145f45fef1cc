//! What must hold, by the truth of the world. Shares no code with the decision.

use super::Simulation;
use super::world::{DownBy, SECOND, World};
use crate::observed::{Health, State};
use crate::reconcile::plan::{Action, Cause, Verb};
use crate::resource::Duration;
use crate::resource::autoheal_policy::Backoff;

impl Simulation {
    /// Nothing locks healing: a container sick for longer than every wait together is acted on.
    pub(super) fn judge_patience(&self) {
        let World { container, call, time, .. } = &self.world;
        let sick = container.state == State::Running && container.health == Some(Health::Unhealthy);
        let ours = self.selected && !self.is_own && !self.observe && !self.hushed();
        let free = self.connected() && call.is_none() && ours;
        let spec = &self.spec;
        let waits =
            [spec.backoff.max, spec.start_grace, spec.min_unhealthy, spec.drain, Duration::from_secs(60)];
        let longest: i64 = waits.iter().map(|wait| wait.as_nanos()).sum();
        let patient = time - self.quiet_since <= longest || self.portreeve.memory.quarantined.is_some();
        self.hold(!sick || !free || patient, "a sick container is never healed");
    }

    fn hushed(&self) -> bool {
        let silence = self.related.silence.as_ref();
        self.related.down.is_some() || silence.is_some_and(|silence| silence.until > self.now())
    }

    /// The oracle: every sentence of the invariant, by the truth of the world.
    pub(super) fn judge(&mut self, action: &Action) {
        let cause = match action.cause {
            Cause::Unhealthy { .. } => "unhealthy",
            Cause::Reported { .. } => "reported",
            Cause::NotVerified { .. } => "not verified",
            Cause::ParentRestarted { .. }
            | Cause::ParentReplaced { .. }
            | Cause::DependencyRestarted { .. } => "cascade",
            Cause::Exited { .. } => "exited",
            Cause::LeftDown { .. } => "left down",
        };
        self.heard.insert(format!("{} {cause}", action.verb.as_str()));
        let World { container, call, down_by, time, .. } = &self.world;
        self.hold(!self.is_own && !self.observe && self.connected(), "acted with its hands tied");
        self.hold(self.selected, "acted on what no policy selects");
        self.hold(!self.hushed(), "acted under a silence, or while a dependency was down");
        self.hold(call.is_none(), "acted while the engine was stopping or starting the container");
        self.hold(
            action.container == container.key && action.started == container.started,
            "acted on another run",
        );
        match action.verb {
            Verb::Restart { .. } | Verb::Recreate { .. } | Verb::Stop { .. } => {
                let up = container.state == State::Running;
                let sick = container.health == Some(Health::Unhealthy);
                let within = self.spec.verify.within.as_nanos();
                let silent = container.health == Some(Health::Starting)
                    && self.acted.last().is_some_and(|acted| time - acted >= within);
                self.hold(up && (sick || silent), "acted on a container that is not unhealthy and running");
                let drained = self
                    .portreeve
                    .memory
                    .draining
                    .is_some_and(|since| self.now().since(since) >= self.spec.drain.as_nanos());
                let drains = self.registered && !self.spec.drain.is_zero();
                self.hold(drained || !drains, "taken from its callers before they had time to go elsewhere");
                let grace = self.spec.start_grace.as_nanos();
                self.hold(time - self.world.started_at + SECOND / 2 >= grace, "acted within the start grace");
            }
            Verb::Start => {
                let right =
                    container.state == State::Exited && matches!(down_by, DownBy::Itself | DownBy::Us);
                self.hold(right, &format!("started a container that is down by {down_by:?}"));
            }
        }
        let recent: Vec<i64> = self.acted.iter().copied().filter(|at| *at > self.afresh).collect();
        if let Some(last) = recent.last() {
            let Backoff { initial, multiplier, max, jitter, .. } = &self.spec.backoff;
            let seconds = |duration: &Duration| duration.get().as_secs_f64();
            let growth = multiplier.powi(i32::try_from(recent.len() - 1).unwrap_or(i32::MAX));
            let least = (seconds(initial) * growth).min(seconds(max)) * (1.0 - jitter);
            let waited = (time - last) as f64 / SECOND as f64;
            self.hold(
                waited + 0.002 >= least,
                &format!("attempt {} after {waited} s of {least}", recent.len() + 1),
            );
        }
        let window = self.spec.budget.per.as_nanos();
        let counted = recent.iter().filter(|at| **at + window > *time).count();
        self.hold(counted < self.spec.budget.restarts as usize, "over the budget");
        let steps = self.spec.escalation.len();
        self.hold(steps == 0 || recent.len() < steps, "beyond the last step of the escalation");
    }
}
