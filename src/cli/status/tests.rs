//! Portreeve as `status` shows it.

use serde_json::{Value, json};

use super::harm::{each, folded};
use super::problems::problems;
use super::screen::{show, title};
use crate::cli::table::Tone;
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
    let web =
        json!({"metadata": {"name": "web"}, "status": "running", "monitored": true, "quarantined": false});
    let mut streams = Streams::default();
    show(
        &health(),
        std::slice::from_ref(&web),
        &[],
        &each(&problems(&health(), std::slice::from_ref(&web), &[])),
        &mut streams.face(),
    )
    .expect("output");
    let expected = "
all is well

engines
  NAME   CONNECTED  SINCE  HOST  VERSION   CONTAINERS
  local  yes        -      box   20.10.24  2

containers  1: 1 running, 1 with a policy, 0 unhealthy, 0 in quarantine, 0 restarts
queue       1 container and 2 events not processed yet
store       ok
manifests   3 objects, 0 problems
deliveries  no targets declared
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
            json!({"health": "unknown", "reason": "ping: not ready yet", "notYetSince": "1970-01-01T00:00:00Z"}),
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
        "service cache has no verdict yet: ping: not ready yet",
        "service mail has no container",
        "service cert cannot be checked: no secret",
    ];
    let found = each(&problems(&health(), &[], &services));
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
    (down["policy"], down["engine"]) = ("p".into(), "e".into());
    let mut by_hand = down.clone();
    by_hand["blocked"] = json!([{"reason": "StoppedByHand"}]);
    let ended = |name: &str, code: i64, status: &str, reason: &str| {
        json!({"metadata": {"name": name}, "status": status, "exit_code": code, "engine_restart_count": 22, "monitored": true,
               "blocked": [{"reason": reason, "message": "it exited with code 137"}]})
    };
    let mut cut_off = ended("app", 0, "running", "DependencyDown");
    cut_off["blocked"][0]["message"] = "it has no network".into();
    let mut foreign = ended("foreign", 3, "restarting", "TriggerOff");
    foreign["monitored"] = false.into();
    let mut silent = container("mute", false, false);
    silent["health"] = "silent".into();
    let containers = [
        container("web", true, true),
        container("db", false, false),
        opted_out,
        down,
        by_hand,
        silent,
        ended("killed", 137, "exited", "TriggerOff"),
        ended("done", 0, "exited", "TriggerOff"),
        ended("loop", 3, "restarting", "TriggerOff"),
        foreign,
        cut_off,
    ];
    let expected = [
        "store: the disk is full",
        "engine edge: refused",
        "container web is in quarantine; `portreeve release web` ends it",
        "container job is exited, not healed now: BreakerOpen, the breaker of p on e is open",
        "container db is unhealthy, no policy heals it",
        "container killed: it exited with code 137",
        "container loop is restarting (exit code 3): Docker restarted it 22 times",
        "container app: it has no network",
        "container mute has no verdict: its health check is silent; `portreeve events` shows since when",
        "BillingService b: 1 parked, HTTP 422; `portreeve replay --target b` sends them again",
        "DiscoveryRegistry d: 2 waiting, HTTP 500",
        "manifest a.yaml:1:2: bad",
        "manifest b.yaml:3:4: worse",
    ];
    let found = each(&problems(&health, &containers, &[]));
    assert_eq!(found, expected);
    let mut streams = Streams::default();
    show(&health, &containers, &[], &found, &mut streams.face()).expect("output");
    let line =
        "\ncontainers  11: 5 running, 7 with a policy, 3 unhealthy, 1 silent, 1 in quarantine, 0 restarts\n";
    assert!(streams.both().contains(line), "{}", streams.both());
}

#[test]
fn observe_mode_is_in_the_first_line() {
    let mut health = health();
    assert_eq!(title(&health, "unix:///s"), ("Portreeve 0.1.0 at unix:///s".to_owned(), Tone::Plain));
    health["observe"] = true.into();
    let (line, tone) = title(&health, "unix:///s");
    assert_eq!(line, "Portreeve 0.1.0 at unix:///s, observe mode: no container is touched");
    assert_eq!(tone, Tone::Odd);
}

#[test]
fn an_open_breaker_is_one_line_with_its_count_and_its_first_three_names() {
    let sick = |n: u32, reason: &str| {
        json!({
            "metadata": {"name": format!("web-{n}")}, "status": "running", "health": "unhealthy", "monitored": true,
            "policy": "default", "engine": "local", "blocked": [{"reason": reason}],
        })
    };
    let mut containers: Vec<Value> = (1..=40).map(|n| sick(n, "BreakerOpen")).collect();
    containers.extend((41..=45).map(|n| sick(n, "BackingOff")));
    containers.push(sick(46, "Silenced"));
    let found = problems(&health(), &containers, &[]);
    let expected = [
        "40 containers are not healed, the breaker of default on local is open: web-1, web-2, web-3 and 37 more",
        "5 containers are unhealthy, not restarted now (BackingOff): web-41, web-42, web-43 and 2 more",
        "container web-46 is unhealthy, not restarted now: Silenced",
    ];
    assert_eq!(folded(&found), expected);
    assert_eq!(each(&found).len(), 46);
    let [sick] = [sick(1, "BreakerOpen")];
    let alone = folded(&problems(&health(), &[sick], &[]));
    let expected =
        "container web-1 is unhealthy, not healed now: BreakerOpen, the breaker of default on local is open";
    assert_eq!(alone, [expected]);
}

#[test]
fn at_eighty_columns_no_line_is_longer_and_no_reason_is_lost() {
    let mut health = health();
    let error = "error sending request for url (http://billing.example.org:8001/events): client error (Connect): tcp connect error: Connection refused (os error 111)";
    health["deliveries"]["billing"]["billing-of-the-whole-house"] =
        json!({"pending": 3, "parked": 0, "lastError": error});
    let name = "a-container-with-a-name-that-is-far-too-long-for-a-terminal-of-eighty-columns";
    let web = json!({"metadata": {"name": name}, "status": "running", "health": "unhealthy", "monitored": true, "blocked": [{"reason": "BackingOff"}]});
    let containers = [web];
    let mut streams = Streams::default();
    let mut face = streams.face();
    face.width = Some(80);
    let found = folded(&problems(&health, &containers, &[]));
    show(&health, &containers, &[], &found, &mut face).expect("output");
    let text = streams.both();
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let all = text.split_whitespace().collect::<String>();
    for word in [name, "BackingOff", &error.replace(' ', "")] {
        assert!(all.contains(word), "{word}: {text}");
    }
    assert_eq!(
        all.matches(&error.replace(' ', "")).count(),
        2,
        "as a problem, and beside its service: {text}"
    );
}
