//! Auto-monitoring (document R4): whatever carries the label `autoheal=true` is monitored from the moment it runs.

use super::reconciler::Reconciler;
use super::recording::event;
use crate::controller::plan::{Line, Plan};
use crate::desired::PolicyChoice;
use crate::observed::Container;
use crate::reconcile::record::Record;
use crate::resource::event::EventKind;

impl Reconciler {
    /// Says once per container id that it is monitored, excluded, or looks as if it was meant to be.
    pub(super) fn monitor(&self, record: &mut Record, container: &Container, plan: &mut Plan) {
        if !container.state.is_up() {
            return;
        }
        let labelled = container.labels.get("autoheal").is_some_and(|value| value == "true");
        let (name, short) = (&container.name, container.key.short_id());
        match self.parts.desired.load().policy_for(container) {
            PolicyChoice::Selected { warnings, .. } => {
                if !warnings.is_empty() {
                    record_once(record, plan, "LabelIgnored", &warnings.join("; "));
                }
                if labelled && !record.auto_monitored {
                    record.auto_monitored = true;
                    plan.lines.push(Line::Info(format!(
                        "✓ Auto-monitoring enabled for container '{name}' ({short}) - detected autoheal=true label"
                    )));
                    let at = self.parts.world.engine_now(&container.key.engine);
                    plan.changes.events.push(
                        event(record, EventKind::AutoMonitor, at)
                            .status("enabled")
                            .saying("Automatically added to monitoring due to autoheal=true label"),
                    );
                }
            }
            PolicyChoice::Excluded { why, .. } => {
                let said = format!("excluded: {why}");
                if record.told.as_ref() != Some(&said) {
                    plan.lines.push(Line::Info(format!(
                        "Container '{name}' ({short}) is excluded from healing: {why}"
                    )));
                    record.told = Some(said);
                }
            }
            PolicyChoice::NotSelected { near_miss: Some(near_miss) } => {
                record_once(record, plan, "NearMiss", &near_miss);
            }
            PolicyChoice::NotSelected { near_miss: None } => {}
        }
    }
}

fn record_once(record: &mut Record, plan: &mut Plan, reason: &'static str, message: &str) {
    let said = format!("{reason}: {message}");
    if record.told.as_ref() == Some(&said) {
        return;
    }
    record.told = Some(said);
    plan.lines.push(Line::Warn(format!(
        "Container '{}' ({}): {message}",
        record.name,
        record.key.short_id()
    )));
    let told = event(record, EventKind::LabelWarning, crate::clock::now()).because(reason).saying(message);
    plan.changes.events.push(told);
}
