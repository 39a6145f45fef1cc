//! The times of an engine's events are no order.
//!
//! The engine stamps an event before it puts it in its stream: of two that happen a moment apart the later may come
//! first. Killed between the two, Portreeve must ask for the earlier one again. And its clock may be set back.

use crate::support::fake_engine::{Container, FakeEngine, Feed};
use crate::support::portreeve::Portreeve;
use crate::support::receiver::{Options, Receiver};
use crate::support::wait;

pub(super) const MILLISECOND: i64 = 1_000_000;

pub(super) fn id(letter: &str) -> String {
    letter.repeat(64)
}

pub(super) async fn bills(receiver: &Receiver, container: &str, wanted: &[&str]) {
    wait::until(&format!("bills {wanted:?}"), wait::SOON, || async {
        receiver.look(|state| {
            let names: Vec<String> = state.names_of(container).into_iter().map(str::to_owned).collect();
            wait::is(names == wanted, (names, state.violations.clone()))
        })
    })
    .await;
}

/// Portreeve, watching `engine`, and all that runs there is billed.
pub(super) async fn watching(engine: &FakeEngine, receiver: &Receiver) -> Portreeve {
    let mut portreeve =
        Portreeve::new(env!("CARGO_BIN_EXE_portreeve")).docker_host(&engine.endpoint()).arg("--observe");
    portreeve.manifest(
        "billing.yaml",
        &format!(
            "apiVersion: portreeve/v1\nkind: BillingService\nmetadata: {{name: b}}\nspec: {{url: '{}'}}\n",
            receiver.billing.url()
        ),
    );
    portreeve.start().await;
    portreeve
}

pub(super) fn now() -> i64 {
    i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap()
}

#[tokio::test]
async fn a_clock_of_the_engine_that_went_back_meanwhile_is_told_and_followed() {
    let mut engine = FakeEngine::start();
    let receiver = Receiver::start(Options::default()).await.unwrap();
    let mut portreeve = watching(&engine, &receiver).await;
    let mut feed = engine.subscribed().await;
    let ahead = now() + 3_600_000 * MILLISECOND;
    let early = Container { name: "early".to_owned(), started: ahead, running: true, ..Container::default() };
    engine.show(&id("a"), Some(early));
    feed.event(&id("a"), "early", "start", ahead + MILLISECOND).await;
    bills(&receiver, &id("a"), &["started"]).await;
    portreeve.kill9().await;

    let back = now();
    portreeve.spawn();
    let feed: Feed = engine.subscribed().await;
    assert!((back..=now()).contains(&feed.since), "{} is not between {back} and {}", feed.since, now());
    wait::until("it is told", wait::SOON, || async {
        let gaps = portreeve.get("/api/events?type=gap").await.map(|answer| answer.body)?;
        if gaps.contains("the engine's clock went back") { Ok(()) } else { Err(gaps) }
    })
    .await;
    receiver.state().assert_clean();
}

#[tokio::test]
async fn an_event_that_a_later_one_overtook_before_a_crash_is_billed_after_it() {
    let mut engine = FakeEngine::start();
    let receiver = Receiver::start(Options::default()).await.unwrap();
    let mut portreeve = watching(&engine, &receiver).await;
    let mut feed = engine.subscribed().await;

    let now = now();
    let (overtaken, overtaking) = (id("a"), id("b"));
    let run = |name: &str, started: i64, finished: i64| Container {
        name: name.to_owned(),
        created: now,
        started,
        finished,
        running: true,
        ..Container::default()
    };
    // Both have begun; only the later event has come.
    engine.show(&overtaken, Some(run("overtaken", now, 0)));
    engine.show(&overtaking, Some(run("overtaking", now + MILLISECOND, 0)));
    let (earlier, later) = (now + 2 * MILLISECOND, now + 3 * MILLISECOND);
    feed.event(&overtaking, "overtaking", "start", later).await;
    bills(&receiver, &overtaking, &["started"]).await;
    portreeve.kill9().await;

    // Meanwhile it is restarted: no inspect shows its first run any more.
    let (died, again) = (now + 10 * MILLISECOND, now + 20 * MILLISECOND);
    engine.show(&overtaken, Some(run("overtaken", again - MILLISECOND, died - MILLISECOND)));
    // What the engine has in its memory, in the order of its stream.
    let memory = [
        (&overtaking, "overtaking", "start", later),
        (&overtaken, "overtaken", "start", earlier),
        (&overtaken, "overtaken", "die", died),
        (&overtaken, "overtaken", "start", again),
    ];
    for (container, name, action, at) in memory {
        engine.remember(container, name, action, at);
    }
    portreeve.spawn();
    let mut feed: Feed = engine.subscribed().await;
    for (container, name, action, at) in memory {
        if at >= feed.since {
            feed.event(container, name, action, at).await;
        }
    }
    bills(&receiver, &overtaken, &["started", "stopped", "started"]).await;
    bills(&receiver, &overtaking, &["started"]).await;
    let gaps = portreeve.get("/api/events?type=gap").await.unwrap();
    assert_eq!(gaps.body.trim(), "[]", "nothing was lost");
    receiver.state().assert_clean();
}
