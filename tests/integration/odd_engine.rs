//! An engine that is newer than this program, of another make, or not well: what it says that is not known, and what it
//! refuses to say, costs what it is about and nothing else.

use serde_json::json;

use super::overtaken::{MILLISECOND, bills, id, now, watching};
use crate::support::fake_engine::{Container, FakeEngine};
use crate::support::receiver::{Options, Receiver};
use crate::support::wait;

fn running(name: &str, started: i64) -> Container {
    Container { name: name.to_owned(), created: started, started, running: true, ..Container::default() }
}

#[tokio::test]
async fn an_inspect_that_is_refused_for_ever_neither_holds_the_cursor_nor_others() {
    let mut engine = FakeEngine::start();
    let receiver = Receiver::start(Options::default()).await.unwrap();
    let mut portreeve = watching(&engine, &receiver).await;
    let mut feed = engine.subscribed().await;
    let (bad, good, begin) = (id("a"), id("b"), now());
    engine.refuse(&bad, true);
    engine.show(&bad, Some(running("bad", begin)));
    engine.show(&good, Some(running("good", begin)));
    feed.event(&bad, "bad", "start", begin + MILLISECOND).await;
    feed.event(&good, "good", "start", begin + 2 * MILLISECOND).await;
    bills(&receiver, &good, &["started"]).await;
    wait::until("that it cannot be inspected is told", wait::SOON, || async {
        let gaps =
            portreeve.get("/api/events?type=gap").await.map_or_else(|error| error, |answer| answer.body);
        let told = gaps.contains("it cannot be inspected") && gaps.contains("layer does not exist");
        wait::is(told, format!("{gaps}\n{}", portreeve.log()))
    })
    .await;
    // A replay begins two seconds before what was heard last: this is long after what the engine could not be asked about.
    let passed = || async { wait::is(now() > begin + 5_000 * MILLISECOND, "it is too early") };
    wait::until("five seconds have passed", wait::SOON, passed).await;
    let end = now();
    engine.show(&good, Some(Container { finished: end, running: false, ..running("good", begin) }));
    feed.event(&good, "good", "die", end).await;
    bills(&receiver, &good, &["started", "stopped"]).await;
    portreeve.kill9().await;
    portreeve.spawn();
    let mut feed = engine.subscribed().await;
    assert!(feed.since > begin + 2_000 * MILLISECOND, "the cursor waits at {} since {begin}", feed.since);

    // It is tried again until it succeeds.
    portreeve.wait_ready().await;
    engine.refuse(&bad, false);
    bills(&receiver, &bad, &["started"]).await;
    engine.show(&bad, None);
    feed.event(&bad, "bad", "destroy", end + MILLISECOND).await;
    bills(&receiver, &bad, &["started", "stopped", "removed"]).await;
    receiver.state().assert_clean();
}

#[tokio::test]
async fn a_stream_goes_on_behind_what_is_not_known_in_it() {
    let mut engine = FakeEngine::start();
    let receiver = Receiver::start(Options::default()).await.unwrap();
    let portreeve = watching(&engine, &receiver).await;
    let mut feed = engine.subscribed().await;
    let (web, begin) = (id("a"), now());
    engine.show(&web, Some(running("web", begin)));
    for odd in [
        json!({"Type": "sandbox", "Action": "hibernate", "Actor": {"ID": "s1"}, "time": 1, "timeNano": begin}),
        json!({"Type": "container", "Action": "thaw", "Actor": {"ID": web}, "time": 1, "timeNano": begin}),
        json!({"Type": 7, "Action": ["start"], "Actor": "me", "scope": "galactic", "timeNano": "now"}),
        json!("no event at all"),
        json!({"Type": "container", "Action": "start", "padding": "x".repeat(3 * 1024 * 1024), "timeNano": begin}),
    ] {
        feed.line(&odd).await;
    }
    feed.event(&web, "web", "start", begin + MILLISECOND).await;
    bills(&receiver, &web, &["started"]).await;
    let log = portreeve.log();
    assert!(!log.contains("cannot be reached"), "{log}");
    assert!(log.contains("an event is too long"), "{log}");
    receiver.state().assert_clean();
}

#[tokio::test]
async fn a_list_is_read_though_a_row_of_it_holds_what_is_not_known() {
    let mut engine = FakeEngine::start();
    let receiver = Receiver::start(Options::default()).await.unwrap();
    let (web, odd, begin) = (id("a"), id("b"), now());
    engine.show(&web, Some(running("web", begin)));
    engine.show(&odd, Some(running("odd", begin)));
    engine.list_too(json!({
        "Id": odd, "Names": ["/odd"], "State": "hibernating", "Status": "Frozen",
        "Ports": [{"PrivatePort": 1, "Type": "quic"}, {"PrivatePort": "many"}], "Mounts": [{"Type": "wormhole"}],
        "HostConfig": {"NetworkMode": 5}, "NetworkSettings": {"Networks": {"n": null}},
    }));
    engine.list_too(json!({"Names": ["/without-an-id"]}));
    engine.list_too(json!("no row at all"));
    let portreeve = watching(&engine, &receiver).await;
    let _feed = engine.subscribed().await;
    for container in [&web, &odd] {
        bills(&receiver, container, &["started"]).await;
    }
    let log = portreeve.log();
    assert!(!log.contains("degraded"), "{log}");
    receiver.state().assert_clean();
}

/// `docker stats` asks for all at once, too; an engine that does not know `one-shot` takes seconds over each.
#[tokio::test]
async fn what_fifty_containers_use_is_asked_at_once_and_told_as_far_as_it_is_known() {
    let engine = FakeEngine::start();
    let receiver = Receiver::start(Options::default()).await.unwrap();
    for number in 0..51 {
        engine.show(&format!("{number:064x}"), Some(running(&format!("c{number}"), now())));
    }
    let portreeve = watching(&engine, &receiver).await;
    wait::until("all are seen", wait::SOON, || async {
        let seen = portreeve.get("/api/containers").await?.json();
        let count = seen.as_array().map_or(0, Vec::len);
        wait::is(count == 51, count).map_err(|count| count.to_string())
    })
    .await;
    engine.measure_together(51);
    let answer = portreeve.get("/apis/portreeve/v1/containers?usage=true&limit=500").await.unwrap().json();
    assert_eq!(engine.measured_at_once(), 51);
    let items = answer["items"].as_array().unwrap();
    assert_eq!(items.len(), 51);
    for item in items {
        let usage = &item["usage"];
        assert_eq!(
            (&usage["memory_bytes"], &usage["memory_limit_bytes"]),
            (&json!(7), &json!(null)),
            "{item}"
        );
        assert!(usage["cpu_seconds"].is_f64(), "{item}");
    }
}
