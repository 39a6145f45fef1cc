//! Dispatchers over a store that fails.

use std::time::Duration;

use portreeve::reconcile::lifecycle::EventName;
use portreeve::store::{ChangeSet, LaneKey, Ledger};
use serde_json::json;

use super::failing::failing;
use crate::integration::fixtures::{bill, bills, container, life};
use crate::integration::outbox::discovery::up;
use crate::integration::outbox::post::{Post, TARGET};
use crate::support::receiver::book::Which;
use crate::support::receiver::{Options, Receiver};
use crate::support::wait;

/// Longer than a dispatcher waits between two looks at a store that fails.
const A_WHILE: Duration = Duration::from_millis(2500);

async fn receiver() -> Receiver {
    Receiver::start(Options::default()).await.unwrap()
}

fn starts(containers: std::ops::Range<u32>) -> ChangeSet {
    bills(containers.map(|n| bill(TARGET, &container(n), EventName::Started, 1)).collect())
}

/// The idempotency keys of all calls, in order.
fn keys(receiver: &Receiver) -> Vec<String> {
    receiver.look(|state| state.calls.iter().filter_map(|call| call.request.key.clone()).collect())
}

#[tokio::test]
async fn what_could_not_be_committed_is_not_sent() {
    let (receiver, store) = (receiver().await, failing().await);
    let mut post = Post::over(store.clone());
    post.bill(&receiver.billing.url(), json!({}));
    store.hook.fail_writes(true);
    let change = starts(0..3);
    store.commit(std::slice::from_ref(&change)).await.expect_err("it fails");
    post.wake();
    wait::throughout("nothing is sent", A_WHILE, || async {
        wait::is(keys(&receiver).is_empty(), keys(&receiver))
    })
    .await;
    store.hook.fail_writes(false);
    post.commit(change).await;
    post.drained().await;
    assert_eq!(keys(&receiver).len(), 3);
    receiver.state().assert_clean();
}

#[tokio::test]
async fn a_store_that_cannot_record_answers_makes_no_call_twice_and_few_at_all() {
    let (receiver, store) = (receiver().await, failing().await);
    let mut post = Post::over(store.clone());
    for n in 0..20 {
        let cells = vec![(LaneKey::discovery(TARGET, container(n)), up(n))];
        post.commit(ChangeSet { cells, ..bills(life(TARGET, &container(n), 1)) }).await;
    }
    store.hook.fail_writes(true);
    post.bill(&receiver.billing.url(), json!({}));
    post.register(&receiver.discovery.url(), json!({}));
    let calls = |which| receiver.look(|state| state.calls.iter().filter(|c| c.which == which).count());
    wait::until("calls in hand are answered", wait::SOON, || async {
        wait::is((calls(Which::Billing), calls(Which::Discovery)) == (8, 8), keys(&receiver))
    })
    .await;
    let refused = store.hook.refused();
    wait::throughout("no more calls are made", A_WHILE, || async {
        wait::is((calls(Which::Billing), calls(Which::Discovery)) == (8, 8), keys(&receiver))
    })
    .await;
    // Once for each result in hand, and then once a second; not as fast as it goes.
    let looks = store.hook.refused() - refused;
    assert!((1..100).contains(&looks), "{looks} looks at a store that fails");

    store.hook.fail_writes(false);
    post.drained().await;
    let mut sent = keys(&receiver);
    sent.sort();
    sent.dedup();
    assert_eq!((sent.len(), keys(&receiver).len()), (60, 60), "each bill once");
    assert_eq!(calls(Which::Discovery), 20);
    receiver.state().assert_clean();
}

#[tokio::test]
async fn what_was_taken_and_never_recorded_is_sent_again_with_the_same_id_and_bytes() {
    let (receiver, store) = (receiver().await, failing().await);
    let mut post = Post::over(store.clone());
    post.commit(bills(life(TARGET, &container(1), 1))).await;
    store.hook.fail_writes(true);
    post.bill(&receiver.billing.url(), json!({}));
    wait::until("the first is taken", wait::SOON, || async {
        wait::is(keys(&receiver).len() == 1, keys(&receiver))
    })
    .await;
    // A life ends before the store is back.
    post.end().await;
    store.hook.fail_writes(false);
    post.bill(&receiver.billing.url(), json!({}));
    post.drained().await;
    let state = receiver.state();
    assert_eq!(keys(&receiver).len(), 4);
    let request = |n: usize| (&state.calls[n].request.key, &state.calls[n].request.body);
    assert_eq!(request(0), request(1));
    assert_eq!(state.names_of(&container(1).id), ["started", "stopped", "removed"]);
    state.assert_clean();
}

#[tokio::test]
async fn an_answer_in_hand_is_recorded_at_the_end_if_the_store_is_back_by_then() {
    let (receiver, store) = (receiver().await, failing().await);
    let mut post = Post::over(store.clone());
    post.commit(starts(1..2)).await;
    store.hook.fail_writes(true);
    post.bill(&receiver.billing.url(), json!({}));
    wait::until("its record is refused", wait::SOON, || async {
        wait::is(store.hook.refused() > 0, store.hook.refused())
    })
    .await;
    store.hook.fail_writes(false);
    post.end().await;
    assert_eq!(post.bills_left().await.pending, 0);
    assert_eq!(keys(&receiver).len(), 1);
}

#[tokio::test]
async fn a_store_that_cannot_be_read_is_asked_again_until_it_can() {
    let (receiver, store) = (receiver().await, failing().await);
    let mut post = Post::over(store.clone());
    post.commit(starts(0..5)).await;
    store.hook.fail_reads(true);
    post.bill(&receiver.billing.url(), json!({}));
    wait::until("it was asked twice", wait::SOON, || async {
        wait::is(store.hook.refused() >= 2, store.hook.refused())
    })
    .await;
    assert_eq!(keys(&receiver), Vec::<String>::new());
    store.hook.fail_reads(false);
    post.drained().await;
    assert_eq!(keys(&receiver).len(), 5);
}
