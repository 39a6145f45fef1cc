//! How a service is: the verdict, how often it passed, and what each probe says of each container.

use std::io;

use serde_json::Value;

use super::{field, time};
use crate::cli::face::Face;
use crate::cli::get::columns::service_health;
use crate::cli::table::{Cell, Table};
use crate::cli::text::{age_of, scalar};
use crate::observed::Nanos;

pub(super) fn show(status: &Value, now: Nanos, face: &mut Face<'_>) -> io::Result<()> {
    writeln!(face.out)?;
    let text = |pointer: &str| scalar(status, pointer).unwrap_or_default();
    field(face.out, "Health", &service_health(&text("/health")).painted())?;
    for (name, pointer) in [("Reason", "/reason"), ("Waits for", "/waitsFor")] {
        if let Some(text) = scalar(status, pointer) {
            field(face.out, name, &text)?;
        }
    }
    field(face.out, "Since", &time(status, "/since", now))?;
    field(face.out, "Last check", &time(status, "/lastCheck", now))?;
    field(face.out, "Takes", &took(status))?;
    let rates = ["1h", "24h", "7d"].into_iter().filter_map(|window| {
        let rate = scalar(status, &format!("/successRates/{window}"))?;
        Some(format!("{rate}% in {window}"))
    });
    field(face.out, "Passed", &rates.collect::<Vec<_>>().join(", "))?;
    let mut table = probes(status, now);
    if table.is_empty() {
        return Ok(());
    }
    writeln!(face.out, "\nProbes:")?;
    table.print(face.out, 2, face.width)
}

/// A row for each probe of each container, or of what is outside Docker; one that has no probes says how it is.
fn probes(status: &Value, now: Nanos) -> Table {
    let mut table = Table::new(["OF", "PROBE", "VERDICT", "CHECKED", "TOOK", "ASKS", "FAILURE"]).whole();
    let list = |value: &Value, field: &str| value.get(field).and_then(Value::as_array).cloned();
    for field in ["containers", "target"] {
        for member in list(status, field).unwrap_or_default() {
            let whom = scalar(&member, "/name").or_else(|| scalar(&member, "/id"));
            let whom = whom.unwrap_or_else(|| "target".to_owned());
            let probes = list(&member, "probes").filter(|probes| !probes.is_empty());
            let Some(probes) = probes else {
                let verdict = verdict(&scalar(&member, "/health").unwrap_or_default());
                let reason = scalar(&member, "/reason").unwrap_or_default();
                let nothing = || Cell::from("");
                table.row(vec![
                    whom.into(),
                    nothing(),
                    verdict,
                    nothing(),
                    nothing(),
                    nothing(),
                    reason.into(),
                ]);
                continue;
            };
            for probe in &probes {
                let text = |pointer: &str| scalar(probe, pointer).unwrap_or_default();
                table.row(vec![
                    whom.as_str().into(),
                    text("/name").into(),
                    verdict(&text("/verdict")),
                    age_of(probe, "/lastCheck", now).into(),
                    took(probe).into(),
                    text("/asks").into(),
                    text("/failure").into(),
                ]);
            }
        }
    }
    table
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
            "successRates": {"1h": 98.5, "24h": 99.0},
            "containers": [
                {"name": "web-1", "id": "local/c1", "health": "healthy", "probes": [
                    {"name": "page", "verdict": "healthy", "lastCheck": "1970-01-01T00:00:57Z", "responseTimeMs": 2.0, "asks": "10.0.0.2:80: its address"},
                    {"name": "port", "verdict": "unhealthy", "failure": "connection refused"},
                ]},
                {"id": "local/c2", "health": "unknown", "reason": "it starts", "probes": []},
            ],
        });
        let mut streams = Streams::default();
        show(&status, Nanos(60_000_000_000), &mut streams.face()).expect("output");
        let expected = "
Health:       unhealthy
Reason:       1 of 2 is healthy
Since:        1970-01-01T00:00:00Z (60s ago)
Last check:   1970-01-01T00:00:57Z (3s ago)
Takes:        3.2ms
Passed:       98.5% in 1h, 99.0% in 24h

Probes:
  OF        PROBE  VERDICT    CHECKED  TOOK   ASKS                      FAILURE
  web-1     page   healthy    3s       2.0ms  10.0.0.2:80: its address  -
  web-1     port   unhealthy  -        -      -                         connection refused
  local/c2  -      unknown    -        -      -                         it starts
";
        assert_eq!(streams.both(), expected);
    }
}
