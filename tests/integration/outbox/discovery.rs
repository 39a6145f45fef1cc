//! Discovery: the latest state alone, and the registry equal to it in the end.

use portreeve::reconcile::discovery::Wanted;
use portreeve::store::{ChangeSet, LaneKey};
use serde_json::json;

use super::post::{Post, TARGET};
use super::scripted::{Scripted, status};
use crate::integration::fixtures::{container, local};
use crate::support::receiver::book::Which;
use crate::support::receiver::faults::{Fault, Faults};
use crate::support::receiver::{Options, Receiver};
use crate::support::{http, wait};

pub fn up(n: u32) -> Wanted {
    let id = &container(n).id;
    Wanted::Up(format!(r#"{{"id":"{id}","image_id":"nginx:alpine","host":"h","port":8000,"caps":{{}}}}"#))
}

fn cell(n: u32, wanted: Wanted) -> ChangeSet {
    ChangeSet { cells: vec![(LaneKey::discovery(TARGET, container(n)), wanted)], ..local() }
}

async fn receiver() -> Receiver {
    Receiver::start(Options::default()).await.unwrap()
}

/// `POST`, `PUT`, `DELETE`, in the order of arrival.
fn methods(receiver: &Receiver) -> Vec<String> {
    receiver.look(|state| state.calls.iter().map(|call| call.request.method.clone()).collect())
}

fn registered_as_up(receiver: &Receiver, n: u32) -> Option<bool> {
    receiver.look(|state| state.registry.get(&*container(n).id).map(|entry| entry.up))
}

#[tokio::test]
async fn only_the_latest_of_many_states_is_sent() {
    let receiver = receiver().await;
    let mut post = Post::new().await;
    receiver.discovery.down().await;
    post.register(&receiver.discovery.url(), json!({}));
    post.commit(cell(1, up(1))).await;
    wait::until("the first try has failed", wait::SOON, || async {
        let left = post.cells_left().await;
        wait::is(left.last_error.is_some(), left)
    })
    .await;
    post.end().await;
    for wanted in [Wanted::Down, up(1), Wanted::Down, Wanted::Absent] {
        post.commit(cell(1, wanted)).await;
    }
    receiver.discovery.up().await.unwrap();
    post.register(&receiver.discovery.url(), json!({}));
    post.drained().await;
    assert_eq!(methods(&receiver), ["DELETE"], "and 404 is as good as deleted");
    receiver.state().assert_clean();
}

#[tokio::test]
async fn nothing_is_sent_about_a_container_that_was_never_sent() {
    let receiver = receiver().await;
    let mut post = Post::new().await;
    for (n, last) in [(1, Wanted::Absent), (2, Wanted::Down)] {
        post.commit(cell(n, up(n))).await;
        post.commit(cell(n, last)).await;
    }
    post.register(&receiver.discovery.url(), json!({}));
    post.drained().await;
    post.commit(cell(1, Wanted::Absent)).await;
    post.drained().await;
    assert_eq!(methods(&receiver), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_not_there_is_as_good_as_down_or_deleted() {
    let service = Scripted::start(|asked, _| status(if asked.method == "POST" { 201 } else { 404 })).await;
    let mut post = Post::new().await;
    post.register(&service.url(), json!({}));
    for wanted in [up(1), Wanted::Down, Wanted::Absent] {
        post.commit(cell(1, wanted)).await;
        post.drained().await;
    }
    let (id, base) = (container(1).id, "/registry/endpoints");
    assert_eq!(
        service.lines(),
        [
            format!("POST {base}"),
            format!("PUT {base}/{id}/status?status=DOWN"),
            format!("DELETE {base}/{id}")
        ]
    );
}

#[tokio::test]
async fn a_container_that_runs_again_replaces_what_is_registered_of_it() {
    let receiver = receiver().await;
    let mut post = Post::new().await;
    post.register(&receiver.discovery.url(), json!({}));
    for wanted in [up(1), Wanted::Down, up(1)] {
        post.commit(cell(1, wanted)).await;
        post.drained().await;
    }
    assert_eq!(methods(&receiver), ["POST", "PUT", "POST", "DELETE", "POST"]);
    assert_eq!(registered_as_up(&receiver, 1), Some(true));
    receiver.state().assert_clean();
}

#[tokio::test]
async fn a_down_whose_answer_was_lost_does_not_outlive_the_next_run() {
    let receiver = receiver().await;
    let mut post = Post::new().await;
    post.register(&receiver.discovery.url(), json!({}));
    post.commit(cell(1, up(1))).await;
    post.drained().await;
    receiver.discovery.faults(Faults { reset_after: 1.0, ..Faults::default() });
    post.commit(cell(1, Wanted::Down)).await;
    wait::until("DOWN is taken and its answer lost", wait::SOON, || async {
        let left = post.cells_left().await;
        wait::is(registered_as_up(&receiver, 1) == Some(false) && left.last_error.is_some(), left)
    })
    .await;
    receiver.discovery.faults(Faults::default());
    // The same body that was acknowledged before.
    post.commit(cell(1, up(1))).await;
    post.drained().await;
    assert_eq!(registered_as_up(&receiver, 1), Some(true));
    receiver.state().assert_clean();
}

#[tokio::test]
async fn a_registry_that_lost_its_memory_is_told_again() {
    let receiver = receiver().await;
    let mut post = Post::new().await;
    post.register(&receiver.discovery.url(), json!({ "resyncPeriod": "500ms" }));
    for n in 0..3 {
        post.commit(cell(n, up(n))).await;
    }
    post.drained().await;
    let forgets = format!("{}/registry/endpoints/{}", receiver.discovery.url(), container(1).id);
    http::request(hyper::Method::DELETE, &forgets, &[], "").await.unwrap();
    wait::until("it is registered again", wait::SOON, || async {
        wait::is(registered_as_up(&receiver, 1) == Some(true), methods(&receiver))
    })
    .await;
    // What it remembers answers 409, and that is fine: no other deletion than the one above.
    assert_eq!(methods(&receiver).iter().filter(|method| *method == "DELETE").count(), 1);
    receiver.state().assert_clean();
}

#[tokio::test]
async fn although_half_of_all_calls_fail_the_registry_becomes_what_is_wanted() {
    let receiver = receiver().await;
    receiver.discovery.faults(Faults { hang_after: 0.06, ..Faults::half(11) });
    let mut post = Post::new().await;
    post.register(&receiver.discovery.url(), json!({ "timeout": "300ms" }));
    for round in 0..3 {
        for n in 0..15 {
            let wanted = match (n + round) % 3 {
                0 => up(n),
                1 => Wanted::Down,
                _ => Wanted::Absent,
            };
            post.commit(cell(n, wanted)).await;
        }
        // Some rounds meet calls in hand, some do not.
        wait::until("something of this round is sent", wait::SOON, || async {
            let left = post.cells_left().await;
            wait::is(left.pending <= 10, left)
        })
        .await;
    }
    // One that failed again and again waits for long, unless a success of another wakes it.
    receiver.discovery.faults(Faults::default());
    post.commit(cell(99, up(99))).await;
    post.drained().await;
    let state = receiver.state();
    state.assert_clean();
    for n in 0..15 {
        let expected = match (n + 2) % 3 {
            0 => vec![Some(true)],
            // Never sent while it was up: then nobody needs to know that it is down.
            1 => vec![Some(false), None],
            _ => vec![None],
        };
        assert!(
            expected.contains(&registered_as_up(&receiver, n)),
            "{n}: {:?}",
            registered_as_up(&receiver, n)
        );
    }
    let faults = state.calls.iter().filter(|call| call.which == Which::Discovery && call.fault.is_some());
    assert!(faults.clone().any(|call| call.fault == Some(Fault::ResetAfter)), "{:?}", faults.count());
}

#[tokio::test]
async fn a_call_that_was_broken_off_may_have_been_taken_and_is_taken_back() {
    let registry = Scripted::gated(|_, _| status(201)).await;
    let mut post = Post::new().await;
    post.register(&registry.url(), json!({ "timeout": "60s" }));
    post.commit(cell(1, up(1))).await;
    wait::until("it is being registered", wait::SOON, || async {
        wait::is(registry.inside() == 1, registry.inside())
    })
    .await;
    post.commit(cell(1, Wanted::Absent)).await;
    // The registry is declared otherwise: the call under way is given some seconds and then broken off.
    post.end().await;
    registry.open();
    post.register(&registry.url(), json!({}));
    post.drained().await;
    let last = registry.lines().pop();
    assert_eq!(last, Some(format!("DELETE /registry/endpoints/{}", container(1).id)));
}
