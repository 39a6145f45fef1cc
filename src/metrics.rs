//! Prometheus metrics. Counters live in the recorder; what is true now is read from the world when somebody scrapes.
//!
//! The recorder cannot delete a series, so nothing that comes and goes (containers) is put into it: those gauges are
//! written from the present world with every scrape, and end with their container.

mod containers;
mod page;
mod zeros;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use metrics::{describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use self::page::{MOST_CONTAINERS, Page, escaped, whole};
use crate::clock;
use crate::controller::{Load, View};
use crate::desired::Desired;
use crate::observed::{Checks, ContainerKey, Counted, HealthWord, Nanos, ServiceState, State, Window, World};
use crate::resource::{KindId, ObjectKey};
use crate::store::{QueueDepth, QueueDepths};

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
    describe_counter!(
        "portreeve_engine_reads_total",
        "Reads of an engine for somebody who asked, by read (stats, exec) and end (answered, away, busy, timed_out)"
    );
    describe_counter!("portreeve_watch_rows_total", "Containers looked at for those who watch them");
    describe_counter!("portreeve_deliveries_total", "Calls to Discovery and Billing Services, by outcome");
    describe_counter!("portreeve_restarts_total", "Healing actions carried out, by outcome");
    describe_counter!(
        "portreeve_healing_notes_total",
        "Healing decisions, by kind and reason; kind Skipped: no action"
    );
    describe_counter!(
        "portreeve_probes_total",
        "Checks made, by type and outcome: passed, failed, denied, not_yet, fault"
    );
    describe_counter!(
        "portreeve_checks_late_total",
        "Checks that began over a period later than they were due, for want of a place: see Settings.maxConcurrentChecks"
    );
    describe_counter!(
        "portreeve_reconcile_panics_total",
        "Faults of Portreeve's own while it decided about one thing or made one check, by kind; everything else went on"
    );
    describe_counter!(
        "portreeve_store_refused_total",
        "Faults of Portreeve's own: what the database refused, such as a broken constraint; everything else is stored"
    );
    describe_histogram!("portreeve_probe_duration_seconds", "How long checks took, by type");
    describe_gauge!(
        "portreeve_manifests_unconfirmed",
        "Objects that stay in force although their directory declares nothing any more, until this is confirmed"
    );
    describe_gauge!("portreeve_store_up", "Whether the store can commit");
    describe_gauge!(
        "portreeve_outbox_parked",
        "Containers whose deliveries are parked, because their service refused one permanently"
    );
    describe_gauge!(
        "portreeve_git_up",
        "Whether the last pull of --git-url succeeded; 0 also if its history was rewritten"
    );
    describe_gauge!("portreeve_build_info", "1, with the version of this Portreeve");
    gauge!("portreeve_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    gauge!("portreeve_store_up").set(1.0);
    zeros::of_the_program();
}

/// The text of a scrape.
pub async fn render(handle: &PrometheusHandle, view: &View) -> String {
    let world = view.world();
    let desired = view.desired();
    let (containers, events) = view.queue_depth();
    let now = clock::now();
    zeros::of_what_is_there(&world, &desired);
    handle.run_upkeep();
    let mut text = handle.render();
    let mut page = Page(&mut text);
    page.gauge(
        "portreeve_queue_containers",
        "Containers with work waiting or in progress",
        [("", whole(containers))],
    );
    page.gauge("portreeve_queue_events", "Events waiting to be processed", [("", whole(events))]);
    page.gauge(
        "portreeve_manifest_problems",
        "Errors in what is declared",
        [("", whole(desired.problems.len()))],
    );
    let engine = |name: &str| format!("engine=\"{}\"", escaped(name));
    page.gauge(
        "portreeve_engine_up",
        "Whether the engine is connected",
        world.engines.iter().map(|(name, seen)| (engine(name), f64::from(u8::from(seen.connected)))),
    );
    page.gauge(
        "portreeve_engine_list_age_seconds",
        "Time since the last full list",
        world.engines.iter().filter_map(|(name, seen)| Some((engine(name), age(now, seen.last_list?)))),
    );
    page.gauge(
        "portreeve_breaker_open",
        "Whether healing is stopped because many containers of a policy are sick at once",
        view.breakers().into_iter().map(|((name, policy), open)| {
            let labels = format!("{},policy=\"{}\"", engine(&name), escaped(&policy));
            (labels, f64::from(u8::from(open)))
        }),
    );
    page.gauge(
        "portreeve_healing_blocked",
        "Containers that are not healed, by reason",
        view.blocked_by_reason()
            .into_iter()
            .map(|(reason, count)| (format!("reason=\"{reason}\""), whole(count))),
    );
    if let Ok(depths) = view.depths().await {
        queues(&mut page, &desired, depths, now);
    }
    let services = view.services();
    world_gauges(&mut page, view, &world, &services);
    containers::gauges(&mut page, view, &world);
    service_gauges(&mut page, &services, now);
    check_series(&mut page, &services);
    let running = world.containers.values().filter(|container| container.state == State::Running);
    let running = running.take(MOST_CONTAINERS).map(|container| container.key.clone()).collect();
    load_gauges(&mut page, &world, &view.loads(running).await);
    text
}

/// Depths by target: of those declared, and of those that are not any more, whose rows are held.
fn queues(page: &mut Page<'_>, desired: &Desired, mut depths: QueueDepths, now: Nanos) {
    let billing = desired.billing.keys().map(|name| (KindId::BillingService, name));
    let registries = desired.registries.keys().map(|name| (KindId::DiscoveryRegistry, name));
    let declared: BTreeSet<_> =
        billing.chain(registries).map(|(kind, name)| ObjectKey { kind, name: name.clone() }).collect();
    for target in &declared {
        depths.entry(target.clone()).or_default();
    }
    let all: Vec<(String, &QueueDepth, bool)> = depths
        .iter()
        .map(|(target, depth)| {
            let ObjectKey { kind, name } = target;
            let served = declared.contains(target) && !desired.is_suspended(*kind, name);
            (format!("kind=\"{kind}\",target=\"{}\"", escaped(name)), depth, served)
        })
        .collect();
    // What is held for a target that is deleted or suspended waits on purpose: it is not late.
    let served = |value: &dyn Fn(&QueueDepth) -> f64| -> Vec<(String, f64)> {
        let served = all.iter().filter(|(_, _, served)| *served);
        served.map(|(labels, depth, _)| (labels.clone(), value(depth))).collect()
    };
    page.gauge(
        "portreeve_outbox_depth",
        "Bills and registrations not yet delivered",
        all.iter().map(|(labels, depth, _)| {
            let open = depth.pending + depth.parked;
            (labels.clone(), whole(usize::try_from(open).unwrap_or(usize::MAX)))
        }),
    );
    page.gauge(
        "portreeve_outbox_parked",
        "Containers whose deliveries are parked, because their service refused one permanently; held services do not count",
        served(&|depth| whole(usize::try_from(depth.parked).unwrap_or(usize::MAX))),
    );
    page.gauge(
        "portreeve_outbox_oldest_seconds",
        "Age of the oldest undelivered bill or registration; held services do not count",
        served(&|depth| depth.oldest.map_or(0.0, |oldest| age(now, oldest))),
    );
}

/// How often services pass and how fast they answer.
fn service_gauges(page: &mut Page<'_>, services: &BTreeMap<String, Arc<ServiceState>>, now: Nanos) {
    let label = |name: &str| format!("service=\"{}\"", escaped(name));
    let rates = services
        .iter()
        .filter_map(|(name, state)| Some((label(name), state.rates.percent(Window::Day, now)? / 100.0)));
    page.gauge(
        "portreeve_service_success_ratio",
        "Share of a service's checks that passed within 24 hours",
        rates,
    );
    let times = services.iter().filter_map(|(name, state)| Some((label(name), state.response_millis? / 1e3)));
    page.gauge("portreeve_service_response_seconds", "How long a service's checks take, smoothed", times);
}

/// The gauges of document R2, under the names that dashboards use.
fn world_gauges(
    page: &mut Page<'_>,
    view: &View,
    world: &World,
    services: &BTreeMap<String, Arc<ServiceState>>,
) {
    // Containers of two engines may share a name; the series tells of the worst of them.
    let (mut by_state, mut by_name) = (BTreeMap::new(), BTreeMap::new());
    for container in world.containers.values().take(MOST_CONTAINERS) {
        let healthy = f64::from(u8::from(Counted::from(&**container).is_healthy()));
        let name = escaped(&container.name);
        let state = format!("container=\"{name}\",status=\"{}\"", container.state);
        by_state.entry(state).and_modify(|value: &mut f64| *value = value.min(healthy)).or_insert(healthy);
        if !world.members.services(&container.key).is_empty()
            || !containers::is_meant_to_be_up(container, view)
        {
            continue;
        }
        let service = format!("service=\"{name}\"");
        by_name.entry(service).and_modify(|value: &mut f64| *value = value.min(healthy)).or_insert(healthy);
    }
    for (name, state) in services {
        let healthy = f64::from(u8::from(state.health == HealthWord::Healthy));
        by_name.insert(format!("service=\"{}\"", escaped(name)), healthy);
    }
    let healthy = by_name.values().filter(|value| **value > 0.0).count();
    page.gauge("system_healthy_services", "Services that are healthy", [("", whole(healthy))]);
    page.gauge("container_health_status", "1 for a container that runs and is not unhealthy", by_state);
    page.gauge("service_health_status", "1 for a healthy service", by_name);
}

/// What checks came to, under document R2's names: counters and a histogram that end with their service.
fn check_series(page: &mut Page<'_>, services: &BTreeMap<String, Arc<ServiceState>>) {
    let checks: Vec<_> = services
        .iter()
        .map(|(name, state)| (format!("service=\"{}\"", escaped(name)), &state.checks))
        .collect();
    #[expect(clippy::cast_precision_loss, reason = "Prometheus knows only floating point numbers")]
    let each = |count: &dyn Fn(&Checks) -> u64| -> Vec<(String, f64)> {
        checks.iter().map(|(label, checks)| (label.clone(), count(checks) as f64)).collect()
    };
    let (passed, failed) = (each(&|checks| checks.passed), each(&|checks| checks.failed));
    page.family("health_check_success_total", "counter", "Checks of a service that passed", passed);
    page.family("health_check_failure_total", "counter", "Checks of a service that failed", failed);
    page.histogram("health_check_duration_seconds", "How long checks of a service took", &checks);
}

/// What containers use. Of two engines' containers that share a name the series tells of the one that uses more.
fn load_gauges(page: &mut Page<'_>, world: &World, loads: &BTreeMap<ContainerKey, Load>) {
    let mut by_name: [BTreeMap<String, f64>; 3] = Default::default();
    for (key, load) in loads {
        let Some(container) = world.containers.get(key) else { continue };
        let label = format!("container=\"{}\"", escaped(&container.name));
        let (used, most) = (load.usage.memory.map(bytes), load.usage.memory_limit.map(bytes));
        let share = used.zip(most).filter(|(_, most)| *most > 0.0).map(|(used, most)| used / most * 100.0);
        let values = [load.cpu_percent, used.map(|used| used / MIB), share];
        for (series, value) in by_name.iter_mut().zip(values) {
            if let Some(value) = value {
                series.entry(label.clone()).and_modify(|known| *known = known.max(value)).or_insert(value);
            }
        }
    }
    let [cpu, memory, share] = by_name;
    page.gauge("container_cpu_usage_percent", "CPU used since the last scrape, in percent of a core", cpu);
    page.gauge("container_memory_usage_mb", "Memory in use, in MiB, as `docker stats` counts it", memory);
    page.gauge("container_memory_percent", "Memory in use, in percent of what the container may use", share);
}

/// Bytes in a MiB.
const MIB: f64 = 1024.0 * 1024.0;

#[expect(clippy::cast_precision_loss, reason = "Prometheus knows only floating point numbers")]
fn bytes(count: u64) -> f64 {
    count as f64
}

/// Seconds from `then` to `now`.
#[expect(clippy::cast_precision_loss, reason = "Prometheus knows only floating point numbers")]
fn age(now: Nanos, then: Nanos) -> f64 {
    (now.since(then) as f64 / 1e9).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_values_are_escaped() {
        assert_eq!(escaped("a\"b\\c\nd"), r#"a\"b\\c\nd"#);
    }

    #[test]
    fn checks_are_counted_as_document_r2_names_them() {
        let mut web = ServiceState::default();
        [(true, 0.004), (true, 0.03), (false, 7.0)]
            .into_iter()
            .for_each(|(ok, took)| web.checks.count(ok, took));
        let services =
            BTreeMap::from([("web".to_owned(), Arc::new(web)), ("new".to_owned(), Arc::default())]);
        let mut text = String::new();
        check_series(&mut Page(&mut text), &services);
        for line in [
            "# TYPE health_check_success_total counter",
            "health_check_success_total{service=\"web\"} 2",
            "health_check_failure_total{service=\"web\"} 1",
            "# TYPE health_check_duration_seconds histogram",
            "health_check_duration_seconds_bucket{service=\"web\",le=\"0.005\"} 1",
            "health_check_duration_seconds_bucket{service=\"web\",le=\"0.05\"} 2",
            "health_check_duration_seconds_bucket{service=\"web\",le=\"5\"} 2",
            "health_check_duration_seconds_bucket{service=\"web\",le=\"+Inf\"} 3",
            "health_check_duration_seconds_sum{service=\"web\"} 7.034",
            "health_check_duration_seconds_count{service=\"web\"} 3",
        ] {
            assert!(text.lines().any(|known| known == line), "no `{line}` in:\n{text}");
        }
        // A rate needs the zero before the first failure.
        assert!(text.contains("health_check_failure_total{service=\"new\"} 0\n"), "{text}");
    }
}
