//! Deliveries, events and containers.

use std::sync::Arc;

use portreeve::api::Access;
use portreeve::observed::{ContainerKey, Nanos};
use portreeve::reconcile::billing::Bill;
use portreeve::reconcile::discovery::Wanted;
use portreeve::reconcile::lifecycle::EventName;
use portreeve::resource::billing_service::BillingServiceSpec;
use portreeve::resource::event::EventKind;
use portreeve::resource::{Object, Origin};
use portreeve::store::{ChangeSet, EventLog, LaneKey, Ledger, Settlement, Sqlite};
use serde_json::json;
use tempfile::TempDir;

use super::{Server, V1, temporary};
use crate::integration::fixtures::{event, local, rows};
use crate::integration::outbox::scripted::{Scripted, status};
use crate::support::wait;

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
        outbox: rows(vec![
            (key.clone(), bill(1)),
            (key.clone(), bill(2)),
            (key.clone(), bill(3)),
            (other.clone(), bill(4)),
        ]),
        cells: vec![(LaneKey::discovery("discovery", &key), Wanted::Down)],
        at: Nanos(1_000_000_000),
        ..local()
    };
    let settled = ChangeSet {
        settled: vec![
            Settlement::Delivered { lane: LaneKey::billing("billing", &key), seq: 1 },
            Settlement::LaneParked { lane: LaneKey::billing("billing", &key), error: "HTTP 422".to_owned() },
        ],
        at: Nanos(2_000_000_000),
        ..local()
    };
    store.commit(&[enqueued, settled]).await.expect("committed");
    store.append(&[event(5, EventKind::Start, "")]).await.expect("appended");
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
            "cell:discovery:local:aaaaaaaaaaaa1111 DiscoveryRegistry DOWN pending",
            "bill-4 BillingService started pending",
            "bill-3 BillingService started pending",
            "bill-2 BillingService started parked",
            "bill-1 BillingService started delivered",
        ]
    );
    let parked = server.get("dlv/bill-2").await.body;
    let behind = server.get("dlv/bill-3").await.body;
    assert_eq!((&behind["waitsBehind"], &behind["attempts"]), (&json!("bill-2"), &json!(0)));
    assert_eq!(behind["lastError"], json!(null));
    assert_eq!(
        (&parked["lastError"], &parked["containerId"]),
        (&json!("HTTP 422"), &json!("aaaaaaaaaaaa1111"))
    );
    assert_eq!(parked["created"], "1970-01-01T00:00:01.000Z");
    assert_eq!(server.get("deliveries/cell:discovery:local:aaaaaaaaaaaa1111").await.code, 200);
    let count = async |query: &str| {
        server.get(&format!("deliveries?{query}")).await.body["items"].as_array().expect("items").len()
    };
    assert_eq!(count("state=parked").await, 1);
    assert_eq!(count("state=pending").await, 3);
    assert_eq!(count("state=delivered").await, 1);
    assert_eq!(count("target=discovery").await, 1);
    assert_eq!(count("container=bbbbbbbbbbbb").await, 1);
    server.get("deliveries?state=lost").await.is_refused(
        400,
        "BadRequest",
        "pending, parked, delivered or skipped",
    );
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
async fn deliveries_are_listed_to_the_end_page_by_page() {
    let directory = temporary();
    let server = filled(&directory).await;
    let (mut found, mut token) = (Vec::new(), String::new());
    loop {
        let page = server.get(&format!("deliveries?limit=2&continue={token}")).await.body;
        let items = page["items"].as_array().expect("items");
        found.extend(items.iter().map(|item| item["id"].as_str().expect("an id").to_owned()));
        assert!(items.len() <= 2);
        match page["metadata"]["continue"].as_str() {
            Some(next) => token = next.to_owned(),
            None => break,
        }
    }
    let all = ["cell:discovery:local:aaaaaaaaaaaa1111", "bill-4", "bill-3", "bill-2", "bill-1"];
    assert_eq!(found, all);
    let whole = server.get("deliveries?limit=0").await.body;
    assert_eq!(whole["items"].as_array().map(Vec::len), Some(5));
    server.get("deliveries?continue=00").await.is_refused(400, "BadRequest", "not a token");
}

#[tokio::test]
async fn what_waits_for_a_target_that_is_gone_is_held_and_can_be_dropped() {
    let directory = temporary();
    let server = filled(&directory).await;
    let held = async |id: &str| server.get(&format!("deliveries/{id}")).await.body["held"].clone();
    for (id, is) in [("bill-1", false), ("bill-2", true), ("bill-4", true)] {
        assert_eq!(held(id).await, is, "{id}");
    }
    server.post("deliveries/bill-4/retry").await.is_refused(409, "Conflict", "is held");
    let billing = json!({"apiVersion": "portreeve/v1", "kind": "BillingService", "metadata": {"name": "billing"}, "spec": {"url": "http://127.0.0.1:1"}});
    assert_eq!(server.put("billingservices/billing", &billing).await.code, 201);
    let discard = "deliveries/discard?target=billing";
    server.post(discard).await.is_refused(409, "Conflict", "is declared");
    assert_eq!(server.delete("billingservices/billing").await.code, 200);
    let dropped = server.post(discard).await;
    assert_eq!((dropped.code.as_u16(), &dropped.body["details"]["count"]), (200, &json!(3)));
    let left = server.get("deliveries?target=billing").await.body;
    assert_eq!(left["items"].as_array().map(Vec::len), Some(1), "what was delivered: {left}");
    let told = server.get("events?type=Discarded").await.body;
    assert_eq!(told["items"].as_array().map(Vec::len), Some(1));
    let told = &told["items"][0];
    let message = told["message"].as_str().expect("a message");
    assert!(message.starts_with("3 bills for billing are dropped, by "), "{told}");
    assert_ne!(told["caller"], "");
    assert_eq!(server.post(discard).await.body["details"]["count"], 0);
}

#[tokio::test]
async fn the_bill_that_a_parked_lane_waits_for_is_skipped_with_a_reason() {
    let directory = temporary();
    let server = filled(&directory).await;
    let skip = async |path: &str, body: serde_json::Value| {
        let path = format!("{V1}/deliveries/{path}");
        server.send("POST", &path, &[], body.to_string().into_bytes()).await
    };
    let why = json!({"reason": "sent by hand"});
    skip("bill-3/skip", why.clone()).await.is_refused(409, "Conflict", "waits behind bill-2");
    skip("bill-4/skip", why.clone()).await.is_refused(409, "Conflict", "is not parked");
    skip("bill-1/skip", why.clone()).await.is_refused(409, "Conflict", "was delivered");
    skip("bill-2/skip", json!({})).await.is_refused(422, "Invalid", "reason");
    skip("bill-2/skip", json!({"reason": "x".repeat(501)})).await.is_refused(422, "Invalid", "500");
    skip("skip?target=nobody", why.clone()).await.is_refused(404, "NotFound", "no BillingService");
    assert_eq!(skip("bill-2/skip", why.clone()).await.code, 200);
    let skipped = server.get("deliveries/bill-2").await.body;
    assert_eq!((&skipped["state"], &skipped["reason"]), (&json!("skipped"), &json!("sent by hand")));
    assert!(skipped["skipped"].is_string() && skipped["delivered"].is_null(), "{skipped}");
    assert_eq!(server.get("deliveries/bill-3").await.body["state"], "pending", "what follows goes on");
    let told = server.get("events?type=Skipped").await.body;
    assert_eq!(told["items"].as_array().map(Vec::len), Some(1));
    let message = told["items"][0]["message"].as_str().expect("a message");
    assert!(
        message.starts_with("bill-2, `started` of aaaaaaaaaaaa for billing, is skipped, by "),
        "{message}"
    );
    assert!(message.ends_with(": sent by hand; it was refused: HTTP 422"), "{message}");
    assert_eq!(skip("skip?target=billing", why).await.body["details"]["count"], 0, "nothing is parked");
}

#[tokio::test]
async fn what_waits_for_a_declared_target_is_tried_at_once() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let directory = temporary();
    let store = Sqlite::open(&directory.path().join("portreeve.db")).await.expect("a store");
    let key = ContainerKey::new("local", "aaaaaaaaaaaa1111");
    let next = Nanos(portreeve::clock::now().0 + 3_600_000_000_000);
    let waits = Settlement::LaneWaits {
        lane: LaneKey::billing("billing", &key),
        attempts: 3,
        next,
        hold: Some(next),
        error: "x".into(),
    };
    let enqueued = ChangeSet { outbox: rows(vec![(key, bill(1))]), at: Nanos(1), ..local() };
    let settled = ChangeSet { settled: vec![waits], ..local() };
    store.commit(&[enqueued, settled]).await.expect("committed");
    let service = Scripted::start(|_, _| status(201)).await;
    let spec = serde_json::from_value::<BillingServiceSpec>(json!({"url": service.url()}));
    let objects = vec![Object::new("billing", Origin::Environment, spec.expect("a spec"))];
    let server = Server::over(Arc::new(store), Access::default(), objects).await;
    assert_eq!(server.get("deliveries/bill-1").await.body["held"], false);
    let tried = server.post("deliveries/bill-1/retry").await;
    assert_eq!((tried.code.as_u16(), &tried.body["details"]["count"]), (200, &json!(1)));
    wait::until("it is delivered", wait::SOON, || async {
        let state = server.get("deliveries/bill-1").await.body["state"].clone();
        wait::is(state == "delivered", state)
    })
    .await;
    server.post("deliveries/bill-1/retry").await.is_refused(409, "Conflict", "was delivered");
    assert_eq!(server.post("deliveries/retry?target=billing").await.body["details"]["count"], 0);
    let told = server.get("events?type=Retried").await.body;
    assert_eq!(told["items"].as_array().map(Vec::len), Some(1));
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
    let list = server.get("containers").await.body;
    let metadata = json!({"resourceVersion": list["metadata"]["resourceVersion"]});
    assert!(metadata["resourceVersion"].is_string());
    assert_eq!(
        list,
        json!({"apiVersion": "portreeve/v1", "kind": "ContainerList", "metadata": metadata, "items": []})
    );
    server.get("containers/web").await.is_refused(404, "NotFound", "no container named `web`");
    server.post("containers/web/release").await.is_refused(404, "NotFound", "no container named `web`");
}
