//! What is wrong, found in what the server says.

use serde_json::Value;

use super::harm::{Harm, Problem};
use super::manifests;
use super::value::{is_kept, map, number};
use crate::cli::get::columns::name;
use crate::cli::text::{exit_code, plain, scalar};
use crate::observed::Counted;
use crate::resource::annotation::{SUSPEND, SUSPENDED};

/// Everything that somebody should look at.
pub(super) fn problems(health: &Value, containers: &[Value], services: &[Value]) -> Vec<Problem> {
    let mut problems = own(health);
    problems.extend(deliveries(health));
    problems.extend(declared(&health["manifests"]));
    problems.extend(services.iter().filter_map(unwell));
    problems.extend(containers.iter().filter_map(container));
    problems
}

/// What is wrong with the engines and with Portreeve.
fn own(health: &Value) -> Vec<Problem> {
    let engines = map(health, "/engines").filter(|(_, engine)| engine["connected"] != Value::Bool(true));
    let mut problems: Vec<_> = engines
        .map(|(name, engine)| {
            let why = scalar(engine, "/error").unwrap_or_else(|| "not connected yet".to_owned());
            Problem::new(Harm::Engine, format!("engine {}: {why}", plain(name)))
                .of_many("engines are not connected", plain(name))
        })
        .collect();
    let store = scalar(health, "/store/error");
    problems.extend(store.map(|error| Problem::new(Harm::Store, format!("store: {error}"))));
    let own = scalar(health, "/ownFault");
    problems.extend(own.map(|fault| Problem::new(Harm::Own, format!("Portreeve itself: {fault}"))));
    problems
}

/// What services were not told.
fn deliveries(health: &Value) -> Vec<Problem> {
    let mut problems = Vec::new();
    let kinds = [("BillingService", "/deliveries/billing"), ("DiscoveryRegistry", "/deliveries/discovery")];
    let targets =
        kinds.into_iter().flat_map(|(kind, pointer)| map(health, pointer).map(move |of| (kind, of)));
    for (kind, (name, target)) in targets {
        let name = plain(name);
        let (pending, parked) = (number(target, "/pending"), number(target, "/parked"));
        // What waits for something suspended or deleted waits on purpose, and is shown so.
        if is_kept(target) {
            continue;
        }
        let of = format!("{kind}/{name}");
        if parked > 0 {
            let why = scalar(target, "/lastError").unwrap_or_else(|| "permanently refused".to_owned());
            let line = format!(
                "{kind} {name}: {parked} parked, {why}; `portreeve replay --target {name}` sends them again"
            );
            let problem = Problem::new(Harm::Parked, line).of_many("services have parked deliveries", &of);
            problems.push(problem.hint("`portreeve replay --target NAME` sends them again"));
        } else if let Some(error) = scalar(target, "/lastError").filter(|_| pending > 0) {
            let line = format!("{kind} {name}: {pending} waiting, {error}");
            problems.push(
                Problem::new(Harm::Waiting, line).of_many("services do not accept their deliveries", &of),
            );
        }
    }
    problems
}

/// What is wrong with what is declared.
fn declared(manifests: &Value) -> Vec<Problem> {
    let problems = manifests.get("problems").and_then(Value::as_array).into_iter().flatten();
    let problem = |problem: &Value| {
        // A line of text, or where it stands and what it is.
        let (place, text) = match problem.as_str().map(plain) {
            Some(text) => (text.clone(), text),
            None => {
                let place = ["/file", "/line", "/column"].map(|pointer| scalar(problem, pointer));
                let place = place.into_iter().flatten().collect::<Vec<_>>().join(":");
                let text = format!("{place}: {}", scalar(problem, "/message")?);
                (place, text)
            }
        };
        let problem = Problem::new(Harm::Declared, format!("manifest {text}"));
        Some(problem.of_many("errors in manifests", place).hint("`-o json` shows all of them"))
    };
    let mut found: Vec<_> = problems.filter_map(problem).collect();
    found.extend(manifests::wrong(manifests).map(|line| Problem::new(Harm::Declared, line)));
    found.extend(manifests::unresolved(manifests).map(|line| Problem::new(Harm::Declared, line)));
    found
}

/// What is wrong with a container: the one thing that matters most.
fn container(item: &Value) -> Option<Problem> {
    let name = name(item);
    let counted = counted(item);
    let reason = scalar(item, "/blocked/0/reason").unwrap_or_default();
    let is = scalar(item, "/status").unwrap_or_default();
    if counted.quarantined {
        let line = format!("container {name} is in quarantine; `portreeve release {name}` ends it");
        let problem = Problem::new(Harm::Quarantined, line).of_many("containers are in quarantine", name);
        return Some(problem.hint("`portreeve release NAME` ends it"));
    }
    let is_down = matches!(is.as_str(), "exited" | "dead");
    if reason == "BreakerOpen" && (counted.is_unhealthy() || is_down) {
        let text = |pointer: &str| scalar(item, pointer).unwrap_or_default();
        let breaker = format!("breaker of {} on {} is open", text("/policy"), text("/engine"));
        let is = if counted.is_unhealthy() { "unhealthy" } else { &is };
        let line = format!("container {name} is {is}, not healed now: BreakerOpen, the {breaker}");
        let are = format!("containers are not healed, the {breaker}");
        return Some(Problem::new(Harm::Breaker, line).of_many(are, name).together());
    }
    // Somebody wants those so that are excluded.
    if counted.is_unhealthy() && reason != "Excluded" {
        let why = match (reason.as_str(), counted.monitored) {
            ("", true) => "it is being healed".to_owned(),
            ("", false) => "no policy heals it".to_owned(),
            _ => format!("not restarted now: {reason}"),
        };
        let many = match (reason.as_str(), counted.monitored) {
            ("", true) => "containers are unhealthy and being healed".to_owned(),
            ("", false) => "containers are unhealthy, no policy heals them".to_owned(),
            _ => format!("containers are unhealthy, not restarted now ({reason})"),
        };
        let line = format!("container {name} is unhealthy, {why}");
        return Some(Problem::new(Harm::Container, line).of_many(many, name));
    }
    if counted.is_silent() {
        let line = format!(
            "container {name} has no verdict: its health check is silent; `portreeve events` shows since when"
        );
        let many = "containers have no verdict, their health checks are silent";
        return Some(Problem::new(Harm::Unknown, line).of_many(many, name));
    }
    // Those that are down and would be up, but for something that is the matter.
    let wanted = matches!(
        reason.as_str(),
        "BackingOff" | "Paced" | "DependencyDown" | "Dead" | "StopCauseUnknown" | "ActionUnavailable"
    );
    if wanted && is_down {
        let line = format!("container {name} is {is}, not started now: {reason}");
        let many = format!("containers are {is}, not started now ({reason})");
        return Some(Problem::new(Harm::Container, line).of_many(many, name));
    }
    if is == "running" && reason == "DependencyDown" {
        let why = scalar(item, "/blocked/0/message").unwrap_or_default();
        let many = "containers wait for a container whose network they share";
        return Some(Problem::new(Harm::Container, format!("container {name}: {why}")).of_many(many, name));
    }
    // A policy is there to keep it up, and leaves it down or cannot help.
    let restarts = item["engine_restart_count"].as_u64().unwrap_or_default();
    if counted.monitored && is == "restarting" && restarts > 2 {
        let line = format!(
            "container {name} is restarting{}: Docker restarted it {restarts} times",
            exit_code(item)
        );
        let many = "containers are restarting again and again by Docker's restart policy";
        return Some(Problem::new(Harm::Container, line).of_many(many, name));
    }
    if counted.monitored
        && is_down
        && reason == "TriggerOff"
        && item["exit_code"].as_i64().is_some_and(|code| code != 0)
    {
        let why = scalar(item, "/blocked/0/message").unwrap_or_default();
        let line = format!("container {name}: {why}");
        let many = "containers exited with an error, and their policy's trigger `exited` does not start them";
        return Some(Problem::new(Harm::Container, line).of_many(many, name));
    }
    None
}

/// A container as it is counted.
pub(in crate::cli) fn counted(item: &Value) -> Counted {
    Counted {
        restarts: item["restart_count"].as_u64().unwrap_or(0),
        monitored: item["monitored"] == Value::Bool(true),
        quarantined: item["quarantined"] == Value::Bool(true),
        ..Counted::in_words(item["status"].as_str(), item["health"].as_str())
    }
}

/// What is wrong with a service; nothing for one that only waits for another, which has a line of its own.
fn unwell(service: &Value) -> Option<Problem> {
    let status = service.get("status")?;
    let early = status.get("notYetSince").is_some();
    let is_wrong = |word: &&str| matches!(*word, "unhealthy" | "not_found" | "error") || early;
    let word = status["health"].as_str().filter(is_wrong)?;
    if status.get("waitsFor").is_some() || is_suspended(service) {
        return None;
    }
    let name = plain(service.pointer("/metadata/name")?.as_str()?);
    let (is, are) = match word {
        "error" => ("cannot be checked", "services cannot be checked"),
        "not_found" => ("has no container", "services have no container"),
        "unknown" => ("has no verdict yet", "services have no verdict yet"),
        _ => ("is unhealthy", "services are unhealthy"),
    };
    let harm = if word == "error" { Harm::Unknown } else { Harm::Service };
    let why = scalar(status, "/reason").filter(|_| word != "not_found");
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    Some(Problem::new(harm, format!("service {name} {is}{why}")).of_many(are, name))
}

fn is_suspended(service: &Value) -> bool {
    let annotations = service.pointer("/metadata/annotations");
    annotations.and_then(|all| all.get(SUSPEND)).is_some_and(|value| value == SUSPENDED)
}
