//! The screen: what is wrong first, then what there is.

use serde_json::Value;

use super::problems::counted;
use super::value::{is_kept, map, number, text};
use super::{access, manifests};
use crate::cli::face::Face;
use crate::cli::paragraph::paragraph;
use crate::cli::table::{Cell, Table, Tone};
use crate::cli::text::{age_of, count};
use crate::observed::{Nanos, Tally};

/// The first line: which Portreeve this is, and whether it acts at all.
pub(super) fn title(health: &Value, server: &str) -> (String, Tone) {
    let title = format!("Portreeve {} at {server}", text(health, "/version"));
    if health["observe"] == Value::Bool(true) {
        return (format!("{title}, observe mode: no container is touched"), Tone::Odd);
    }
    (title, Tone::Plain)
}

pub(super) fn show(
    health: &Value,
    containers: &[Value],
    services: &[Value],
    wrong: &[String],
    face: &mut Face<'_>,
) -> std::io::Result<()> {
    let now = face.now();
    writeln!(face.out)?;
    if wrong.is_empty() {
        writeln!(face.out, "{}", Tone::Good.paint("all is well"))?;
    } else {
        writeln!(face.out, "{}", Tone::Bad.paint(&format!("problems ({})", wrong.len())))?;
        for line in wrong {
            paragraph(face.out, line, Tone::Plain, (2, 2), face.width)?;
        }
    }
    writeln!(face.out, "\nengines")?;
    engines(health, now).print(face.out, 2, face.width)?;
    writeln!(face.out)?;
    paragraph(face.out, &format!("containers  {}", tally(containers)), Tone::Plain, (0, 12), face.width)?;
    if !services.is_empty() {
        let of = |words: &[&str]| {
            services.iter().filter(|item| words.iter().any(|word| item["status"]["health"] == *word)).count()
        };
        writeln!(
            face.out,
            "services    {}: {} healthy, {} unhealthy, {} without a verdict",
            services.len(),
            of(&["healthy"]),
            of(&["unhealthy", "not_found"]),
            of(&["unknown", "error"]),
        )?;
    }
    let queued = |pointer: &str, what: &str| count(number(health, pointer), what);
    let (waiting, events) = (queued("/queue/containers", "container"), queued("/queue/events", "event"));
    writeln!(face.out, "queue       {waiting} and {events} not processed yet")?;
    writeln!(face.out, "store       {}", text(health, "/store/status"))?;
    access::show(&health["access"], face)?;
    manifests::show(&health["manifests"], face)?;
    let mut table = deliveries(health, now);
    if table.is_empty() {
        return writeln!(face.out, "deliveries  no targets declared");
    }
    writeln!(face.out, "deliveries")?;
    table.print(face.out, 2, face.width)
}

/// How many containers there are, and how they are.
fn tally(containers: &[Value]) -> String {
    let Tally { total, running, paused, healthy: _, unhealthy, silent, monitored, quarantined, restarts } =
        containers.iter().map(counted).collect();
    let some = |number: usize, word: &str| match number {
        0 => String::new(),
        number => format!(", {number} {word}"),
    };
    format!(
        "{total}: {running} running{}, {monitored} with a policy, {unhealthy} unhealthy{}, {quarantined} in quarantine, {}",
        some(paused, "of them paused"),
        some(silent, "silent"),
        count(restarts, "restart"),
    )
}

fn engines(health: &Value, now: Nanos) -> Table {
    let mut table = Table::new(["NAME", "CONNECTED", "SINCE", "HOST", "VERSION", "CONTAINERS"]);
    for (name, engine) in map(health, "/engines") {
        let connected = engine["connected"] == Value::Bool(true);
        table.row(vec![
            name.into(),
            if connected { Cell::new("yes", Tone::Good) } else { Cell::new("no", Tone::Bad) },
            age_of(engine, "/since", now).into(),
            text(engine, "/host").into(),
            text(engine, "/version").into(),
            text(engine, "/containers").into(),
        ]);
    }
    table
}

fn deliveries(health: &Value, now: Nanos) -> Table {
    let mut table = Table::new(["KIND", "NAME", "WAITING", "PARKED", "OLDEST", "LAST ERROR"]).whole();
    for (what, pointer) in
        [("BillingService", "/deliveries/billing"), ("DiscoveryRegistry", "/deliveries/discovery")]
    {
        for (name, target) in map(health, pointer) {
            let parked = number(target, "/parked");
            table.row(vec![
                what.into(),
                name.into(),
                number(target, "/pending").to_string().into(),
                Cell::new(
                    parked.to_string(),
                    if parked > 0 && !is_kept(target) { Tone::Bad } else { Tone::Plain },
                ),
                age_of(target, "/oldest", now).into(),
                match (&target["held"], &target["suspended"]) {
                    (Value::Bool(true), _) => Cell::new("held: no longer declared", Tone::Dim),
                    (_, Value::Bool(true)) => Cell::new("held: suspended", Tone::Dim),
                    _ => text(target, "/lastError").into(),
                },
            ]);
        }
    }
    table
}
