//! Deliveries, events and containers.

use std::sync::Arc;

use portreeve::api::Access;
use portreeve::observed::{ContainerKey, Nanos};
use portreeve::reconcile::billing::Bill;
use portreeve::reconcile::discovery::Wanted;
use portreeve::reconcile::lifecycle::EventName;
use portreeve::store::{ChangeSet, NewEvent, Settlement, Sqlite, Store};
use serde_json::json;
use tempfile::TempDir;

use super::{Server, temporary};

fn bill(number: u128) -> Bill {
    Bill {
        target: "billing".to_owned(),
        id: uuid::Uuid::from_u128(number),
        event: EventName::Started,
        body: b"{}".to_vec(),
    }
}

/// Two bills of a parked lane, one delivered, one pending of another container, and a cell.
async fn filled(directory: &TempDir) -> Server {
    let store = Sqlite::open(&directory.path().join("portreeve.db")).await.expect("a store");
    let key = ContainerKey::new("local", "aaaaaaaaaaaa1111");
    let other = ContainerKey::new("local", "bbbbbbbbbbbb2222");
    let enqueued = ChangeSet {
        bills: vec![
            (key.clone(), bill(1)),
            (key.clone(), bill(2)),
            (key.clone(), bill(3)),
            (other.clone(), bill(4)),
        ],
        cells: vec![("discovery".to_owned(), key.clone(), Wanted::Down)],
        events: vec![NewEvent { at: Nanos(5), event_type: "start".to_owned(), ..NewEvent::default() }],
        at: Nanos(1_000_000_000),
        ..ChangeSet::default()
    };
    let settled = ChangeSet {
        settled: vec![
            Settlement::BillDelivered { seq: 1 },
            Settlement::LaneParked { target: "billing".to_owned(), key, error: "HTTP 422".to_owned() },
        ],
        at: Nanos(2_000_000_000),
        ..ChangeSet::default()
    };
    store.commit(&[enqueued, settled]).await.expect("committed");
    Server::over(Arc::new(store), Access::default(), Vec::new()).await
}

#[tokio::test]
async fn deliveries_are_shown_with_their_state() {
    let directory = temporary();
    let server = filled(&directory).await;
    let list = server.get("deliveries").await.body;
    assert_eq!(list["kind"], "DeliveryList");
    let shown: Vec<String> = list["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| {
            let text = |field: &str| item[field].as_str().expect(field);
            format!("{} {} {} {}", text("id"), text("kind"), text("event"), text("state"))
        })
        .collect();
    assert_eq!(
        shown,
        [
            "bill-4 BillingService started pending",
            "bill-3 BillingService started parked",
            "bill-2 BillingService started parked",
            "bill-1 BillingService started delivered",
            "cell:discovery:local:aaaaaaaaaaaa1111 DiscoveryRegistry DOWN pending",
        ]
    );
    let parked = server.get("dlv/bill-2").await.body;
    assert_eq!(
        (&parked["lastError"], &parked["containerId"]),
        (&json!("HTTP 422"), &json!("aaaaaaaaaaaa1111"))
    );
    assert_eq!(parked["created"], "1970-01-01T00:00:01.000Z");
    assert_eq!(server.get("deliveries/cell:discovery:local:aaaaaaaaaaaa1111").await.code, 200);
    let count = async |query: &str| {
        server.get(&format!("deliveries?{query}")).await.body["items"].as_array().expect("items").len()
    };
    assert_eq!(count("state=parked").await, 2);
    assert_eq!(count("state=pending").await, 2);
    assert_eq!(count("state=delivered").await, 1);
    assert_eq!(count("target=discovery").await, 1);
    assert_eq!(count("container=bbbbbbbbbbbb").await, 1);
    server.get("deliveries?state=lost").await.is_refused(400, "BadRequest", "pending, parked or delivered");
    server.get("deliveries/bill-99").await.is_refused(404, "NotFound", "no delivery `bill-99`");
    server.get("deliveries/x").await.is_refused(404, "NotFound", "no delivery `x`");
}

#[tokio::test]
async fn a_parked_lane_is_freed_by_one_of_its_bills() {
    let directory = temporary();
    let server = filled(&directory).await;
    server.post("deliveries/bill-1/replay").await.is_refused(409, "Conflict", "was delivered");
    server.post("deliveries/bill-4/replay").await.is_refused(409, "Conflict", "is not parked");
    server.post("deliveries/bill-99/replay").await.is_refused(404, "NotFound", "no delivery");
    server.post("deliveries/cell:discovery:local:aaaaaaaaaaaa1111/replay").await.is_refused(
        409,
        "Conflict",
        "not parked",
    );
    let freed = server.post("deliveries/bill-3/replay").await;
    assert_eq!((freed.code.as_u16(), &freed.body["status"]), (200, &json!("Success")));
    assert_eq!(server.get("deliveries/bill-2").await.body["state"], "pending");
    server.post("deliveries/bill-3/replay").await.is_refused(409, "Conflict", "is not parked");
}

#[tokio::test]
async fn all_parked_lanes_of_a_target_are_freed_at_once() {
    let directory = temporary();
    let server = filled(&directory).await;
    server.post("deliveries/replay").await.is_refused(400, "BadRequest", "?target=NAME");
    server.post("deliveries/replay?target=nobody").await.is_refused(404, "NotFound", "no BillingService");
    let freed = server.post("deliveries/replay?target=billing").await;
    assert_eq!((freed.code.as_u16(), &freed.body["details"]["count"]), (200, &json!(1)));
    let freed = server.post("deliveries/replay?target=billing").await;
    assert_eq!(freed.body["details"]["count"], 0);
}

#[tokio::test]
async fn events_and_containers_are_lists_of_items_with_names() {
    let directory = temporary();
    let server = filled(&directory).await;
    let list = server.get("events?type=start").await.body;
    assert_eq!(list["kind"], "EventList");
    assert_eq!(
        (&list["items"][0]["event_type"], &list["items"][0]["metadata"]["name"]),
        (&json!("start"), &json!("1"))
    );
    assert_eq!(server.get("ev?type=stop").await.body["items"], json!([]));
    server.get("events?typ=stop").await.is_refused(400, "BadRequest", "did you mean \"type\"?");
    assert_eq!(
        server.get("containers").await.body,
        json!({"apiVersion": "portreeve/v1", "kind": "ContainerList", "metadata": {}, "items": []})
    );
    server.get("containers/web").await.is_refused(404, "NotFound", "no container named `web`");
    server.post("containers/web/release").await.is_refused(404, "NotFound", "no container named `web`");
}
