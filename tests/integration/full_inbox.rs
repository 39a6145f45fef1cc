//! Events come faster than they can be dealt with, for longer than they can be kept.

use std::time::Duration;

use crate::support::fake_engine::{FakeEngine, fleet};
use crate::support::portreeve::Portreeve;
use crate::support::wait;

const INSPECT: &str = "GET /containers/{id}/json";
const CONTAINERS: usize = 200;
/// A little more than all inboxes hold together.
const EVENTS: usize = 20_500;

#[tokio::test]
async fn an_inbox_that_stays_full_is_no_reason_to_connect_again_and_again() {
    let engine = FakeEngine::live();
    engine.populate(0..CONTAINERS, fleet::plain);
    let portreeve = Portreeve::new(env!("CARGO_BIN_EXE_portreeve")).arg("--observe");
    let mut portreeve = portreeve.docker_host(&engine.endpoint());
    portreeve.start().await;
    wait::until("all are known", wait::SOON, || async {
        let known = portreeve.get("/api/containers").await?.json().as_array().map_or(0, Vec::len);
        wait::is(known == CONTAINERS, known.to_string())
    })
    .await;
    let held = engine.hold_inspects().await;
    let ids: Vec<String> = (0..EVENTS / 2).map(|n| fleet::id(n % CONTAINERS)).collect();
    engine.flap(&ids, None).await;
    portreeve.wait_line("events come faster than they can be stored").await;

    let span = Duration::from_secs(5);
    let before = (engine.count("GET /events"), engine.connections());
    tokio::time::sleep(span).await;
    let after = (engine.count("GET /events"), engine.connections());
    println!("in {span:?}: {} streams, {} connections", after.0 - before.0, after.1 - before.1);
    // It is attached again, so that what waits is worked on; the stream is opened once there is room.
    assert!(after.0 - before.0 <= 1, "{before:?}, {span:?} later {after:?}");

    drop(held);
    wait::until("all is dealt with", wait::SOON, || async {
        let page = portreeve.get("/metrics").await?.body;
        let events = page.lines().find(|line| line.starts_with("portreeve_queue_events ")).map(str::to_owned);
        let up = page.contains("portreeve_engine_up{engine=\"local\"} 1");
        wait::is(up && events.as_deref() == Some("portreeve_queue_events 0"), format!("{up} {events:?}"))
    })
    .await;
    assert!(engine.count(INSPECT) > CONTAINERS);
}
