//! A declared object: what it says, how it stands, what it means for which containers.

use std::io;

use serde_json::Value;

use super::beside::{Beside, unaccepted};
use super::deliveries::deliveries;
use super::fields::{containers, field, fields, time};
use super::service;
use crate::cli::face::Face;
use crate::cli::table::{Cell, Table, Tone};
use crate::cli::text::scalar;
use crate::observed::Nanos;
use crate::resource::{KindId, Selector, Subject};

pub(super) fn show(kind: KindId, item: &Value, beside: &Beside, face: &mut Face<'_>) -> anyhow::Result<()> {
    let now = face.now();
    let text = |pointer: &str| scalar(item, pointer).unwrap_or_default();
    field(face, "Name", &text("/metadata/name"))?;
    field(face, "Kind", kind.as_str())?;
    field(face, "Origin", &text("/metadata/origin"))?;
    fields(face, "Labels", item, "/metadata/labels")?;
    fields(face, "Annotations", item, "/metadata/annotations")?;
    field(face, "Generation", &text("/metadata/generation"))?;
    field(face, "Created", &time(item, "/metadata/creationTimestamp", now))?;
    writeln!(face.out, "\nSpec:")?;
    indented(item.get("spec").unwrap_or(&Value::Null), face)?;
    conditions(item, now, face)?;
    if kind == KindId::MonitoredService && item.pointer("/status/health").is_some() {
        service::show(item, &beside.containers, now, face)?;
    } else {
        figures(item, face)?;
    }
    meant(kind, item, beside, face)?;
    Ok(())
}

fn indented(value: &Value, face: &mut Face<'_>) -> anyhow::Result<()> {
    for line in crate::manifest::yaml(value)?.lines() {
        writeln!(face.out, "  {line}")?;
    }
    Ok(())
}

fn conditions(item: &Value, now: Nanos, face: &mut Face<'_>) -> io::Result<()> {
    let conditions = item.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    let mut table = Table::new(["TYPE", "STATUS", "SINCE", "REASON", "MESSAGE"]).whole();
    for condition in conditions {
        let text = |pointer: &str| scalar(condition, pointer).unwrap_or_default();
        let status = text("/status");
        let tone = match status.as_str() {
            "True" => Tone::Good,
            "False" => Tone::Bad,
            _ => Tone::Dim,
        };
        table.row(vec![
            text("/type").into(),
            Cell::new(status, tone),
            crate::cli::text::age_of(condition, "/lastTransitionTime", now).into(),
            text("/reason").into(),
            text("/message").into(),
        ]);
    }
    if table.is_empty() {
        return Ok(());
    }
    writeln!(face.out, "\nConditions:")?;
    table.print(face.out, 2, face.width)
}

/// The kind's own part of the status.
fn figures(item: &Value, face: &mut Face<'_>) -> anyhow::Result<()> {
    let mut status = item.get("status").cloned().unwrap_or_default();
    if let Some(fields) = status.as_object_mut() {
        fields.remove("conditions");
        fields.remove("observedGeneration");
        if !fields.is_empty() {
            writeln!(face.out, "\nStatus:")?;
            return indented(&status, face);
        }
    }
    Ok(())
}

/// Which containers it is about, as far as that can be told.
fn meant(kind: KindId, item: &Value, beside: &Beside, face: &mut Face<'_>) -> io::Result<()> {
    let name = item.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    let policy = kind == KindId::AutohealPolicy;
    let host = kind == KindId::DockerHost;
    let selector =
        item.pointer("/spec/selector").and_then(|selector| serde_json::from_value(selector.clone()).ok());
    let selector: Option<Selector> = selector.filter(|_| !policy);
    if policy || host || selector.is_some() {
        let mine = beside.containers.iter().filter(|container| {
            if policy {
                container["policy"].as_str() == Some(name)
            } else if host {
                container["engine"].as_str() == Some(name)
            } else {
                selector.as_ref().is_some_and(|selector| selects(selector, container))
            }
        });
        let mut table =
            if kind == KindId::DiscoveryRegistry { registered(name, beside) } else { containers(mine) };
        writeln!(face.out, "\nContainers:")?;
        if table.is_empty() {
            writeln!(face.out, "  none")?;
        } else {
            table.print(face.out, 2, face.width)?;
        }
    }
    if matches!(kind, KindId::BillingService | KindId::DiscoveryRegistry) {
        deliveries(beside, kind == KindId::BillingService, face)?;
    }
    Ok(())
}

/// Who is registered there, or was, and where; what the registry has not accepted yet is pending.
fn registered(name: &str, beside: &Beside) -> Table {
    let mut table = Table::new(["NAME", "STATE", "REGISTERED", "ADDRESS"]);
    for container in &beside.containers {
        let Some(registration) = container.pointer("/registries").and_then(|all| all.get(name)) else {
            continue;
        };
        let text = |value: &Value, pointer: &str| scalar(value, pointer).unwrap_or_default();
        let mut state = text(registration, "/state");
        let pending = unaccepted(beside, name, container);
        if let Some(event) = pending {
            state = format!("pending: {event}");
        }
        let tone = match state.as_str() {
            _ if pending.is_some() => Tone::Odd,
            "UP" => Tone::Good,
            "DOWN" => Tone::Odd,
            _ => Tone::Dim,
        };
        table.row(vec![
            crate::cli::get::columns::name(container).into(),
            text(container, "/status").into(),
            Cell::new(state, tone),
            text(registration, "/address").into(),
        ]);
    }
    table
}

/// Whether `selector` means this container.
pub(in crate::cli) fn selects(selector: &Selector, container: &Value) -> bool {
    let text = |field: &str| container.get(field).and_then(Value::as_str).unwrap_or_default();
    let labels = container.get("labels").and_then(|labels| serde_json::from_value(labels.clone()).ok());
    let subject = Subject {
        engine: text("engine"),
        name: text("name"),
        image: text("image"),
        labels: &labels.unwrap_or_default(),
    };
    selector.matches(&subject)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::tests::Streams;

    #[test]
    fn an_object_shows_what_it_says_how_it_stands_and_what_it_means() {
        let item = json!({
            "metadata": {"name": "billing", "origin": "api", "generation": 2},
            "spec": {"url": "http://b:1", "selector": {"names": ["web*"]}},
            "status": {"observedGeneration": 2, "conditions": [
                {"type": "Accepted", "status": "True", "reason": "Valid", "message": ""},
            ]},
        });
        let container = |name: &str| json!({"metadata": {"name": name}, "name": name, "status": "running"});
        let beside = Beside {
            containers: vec![container("web-1"), container("db")],
            deliveries: vec![json!({"metadata": {"name": "bill-1"}, "state": "parked", "target": "billing"})],
            ..Beside::default()
        };
        let mut streams = Streams::default();
        show(KindId::BillingService, &item, &beside, &mut streams.face()).expect("output");
        let expected = "\
Name:         billing
Kind:         BillingService
Origin:       api
Generation:   2
Created:      -

Spec:
  selector:
    names:
    - web*
  url: http://b:1

Conditions:
  TYPE      STATUS  SINCE  REASON  MESSAGE
  Accepted  True    -      Valid   -

Containers:
  NAME   STATE    HEALTH  BLOCKED
  web-1  running  -       -

Deliveries:
  0 delivered lately, 0 waiting, 1 parked
  NAME    TARGET   EVENT  CONTAINER  STATE   FAILED  NEXT  AGE  ERROR
  bill-1  billing  -      -          parked  -       -     -    -
";
        assert_eq!(streams.both(), expected);
    }

    #[test]
    fn a_registry_shows_who_is_registered_there_and_where() {
        let container = |name: &str, registries: Value| json!({"metadata": {"name": name}, "name": name, "id": name, "engine": "local", "status": "running", "registries": registries});
        let of = [
            container("web", json!({"reg": {"state": "UP", "address": "box:8080"}})),
            container("old", json!({"reg": {"state": "DOWN"}, "other": {"state": "UP"}})),
            container("unheard", json!({"other": {"state": "UP"}})),
            container("new", json!({"reg": {"state": "UP", "address": "box:1"}})),
        ];
        let cell = |target: &str, id: &str| {
            json!({"kind": "DiscoveryRegistry", "target": target, "containerId": id, "engine": "local",
                   "event": "UP", "state": "pending"})
        };
        let deliveries = vec![cell("reg", "new"), cell("other", "web")];
        let beside = Beside { containers: of.into(), deliveries, ..Beside::default() };
        let mut streams = Streams::default();
        registered("reg", &beside).print(streams.face().out, 2, None).expect("output");
        let lines = [
            "NAME  STATE    REGISTERED   ADDRESS",
            "web   running  UP           box:8080",
            "old   running  DOWN         -",
            "new   running  pending: UP  box:1",
        ];
        assert_eq!(streams.both().lines().map(str::trim_start).collect::<Vec<_>>(), lines);
    }
}
