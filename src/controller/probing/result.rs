//! What comes of a check: the probe's state, the service's counts, metrics.

use std::sync::Arc;

use metrics::{counter, histogram};

use super::asking::Trial;
use super::prober::{Check, CheckId, Prober};
use crate::locked::locked;
use crate::observed::{Checked, LastCheck, ProbeTarget};
use crate::probe::{Failure, Meaning, Streak};

impl Prober {
    /// Takes in how a check went.
    pub(super) fn take_in(self: &Arc<Self>, id: &CheckId, check: &Check, trial: Trial) {
        let Trial { place, outcome } = trial;
        let now = crate::clock::now();
        let millis = outcome.took.as_secs_f64() * 1e3;
        // What of the check was asked beyond this machine, if anything was.
        let outside = place.as_ref().filter(|_| id.target == ProbeTarget::Outside);
        let outside = outside.map(|place| place.host.as_str());
        // What a resolver says, or what fails on our side, tells nothing of the way there.
        let reached = outcome.result.as_ref().map_or_else(|failure| failure.cause.reached(), |()| Some(true));
        let cut_off = reached.is_some_and(|answered| self.observe(outside, answered, now));
        let meaning = outcome.result.as_ref().err().map(Failure::means);
        let (reason, output) = match outcome.result {
            Ok(()) => (String::new(), None),
            Err(Failure { reason, output, .. }) => (reason, output),
        };
        let (word, checked) = match meaning {
            None => ("passed", Checked::Passed),
            Some(Meaning::Unanswered) if cut_off => {
                let text = format!(
                    "{reason}; no target outside Docker answers any more: probably this machine's own network fails"
                );
                ("fault", Checked::Faulty(text))
            }
            Some(Meaning::Unhealthy | Meaning::Unanswered) => ("failed", Checked::Failed(reason)),
            Some(Meaning::Denied) => ("denied", Checked::Denied(reason)),
            Some(Meaning::NotYet) => ("not_yet", Checked::NotYet(reason)),
            Some(Meaning::Fault) => ("fault", Checked::Faulty(reason)),
        };
        let kind = check.spec.handler().map_or("", |handler| handler.field());
        counter!("portreeve_probes_total", "type" => kind, "outcome" => word).increment(1);
        histogram!("portreeve_probe_duration_seconds", "type" => kind).record(outcome.took.as_secs_f64());
        let changed = self.parts.health_cache.with(&id.service, |state| {
            let known = state.targets.get(&id.target).filter(|target| target.started == check.started)?;
            let mut probe = known.probes.get(&*id.probe).cloned().unwrap_or_default();
            let said = |last: Option<&LastCheck>| last.map(|last| last.checked.clone());
            let verdict = |streak: &Streak| (streak.verdict, streak.refuses);
            let before = (verdict(&probe.streak), said(probe.last.as_ref()));
            let passed = match checked {
                Checked::Passed => Some(true),
                Checked::Failed(_) | Checked::Denied(_) => Some(false),
                Checked::Faulty(_) | Checked::NotYet(_) => None,
            };
            match &checked {
                Checked::Passed => drop(probe.streak.take_in(&check.spec, true)),
                Checked::Failed(_) => drop(probe.streak.take_in(&check.spec, false)),
                Checked::Denied(_) => drop(probe.streak.take_in_refusal(&check.spec)),
                Checked::NotYet(_) => drop(probe.streak.take_in_early(&check.spec, now)),
                Checked::Faulty(_) => {}
            }
            if let Some(passed) = passed {
                state.rates.count(now, passed);
                state.checks.count(passed, outcome.took.as_secs_f64());
            }
            if passed == Some(true) {
                // Smoothed, so that one number says how it usually is.
                state.response_millis =
                    Some(state.response_millis.map_or(millis, |known| known * 0.8 + millis * 0.2));
            }
            state.last_check = Some(now);
            let asks = place.as_ref().map(|place| format!("{place}, {}", place.why));
            if probe.asks != asks {
                probe.asks = asks;
            }
            probe.last = Some(LastCheck { at: now, millis, checked, output });
            let changed = before != (verdict(&probe.streak), said(probe.last.as_ref()));
            state
                .targets
                .update(&id.target, |target| drop(target.probes.insert(id.probe.to_string(), probe)));
            Some(changed)
        });
        locked(&self.unsaved).insert(id.service.to_string());
        if changed == Some(true) {
            self.judge(&id.service, Some(&id.target));
        }
    }
}
