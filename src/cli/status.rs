//! `portreeve status`: one screen that says how Portreeve is, and first of all what is wrong.

mod access;
mod manifests;

use std::time::Duration;

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::client::{Client, ClientError, ServerArgs};
use super::face::{Face, Format};
use super::table::{Cell, Table, Tone};
use super::text::{age_of, count, plain, scalar};
use super::{Exit, fail, get};
use crate::observed::Nanos;
use crate::resource::KindId;
use crate::resource::annotation::{SUSPEND, SUSPENDED};

/// Between two screens.
const REFRESH: Duration = Duration::from_secs(2);

/// Flags of `status`.
#[derive(Args, Debug)]
pub(super) struct StatusArgs {
    /// For people, or as the server has it
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,

    /// Look again every two seconds, until Ctrl-C
    #[arg(short, long)]
    watch: bool,

    #[arg(skip)]
    pub(super) server: ServerArgs,
}

/// What `-o json` prints.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "StatusOutput")]
pub(super) struct Document<'a> {
    /// As `/health/detailed` has it.
    #[schemars(with = "crate::api::Detailed")]
    health: &'a Value,
    /// What somebody should look at, a line each; nothing if all is well.
    wrong: &'a [String],
}

pub(super) async fn status(args: &StatusArgs, face: &mut Face<'_>) -> anyhow::Result<Exit> {
    let StatusArgs { output, watch, server } = args;
    let client = server.client()?;
    // What cannot be asked at all is no screen to watch; later it may come back.
    let first = look(&client, *output, *watch, face).await?;
    if !watch {
        return Ok(first);
    }
    loop {
        face.out.flush()?;
        tokio::time::sleep(REFRESH).await;
        match look(&client, *output, true, face).await {
            Err(error) if error.downcast_ref().is_some_and(ClientError::is_passing) => {
                face.clear()?;
                fail(face.err, &error.to_string())?;
            }
            other => drop(other?),
        }
    }
}

/// Asks once and shows it; while somebody watches a screen, on an empty one.
async fn look(client: &Client, output: Format, watch: bool, face: &mut Face<'_>) -> anyhow::Result<Exit> {
    let health = client.get_plain(&["health", "detailed"]).await?;
    let containers = client.items("containers", &[]).await?;
    let services = client.items(KindId::MonitoredService.plural(), &[]).await?;
    let wrong = wrong(&health, &containers, &services);
    match output {
        Format::Json if watch => {
            face.json_line(&serde_json::to_value(Document { health: &health, wrong: &wrong })?)?;
        }
        Format::Json => face.json(&serde_json::to_value(Document { health: &health, wrong: &wrong })?)?,
        Format::Text => {
            if watch {
                face.clear()?;
            }
            writeln!(face.out, "Portreeve {} at {}", text(&health, "/version"), client.server())?;
            show(&health, &containers, &services, &wrong, face)?;
        }
    }
    Ok(if wrong.is_empty() { Exit::Fine } else { Exit::Problems })
}

fn text(value: &Value, pointer: &str) -> String {
    scalar(value, pointer).unwrap_or_default()
}

fn number(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

fn map<'v>(value: &'v Value, pointer: &str) -> impl Iterator<Item = (&'v String, &'v Value)> {
    value.pointer(pointer).and_then(Value::as_object).into_iter().flat_map(Map::iter)
}

/// Everything that somebody should look at, a line each.
fn wrong(health: &Value, containers: &[Value], services: &[Value]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, engine) in map(health, "/engines") {
        if engine["connected"] != Value::Bool(true) {
            let why = scalar(engine, "/error").unwrap_or_else(|| "not connected yet".to_owned());
            wrong.push(format!("engine {}: {why}", plain(name)));
        }
    }
    wrong.extend(scalar(health, "/store/error").map(|error| format!("store: {error}")));
    wrong.extend(scalar(health, "/ownFault").map(|fault| format!("Portreeve itself: {fault}")));
    for (what, pointer) in
        [("BillingService", "/deliveries/billing"), ("DiscoveryRegistry", "/deliveries/discovery")]
    {
        for (name, target) in map(health, pointer) {
            let name = plain(name);
            let (pending, parked) = (number(target, "/pending"), number(target, "/parked"));
            // What somebody suspended or deleted waits on purpose, and is shown so.
            if is_kept(target) {
                continue;
            }
            if parked > 0 {
                wrong.push(format!(
                    "{what} {name}: {} parked, {}; `portreeve replay --target {name}` sends again",
                    parked,
                    scalar(target, "/lastError").unwrap_or_else(|| "refused for good".to_owned()),
                ));
            } else if let Some(error) = scalar(target, "/lastError").filter(|_| pending > 0) {
                wrong.push(format!("{what} {name}: {pending} waiting, {error}"));
            }
        }
    }
    let problems = health.pointer("/manifests/problems").and_then(Value::as_array).into_iter().flatten();
    wrong.extend(
        problems
            .filter_map(|problem| {
                // A line of text, or where it stands and what it is.
                problem.as_str().map(plain).or_else(|| {
                    scalar(problem, "/message").map(|message| {
                        let place =
                            [scalar(problem, "/file"), scalar(problem, "/line"), scalar(problem, "/column")];
                        let place: Vec<_> = place.into_iter().flatten().collect();
                        format!("{}: {message}", place.join(":"))
                    })
                })
            })
            .map(|problem| format!("manifest {problem}")),
    );
    wrong.extend(manifests::wrong(&health["manifests"]));
    wrong.extend(manifests::unresolved(&health["manifests"]));
    wrong.extend(services.iter().filter_map(unwell));
    for container in containers.iter().filter(|item| item["quarantined"] == Value::Bool(true)) {
        let name = get::columns::name(container);
        wrong.push(format!("container {name} is in quarantine; `portreeve release {name}` lets it out"));
    }
    let sick = containers.iter().filter(|item| {
        item["health"] == "unhealthy"
            && item["status"] == "running"
            && item["quarantined"] != Value::Bool(true)
            // Somebody wants it so.
            && item.pointer("/blocked/0/reason").is_none_or(|reason| reason != "Excluded")
    });
    wrong.extend(sick.map(|container| {
        let why = scalar(container, "/blocked/0/reason").map_or_else(
            || {
                if container["monitored"] == Value::Bool(true) {
                    "it is being healed".to_owned()
                } else {
                    "no policy heals it".to_owned()
                }
            },
            |reason| format!("not restarted now: {reason}"),
        );
        format!("container {} is unhealthy, {why}", get::columns::name(container))
    }));
    let silent = containers.iter().filter(|item| is_silent(item));
    wrong.extend(silent.map(|container| {
        let name = get::columns::name(container);
        format!(
            "container {name} has no verdict: its health check is silent; `portreeve events` says since when"
        )
    }));
    // Those that are down and would be up, but for something that is the matter.
    let down = containers.iter().filter_map(|item| {
        let reason = item.pointer("/blocked/0/reason").and_then(Value::as_str)?;
        let wanted = matches!(
            reason,
            "BackingOff"
                | "BreakerOpen"
                | "Paced"
                | "DependencyDown"
                | "Dead"
                | "StopCauseUnknown"
                | "ActionUnavailable"
        );
        let is = item["status"].as_str().filter(|is| wanted && matches!(*is, "exited" | "dead"))?;
        Some(format!("container {} is {is}, not started now: {reason}", get::columns::name(item)))
    });
    wrong.extend(down);
    wrong
}

/// Whether the engine has stopped to make its health checks.
fn is_silent(container: &Value) -> bool {
    container["health"] == "silent" && container["status"] == "running"
}

/// What is wrong with a service; nothing for one that only waits for another, which has a line of its own.
fn unwell(service: &Value) -> Option<String> {
    let status = service.get("status")?;
    let early = status.get("notYetSince").is_some();
    let is_wrong = |word: &&str| matches!(*word, "unhealthy" | "not_found" | "error") || early;
    let word = status["health"].as_str().filter(is_wrong)?;
    if status.get("waitsFor").is_some() || is_suspended(service) {
        return None;
    }
    let name = plain(service.pointer("/metadata/name")?.as_str()?);
    let is = match word {
        "error" => "cannot be checked",
        "not_found" => "has no container",
        "unknown" => "is not ready yet",
        _ => "is unhealthy",
    };
    let why = scalar(status, "/reason").map(|why| format!(": {why}")).unwrap_or_default();
    Some(format!("service {name} {is}{}", if word == "not_found" { String::new() } else { why }))
}

fn is_suspended(service: &Value) -> bool {
    let annotations = service.pointer("/metadata/annotations");
    annotations.and_then(|all| all.get(SUSPEND)).is_some_and(|value| value == SUSPENDED)
}

fn show(
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
        writeln!(face.out, "{}", Tone::Bad.paint(&format!("wrong ({})", wrong.len())))?;
        for line in wrong {
            writeln!(face.out, "  {line}")?;
        }
    }
    writeln!(face.out, "\nengines")?;
    engines(health, now).print(face.out, 2, face.width)?;
    let of = |is: &dyn Fn(&Value) -> bool| containers.iter().filter(|item| is(item)).count();
    writeln!(
        face.out,
        "\ncontainers  {}: {} running, {} with a policy, {} unhealthy{}, {} in quarantine",
        containers.len(),
        of(&|item| item["status"] == "running"),
        of(&|item| item["monitored"] == Value::Bool(true)),
        // One that ended keeps the word of its last check.
        of(&|item| item["health"] == "unhealthy" && item["status"] == "running"),
        match of(&is_silent) {
            0 => String::new(),
            silent => format!(", {silent} silent"),
        },
        of(&|item| item["quarantined"] == Value::Bool(true)),
    )?;
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
    writeln!(face.out, "queue       {waiting} with {events} to be decided on")?;
    writeln!(face.out, "store       {}", text(health, "/store/status"))?;
    access::show(&health["access"], face)?;
    manifests::show(&health["manifests"], face)?;
    let mut table = deliveries(health, now);
    if table.is_empty() {
        return writeln!(face.out, "deliveries  nobody is to be told of anything");
    }
    writeln!(face.out, "deliveries")?;
    table.print(face.out, 2, face.width)
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
    let mut table = Table::new(["KIND", "NAME", "WAITING", "PARKED", "OLDEST", "LAST ERROR"]);
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

/// Whether what waits for a target is kept and not sent, because somebody wants it so.
fn is_kept(target: &Value) -> bool {
    target["held"] == Value::Bool(true) || target["suspended"] == Value::Bool(true)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::tests::Streams;

    fn health() -> Value {
        json!({
            "status": "healthy", "version": "0.1.0",
            "engines": {"local": {"connected": true, "host": "box", "version": "20.10.24", "containers": 2}},
            "store": {"status": "ok", "error": null}, "queue": {"containers": 1, "events": 2},
            "deliveries": {"billing": {}, "discovery": {}},
            "manifests": {"objects": 3, "problems": []},
        })
    }

    #[test]
    fn a_sound_portreeve_is_one_screen_that_says_so() {
        let web = json!({"metadata": {"name": "web"}, "status": "running", "monitored": true, "quarantined": false});
        let mut streams = Streams::default();
        show(
            &health(),
            std::slice::from_ref(&web),
            &[],
            &wrong(&health(), std::slice::from_ref(&web), &[]),
            &mut streams.face(),
        )
        .expect("output");
        let expected = "
all is well

engines
  NAME   CONNECTED  SINCE  HOST  VERSION   CONTAINERS
  local  yes        -      box   20.10.24  2

containers  1: 1 running, 1 with a policy, 0 unhealthy, 0 in quarantine
queue       1 container with 2 events to be decided on
store       ok
manifests   3 objects, 0 problems
deliveries  nobody is to be told of anything
";
        assert_eq!(streams.both(), expected);
    }

    #[test]
    fn a_service_that_is_down_is_wrong_and_one_that_only_waits_for_it_is_not() {
        let service = |name: &str, status: Value| json!({"metadata": {"name": name}, "status": status});
        let mut quiet = service("quiet", json!({"health": "unhealthy"}));
        quiet["metadata"]["annotations"] = json!({"portreeve/suspend": "true"});
        let services = [
            service("db", json!({"health": "unhealthy", "reason": "query: no answer"})),
            service("shop", json!({"health": "unhealthy", "reason": "page: 500", "waitsFor": "db"})),
            service(
                "cache",
                json!({"health": "unknown", "reason": "ping: too early", "notYetSince": "1970-01-01T00:00:00Z"}),
            ),
            service("new", json!({"health": "unknown", "reason": "no verdict yet"})),
            service("mail", json!({"health": "not_found", "reason": "no container is there"})),
            service("cert", json!({"health": "error", "reason": "no secret"})),
            service("new", json!({"health": "unknown"})),
            service("web", json!({"health": "healthy"})),
            quiet,
        ];
        let expected = [
            "service db is unhealthy: query: no answer",
            "service cache is not ready yet: ping: too early",
            "service mail has no container",
            "service cert cannot be checked: no secret",
        ];
        let found = wrong(&health(), &[], &services);
        assert_eq!(found, expected);
        let mut streams = Streams::default();
        show(&health(), &[], &services, &found, &mut streams.face()).expect("output");
        let line = "\nservices    9: 1 healthy, 4 unhealthy, 4 without a verdict\n";
        assert!(streams.both().contains(line), "{}", streams.both());
    }

    #[test]
    fn whatever_is_wrong_is_named_with_what_to_do() {
        let mut health = health();
        health["engines"]["edge"] = json!({"connected": false, "error": "refused"});
        health["store"]["error"] = "the disk is full".into();
        health["deliveries"]["billing"]["b"] =
            json!({"pending": 3, "parked": 1, "held": false, "lastError": "HTTP 422"});
        health["deliveries"]["billing"]["gone"] =
            json!({"pending": 3, "parked": 1, "held": true, "lastError": "HTTP 422"});
        health["deliveries"]["discovery"]["d"] =
            json!({"pending": 2, "parked": 0, "held": false, "lastError": "HTTP 500"});
        health["manifests"]["problems"] =
            json!(["a.yaml:1:2: bad", {"file": "b.yaml", "line": 3, "column": 4, "message": "worse"}]);
        let container = |name: &str, quarantined: bool, monitored: bool| json!({"metadata": {"name": name}, "status": "running", "health": "unhealthy", "quarantined": quarantined, "monitored": monitored});
        let mut opted_out = container("old", false, false);
        opted_out["blocked"] = json!([{"reason": "Excluded"}]);
        let mut down = container("job", false, true);
        (down["status"], down["blocked"]) = ("exited".into(), json!([{"reason": "BreakerOpen"}]));
        let mut by_hand = down.clone();
        by_hand["blocked"] = json!([{"reason": "StoppedByHand"}]);
        let mut silent = container("mute", false, false);
        silent["health"] = "silent".into();
        let containers =
            [container("web", true, true), container("db", false, false), opted_out, down, by_hand, silent];
        let expected = [
            "engine edge: refused",
            "store: the disk is full",
            "BillingService b: 1 parked, HTTP 422; `portreeve replay --target b` sends again",
            "DiscoveryRegistry d: 2 waiting, HTTP 500",
            "manifest a.yaml:1:2: bad",
            "manifest b.yaml:3:4: worse",
            "container web is in quarantine; `portreeve release web` lets it out",
            "container db is unhealthy, no policy heals it",
            "container mute has no verdict: its health check is silent; `portreeve events` says since when",
            "container job is exited, not started now: BreakerOpen",
        ];
        let found = wrong(&health, &containers, &[]);
        assert_eq!(found, expected);
        let mut streams = Streams::default();
        show(&health, &containers, &[], &found, &mut streams.face()).expect("output");
        let line = "\ncontainers  6: 4 running, 3 with a policy, 3 unhealthy, 1 silent, 1 in quarantine\n";
        assert!(streams.both().contains(line), "{}", streams.both());
    }
}
