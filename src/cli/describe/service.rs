//! How a service is: the verdict, how often it passed, and what each probe says of each container.

use std::io;

use serde_json::Value;

use super::fields::{field, time};
use crate::cli::face::Face;
use crate::cli::get::columns::service_health;
use crate::cli::paragraph::paragraph;
use crate::cli::table::{Cell, Table, Tone};
use crate::cli::text::{age, age_of, instant, scalar};
use crate::observed::Nanos;

/// The longest time that rates are told of, in nanoseconds.
const WEEK: i64 = 7 * 24 * 3_600 * 1_000_000_000;

pub(super) fn show(item: &Value, containers: &[Value], now: Nanos, face: &mut Face<'_>) -> io::Result<()> {
    let status = &item["status"];
    writeln!(face.out)?;
    let text = |pointer: &str| scalar(status, pointer).unwrap_or_default();
    field(face, "Health", &service_health(&text("/health")).painted())?;
    for (name, pointer) in [("Reason", "/reason"), ("Waits for", "/waitsFor")] {
        if let Some(text) = scalar(status, pointer) {
            field(face, name, &text)?;
        }
    }
    if status.get("notYetSince").is_some() {
        field(face, "Not ready", &format!("since {}", time(status, "/notYetSince", now)))?;
    }
    field(face, "Since", &time(status, "/since", now))?;
    field(face, "Last check", &time(status, "/lastCheck", now))?;
    field(face, "Latency", &took(status))?;
    let rates = ["1h", "24h", "7d"].into_iter().filter_map(|window| {
        let rate = scalar(status, &format!("/successRates/{window}"))?;
        Some(format!("{rate}% in {window}"))
    });
    let rates = rates.collect::<Vec<_>>().join(", ");
    // A share of a week says little as long as the week has not passed.
    let young = |at: &Nanos| now.since(*at) < WEEK;
    let since = scalar(status, "/measuredSince").and_then(|at| instant(&at)).filter(young);
    let measured = since.map_or_else(String::new, |at| format!("; measured for {}", age(at, now)));
    field(face, "Passed", &format!("{rates}{measured}"))?;
    let mut table = probes(item, containers, now);
    if table.is_empty() {
        return Ok(());
    }
    writeln!(face.out, "\nProbes:")?;
    table.print(face.out, 2, face.width)?;
    let said = said(item);
    if !said.is_empty() {
        writeln!(face.out, "\nAnswers:")?;
    }
    for line in said {
        paragraph(face.out, &line, Tone::Plain, (2, 2), face.width)?;
    }
    Ok(())
}

/// What was answered, by container and probe, as far as it says more than a reason may hold.
fn said(item: &Value) -> Vec<String> {
    let members = ["/status/containers", "/status/target"].into_iter().flat_map(|field| list(item, field));
    let of = |member: &Value| -> Vec<String> {
        let whom = whom(member);
        let docker = scalar(member, "/output").map(|said| format!("{whom}: {said}"));
        let probes = list(member, "/probes").iter().filter_map(|probe| {
            Some(format!("{whom} {}: {}", scalar(probe, "/name")?, scalar(probe, "/output")?))
        });
        docker.into_iter().chain(probes).collect()
    };
    members.flat_map(of).collect()
}

fn whom(member: &Value) -> String {
    let names = ["/name", "/id"].into_iter().filter_map(|pointer| scalar(member, pointer));
    names.into_iter().find(|name| !name.is_empty()).unwrap_or_else(|| "target".to_owned())
}

/// A row for each probe of each container, or of what is outside Docker; one that has no probes says how it is.
fn probes(item: &Value, containers: &[Value], now: Nanos) -> Table {
    let mut table = Table::new(["TARGET", "PROBE", "VERDICT", "CHECKED", "TOOK", "ASKS", "FAILURE"]).whole();
    let none = || Cell::from("");
    // What Docker checks is no check of Portreeve's.
    let docker = list(item, "/spec/probes").iter().filter(|probe| probe.get("dockerHealth").is_some());
    let docker: Vec<String> = docker.filter_map(|probe| scalar(probe, "/name")).collect();
    for member in ["/status/containers", "/status/target"].into_iter().flat_map(|field| list(item, field)) {
        let text = |pointer: &str| scalar(member, pointer).unwrap_or_default();
        let whom = whom(member);
        for name in &docker {
            let known = containers.iter().find(|container| container["name"] == whom.as_str());
            let health = known.and_then(|container| scalar(container, "/health"));
            let failure =
                if health.as_deref() == Some("unhealthy") { text("/reason") } else { String::new() };
            let (health, asks) = (verdict(&health.unwrap_or_default()), "Docker's health check");
            table.row(vec![
                whom.as_str().into(),
                name.into(),
                health,
                none(),
                none(),
                asks.into(),
                failure.into(),
            ]);
        }
        for probe in list(member, "/probes") {
            let text = |pointer: &str| scalar(probe, pointer).unwrap_or_default();
            table.row(vec![
                whom.as_str().into(),
                text("/name").into(),
                of_probe(&text("/verdict"), &text("/outcome")),
                age_of(probe, "/lastCheck", now).into(),
                took(probe).into(),
                text("/asks").into(),
                text("/failure").into(),
            ]);
        }
        if docker.is_empty() && list(member, "/probes").is_empty() {
            let (health, reason) = (verdict(&text("/health")), text("/reason"));
            table.row(vec![whom.into(), none(), health, none(), none(), none(), reason.into()]);
        }
    }
    table
}

fn list<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A probe's verdict, and how its last check went where that says more.
fn of_probe(word: &str, outcome: &str) -> Cell {
    match outcome {
        "notYet" => Cell::new("not yet", Tone::Odd),
        "denied" if word == "unhealthy" => Cell::new("denied", Tone::Bad),
        "fault" if word != "unhealthy" => Cell::new("fault", Tone::Bad),
        _ => verdict(word),
    }
}

fn verdict(word: &str) -> Cell {
    service_health(&word.to_lowercase())
}

fn took(item: &Value) -> String {
    item["responseTimeMs"].as_f64().map_or_else(String::new, |millis| format!("{millis:.1}ms"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::tests::Streams;

    #[test]
    fn each_probe_of_each_container_is_a_row() {
        let status = json!({
            "health": "unhealthy", "since": "1970-01-01T00:00:00Z", "reason": "1 of 2 is healthy",
            "lastCheck": "1970-01-01T00:00:57Z", "responseTimeMs": 3.25,
            "successRates": {"1h": 98.5, "24h": 99.0}, "measuredSince": "1970-01-01T00:00:12Z",
            "containers": [
                {"name": "web-1", "id": "local/c1", "health": "healthy", "probes": [
                    {"name": "page", "verdict": "healthy", "lastCheck": "1970-01-01T00:00:57Z", "responseTimeMs": 2.0, "asks": "10.0.0.2:80: its address"},
                    {"name": "port", "verdict": "unhealthy", "outcome": "failed", "failure": "connection refused"},
                    {"name": "login", "verdict": "unhealthy", "outcome": "denied", "failure": "NOAUTH", "output": "NOAUTH, my friend"},
                    {"name": "ping", "verdict": "unknown", "outcome": "notYet", "failure": "LOADING"},
                    {"name": "query", "verdict": "healthy", "outcome": "fault", "failure": "no secret"},
                ]},
            ],
        });
        let item = json!({"spec": {"probes": [{"name": "page"}, {"name": "port"}]}, "status": status});
        let mut streams = Streams::default();
        show(&item, &[], Nanos(60_000_000_000), &mut streams.face()).expect("output");
        let expected = "
Health:       unhealthy
Reason:       1 of 2 is healthy
Since:        1970-01-01T00:00:00Z (60s ago)
Last check:   1970-01-01T00:00:57Z (3s ago)
Latency:      3.2ms
Passed:       98.5% in 1h, 99.0% in 24h; measured for 48s

Probes:
  TARGET  PROBE  VERDICT    CHECKED  TOOK   ASKS                      FAILURE
  web-1   page   healthy    3s       2.0ms  10.0.0.2:80: its address  -
  web-1   port   unhealthy  -        -      -                         connection refused
  web-1   login  denied     -        -      -                         NOAUTH
  web-1   ping   not yet    -        -      -                         LOADING
  web-1   query  fault      -        -      -                         no secret

Answers:
  web-1 login: NOAUTH, my friend
";
        assert_eq!(streams.both(), expected);
    }

    #[test]
    fn what_docker_checks_is_a_row_too_and_so_is_a_container_that_nobody_asks() {
        let mut item = json!({
            "spec": {"probes": [{"name": "own", "dockerHealth": {}}]},
            "status": {"containers": [{"name": "web-1", "health": "unhealthy", "reason": "it fails", "probes": []}]},
        });
        let containers = [json!({"name": "web-1", "health": "unhealthy"})];
        let shown = |item: &Value| {
            let mut streams = Streams::default();
            probes(item, &containers, Nanos(0)).print(streams.face().out, 0, None).expect("output");
            streams.both()
        };
        let expected = "\
TARGET  PROBE  VERDICT    CHECKED  TOOK  ASKS                   FAILURE
web-1   own    unhealthy  -        -     Docker's health check  it fails
";
        assert_eq!(shown(&item), expected);
        item["spec"] = json!({});
        let expected = "\
TARGET  PROBE  VERDICT    CHECKED  TOOK  ASKS  FAILURE
web-1   -      unhealthy  -        -     -     it fails
";
        assert_eq!(shown(&item), expected);
    }
}
