//! Prometheus metrics. Counters live in the recorder; what is true now is read from the world when somebody scrapes.
//!
//! The recorder cannot delete a series, so nothing that comes and goes (containers) is put into it: those gauges are
//! written from the present world with every scrape, and end with their container.

use std::fmt::Write;

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::clock;
use crate::controller::Shared;
use crate::observed::{Container, Health, World};
use crate::store::QueueDepth;

/// Containers that get series of their own; the engine can hold more, a scrape must stay readable.
const MOST_CONTAINERS: usize = 5_000;

/// Installs the recorder for this process. A second call gives a recorder that nothing is recorded in.
pub fn install() -> PrometheusHandle {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    // Only tests start twice in a process.
    let _ = metrics::set_global_recorder(recorder);
    describe();
    handle
}

fn describe() {
    describe_counter!("portreeve_events_total", "Events of containers read from the engine, by type");
    describe_counter!("portreeve_lists_total", "Full lists read from the engine");
    describe_counter!("portreeve_inspects_total", "Containers inspected");
    describe_counter!("portreeve_deliveries_total", "Calls to Discovery and Billing Services, by outcome");
    describe_counter!("portreeve_restarts_total", "Healing actions carried out, by outcome");
    describe_counter!(
        "portreeve_healing_notes_total",
        "What healing decided, by kind and reason; kind Skipped: not to act"
    );
    describe_gauge!("portreeve_engine_up", "Whether the engine is connected");
    describe_gauge!("portreeve_store_up", "Whether the store can commit");
    describe_gauge!("portreeve_engine_list_age_seconds", Unit::Seconds, "Time since the last full list");
    describe_gauge!("portreeve_queue_containers", "Containers with work waiting or in hand");
    describe_gauge!("portreeve_queue_events", "Events waiting to be dealt with");
    describe_gauge!("portreeve_outbox_depth", "Bills and discovery cells not yet delivered");
    describe_gauge!(
        "portreeve_outbox_parked",
        "Lanes parked because their service refused an event for good"
    );
    describe_gauge!(
        "portreeve_outbox_oldest_seconds",
        Unit::Seconds,
        "Age of the oldest undelivered bill or cell"
    );
    describe_gauge!("portreeve_manifest_problems", "Errors in what is declared");
    gauge!("portreeve_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    // A rate over a counter that is born with its first increment misses that increment.
    gauge!("portreeve_store_up").set(1.0);
    for reason in ["BackingOff", "BudgetExhausted", "StoppedByHand", "Excluded", "Starting"] {
        counter!("portreeve_healing_notes_total", "kind" => "Skipped", "reason" => reason).increment(0);
    }
}

/// The text of a scrape.
pub async fn render(handle: &PrometheusHandle, shared: &Shared) -> String {
    let world = shared.world();
    let (containers, events) = shared.queue_depth();
    gauge!("portreeve_queue_containers").set(whole(containers as u64));
    gauge!("portreeve_queue_events").set(whole(events as u64));
    let desired = shared.desired.load();
    gauge!("portreeve_manifest_problems").set(whole(desired.problems.len() as u64));
    let now = clock::now();
    for (name, engine) in &world.engines {
        if let Some(listed) = engine.last_list {
            let age = seconds(now.since(listed)).max(0.0);
            gauge!("portreeve_engine_list_age_seconds", "engine" => name.to_string()).set(age);
        }
    }
    if let Ok((bills, cells)) = shared.store.depths().await {
        let declared = desired.billing.keys().map(|name| ("BillingService", name, bills.get(name)));
        let declared = declared
            .chain(desired.registries.keys().map(|name| ("DiscoveryRegistry", name, cells.get(name))));
        for (kind, target, depth) in declared {
            let QueueDepth { pending, parked, oldest, last_error: _ } = depth.cloned().unwrap_or_default();
            let labels = [("kind", kind.to_owned()), ("target", target.clone())];
            gauge!("portreeve_outbox_depth", &labels).set(whole(pending));
            gauge!("portreeve_outbox_parked", &labels).set(whole(parked));
            let age = oldest.map_or(0.0, |oldest| seconds(now.since(oldest)).max(0.0));
            gauge!("portreeve_outbox_oldest_seconds", &labels).set(age);
        }
    }
    handle.run_upkeep();
    let mut text = handle.render();
    // Writing to a string does not fail.
    let _ = world_gauges(&mut text, &world);
    text
}

/// The gauges of document R2, under the names that dashboards use.
fn world_gauges(text: &mut String, world: &World) -> std::fmt::Result {
    let containers: Vec<&Container> = world.containers.values().map(AsRef::as_ref).collect();
    let running = containers.iter().filter(|container| container.state.is_up()).count();
    let healthy = containers.iter().filter(|container| is_healthy(container)).count();
    for (name, help, value) in [
        ("system_total_containers", "Containers that exist", containers.len()),
        ("system_running_containers", "Containers that run", running),
        ("system_healthy_services", "Services that are healthy", healthy),
    ] {
        writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n")?;
    }
    let name = "container_health_status";
    writeln!(text, "# HELP {name} 1 for a container that runs and is not unhealthy\n# TYPE {name} gauge")?;
    for container in containers.iter().take(MOST_CONTAINERS) {
        let value = u8::from(is_healthy(container));
        writeln!(
            text,
            "{name}{{container=\"{}\",status=\"{}\"}} {value}",
            escaped(&container.name),
            container.state
        )?;
    }
    let name = "service_health_status";
    writeln!(text, "\n# HELP {name} 1 for a healthy service\n# TYPE {name} gauge")?;
    for container in containers.iter().take(MOST_CONTAINERS) {
        writeln!(
            text,
            "{name}{{service=\"{}\"}} {}",
            escaped(&container.name),
            u8::from(is_healthy(container))
        )?;
    }
    Ok(())
}

/// A container that no MonitoredService selects is a service of its own: running and not unhealthy is healthy.
fn is_healthy(container: &Container) -> bool {
    container.state.is_up() && container.health != Some(Health::Unhealthy)
}

/// A label value as the text format wants it.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus knows only floating point numbers")]
fn whole(value: u64) -> f64 {
    value as f64
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus knows only floating point numbers")]
fn seconds(nanoseconds: i64) -> f64 {
    nanoseconds as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_values_are_escaped() {
        assert_eq!(escaped("a\"b\\c\nd"), r#"a\"b\\c\nd"#);
    }

    #[test]
    fn an_empty_world_still_has_its_totals() {
        let mut text = String::new();
        world_gauges(&mut text, &World::default()).expect("text");
        assert!(text.contains("\nsystem_total_containers 0\n"), "{text}");
    }
}
