//! Watching events.

use std::collections::BTreeSet;

use portreeve::api::Access;
use portreeve::observed::Nanos;
use portreeve::store::Ledger;
use serde_json::{Value, json};

use super::{Watched, id};
use crate::integration::api::{Server, temporary};
use crate::integration::store_down::failing::failing;

fn number(event: &Value) -> i64 {
    event["metadata"]["name"].as_str().expect("a name").parse().expect("a number")
}

/// Creates an object, of which an event tells.
async fn cause(server: &Server, name: &str) {
    let policy = json!({
        "apiVersion": "portreeve/v1", "kind": "AutohealPolicy", "metadata": {"name": name},
        "spec": {"selector": {"names": [name]}},
    });
    let written = server.put(&format!("heal/{name}"), &policy).await;
    assert!(written.code.is_success(), "{}", written.body);
}

/// The next event that tells of this object.
async fn told(watch: &mut Watched, name: &str) -> Value {
    let line = watch
        .until(|line| line["type"] == "ADDED" && line["object"]["message"].to_string().contains(name))
        .await;
    line["object"].clone()
}

/// All events, oldest first.
async fn listed(server: &Server) -> Vec<Value> {
    let list = server.get("events?limit=10000").await.body;
    let mut items = list["items"].as_array().expect("items").clone();
    items.sort_by_key(number);
    items
}

#[tokio::test]
async fn events_are_told_as_they_are_recorded_and_look_as_in_the_list() {
    let directory = temporary();
    let server = Server::new(directory.path()).await;
    cause(&server, "before").await;
    let mut watch = Watched::of(&server, "events?watch=true", None).await;
    let newest: i64 = watch.bookmark().await.parse().expect("a number");
    cause(&server, "after-this").await;
    let event = told(&mut watch, "after-this").await;
    assert!(number(&event) > newest);
    let list = server.get("events").await.body;
    assert_eq!(
        id(&list).parse::<i64>().expect("a number"),
        number(&listed(&server).await.pop().expect("one"))
    );
    assert!(list["items"].as_array().expect("items").contains(&event), "{event}");
    let mut by_type = Watched::of(&server, "events?watch=true&type=nonsense", None).await;
    let mut later = by_type.bookmark().await;
    cause(&server, "not-of-that-type").await;
    told(&mut watch, "not-of-that-type").await;
    // Somebody who goes on from before finds what was let through since then, and that is nothing.
    let query = format!("events?watch=true&type=nonsense&after={later}");
    later = Watched::of(&server, &query, None).await.bookmark().await;
    assert_eq!(later.parse::<i64>().expect("a number"), number(&listed(&server).await.pop().expect("one")));
}

#[tokio::test]
async fn a_watch_goes_on_after_any_event_and_over_a_restart() {
    let directory = temporary();
    let server = Server::new(directory.path()).await;
    // More than is read at once.
    for n in 0..300 {
        cause(&server, &format!("p{n}")).await;
    }
    let all = listed(&server).await;
    assert!(all.len() >= 300, "{}", all.len());
    let mut watch = Watched::of(&server, "events?watch=true&after=0", None).await;
    let (lines, end) = watch.until_bookmark().await;
    let events: Vec<Value> = lines.into_iter().map(|line| line["object"].clone()).collect();
    assert_eq!(events[..all.len()], all);
    assert_eq!(end, number(events.last().expect("one")).to_string());
    let place = number(&all[149]);
    let mut later = Watched::of(&server, &format!("events?watch=true&after={place}"), None).await;
    assert_eq!(later.next().await.expect("a line")["object"], all[150]);
    // Whoever watches keeps the store open.
    drop((watch, later));
    server.finish().await;
    let server = Server::new(directory.path()).await;
    let mut watch = Watched::of(&server, &format!("events?watch=true&after={end}"), None).await;
    watch.until(|line| line["type"] == "BOOKMARK").await;
    cause(&server, "again").await;
    told(&mut watch, "again").await;
}

#[tokio::test]
async fn what_cannot_be_told_whole_is_refused_with_what_to_do() {
    let directory = temporary();
    let store = failing().await;
    let server = Server::over(store.clone(), Access::default(), Vec::new()).await;
    cause(&server, "a").await;
    cause(&server, "b").await;
    let newest = number(&listed(&server).await.pop().expect("one"));
    let watch =
        async |after: &str| server.get(&format!("events?watch=true&timeoutSeconds=1&after={after}")).await;
    let future = (newest + 1).to_string();
    watch(&future).await.is_refused(410, "Expired", "list again, or watch without `after`");
    watch(&i64::MAX.to_string()).await.is_refused(410, "Expired", "no event has had that number yet");
    for text in ["x", "-1", "1.0", ""] {
        watch(text).await.is_refused(400, "BadRequest", "after must be the number of an event");
    }
    assert_eq!(watch(&newest.to_string()).await.code, 200);
    assert_eq!(watch("0").await.code, 200);
    store.prune(Nanos(i64::MAX), &BTreeSet::new()).await.expect("pruned");
    watch("0").await.is_refused(410, "Expired", "not all events since then are kept");
    assert_eq!(watch(&newest.to_string()).await.code, 200, "nothing after it is missing");
    drop(directory);
}

#[tokio::test]
async fn events_are_read_once_for_all_who_watch_and_not_at_all_for_nobody() {
    const WATCHERS: usize = 20;
    const EVENTS: usize = 5;
    let store = failing().await;
    let server = Server::over(store.clone(), Access::default(), Vec::new()).await;
    let mut watches = Vec::new();
    for _ in 0..WATCHERS {
        let mut watch = Watched::of(&server, "events?watch=true", None).await;
        watch.bookmark().await;
        watches.push(watch);
    }
    cause(&server, "first").await;
    for watch in &mut watches {
        told(watch, "first").await;
    }
    let before = store.hook.log_reads();
    for n in 0..EVENTS {
        let name = format!("next-{n}");
        cause(&server, &name).await;
        for watch in &mut watches {
            told(watch, &name).await;
        }
    }
    // A hint that was on its way may have led to one more look.
    let reads = store.hook.log_reads() - before;
    assert!((1..=EVENTS + 1).contains(&reads), "{reads} reads for {EVENTS} events and {WATCHERS} watchers");
    drop(watches);
    cause(&server, "unseen").await;
    let before = store.hook.log_reads();
    for n in 0..EVENTS {
        cause(&server, &format!("unseen-{n}")).await;
    }
    assert_eq!(store.hook.log_reads(), before, "events are read for nobody");
}
