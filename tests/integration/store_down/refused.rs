//! A database that refuses something of one container: that fails, is told of, and takes nothing else with it.

use portreeve::observed::ContainerKey;
use portreeve::reconcile::lifecycle::EventName;
use portreeve::store::Ledger;
use serde_json::json;

use crate::integration::engines::{Scene, host, id, now, running};
use crate::integration::fixtures::{bill, bills, container};
use crate::integration::outbox::post::{Post, TARGET};
use crate::support::fake_engine::FakeEngine;
use crate::support::receiver::faults::Faults;
use crate::support::receiver::{Options, Receiver};
use crate::support::rows::execute;
use crate::support::wait;

#[tokio::test]
async fn a_container_that_is_refused_takes_no_other_with_it_and_is_unknown_after_five_times() {
    let mut engine = FakeEngine::start();
    let scene = Scene::start(&[host("e", &engine)]).await;
    let mut feed = engine.subscribed().await;
    scene.connected("e", true).await;
    execute(
        &scene.path(),
        "CREATE TRIGGER poisoned BEFORE INSERT ON containers WHEN NEW.name = 'poison'
         BEGIN SELECT RAISE(ABORT, 'poisoned'); END",
    )
    .await;
    let names = ["good", "poison", "fine"];
    for (letter, name) in ["a", "b", "c"].iter().zip(names) {
        let running = running(name);
        let at = running.started;
        engine.show(&id(letter), Some(running));
        feed.event(&id(letter), name, "create", at).await;
        feed.event(&id(letter), name, "start", at + 1).await;
    }
    feed.flush().await;
    let named = |rows: Vec<portreeve::store::EventRow>| -> Vec<String> {
        rows.into_iter().map(|row| row.event.container_name).collect()
    };
    wait::until("the others are known", wait::SOON, || async {
        let mut started = named(scene.events("start").await);
        started.sort();
        wait::is(started == ["fine", "good"], started)
    })
    .await;
    let gaps = wait::until("it is let go", wait::SOON, || async {
        let gaps = scene.events("gap").await;
        if gaps.iter().any(|row| row.event.reason == "StoreRefused") { Ok(gaps) } else { Err(named(gaps)) }
    })
    .await;
    let gap = gaps.iter().find(|row| row.event.reason == "StoreRefused").unwrap();
    assert_eq!(gap.event.container_name, "poison");
    assert!(
        gap.event.message.contains("cannot be stored") && gap.event.message.contains("poisoned"),
        "{gap:?}"
    );
    let told = scene.events("InternalError").await;
    assert_eq!(told.len(), 1, "it is told of once: {told:?}");
    assert_eq!(told[0].event.reason, "StoreRefused");
    assert!(told[0].event.message.contains("container poison"), "{told:?}");
    assert_eq!(scene.controller.view().store_health().error, None, "the store works");
    // The cursor has passed its events, which would otherwise be read again and again.
    let late = now();
    feed.event(&id("a"), "good", "pause", late).await;
    feed.flush().await;
    let shard = portreeve::observed::Shard::Engine("e".into());
    wait::until("the cursor goes on", wait::SOON * 2, || async {
        let cursor = scene.store.load(&shard).await.unwrap().cursors.get("e").cloned();
        wait::is(cursor.as_ref().is_some_and(|cursor| cursor.at.0 >= late), cursor)
    })
    .await;
    execute(&scene.path(), "DROP TRIGGER poisoned").await;
    wait::until("it is known once it is taken", wait::SOON * 2, || async {
        let record = scene.store.record(&ContainerKey::new("e", id("b"))).await.unwrap();
        wait::is(record.is_some(), record)
    })
    .await;
    scene.controller.finish().await;
}

#[tokio::test]
async fn a_result_that_is_refused_holds_its_own_lane_alone() {
    let receiver = Receiver::start(Options::default()).await.unwrap();
    let mut post = Post::new().await;
    // More than are worked on at once.
    let refused: Vec<_> = (0..9).map(container).collect();
    let list: Vec<_> = refused.iter().map(|key| format!("'{}'", key.id)).collect();
    let trigger = format!(
        "CREATE TRIGGER poisoned BEFORE UPDATE ON outbox WHEN NEW.subject IN ({})
         BEGIN SELECT RAISE(ABORT, 'poisoned'); END",
        list.join(", ")
    );
    execute(&post.path(), &trigger).await;
    let all = (0..20).map(|n| bill(TARGET, &container(n), EventName::Started, 1)).collect();
    post.commit(bills(all)).await;
    post.bill(&receiver.billing.url(), json!({}));
    wait::until("the others are delivered", wait::SOON, || async {
        let left = post.bills_left().await;
        wait::is(left.pending == 9, left)
    })
    .await;
    wait::throughout("nothing is sent twice", wait::SOON / 10, || async {
        let calls = receiver.look(|state| state.calls.len());
        wait::is(calls == 20, calls)
    })
    .await;
    // Whoever serves the target next has the results of the one before, and sends nothing of theirs either.
    let unrecorded = post.end().await;
    assert_eq!(unrecorded.len(), 9);
    post.bill_after(unrecorded, &receiver.billing.url());
    let more = (20..40).map(|n| bill(TARGET, &container(n), EventName::Started, 1)).collect();
    post.commit(bills(more)).await;
    wait::until("others are delivered as before", wait::SOON, || async {
        let left = post.bills_left().await;
        wait::is(left.pending == 9, left)
    })
    .await;
    execute(&post.path(), "DROP TRIGGER poisoned").await;
    post.end().await;
    assert_eq!(post.bills_left().await.pending, 0);
    let calls = receiver.look(|state| state.calls.len());
    assert_eq!(calls, 40, "each once");
    receiver.state().assert_clean();
}

#[tokio::test]
async fn what_a_service_said_is_not_stored_if_the_store_refuses_that() {
    let receiver = Receiver::start(Options::default()).await.unwrap();
    receiver.billing.faults(Faults { error_500: 1.0, ..Faults::default() });
    let mut post = Post::new().await;
    execute(
        &post.path(),
        "CREATE TRIGGER poisoned BEFORE UPDATE ON lanes WHEN NEW.last_error LIKE '%500%'
         BEGIN SELECT RAISE(ABORT, 'poisoned'); END",
    )
    .await;
    post.commit(bills(vec![bill(TARGET, &container(1), EventName::Started, 1)])).await;
    post.bill(&receiver.billing.url(), json!({}));
    wait::until("it waits all the same", wait::SOON, || async {
        let left = post.bills_left().await;
        wait::is(left.last_error.as_deref() == Some("the store refuses what went wrong"), left)
    })
    .await;
}
