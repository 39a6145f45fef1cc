//! What comes of a check: the probe's state, the service's counts, metrics.

use std::sync::Arc;

use metrics::{counter, histogram};

use super::{Check, CheckId, Prober, Trial};
use crate::controller::shared::locked;
use crate::observed::{Checked, LastCheck, ProbeTarget};
use crate::probe::{Failure, Streak};

impl Prober {
    /// Takes in how a check went.
    pub(super) fn take_in(self: &Arc<Self>, id: &CheckId, check: &Check, trial: Trial) {
        let Trial { place, outcome } = trial;
        let now = crate::clock::now();
        let millis = outcome.took.as_secs_f64() * 1e3;
        // What of the check was asked beyond this machine, if anything was.
        let outside = place.as_ref().filter(|_| id.target == ProbeTarget::Outside);
        let outside = outside.map(|place| place.host.as_str());
        let cut_off = match &outcome.result {
            Ok(()) | Err(Failure::Unhealthy(_) | Failure::Denied(_)) => self.hear(outside, true, now),
            Err(Failure::Unanswered(_)) => self.hear(outside, false, now),
            Err(Failure::Fault(_) | Failure::NotYet(_)) => false,
        };
        let denied = matches!(outcome.result, Err(Failure::Denied(_)));
        let (word, checked) = match outcome.result {
            Ok(()) => ("passed", Checked::Passed),
            Err(Failure::Unanswered(why)) if cut_off => {
                let text = format!("{why}; nobody outside answers any more: our own network fails, it seems");
                ("fault", Checked::Faulty(text))
            }
            Err(Failure::Unhealthy(why) | Failure::Unanswered(why) | Failure::Denied(why)) => {
                ("failed", Checked::Failed(why))
            }
            Err(Failure::Fault(why)) => ("fault", Checked::Faulty(why)),
            Err(Failure::NotYet(_)) => return,
        };
        let kind = check.spec.handler().map_or("", |handler| handler.field());
        counter!("portreeve_probes_total", "type" => kind, "outcome" => word).increment(1);
        histogram!("portreeve_probe_duration_seconds", "type" => kind).record(outcome.took.as_secs_f64());
        let changed = self.shared.book.with(&id.service, |state| {
            let target =
                state.targets.get_mut(&id.target).filter(|target| target.started == check.started)?;
            let probe = target.probes.entry(id.probe.to_string()).or_default();
            let said = |last: Option<&LastCheck>| last.map(|last| last.checked.clone());
            let verdict = |streak: &Streak| (streak.verdict, streak.refuses);
            let before = (verdict(&probe.streak), said(probe.last.as_ref()));
            let passed = match checked {
                Checked::Passed => Some(true),
                Checked::Failed(_) => Some(false),
                Checked::Faulty(_) => None,
            };
            if let Some(passed) = passed {
                if denied {
                    probe.streak.take_in_refusal(&check.spec);
                } else {
                    probe.streak.take_in(&check.spec, passed);
                }
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
            probe.last = Some(LastCheck { at: now, millis, checked });
            Some(before != (verdict(&probe.streak), said(probe.last.as_ref())))
        });
        locked(&self.unsaved).insert(id.service.to_string());
        if changed == Some(true) {
            self.judge(&id.service);
        }
    }
}
