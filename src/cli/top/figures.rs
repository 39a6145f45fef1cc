//! Two looks at containers → what each of them uses, and how it is.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::cells::{memory, percent};
use crate::cli::get::columns::{health, name, not_done, state};
use crate::cli::table::{Cell, Table, Tone};
use crate::cli::text::{age, instant, scalar, span};
use crate::observed::Nanos;

/// What one container, or those of a service together, use and cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub(in crate::cli) struct Load {
    /// Of one CPU, as `docker stats` counts: four that are busy make 400.
    pub(super) cpu_percent: Option<f64>,
    /// Memory in use, without cached files that are given back at once.
    pub(super) memory_bytes: Option<u64>,
    /// Restarts by Portreeve.
    pub(super) restart_count: u64,
}

impl Load {
    /// All of them together; what is not known of some counts as nothing.
    pub(super) fn sum<'l>(loads: impl Iterator<Item = &'l Self>) -> Self {
        loads.fold(Self::default(), |sum, load| Self {
            cpu_percent: add(sum.cpu_percent, load.cpu_percent, |a, b| rounded(a + b)),
            memory_bytes: add(sum.memory_bytes, load.memory_bytes, u64::saturating_add),
            restart_count: sum.restart_count.saturating_add(load.restart_count),
        })
    }
}

fn add<T>(one: Option<T>, other: Option<T>, sum: impl Fn(T, T) -> T) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(sum(one, other)),
        (one, other) => one.or(other),
    }
}

/// A container in `top`.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(in crate::cli) struct ContainerFigures {
    pub(super) name: String,
    id: String,
    engine: String,
    /// The engine's state: `running`, `exited`, …
    pub(super) state: String,
    /// The result of its health check; `null` without one.
    pub(super) health: Option<String>,
    #[serde(flatten)]
    pub(super) load: Load,
    /// Its limit, or the memory of its host.
    memory_limit_bytes: Option<u64>,
    /// Percentage of the limit.
    memory_percent: Option<f64>,
    /// Since it was started; `null` while it does not run.
    uptime_seconds: Option<i64>,
    /// When Portreeve last acted on it.
    last_action: Option<String>,
    quarantined: bool,
    /// Why the container is not healed although it needs healing.
    not_done: Option<String>,
}

/// What the containers of `after` use; their CPU load is what they computed since `before`.
pub(super) fn figures(before: &[Value], after: &[Value], now: Nanos) -> Vec<ContainerFigures> {
    let before: BTreeMap<&str, &Value> =
        before.iter().filter_map(|item| Some((item["id"].as_str()?, item))).collect();
    let of = |item: &Value| {
        let text = |pointer: &str| scalar(item, pointer);
        let bytes = |pointer: &str| item.pointer(pointer).and_then(Value::as_u64);
        let earlier = item["id"].as_str().and_then(|id| before.get(id));
        let (used, limit) = (bytes("/usage/memory_bytes"), bytes("/usage/memory_limit_bytes"));
        let started = text("/started_at").and_then(|at| instant(&at)).filter(|_| item["status"] == "running");
        ContainerFigures {
            name: name(item),
            id: text("/id").unwrap_or_default(),
            engine: text("/engine").unwrap_or_default(),
            state: text("/status").unwrap_or_default(),
            health: text("/health"),
            load: Load {
                cpu_percent: earlier.and_then(|earlier| cpu(earlier, item)),
                memory_bytes: used,
                restart_count: item["restart_count"].as_u64().unwrap_or(0),
            },
            memory_limit_bytes: limit,
            memory_percent: used.zip(limit).and_then(|(used, limit)| share(used, limit)),
            uptime_seconds: started.map(|started| now.since(started).max(0) / 1_000_000_000),
            last_action: text("/last_action"),
            quarantined: item["quarantined"] == Value::Bool(true),
            not_done: scalar(item, "/blocked/0/reason"),
        }
    };
    after.iter().map(of).collect()
}

/// CPU time per time between two measurements; `None` where there are not two of one run.
fn cpu(before: &Value, after: &Value) -> Option<f64> {
    let seconds = |item: &Value| item.pointer("/usage/cpu_seconds").and_then(Value::as_f64);
    let at = |item: &Value| item.pointer("/usage/at").and_then(Value::as_str).and_then(instant);
    let used = seconds(after)? - seconds(before)?;
    #[expect(clippy::cast_precision_loss, reason = "a few seconds in nanoseconds")]
    let passed = at(after)?.since(at(before)?) as f64 / 1e9;
    let same_run = before["started_at"] == after["started_at"];
    (same_run && used >= 0.0 && passed > 0.0).then(|| rounded(used / passed * 100.0))
}

#[expect(clippy::cast_precision_loss, reason = "of a share only the first digits matter")]
fn share(used: u64, limit: u64) -> Option<f64> {
    (limit > 0).then(|| rounded(used as f64 / limit as f64 * 100.0))
}

/// To hundredths: more digits would tell of nothing but the moment.
fn rounded(percent: f64) -> f64 {
    (percent * 100.0).round() / 100.0
}

/// In this order columns are left out where there is no room for all; the one that the table is `sorted` by goes last.
const LEAST: [&str; 8] = ["LAST ACTION", "UPTIME", "MEM%", "STATE", "HEALTH", "CPU", "MEMORY", "RESTARTS"];

pub(super) fn table(figures: &[ContainerFigures], sorted: &'static str, now: Nanos) -> Table {
    let mut table = Table::new([
        "NAME",
        "CPU",
        "MEMORY",
        "MEM%",
        "STATE",
        "HEALTH",
        "UPTIME",
        "RESTARTS",
        "LAST ACTION",
        "BLOCKED",
    ])
    .least(LEAST.into_iter().filter(|column| *column != sorted).chain([sorted]));
    for figures in figures {
        let acted = figures.last_action.as_deref().and_then(instant);
        table.row(vec![
            figures.name.as_str().into(),
            percent(figures.load.cpu_percent).into(),
            memory(figures.load.memory_bytes),
            percent(figures.memory_percent).into(),
            state(&figures.state),
            health(figures.health.as_deref().unwrap_or_default()),
            figures
                .uptime_seconds
                .map_or_else(String::new, |up| span(up.saturating_mul(1_000_000_000)))
                .into(),
            restarts(figures.load.restart_count),
            acted.map_or_else(String::new, |at| format!("{} ago", age(at, now))).into(),
            not_done(figures.quarantined, figures.not_done.as_deref().unwrap_or_default()),
        ]);
    }
    table
}

/// None is as it should be.
pub(super) fn restarts(count: u64) -> Cell {
    Cell::new(count.to_string(), if count > 0 { Tone::Odd } else { Tone::Plain })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::tests::Streams;

    fn web(cpu: f64, at: &str, memory: u64) -> Value {
        json!({
            "metadata": {"name": "web"}, "id": "c1", "engine": "local", "status": "running", "health": "healthy",
            "started_at": "2025-08-19T07:00:00Z", "restart_count": 2, "last_action": "2025-08-19T07:12:00Z",
            "quarantined": false, "blocked": [],
            "usage": {"at": at, "cpu_seconds": cpu, "memory_bytes": memory, "memory_limit_bytes": 268_435_456_u64},
        })
    }

    fn now() -> Nanos {
        instant("2025-08-19T07:17:22Z").expect("a time")
    }

    #[test]
    fn load_is_what_was_computed_between_two_looks() {
        let (before, after) =
            (web(10.0, "2025-08-19T07:17:20Z", 0), web(10.25, "2025-08-19T07:17:22Z", 67_108_864));
        let db = json!({"metadata": {"name": "db"}, "id": "c2", "status": "exited", "quarantined": true});
        let figures = figures(&[before], &[after, db], now());
        let mut streams = Streams::default();
        table(&figures, "CPU", now()).print(&mut streams.face().out, 0, None).expect("output");
        let expected = "\
NAME  CPU    MEMORY   MEM%   STATE    HEALTH   UPTIME  RESTARTS  LAST ACTION  BLOCKED
web   12.5%  64.0MiB  25.0%  running  healthy  17m     2         5m ago       -
db    -      -        -      exited   -        -       0         -            Quarantined
";
        assert_eq!(streams.both(), expected);
        let sum = Load::sum(figures.iter().map(|figures| &figures.load));
        assert_eq!(sum, Load { cpu_percent: Some(12.5), memory_bytes: Some(67_108_864), restart_count: 2 });
    }

    #[test]
    fn at_eighty_columns_restarts_and_what_is_sorted_by_are_shown() {
        let mut sick = web(10.25, "2025-08-19T07:17:22Z", 67_108_864);
        sick["blocked"] = json!([{"reason": "StopCauseUnknown"}]);
        let header = |name: &str, sorted: &'static str, width: usize| {
            sick["metadata"]["name"] = name.into();
            let figures =
                figures(&[web(10.0, "2025-08-19T07:17:20Z", 0)], std::slice::from_ref(&sick), now());
            let mut streams = Streams::default();
            table(&figures, sorted, now()).print(&mut streams.face().out, 0, Some(width)).expect("output");
            let header = streams.both().lines().next().unwrap_or_default().to_owned();
            header.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        let mut header = header;
        let long = "a".repeat(85);
        assert_eq!(header("web", "CPU", 80), "NAME CPU MEMORY MEM% STATE HEALTH RESTARTS BLOCKED");
        // State, health and reasons always stay.
        assert_eq!(header(&long, "CPU", 80), "NAME CPU STATE HEALTH RESTARTS BLOCKED");
        assert_eq!(header(&long, "MEMORY", 80), "NAME MEMORY STATE HEALTH RESTARTS BLOCKED");
    }

    #[test]
    fn over_a_restart_nothing_can_be_told_of_the_load() {
        let (before, mut after) =
            (web(10.0, "2025-08-19T07:17:20Z", 0), web(11.0, "2025-08-19T07:17:22Z", 0));
        assert_eq!(cpu(&before, &after), Some(50.0));
        assert_eq!(cpu(&before, &before), None, "no time has passed");
        after["started_at"] = "2025-08-19T07:17:21Z".into();
        assert_eq!(cpu(&before, &after), None);
    }
}
