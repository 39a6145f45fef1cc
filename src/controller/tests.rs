//! The controller without an engine.

use super::*;
use crate::desired::Sources;
use crate::guard::Guard;
use crate::observed::{Container, ContainerKey};
use crate::reconcile::heal::HealMemory;
use crate::resource::docker_host::DockerHostSpec;
use crate::resource::event::EventKind;
use crate::resource::{Object, Origin};
use crate::store::{ChangeSet, EventFilter, Sqlite};

#[tokio::test]
async fn a_quarantine_is_lifted_in_turn_and_stored() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Arc::new(Sqlite::open(&directory.path().join("p.db")).await.expect("a store"));
    let container: Container = serde_json::from_value(serde_json::json!({
        "key": {"engine": "local", "id": "aaaaaaaaaaaa1111"}, "name": "web", "image": "nginx", "state": "running",
        "created": 1, "started": 2, "labels": {"autoheal": "true"},
    }))
    .expect("a container");
    let quarantined =
        serde_json::json!({"quarantined": {"since": 1, "why": "5 restarts in 1h"}, "streak": 5});
    let memory = ChangeSet {
        healing: vec![(container.logical_id(), Some(quarantined.to_string()))],
        ..ChangeSet::default()
    };
    store.commit(&[memory]).await.expect("committed");
    let spec = serde_json::from_str::<DockerHostSpec>(r#"{"endpoint":"unix:///nowhere/docker.sock"}"#);
    let hosts = [Object::new("local", Origin::Environment, spec.expect("a host"))];
    let desired = Desired::of(Sources { environment: &hosts, ..Sources::default() });
    let (_keep, receiver) = watch::channel(Arc::new(desired));
    let controller =
        Controller::start(store.clone(), receiver, Guard::default()).await.expect("a controller");
    let shared = controller.shared.clone();
    let key: ContainerKey = container.key.clone();
    let logical_id = container.logical_id();
    let record = crate::reconcile::record::Record::of_container(&container, Nanos(1));
    shared.records.lock().expect("records").insert(key.clone(), Arc::new(record));
    shared.change_world(|world| world.containers.insert(key.clone(), Arc::new(container)));
    let held = shared.healing(&logical_id).expect("a memory");
    assert!(held.quarantined.is_some());

    assert!(shared.release(&key, "token ci").await);
    let memory = shared.healing(&logical_id).expect("a memory");
    assert_eq!((&memory.quarantined, memory.streak), (&None, 0));
    let stored = store.load().await.expect("loaded").healing;
    let stored: HealMemory = serde_json::from_str(&stored[&logical_id]).expect("a memory");
    assert_eq!(stored.quarantined, None);
    let filter = EventFilter { container: Some("web".to_owned()), limit: 100, ..EventFilter::default() };
    let told = store.events(&filter).await.expect("events");
    assert!(told.iter().any(|row| row.event.kind() == Some(EventKind::Released)), "{told:?}");
    controller.finish().await;
}

#[tokio::test]
async fn what_a_service_that_is_gone_was_told_is_forgotten_and_no_end_is_billed_to_it() {
    use crate::reconcile::billing::Follower;

    let directory = tempfile::tempdir().expect("a directory");
    let store = Arc::new(Sqlite::open(&directory.path().join("p.db")).await.expect("a store"));
    let container: Container = serde_json::from_value(serde_json::json!({
        "key": {"engine": "local", "id": "aaaaaaaaaaaa1111"}, "name": "web", "image": "nginx", "state": "running",
        "created": 1, "started": 2,
    }))
    .expect("a container");
    let key = container.key.clone();
    let mut record = crate::reconcile::record::Record::of_container(&container, Nanos(1));
    record.host = "box".to_owned();
    for target in ["gone", "kept"] {
        let follower = Follower { told: true, open: ["s:2".to_owned()].into(), ..Follower::default() };
        record.followers.insert(target.to_owned(), follower);
    }
    let records = vec![Arc::new(record)];
    store.commit(&[ChangeSet { records, ..ChangeSet::default() }]).await.expect("committed");
    let (_keep, receiver) = watch::channel(Arc::default());
    let controller =
        Controller::start(store.clone(), receiver, Guard::default()).await.expect("a controller");
    assert!(controller.shared.forget_follower("gone").await);
    let stored = store.record(&key).await.expect("a record").expect("a record");
    assert_eq!(stored.followers.keys().collect::<Vec<_>>(), ["kept"]);
    let known = controller.shared.record(&key).expect("a record");
    assert_eq!(known.followers, stored.followers);
    controller.finish().await;
}
