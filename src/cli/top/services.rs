//! What the containers of a MonitoredService use together.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::cells::{memory, percent};
use super::figures::{ContainerFigures, Load, restarts};
use crate::cli::describe::selects;
use crate::cli::get::columns::{name, service_health};
use crate::cli::table::{Cell, Table, Tone};
use crate::resource::Selector;

/// A MonitoredService in `top`.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(in crate::cli) struct ServiceFigures {
    pub(super) name: String,
    /// `healthy`, `unhealthy`, `error`, `not_found`, `unknown`; `null` before the first verdict.
    health: Option<String>,
    /// How many containers its selector matches.
    containers: usize,
    /// How many of them run.
    running: usize,
    #[serde(flatten)]
    pub(super) load: Load,
    response_time_ms: Option<f64>,
    success_rate: Option<f64>,
}

/// `figures` are those of `containers`, in the same order.
pub(super) fn figures(
    services: &[Value],
    containers: &[Value],
    figures: &[ContainerFigures],
) -> Vec<ServiceFigures> {
    let of = |service: &Value| {
        let selector = service.pointer("/spec/selector").cloned().unwrap_or_default();
        let selector: Selector = serde_json::from_value(selector).unwrap_or_default();
        let mine = || {
            let all = containers.iter().zip(figures);
            all.filter(|(container, _)| selects(&selector, container)).map(|(_, figures)| figures)
        };
        let number = |pointer: &str| service.pointer(pointer).and_then(Value::as_f64);
        ServiceFigures {
            name: name(service),
            health: service.pointer("/status/health").and_then(Value::as_str).map(str::to_owned),
            containers: mine().count(),
            running: mine().filter(|figures| figures.state == "running").count(),
            load: Load::sum(mine().map(|figures| &figures.load)),
            response_time_ms: number("/status/responseTimeMs"),
            success_rate: number("/status/successRate"),
        }
    };
    services.iter().map(of).collect()
}

pub(super) fn table(services: &[ServiceFigures]) -> Table {
    let mut table =
        Table::new(["NAME", "HEALTH", "RUNNING", "CPU", "MEMORY", "RESTARTS", "RESPONSE", "SUCCESS"]);
    for service in services {
        let all = service.running == service.containers;
        let running = format!("{}/{}", service.running, service.containers);
        let response = service.response_time_ms.map(|ms| format!("{ms:.0}ms"));
        table.row(vec![
            service.name.as_str().into(),
            service_health(service.health.as_deref().unwrap_or_default()),
            Cell::new(running, if all { Tone::Plain } else { Tone::Bad }),
            percent(service.load.cpu_percent).into(),
            memory(service.load.memory_bytes),
            restarts(service.load.restart_count),
            response.unwrap_or_default().into(),
            percent(service.success_rate).into(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::tests::Streams;
    use crate::observed::Nanos;

    #[test]
    fn a_service_uses_what_its_containers_use() {
        let container = |name: &str, state: &str, memory: Option<u64>| {
            json!({
                "metadata": {"name": name}, "name": name, "id": name, "engine": "local", "status": state,
                "restart_count": 1, "usage": memory.map(|bytes| json!({"memory_bytes": bytes})),
            })
        };
        let containers = [
            container("web-1", "running", Some(1 << 20)),
            container("web-2", "running", Some(2 << 20)),
            container("web-3", "exited", None),
            container("db", "running", Some(1 << 30)),
        ];
        let services = [
            json!({"metadata": {"name": "web"}, "spec": {"selector": {"names": ["web-*"]}},
                   "status": {"health": "unhealthy", "responseTimeMs": 12.4, "successRate": 99.5}}),
            json!({"metadata": {"name": "outside"}, "spec": {"target": {"host": "h", "port": 1}}}),
        ];
        let each = super::super::figures::figures(&[], &containers, Nanos(0));
        let mut streams = Streams::default();
        let mut table = table(&figures(&services, &containers, &each));
        table.print(&mut streams.face().out, 0, None).expect("output");
        let expected = "\
NAME     HEALTH     RUNNING  CPU  MEMORY  RESTARTS  RESPONSE  SUCCESS
web      unhealthy  2/3      -    3.0MiB  3         12ms      99.5%
outside  -          0/0      -    -       0         -         -
";
        assert_eq!(streams.both(), expected);
    }
}
