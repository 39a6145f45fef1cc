//! Bills: every one, in order, with the same id and bytes, whatever the service does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use portreeve::observed::{ContainerKey, Nanos};
use portreeve::reconcile::lifecycle::EventName;
use portreeve::store::LaneKey;
use serde_json::json;

use super::post::{Post, TARGET};
use super::scripted::{Scripted, status};
use crate::integration::fixtures::{ALL, bill, billing, bills, container, life};
use crate::support::receiver::book::Which;
use crate::support::receiver::faults::{Fault, Faults};
use crate::support::receiver::{Options, Receiver};
use crate::support::wait;

/// One `started` for each.
fn starts(containers: std::ops::Range<u32>) -> portreeve::store::ChangeSet {
    bills(containers.map(|n| bill(TARGET, &container(n), EventName::Started, 1)).collect())
}

fn is_of(body: &str, key: &ContainerKey) -> bool {
    body.contains(&*key.id)
}

#[tokio::test]
async fn although_half_of_all_calls_fail_every_bill_arrives_once_and_in_order() {
    let receiver = Receiver::start(Options::default()).await.unwrap();
    // More time-outs than usual, since they are short here.
    receiver.billing.faults(Faults { hang_after: 0.06, error_500: 0.06, ..Faults::half(7) });
    let mut post = Post::new().await;
    post.bill(&receiver.billing.url(), json!({ "timeout": "300ms" }));
    let containers: Vec<_> = (0..30).map(container).collect();
    for key in &containers {
        post.commit(bills(life(TARGET, key, 2))).await;
    }
    post.drained().await;
    let state = receiver.state();
    state.assert_clean();
    for key in &containers {
        let names = state.names_of(&key.id);
        assert_eq!(names, ["started", "stopped", "started", "stopped", "removed"], "{key}");
    }
    let failed = |fault| state.calls.iter().filter(|call| call.fault == Some(fault)).count();
    for fault in [
        Fault::ResetBefore,
        Fault::ResetAfter,
        Fault::HangAfter,
        Fault::Error500,
        Fault::Conflict409,
        Fault::Busy429,
    ] {
        assert!(failed(fault) > 0, "{fault:?} never happened in {} calls", state.calls.len());
    }
}

#[tokio::test]
async fn a_container_whose_calls_always_fail_delays_no_other() {
    let stuck = container(0);
    let of_stuck = stuck.clone();
    let service =
        Scripted::start(move |asked, _| status(if is_of(&asked.body, &of_stuck) { 500 } else { 201 })).await;
    let mut post = Post::new().await;
    post.bill(&service.url(), json!({}));
    post.commit(starts(0..50)).await;
    wait::until("all others are delivered", wait::SOON, || async {
        let left = post.bills_left().await;
        wait::is(left.pending == 1, left)
    })
    .await;
    assert!(post.bills_left().await.last_error.unwrap().contains("HTTP 500"));
    let of_others = service.asked().iter().filter(|asked| !is_of(&asked.body, &stuck)).count();
    assert_eq!(of_others, 49, "once each");
}

#[tokio::test]
async fn bytes_that_are_refused_park_their_lane_alone_until_a_replay() {
    let refuses = Arc::new(AtomicBool::new(true));
    let (refused, script) = (container(0), refuses.clone());
    let of_refused = refused.clone();
    let service = Scripted::start(move |asked, _| {
        let refuse = script.load(Ordering::SeqCst) && is_of(&asked.body, &of_refused);
        status(if refuse { 422 } else { 201 })
    })
    .await;
    let mut post = Post::new().await;
    post.bill(&service.url(), json!({}));
    post.commit(bills(life(TARGET, &refused, 1))).await;
    wait::until("its lane is parked", wait::SOON, || async {
        let left = post.bills_left().await;
        wait::is((left.pending, left.parked) == (2, 1), left)
    })
    .await;
    assert!(post.bills_left().await.last_error.unwrap().contains("HTTP 422"));
    post.commit(starts(1..5)).await;
    wait::until("others go on", wait::SOON, || async {
        wait::is(service.asked().len() == 5, service.lines())
    })
    .await;
    // Their success wakes what waits, but not what is parked.
    wait::throughout("what is parked is not tried", Duration::from_millis(1500), || async {
        let tries = service.asked().iter().filter(|asked| is_of(&asked.body, &refused)).count();
        wait::is(tries == 1, tries)
    })
    .await;

    refuses.store(false, Ordering::SeqCst);
    assert_eq!(post.store.replay(&billing(TARGET), None, Nanos(0)).await.unwrap(), 1);
    post.wake();
    post.drained().await;
    let keys: Vec<_> = service.asked().iter().filter(|asked| is_of(&asked.body, &refused)).cloned().collect();
    assert_eq!(keys.len(), 4, "the first one twice");
    assert_eq!(keys[0].header("idempotency-key"), keys[1].header("idempotency-key"));
}

#[tokio::test]
async fn the_first_success_wakes_all_that_wait_also_in_a_new_life() {
    let receiver = Receiver::start(Options::default()).await.unwrap();
    let slow = json!({ "retry": { "initial": "1h", "max": "1h" } });
    for new_life in [false, true] {
        let ids = if new_life { 100..105 } else { 0..5 };
        let mut post = Post::new().await;
        post.bill(&receiver.billing.url(), slow.clone());
        receiver.billing.down().await;
        post.commit(starts(ids.clone())).await;
        let in_half_an_hour = || Nanos(portreeve::clock::now().0 + 1_800_000_000_000);
        wait::until("all five wait for long", wait::SOON, || async {
            let next = post.store.next_due(&billing(TARGET), &ALL, portreeve::clock::now()).await.unwrap();
            let waiting =
                post.store.due_lanes(&billing(TARGET), &ALL, Nanos(i64::MAX), &[], 9).await.unwrap();
            let all = waiting.len() == 5 && waiting.iter().all(|lane| lane.attempts == 1);
            wait::is(all && next > Some(in_half_an_hour()), waiting)
        })
        .await;
        if new_life {
            post.end().await;
            post.bill(&receiver.billing.url(), slow.clone());
        }
        receiver.billing.up().await.unwrap();
        post.commit(starts(ids.end..ids.end + 1)).await;
        post.drained().await;
    }
    assert_eq!(receiver.state().billed.len(), 12);
    receiver.state().assert_clean();
}

#[tokio::test]
async fn a_service_that_names_a_time_is_not_called_before_it_for_any_container() {
    let busy = container(0);
    let of_busy = busy.clone();
    let first = AtomicBool::new(true);
    let service = Scripted::start(move |asked, _| {
        if is_of(&asked.body, &of_busy) && first.swap(false, Ordering::SeqCst) {
            return (429, vec![("retry-after", "2".to_owned())]);
        }
        status(201)
    })
    .await;
    let mut post = Post::new().await;
    post.bill(&service.url(), json!({}));
    post.commit(starts(0..1)).await;
    wait::until("it is told to wait", wait::SOON, || async {
        wait::is(service.asked().len() == 1, service.lines())
    })
    .await;
    post.commit(starts(1..4)).await;
    post.drained().await;
    let asked = service.asked();
    assert_eq!(asked.len(), 5);
    for later in &asked[1..] {
        // The service's clock begins with its answer, ours a little later.
        let between = later.at - asked[0].at;
        assert!(between >= Duration::from_millis(1950), "called again after {between:?}");
    }
}

#[tokio::test]
async fn a_lane_with_more_to_send_makes_no_further_call_once_its_service_has_named_a_time() {
    let service = Scripted::gated(|_, before| match before {
        0 => (503, vec![("retry-after", "3600".to_owned())]),
        _ => status(201),
    })
    .await;
    let mut post = Post::new().await;
    post.bill(&service.url(), json!({ "timeout": "60s" }));
    for n in 0..2 {
        post.commit(bills(life(TARGET, &container(n), 3))).await;
    }
    wait::until("both are under way", wait::SOON, || async {
        wait::is(service.inside() == 2, service.inside())
    })
    .await;
    service.open();
    wait::until("both are answered and stored", wait::SOON, || async {
        let left = post.bills_left().await;
        wait::is(left.pending == 13 && left.last_error.is_some(), left)
    })
    .await;
    wait::throughout("nothing else is sent", Duration::from_millis(500), || async {
        wait::is(service.asked().len() == 2, service.lines())
    })
    .await;
    assert_eq!(post.store.retry(&billing(TARGET), None, portreeve::clock::now()).await.unwrap(), 2);
    post.wake();
    post.drained().await;
    assert_eq!(service.asked().len(), 15, "once somebody wishes it");
}

#[tokio::test]
async fn an_error_names_what_was_asked_without_its_secrets() {
    let service = Scripted::start(|_, _| status(500)).await;
    let mut post = Post::new().await;
    let url = service.url().replace("http://", "http://me:hidden@");
    post.bill(&format!("{url}/base"), json!({}));
    post.commit(starts(0..1)).await;
    let error = wait::until("it has failed", wait::SOON, || async {
        post.bills_left().await.last_error.ok_or("no error")
    })
    .await;
    assert_eq!(error, format!("POST {}/base/events: HTTP 500", service.url()));
}

#[tokio::test]
async fn every_try_has_the_same_id_and_the_same_bytes() {
    let service =
        Scripted::start(|_, before| status([500, 503, 401, 404, 408, 425, 201][before.min(6)])).await;
    let mut post = Post::new().await;
    post.bill(&service.url(), json!({ "path": "/v2/usage" }));
    let key = container(1);
    let (_, sent) = bill(TARGET, &key, EventName::Started, 1);
    post.commit(starts(1..2)).await;
    post.drained().await;
    let asked = service.asked();
    assert_eq!(asked.len(), 7);
    for asked in asked {
        assert_eq!(asked.line(), "POST /v2/usage");
        assert_eq!(asked.body.as_bytes(), sent.body);
        assert_eq!(asked.header("idempotency-key"), sent.id.to_string());
        assert_eq!(asked.header("content-type"), "application/json");
    }
}

#[tokio::test]
async fn at_most_eight_calls_are_made_at_once() {
    let service = Scripted::gated(|_, _| status(201)).await;
    let mut post = Post::new().await;
    post.bill(&service.url(), json!({ "timeout": "60s" }));
    post.commit(starts(0..30)).await;
    wait::until("eight calls are in", wait::SOON, || async {
        wait::is(service.inside() == 8, service.inside())
    })
    .await;
    wait::throughout("there is no ninth", Duration::from_millis(500), || async {
        wait::is(service.inside() == 8, service.inside())
    })
    .await;
    service.open();
    post.drained().await;
    assert_eq!(service.asked().len(), 30);
}

#[tokio::test]
async fn services_do_not_wait_for_each_other() {
    let hangs = Scripted::gated(|_, _| status(201)).await;
    let receiver = Receiver::start(Options::default()).await.unwrap();
    let mut post = Post::new().await;
    post.bill(&hangs.url(), json!({ "timeout": "60s" }));
    // Cells go to another service.
    post.register(&receiver.discovery.url(), json!({}));
    let mut change = starts(0..20);
    change.cells =
        (0..20).map(|n| (LaneKey::discovery(TARGET, container(n)), super::discovery::up(n))).collect();
    post.commit(change).await;
    wait::until("Discovery is told of all", wait::SOON, || async {
        let calls = receiver.look(|state| state.calls.iter().filter(|c| c.which == Which::Discovery).count());
        wait::is(calls == 20 && post.cells_left().await.pending == 0, calls)
    })
    .await;
    assert_eq!(post.bills_left().await.pending, 20);
    hangs.open();
    post.drained().await;
    receiver.state().assert_clean();
}
