//! Every counter of an outcome exists before the first one: a rate over a counter that is born with its first increment
//! misses that increment.

use metrics::counter;

use crate::desired::Desired;
use crate::observed::{self, World};
use crate::outbox::{billing, discovery};
use crate::reconcile::plan::Reason;
use crate::resource::event::EventKind;
use crate::resource::probe::HANDLERS;

/// How a check can end.
const CHECKS: [&str; 5] = ["passed", "failed", "denied", "not_yet", "fault"];
/// What healing does, and how it can end.
const ACTIONS: [&str; 4] = ["restart", "recreate", "start", "stop"];
const ENDS: [&str; 4] = ["succeeded", "failed", "lost", "superseded"];
/// Those that are of nothing that comes and goes.
pub(super) fn of_the_program() {
    counter!("portreeve_checks_late_total").increment(0);
    counter!("portreeve_store_refused_total").increment(0);
    for kind in ["container", "service", "check"] {
        counter!("portreeve_reconcile_panics_total", "kind" => kind).increment(0);
    }
    for kind in HANDLERS.iter().copied() {
        for outcome in CHECKS {
            counter!("portreeve_probes_total", "type" => kind, "outcome" => outcome).increment(0);
        }
    }
    let note = |kind: EventKind, reason: &'static str| {
        counter!("portreeve_healing_notes_total", "kind" => kind.as_str(), "reason" => reason).increment(0);
    };
    for kind in EventKind::HEALING {
        note(*kind, kind.as_str());
    }
    for reason in Reason::ALL {
        note(EventKind::Skipped, reason.as_str());
    }
    for reason in [Reason::BudgetExhausted, Reason::EscalationExhausted] {
        note(EventKind::Quarantined, reason.as_str());
    }
}

/// Those of the engines and services that are declared now.
pub(super) fn of_what_is_there(world: &World, desired: &Desired) {
    for engine in world.engines.keys() {
        let engine = engine.to_string();
        counter!("portreeve_lists_total", "engine" => engine.clone()).increment(0);
        counter!("portreeve_inspects_total", "engine" => engine.clone()).increment(0);
        for event in observed::EventKind::WORDS {
            counter!("portreeve_events_total", "engine" => engine.clone(), "type" => event).increment(0);
        }
        for (action, outcome) in ACTIONS.iter().flat_map(|action| ENDS.map(|end| (*action, end))) {
            counter!("portreeve_restarts_total", "engine" => engine.clone(), "action" => action, "outcome" => outcome)
                .increment(0);
        }
    }
    for name in desired.billing.keys() {
        deliveries("BillingService", name, &billing::OUTCOMES);
    }
    for name in desired.registries.keys() {
        deliveries("DiscoveryRegistry", name, &discovery::OUTCOMES);
    }
}

fn deliveries(kind: &'static str, target: &str, outcomes: &[&'static str]) {
    for outcome in outcomes.iter().copied() {
        counter!("portreeve_deliveries_total", "kind" => kind, "target" => target.to_owned(), "outcome" => outcome)
            .increment(0);
    }
}
