//! A container: how it is, who heals it and who is told of it; whether it is blocked, why, and until when.

use std::collections::BTreeMap;
use std::io;

use serde::Deserialize;
use serde_json::Value;

use super::beside::{Beside, unaccepted};
use super::deliveries::deliveries;
use super::fields::{field, fields, time, told};
use super::object::selects;
use crate::cli::face::Face;
use crate::cli::get::columns::ports;
use crate::cli::paragraph::paragraph;
use crate::cli::table::{Cell, Table, Tone};
use crate::cli::text::{exit_code, instant, scalar};
use crate::observed::Nanos;
use crate::resource::Duration;
use crate::resource::discovery_registry::ignores;

pub(super) fn show(item: &Value, beside: &Beside, face: &mut Face<'_>) -> io::Result<()> {
    let now = face.now();
    let text = |pointer: &str| scalar(item, pointer).unwrap_or_default();
    field(face, "Name", &text("/metadata/name"))?;
    field(face, "ID", &text("/id"))?;
    field(face, "Engine", &text("/engine"))?;
    field(face, "Image", &text("/image"))?;
    field(face, "State", &format!("{}{}", text("/status"), exit_code(item)))?;
    field(face, "Health", &health(item))?;
    if let Some(output) = scalar(item, "/health_output") {
        let line: Vec<&str> = output.split_whitespace().collect();
        field(face, "Last check", &line.join(" "))?;
    }
    field(face, "Created", &time(item, "/created", now))?;
    field(face, "Started", &time(item, "/started_at", now))?;
    field(face, "Ports", &ports(item))?;
    fields(face, "Labels", item, "/labels")?;
    healing(item, now, face)?;
    informed(item, beside, face)?;
    deliveries(beside, true, face)
}

fn health(item: &Value) -> String {
    match scalar(item, "/health").as_deref() {
        None => "no health check".to_owned(),
        Some("silent") => "silent: the engine no longer runs its health check".to_owned(),
        Some(word) => word.to_owned(),
    }
}

fn healing(item: &Value, now: Nanos, face: &mut Face<'_>) -> io::Result<()> {
    writeln!(face.out, "\nHealing:")?;
    let policy = scalar(item, "/policy").unwrap_or_else(|| match scalar(item, "/excluded") {
        Some(why) => format!("none: {why}"),
        None => "none: no policy selects it".to_owned(),
    });
    paragraph(face.out, &format!("policy       {policy}"), Tone::Plain, (2, 13), face.width)?;
    let under_way = if item["restarting"] == Value::Bool(true) { ", and one more under way" } else { "" };
    let restarts = scalar(item, "/restart_count").unwrap_or_default();
    let engine = item["engine_restart_count"].as_u64().filter(|count| *count > 0);
    let engine = engine.map_or_else(String::new, |count| format!("; {count} by Docker's restart policy"));
    writeln!(face.out, "  restarts     {restarts} by Portreeve{under_way}{engine}")?;
    let name = scalar(item, "/metadata/name").unwrap_or_default();
    if item["quarantined"] == Value::Bool(true) {
        let line = format!("quarantined  yes; `portreeve release {name}` ends it");
        paragraph(face.out, &line, Tone::Bad, (2, 13), face.width)?;
    } else {
        writeln!(face.out, "  quarantined  no")?;
    }
    let blocked = item.pointer("/blocked").and_then(Value::as_array).into_iter().flatten();
    for blocked in blocked {
        let text = |pointer: &str| scalar(blocked, pointer).unwrap_or_default();
        let (reason, why) = (text("/reason"), as_of(now, &text("/message"), until(blocked)));
        let line = format!("blocked      {reason}: {why}");
        paragraph(face.out, &line, Tone::Odd, (2, 13), face.width)?;
    }
    Ok(())
}

/// When a reason passes by itself.
fn until(blocked: &Value) -> Option<Nanos> {
    blocked.get("until")?.as_str().and_then(instant)
}

/// What was said when it was decided, with its time as it is now: a wait is shorter by then.
fn as_of(now: Nanos, said: &str, until: Option<Nanos>) -> String {
    let is_time = |word: &str| word.parse::<Duration>().is_ok();
    let stale = said.strip_prefix("quarantined for ").and_then(|rest| rest.split_once(": "));
    if let Some((_, why)) = stale.filter(|(time, _)| is_time(time)) {
        return why.to_owned();
    }
    let Some(until) = until else { return said.to_owned() };
    let left = Duration::from_millis(u64::try_from(until.since(now)).unwrap_or(0) / 1_000_000).rounded();
    let passed = left.get().as_secs() == 0;
    match said.rsplit_once(' ').filter(|(_, time)| is_time(time)) {
        Some((before, _)) if passed => format!("{} now", before.strip_suffix(" in").unwrap_or(before)),
        Some((before, _)) => format!("{before} {left}"),
        None if passed => format!("{said} (decided again now)"),
        None => format!("{said} (decided again in {left})"),
    }
}

/// Who is told of it.
fn informed(item: &Value, beside: &Beside, face: &mut Face<'_>) -> io::Result<()> {
    let mut table = Table::new(["KIND", "NAME", "SELECTED"]);
    for (kind, services) in [("DiscoveryRegistry", &beside.registries), ("BillingService", &beside.billing)] {
        for service in services {
            let selector = service.pointer("/spec/selector").cloned().unwrap_or_default();
            let selector = serde_json::from_value(selector).unwrap_or_default();
            let name = scalar(service, "/metadata/name").unwrap_or_default();
            let labels =
                item.get("labels").and_then(|labels| BTreeMap::deserialize(labels).ok()).unwrap_or_default();
            let selected = selects(&selector, item);
            let reason = scalar(item, &format!("/registries/{name}/reason"));
            let word = if let Some(reason) = reason.filter(|_| kind == "DiscoveryRegistry") {
                format!("no ({reason})").into()
            } else if selected && kind == "DiscoveryRegistry" && ignores(&labels) {
                "no (its label SERVICE_IGNORE)".into()
            } else if let Some(event) =
                unaccepted(beside, &name, item).filter(|_| kind == "DiscoveryRegistry")
            {
                Cell::new(format!("{} (pending: {event})", if selected { "yes" } else { "no" }), Tone::Odd)
            } else {
                told(selected, "yes")
            };
            table.row(vec![kind.into(), name.into(), word]);
        }
    }
    if table.is_empty() {
        return Ok(());
    }
    writeln!(face.out, "\nReported to:")?;
    table.print(face.out, 2, face.width)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::tests::Streams;

    #[test]
    fn a_wait_is_told_as_long_as_it_is_when_somebody_looks() {
        let now = Nanos(1_000_000_000_000);
        let until = |milliseconds: i64| Some(Nanos(now.0 + milliseconds * 1_000_000));
        for (said, until, told) in [
            ("sick; attempt 3 is due in 11s678ms", until(5_100), "sick; attempt 3 is due in 5s"),
            ("sick; attempt 3 is due in 12s", until(-1), "sick; attempt 3 is due now"),
            (
                "the silence s covers it for another 5m",
                until(62_062),
                "the silence s covers it for another 1m2s",
            ),
            ("it is being stopped", until(2_000), "it is being stopped (decided again in 2s)"),
            ("it is dead", None, "it is dead"),
        ] {
            assert_eq!(as_of(now, said, until), told);
        }
    }

    #[test]
    fn a_health_word_that_is_no_dockers_is_explained() {
        assert_eq!(health(&json!({"health": "healthy"})), "healthy");
        assert_eq!(health(&json!({})), "no health check");
        assert!(health(&json!({"health": "silent"})).contains("the engine no longer runs its health check"));
    }

    #[test]
    fn what_is_left_out_on_purpose_is_told_apart_from_what_no_policy_selects() {
        let said = |item: Value| {
            let mut streams = Streams::default();
            healing(&item, Nanos(0), &mut streams.face()).expect("output");
            streams.both()
        };
        let left_out = said(json!({"excluded": "the label autoheal=false opts it out"}));
        assert!(left_out.contains("policy       none: the label autoheal=false opts it out\n"), "{left_out}");
        let unselected = said(json!({}));
        assert!(unselected.contains("policy       none: no policy selects it\n"), "{unselected}");
    }

    #[test]
    fn what_is_not_done_is_told_with_its_reason_and_the_way_out() {
        let item = json!({
            "metadata": {"name": "web"}, "name": "web", "id": "c1", "engine": "local", "image": "nginx",
            "status": "running", "health": "unhealthy", "health_output": "no\nanswer", "policy": "default", "restart_count": 5, "engine_restart_count": 22, "quarantined": true,
            "blocked": [{"reason": "Quarantined", "message": "quarantined for 3s455ms: the budget is spent", "until": null},
                        {"reason": "BackingOff", "message": "waits", "until": "2025-08-19T07:17:22.193Z"}],
            "labels": {"autoheal": "true"}, "ports": [],
            "registries": {"d": {"state": "UP"}, "edge": {"state": "ABSENT", "reason": "no port of it is published"}},
        });
        let beside = Beside {
            billing: vec![json!({"metadata": {"name": "b"}, "spec": {"selector": {"names": ["db"]}}})],
            registries: ["d", "edge"]
                .map(|name| json!({"metadata": {"name": name}, "spec": {"selector": {"all": true}}}))
                .into(),
            deliveries: vec![json!({"kind": "DiscoveryRegistry", "target": "d", "containerId": "c1",
                "engine": "local", "event": "UP", "state": "pending", "attempts": 0})],
            ..Beside::default()
        };
        let mut streams = Streams::default();
        show(&item, &beside, &mut streams.face()).expect("output");
        let expected = "\
Labels:       autoheal=true

Healing:
  policy       default
  restarts     5 by Portreeve; 22 by Docker's restart policy
  quarantined  yes; `portreeve release web` ends it
  blocked      Quarantined: the budget is spent
  blocked      BackingOff: waits (decided again now)

Reported to:
  KIND               NAME  SELECTED
  DiscoveryRegistry  d     yes (pending: UP)
  DiscoveryRegistry  edge  no (no port of it is published)
  BillingService     b     no

Deliveries:
  0 delivered lately, 1 waiting, 0 parked
  NAME  TARGET  EVENT  CONTAINER  STATE    FAILED  NEXT  AGE  ERROR
  -     d       UP     c1         pending  0       -     -    -
";
        assert!(streams.both().ends_with(expected), "{}", streams.both());
        assert!(streams.both().contains("Last check:   no answer\n"), "{}", streams.both());
    }
}
