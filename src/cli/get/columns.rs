//! Which columns a kind has, and what stands in them.

use serde_json::Value;

use crate::cli::noun::Noun;
use crate::cli::table::{Cell, Table, Tone};
use crate::cli::text::{age_of, instant, relative, scalar};
use crate::observed::Nanos;
use crate::resource::KindId;
use crate::resource::notification_sink::CHANNELS;
use crate::resource::probe::HANDLERS;

/// What a column shows of an item.
type Field = fn(&Value, Nanos) -> Cell;

/// The columns of one kind.
pub(crate) struct Columns(Vec<(&'static str, Field)>);

impl Columns {
    /// Those of `noun`; with `wide` all of them.
    pub(in crate::cli) fn of(noun: Noun, wide: bool) -> Self {
        let mut columns: Vec<(&'static str, Field)> = Vec::new();
        let (short, long) = own(noun);
        match noun {
            Noun::Kind(_) => {
                columns.push(("NAME", |item, _| name(item).into()));
                columns.extend(short);
                columns.push(("STATUS", |item, _| standing(item)));
                if wide {
                    columns.extend(long);
                    columns.push(("ORIGIN", |item, _| at(item, "/metadata/origin")));
                    columns.push(("LABELS", |item, _| at(item, "/metadata/labels")));
                }
                columns.push(("AGE", |item, now| age_of(item, "/metadata/creationTimestamp", now).into()));
            }
            Noun::Containers | Noun::Events | Noun::Deliveries => {
                columns.extend(short);
                if wide {
                    // A text stays at the end, where it has room.
                    let text = columns.pop_if(|(name, _)| matches!(*name, "MESSAGE" | "ERROR"));
                    columns.extend(long);
                    columns.extend(text);
                }
            }
        }
        Self(columns)
    }

    pub(in crate::cli) fn table(&self) -> Table {
        let table = Table::new(self.0.iter().map(|(name, _)| *name));
        // What matters least there, and is told elsewhere.
        let table = table.least(["EVENT ID", "IMAGE", "LABELS", "ORIGIN", "ID"]);
        let ends_in_text = self.0.last().is_some_and(|(name, _)| matches!(*name, "MESSAGE" | "ERROR"));
        if ends_in_text { table.whole() } else { table }
    }

    pub(in crate::cli) fn row(&self, item: &Value, now: Nanos) -> Vec<Cell> {
        self.0.iter().map(|(_, field)| field(item, now)).collect()
    }
}

/// By what an item is found.
pub(in crate::cli) fn name(item: &Value) -> String {
    scalar(item, "/metadata/name").unwrap_or_default()
}

fn text(item: &Value, pointer: &str) -> String {
    scalar(item, pointer).unwrap_or_default()
}

fn at(item: &Value, pointer: &str) -> Cell {
    text(item, pointer).into()
}

type Fields = &'static [(&'static str, Field)];

/// Columns of a kind's own: always shown, and shown when there is room.
fn own(noun: Noun) -> (Fields, Fields) {
    match noun {
        Noun::Containers => (
            &[
                ("NAME", |item, _| name(item).into()),
                ("STATE", |item, _| state(&text(item, "/status"))),
                ("HEALTH", |item, _| health(&text(item, "/health"))),
                ("POLICY", |item, _| at(item, "/policy")),
                ("RESTARTS", |item, _| at(item, "/restart_count")),
                ("BLOCKED", |item, _| {
                    let quarantined = item["quarantined"] == Value::Bool(true);
                    not_done(quarantined, &text(item, "/blocked/0/reason"))
                }),
                ("AGE", |item, now| age_of(item, "/metadata/creationTimestamp", now).into()),
            ],
            &[
                ("ID", |item, _| short_id(item, "/id").into()),
                ("IMAGE", |item, _| at(item, "/image")),
                ("ENGINE", |item, _| at(item, "/engine")),
                ("PORTS", |item, _| ports(item).into()),
            ],
        ),
        Noun::Events => (
            &[
                ("AGE", |item, now| age_of(item, "/timestamp", now).into()),
                ("TYPE", |item, _| Cell::new(text(item, "/event_type"), severity(item))),
                ("REASON", |item, _| reason(item).into()),
                ("CONTAINER", |item, _| at(item, "/container_name")),
                ("MESSAGE", |item, _| at(item, "/message")),
            ],
            &[
                ("ENGINE", |item, _| at(item, "/engine")),
                ("IMAGE", |item, _| at(item, "/image")),
                ("ID", |item, _| short_id(item, "/container_id").into()),
            ],
        ),
        Noun::Deliveries => (
            &[
                ("NAME", |item, _| name(item).into()),
                ("TARGET", |item, _| at(item, "/target")),
                ("EVENT", |item, _| at(item, "/event")),
                ("CONTAINER", |item, _| container(item).into()),
                ("STATE", |item, _| delivery_state(item)),
                ("FAILED", |item, _| failures(item).into()),
                ("NEXT", |item, now| next(item, now).into()),
                ("AGE", |item, now| age_of(item, "/created", now).into()),
                ("ERROR", |item, _| delivery_error(item).into()),
            ],
            &[
                ("KIND", |item, _| at(item, "/kind")),
                ("ENGINE", |item, _| at(item, "/engine")),
                ("EVENT ID", |item, _| at(item, "/eventId")),
            ],
        ),
        Noun::Kind(kind) => of_kind(kind),
    }
}

fn of_kind(kind: KindId) -> (Fields, Fields) {
    match kind {
        KindId::AutohealPolicy => (
            &[
                ("ACTION", |item, _| at(item, "/spec/action")),
                ("BUDGET", |item, _| budget(item).into()),
                ("SELECTOR", |item, _| at(item, "/spec/selector")),
            ],
            &[("EXITED", |item, _| at(item, "/spec/triggers/exited"))],
        ),
        KindId::BillingService => (
            &[("URL", |item, _| at(item, "/spec/url"))],
            &[
                ("EVENTS", |item, _| at(item, "/spec/events")),
                ("SELECTOR", |item, _| at(item, "/spec/selector")),
            ],
        ),
        KindId::DiscoveryRegistry => (
            &[("URL", |item, _| at(item, "/spec/url")), ("WHEN", |item, _| at(item, "/spec/registerWhen"))],
            &[("SELECTOR", |item, _| at(item, "/spec/selector"))],
        ),
        KindId::DockerHost => (
            &[
                ("ENDPOINT", |item, _| at(item, "/spec/endpoint")),
                ("READ ONLY", |item, _| at(item, "/spec/readOnly")),
            ],
            &[],
        ),
        KindId::Settings => (
            &[
                ("RESYNC", |item, _| at(item, "/spec/resync")),
                ("OBSERVE", |item, _| at(item, "/spec/observe")),
            ],
            &[],
        ),
        KindId::MonitoredService => (
            &[
                ("HEALTH", |item, _| service_health(&text(item, "/status/health"))),
                ("CONTAINERS", |item, _| length(item, "/status/containers").into()),
            ],
            &[
                ("PROBES", |item, _| length(item, "/spec/probes").into()),
                ("DEPENDS ON", |item, _| at(item, "/spec/dependsOn")),
            ],
        ),
        KindId::Probe => (
            &[
                ("HOW", |item, _| how(item).into()),
                ("PERIOD", |item, _| seconds(item, "/spec/periodSeconds").into()),
            ],
            &[("FAILURE THRESHOLD", |item, _| at(item, "/spec/failureThreshold"))],
        ),
        KindId::NotificationSink => (
            &[("HOW", |item, _| how(item).into()), ("EVENTS", |item, _| at(item, "/spec/events"))],
            &[("MIN SEVERITY", |item, _| at(item, "/spec/minSeverity"))],
        ),
        KindId::AlertRule => (
            &[
                ("CONDITION", |item, _| condition(item).into()),
                ("FOR", |item, _| at(item, "/spec/for")),
                ("SEVERITY", |item, _| at(item, "/spec/severity")),
            ],
            &[("SUBJECT", |item, _| at(item, "/spec/subject"))],
        ),
        KindId::Silence => (
            &[
                ("FROM", |item, _| at(item, "/spec/startsAt")),
                ("UNTIL", |item, _| at(item, "/spec/endsAt")),
                ("REASON", |item, _| at(item, "/spec/reason")),
            ],
            &[("SUPPRESS", |item, _| at(item, "/spec/suppress"))],
        ),
        KindId::Workload => (
            &[
                ("IMAGE", |item, _| at(item, "/spec/image")),
                ("REPLICAS", |item, _| at(item, "/spec/replicas")),
            ],
            &[],
        ),
    }
}

/// How an object stands, in a word: what is wrong, or that it is ready.
pub(in crate::cli) fn standing(item: &Value) -> Cell {
    let conditions =
        item.pointer("/status/conditions").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let text = |condition: &Value, field: &str| scalar(condition, field).unwrap_or_default();
    let of = |kind: &str| conditions.iter().find(|condition| text(condition, "/type") == kind);
    let failing = ["Accepted", "ReferencesResolved"]
        .iter()
        .filter_map(|kind| of(kind))
        .find(|condition| text(condition, "/status") == "False");
    if let Some(condition) = failing {
        return Cell::new(text(condition, "/reason"), Tone::Bad);
    }
    if of("Suspended").is_some_and(|condition| text(condition, "/status") == "True") {
        return Cell::new("Suspended", Tone::Odd);
    }
    match of("Ready").map(|ready| (text(ready, "/status"), text(ready, "/reason"))) {
        Some((status, _)) if status == "True" => Cell::new("Ready", Tone::Good),
        Some((status, reason)) if status == "False" => Cell::new(reason, Tone::Bad),
        Some((_, reason)) => Cell::new(reason, Tone::Dim),
        None if of("Accepted").is_some() => Cell::new("Accepted", Tone::Good),
        None => "".into(),
    }
}

/// The engine's word for how a container is.
pub(in crate::cli) fn state(text: &str) -> Cell {
    let tone = match text {
        "running" => Tone::Good,
        "restarting" | "paused" | "removing" => Tone::Odd,
        "dead" => Tone::Bad,
        _ => Tone::Plain,
    };
    Cell::new(text, tone)
}

/// The word of a container's health check.
pub(in crate::cli) fn health(text: &str) -> Cell {
    let tone = match text {
        "healthy" => Tone::Good,
        "unhealthy" => Tone::Bad,
        "silent" => Tone::Odd,
        _ => Tone::Plain,
    };
    Cell::new(text, tone)
}

/// The verdict on a service.
pub(in crate::cli) fn service_health(text: &str) -> Cell {
    let tone = match text {
        "healthy" => Tone::Good,
        "unhealthy" | "error" | "not_found" => Tone::Bad,
        _ => Tone::Dim,
    };
    Cell::new(text, tone)
}

/// How long the list at `pointer` is.
fn length(item: &Value, pointer: &str) -> String {
    item.pointer(pointer).and_then(Value::as_array).map_or_else(String::new, |list| list.len().to_string())
}

/// Why nothing is done about a container: `Quarantined` before all else.
pub(in crate::cli) fn not_done(quarantined: bool, reason: &str) -> Cell {
    if quarantined { Cell::new("Quarantined", Tone::Bad) } else { Cell::new(reason, Tone::Odd) }
}

/// The first 12 digits, as Docker prints them.
fn short_id(item: &Value, pointer: &str) -> String {
    scalar(item, pointer).unwrap_or_default().chars().take(12).collect()
}

/// `8080->80/tcp`, `443/tcp`.
pub(in crate::cli) fn ports(item: &Value) -> String {
    let ports = item.pointer("/ports").and_then(Value::as_array).into_iter().flatten();
    let port = |port: &Value| {
        let inner = format!(
            "{}/{}",
            scalar(port, "/container").unwrap_or_default(),
            scalar(port, "/protocol").unwrap_or_default()
        );
        scalar(port, "/host").map_or_else(|| inner.clone(), |host| format!("{host}->{inner}"))
    };
    let mut shown: Vec<_> = ports.map(port).collect();
    // Published on IPv4 and IPv6.
    shown.dedup();
    shown.join(",")
}

/// Why something happened, where that says more than what did.
pub(in crate::cli) fn reason(event: &Value) -> String {
    let reason = text(event, "/reason");
    if reason == text(event, "/event_type") { String::new() } else { reason }
}

/// How an event is meant.
pub(in crate::cli) fn severity(item: &Value) -> Tone {
    match item.pointer("/severity").and_then(Value::as_str) {
        Some("critical") => Tone::Bad,
        Some("warning") => Tone::Odd,
        _ => Tone::Plain,
    }
}

fn container(item: &Value) -> String {
    scalar(item, "/container").unwrap_or_else(|| short_id(item, "/containerId"))
}

fn delivery_state(item: &Value) -> Cell {
    // It is kept, on purpose, and not sent.
    if item["held"] == Value::Bool(true) {
        return Cell::new("held", Tone::Dim);
    }
    if item["waitsBehind"].is_string() {
        return Cell::new("waiting", Tone::Odd);
    }
    let text = scalar(item, "/state").unwrap_or_default();
    let tone = match text.as_str() {
        "delivered" | "skipped" => Tone::Dim,
        "parked" => Tone::Bad,
        _ => Tone::Odd,
    };
    Cell::new(text, tone)
}

/// What went wrong with it, why it was skipped, or what is before it.
fn delivery_error(item: &Value) -> String {
    let behind = scalar(item, "/waitsBehind").map(|head| format!("behind {head}, which is parked"));
    let said = scalar(item, "/lastError").or_else(|| scalar(item, "/reason"));
    said.or(behind).unwrap_or_default()
}

/// How often in a row it was tried in vain; how often what is delivered was is forgotten.
fn failures(item: &Value) -> String {
    if matches!(item["state"].as_str(), Some("delivered" | "skipped")) {
        String::new()
    } else {
        text(item, "/attempts")
    }
}

fn next(item: &Value, now: Nanos) -> String {
    let at = item.pointer("/nextAttempt").and_then(Value::as_str).and_then(instant);
    at.map_or_else(String::new, |at| if at > now { relative(at, now) } else { "now".to_owned() })
}

fn budget(item: &Value) -> String {
    match (scalar(item, "/spec/budget/restarts"), scalar(item, "/spec/budget/per")) {
        (Some(restarts), Some(per)) => format!("{restarts}/{per}"),
        _ => String::new(),
    }
}

fn seconds(item: &Value, pointer: &str) -> String {
    scalar(item, pointer).map_or_else(String::new, |seconds| format!("{seconds}s"))
}

/// Which of the ways to probe or to notify is used: the one field of the spec that is a map with a way's name.
fn how(item: &Value) -> String {
    let spec = item.get("spec").and_then(Value::as_object);
    let is_way = |key: &str| HANDLERS.contains(&key) || CHANNELS.contains(&key);
    let way = spec.into_iter().flatten().find(|(key, _)| is_way(key));
    way.map_or_else(String::new, |(key, _)| key.clone())
}

fn condition(item: &Value) -> String {
    let part = |name: &str| scalar(item, &format!("/spec/condition/{name}")).unwrap_or_default();
    [part("metric"), part("op"), part("value")].join(" ").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn texts(noun: Noun, wide: bool, item: &Value) -> Vec<String> {
        Columns::of(noun, wide).row(item, Nanos(0)).into_iter().map(|cell| cell.text).collect()
    }

    #[test]
    fn every_kind_has_columns_and_wide_has_more() {
        for kind in KindId::ALL {
            let noun = Noun::Kind(*kind);
            let (narrow, wide) = (Columns::of(noun, false).0.len(), Columns::of(noun, true).0.len());
            assert!(narrow > 3 && wide > narrow, "{kind}: {narrow} {wide}");
            assert!(texts(noun, true, &json!({})).iter().all(|text| !text.is_empty()), "{kind}");
        }
    }

    #[test]
    fn a_container_shows_why_nothing_is_done() {
        let container = json!({
            "metadata": {"name": "web"}, "status": "running", "health": "unhealthy", "policy": "default",
            "restart_count": 2, "quarantined": false, "blocked": [{"reason": "BackingOff"}],
        });
        let expected = ["web", "running", "unhealthy", "default", "2", "BackingOff", "-"];
        assert_eq!(texts(Noun::Containers, false, &container), expected);
        let mut quarantined = container;
        quarantined["quarantined"] = true.into();
        assert_eq!(texts(Noun::Containers, false, &quarantined)[5], "Quarantined");
    }

    #[test]
    fn the_standing_of_an_object_is_what_is_wrong_or_that_nothing_is() {
        let of = |conditions: &[(&str, &str, &str)]| {
            let conditions: Vec<_> = conditions
                .iter()
                .map(|(kind, status, reason)| json!({"type": kind, "status": status, "reason": reason}))
                .collect();
            standing(&json!({"status": {"conditions": conditions}})).text
        };
        let accepted = ("Accepted", "True", "Valid");
        assert_eq!(of(&[accepted]), "Accepted");
        assert_eq!(of(&[accepted, ("Suspended", "True", "Annotation")]), "Suspended");
        assert_eq!(of(&[accepted, ("Ready", "True", "Yes")]), "Ready");
        assert_eq!(of(&[accepted, ("Ready", "Unknown", "NotImplemented")]), "NotImplemented");
        assert_eq!(
            of(&[accepted, ("ReferencesResolved", "False", "ReferenceNotFound")]),
            "ReferenceNotFound"
        );
        assert_eq!(of(&[]), "-");
    }

    #[test]
    fn only_the_first_of_a_parked_lane_is_parked_and_those_behind_it_wait() {
        let of = |behind: Value| {
            let state = if behind.is_null() { "parked" } else { "pending" };
            let item =
                json!({"metadata": {"name": "bill-7"}, "state": state, "attempts": 0, "waitsBehind": behind});
            let texts = texts(Noun::Deliveries, false, &item);
            [4, 5, 8].map(|place| texts[place].clone())
        };
        assert_eq!(of(json!("bill-6")), ["waiting", "0", "behind bill-6, which is parked"]);
        assert_eq!(of(Value::Null), ["parked", "0", "-"]);
    }

    #[test]
    fn published_ports_are_shown_as_docker_shows_them() {
        let item = json!({"ports": [
            {"container": 80, "protocol": "tcp", "host": 8080, "host_ip": "0.0.0.0"},
            {"container": 80, "protocol": "tcp", "host": 8080, "host_ip": "::"},
            {"container": 443, "protocol": "tcp"},
        ]});
        assert_eq!(ports(&item), "8080->80/tcp,443/tcp");
    }

    #[test]
    fn at_eighty_columns_no_line_is_longer_and_no_name_or_reason_is_lost() {
        let name = "a-container-whose-name-is-far-too-long-for-a-terminal-of-eighty-columns";
        let long = "it could not be reached: error sending request for url (http://billing.example.org:8001/events): refused";
        let item = json!({
            "metadata": {"name": name, "labels": {"tier": name}, "origin": long}, "status": "running", "health": "unhealthy",
            "policy": "default", "restart_count": 2, "blocked": [{"reason": "NotUnhealthyLongEnough"}], "id": "c".repeat(64),
            "image": long, "engine": "local", "event_type": "HealthCheckSilent", "reason": "NotUnhealthyLongEnough",
            "container_name": name, "container": name, "message": long, "lastError": long, "target": "billing", "state": "pending",
        });
        for (noun, telling) in [
            (Noun::Containers, &[name, "NotUnhealthyLongEnough", "unhealthy"][..]),
            (Noun::Events, &[name, "NotUnhealthyLongEnough", "HealthCheckSilent", long]),
            (Noun::Deliveries, &[name, "pending", long]),
        ] {
            for wide in [false, true] {
                let columns = Columns::of(noun, wide);
                let mut table = columns.table();
                table.row(columns.row(&item, Nanos(0)));
                let mut out = Vec::new();
                table.print(&mut out, 0, Some(80)).expect("output");
                let text = anstream::adapter::strip_str(&String::from_utf8(out).expect("text")).to_string();
                assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
                for word in telling {
                    assert!(is_whole(word, &text), "{word}:\n{text}");
                }
            }
        }
    }

    /// Whether all letters of `word` follow each other in some column of `text`, or below its rows.
    fn is_whole(word: &str, text: &str) -> bool {
        let lines: Vec<Vec<char>> = text.lines().map(|line| line.chars().collect()).collect();
        let wanted: Vec<char> = word.chars().filter(|c| *c != ' ').collect();
        let longest = lines.iter().map(Vec::len).max().unwrap_or(0);
        (0..longest).any(|from| {
            (from + 1..=longest).any(|to| {
                let part = |line: &Vec<char>| line.get(from..to.min(line.len())).map(<[char]>::to_vec);
                let all: Vec<char> = lines.iter().filter_map(part).flatten().filter(|c| *c != ' ').collect();
                all.windows(wanted.len()).any(|window| window == wanted)
            })
        })
    }
}
