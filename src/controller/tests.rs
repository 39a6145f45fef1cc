//! The controller without an engine.

pub(super) mod lamp;

use super::*;
use crate::desired::Sources;
use crate::guard::Guard;
use crate::observed::{Container, ContainerKey, Nanos};
use crate::reconcile::heal::HealMemory;
use crate::resource::docker_host::DockerHostSpec;
use crate::resource::event::EventKind;
use crate::resource::{Object, Origin};
use crate::store::{ChangeSet, EventFilter, EventLog, Ledger, RecordChange, Sqlite};

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
        ..ChangeSet::of(Shard::Engine("local".into()))
    };
    store.commit(&[memory]).await.expect("committed");
    let spec = serde_json::from_str::<DockerHostSpec>(r#"{"endpoint":"unix:///nowhere/docker.sock"}"#);
    let hosts = [Object::new("local", Origin::Environment, spec.expect("a host"))];
    let desired = Desired::of(Sources { environment: &hosts, ..Sources::default() });
    let (_keep, receiver) = watch::channel(Arc::new(desired));
    let controller =
        Controller::start(store.clone(), receiver, Guard::default()).await.expect("a controller");
    let parts = controller.parts.clone();
    let key: ContainerKey = container.key.clone();
    let logical_id = container.logical_id();
    let record = crate::reconcile::record::Record::of_container(&container, Nanos(1));
    parts.records.put(Arc::new(record));
    parts.world.change(|world| world.containers.insert(Arc::new(container)));
    let held = parts.memories.get(&logical_id).expect("a memory");
    assert!(held.quarantined.is_some());

    assert!(controller.requests().release(&key, "token ci").await);
    let memory = parts.memories.get(&logical_id).expect("a memory");
    assert_eq!((&memory.quarantined, memory.streak), (&None, 0));
    let stored = store.load(&Shard::Engine("local".into())).await.expect("loaded").healing;
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
    let records = vec![RecordChange::from(record)];
    store
        .commit(&[ChangeSet { records, ..ChangeSet::of(Shard::Engine("local".into())) }])
        .await
        .expect("committed");
    let (_keep, receiver) = watch::channel(Arc::default());
    let controller =
        Controller::start(store.clone(), receiver, Guard::default()).await.expect("a controller");
    assert!(controller.requests().forget_follower("gone").await);
    let stored = store.record(&key).await.expect("a record").expect("a record");
    assert_eq!(stored.followers.keys().collect::<Vec<_>>(), ["kept"]);
    let known = controller.parts.records.get(&key).expect("a record");
    assert_eq!(known.followers, stored.followers);
    controller.finish().await;
}

/// A controller with nothing declared, and its store.
async fn started() -> (Controller, Arc<Sqlite>, tempfile::TempDir, watch::Sender<Arc<Desired>>) {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Arc::new(Sqlite::open(&directory.path().join("p.db")).await.expect("a store"));
    let (keep, receiver) = watch::channel(Arc::default());
    let controller =
        Controller::start(store.clone(), receiver, Guard::default()).await.expect("a controller");
    (controller, store, directory, keep)
}

async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let waiting = async {
        while !is() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), waiting).await.is_ok(), "never: {what}");
}

#[tokio::test]
async fn another_reconciler_is_a_file_and_a_line() {
    let (controller, store, _directory, _keep) = started().await;
    let (name, queue): (Arc<str>, _) = ("hall".into(), &controller.parts.queue);
    let burnt = || crate::locked::locked(&lamp::BURNT).get(&*name).cloned().unwrap_or_default();
    let burn = |until: i64| {
        let until = Nanos(crate::clock::now().0 + until);
        crate::locked::locked(&lamp::WANTED).insert(name.clone(), until);
        queue.add(key::Key::Lamp(name.clone()), work::Work::default());
    };
    burn(3_600_000_000_000);
    until("it burns", || burnt() == [true]).await;
    burn(200_000_000);
    until("its time is over", || burnt() == [true, false]).await;
    controller.finish().await;
    let stored = store.load(&Shard::Fleet).await.expect("loaded").services;
    assert_eq!(stored.get("hall").map(String::as_str), Some(r#"{"burns": false}"#));
}

#[tokio::test]
async fn one_that_panics_is_set_aside_and_told_of_and_all_others_go_on() {
    let (controller, store, _directory, _keep) = started().await;
    let (bad, good): (Arc<str>, Arc<str>) = ("bomb".into(), "cellar".into());
    let later = Nanos(crate::clock::now().0 + 3_600_000_000_000);
    crate::locked::locked(&lamp::WANTED).extend([(bad.clone(), Nanos(-1)), (good.clone(), later)]);
    let queue = &controller.parts.queue;
    queue.add(key::Key::Lamp(bad.clone()), work::Work::default());
    queue.add(key::Key::Lamp(good.clone()), work::Work::default());
    let burns = |name: &Arc<str>| crate::locked::locked(&lamp::BURNT).get(name).cloned();
    until("the other one burns", || burns(&good) == Some(vec![true])).await;
    // It is tried again: once it is mended it burns, too.
    crate::locked::locked(&lamp::WANTED).insert(bad.clone(), later);
    until("it burns as well", || burns(&bad) == Some(vec![true])).await;
    let filter =
        EventFilter { event_type: Some("InternalError".to_owned()), limit: 9, ..EventFilter::default() };
    let told = store.events(&filter).await.expect("events");
    assert_eq!(told.len(), 1, "once for one fault: {told:?}");
    assert!(told[0].event.message.contains("lamp bomb panicked: "), "{}", told[0].event.message);
    controller.finish().await;
}

/// What files would declare so.
fn declared(yaml: &[serde_json::Value]) -> Arc<Desired> {
    let object = |document: &serde_json::Value| {
        crate::manifest::draft(document.clone(), Origin::Api).expect("an object").object
    };
    let objects: Vec<Object> = yaml.iter().map(object).collect();
    Arc::new(Desired::of(Sources { api: &objects, ..Sources::default() }))
}

fn service(name: &str, needs: &[&str]) -> serde_json::Value {
    serde_json::json!({"apiVersion": "portreeve/v1", "kind": "MonitoredService", "metadata": {"name": name}, "spec": {
        "selector": {"names": [name]}, "dependsOn": needs,
        "probes": [{"name": "port", "tcpSocket": {"port": 1}, "periodSeconds": 3600}]}})
}

/// A connected engine with a container of each name.
fn show(parts: &parts::Parts, names: &[&str]) {
    let engine = serde_json::json!({"connected": true, "host": "box", "version": "", "since": null, "last_list": null,
        "lastList": null});
    let engine = serde_json::from_value(engine).expect("an engine");
    parts.world.change(|world| Arc::make_mut(&mut world.engines).insert("local".into(), engine));
    for name in names {
        let container: Container = serde_json::from_value(serde_json::json!({
            "key": {"engine": "local", "id": name}, "name": name, "image": "i", "state": "running", "created": 1,
            "started": 2,
        }))
        .expect("a container");
        parts.show(Arc::new(container));
    }
}

/// A service whose only target was found unhealthy while it waited for another.
fn sick(parts: &parts::Parts, name: &str, waits_for: &str) {
    use crate::observed::{
        Checked, HealthWord, LastCheck, ProbeState, ProbeTarget, Standing, Streak, TargetState, Verdict,
    };

    let checked = Checked::Failed("connection refused".to_owned());
    let last = LastCheck { at: Nanos(1), millis: 1.0, checked, output: None };
    let streak = Streak { verdict: Verdict::Unhealthy, failures: 3, ..Streak::default() };
    let probe = ProbeState { streak, last: Some(last), asks: None };
    let target = TargetState {
        started: Some(Nanos(2)),
        probes: [("port".to_owned(), probe)].into(),
        health: HealthWord::Unhealthy,
        ..TargetState::default()
    };
    parts.health_cache.with(name, |state| {
        state.targets.insert(ProbeTarget::Container(ContainerKey::new("local", name)), target);
        (state.health, state.standing) = (HealthWord::Unhealthy, Standing::Down);
        state.waits_for = Some(waits_for.to_owned());
    });
}

#[tokio::test]
async fn what_failed_while_another_was_down_is_in_doubt_once_that_is_up_before_anything_is_healed() {
    use crate::observed::HealthWord;

    let directory = tempfile::tempdir().expect("a directory");
    let store = Arc::new(Sqlite::open(&directory.path().join("p.db")).await.expect("a store"));
    let (_keep, receiver) = watch::channel(declared(&[service("db", &[]), service("web", &["db"])]));
    let controller = Controller::start(store, receiver, Guard::default()).await.expect("a controller");
    let parts = controller.parts.clone();
    until("they are declared", || parts.service("web").is_some()).await;
    show(&parts, &["db", "web"]);
    sick(&parts, "web", "db");
    parts.queue.add(key::Key::service("web"), work::Work::default());
    let web = || parts.service("web").expect("a service");
    until("it waits for nothing", || web().waits_for.is_none()).await;
    until("its verdict is out", || web().health == HealthWord::Unknown).await;
    let word = web().targets.iter().map(|(_, target)| target.health).next();
    assert_eq!(word, Some(HealthWord::Unknown), "a container is healed for a target's verdict");
    controller.finish().await;
}

#[tokio::test]
async fn whatever_waits_for_a_service_that_is_deleted_waits_no_longer_however_far_up_it_stands() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Arc::new(Sqlite::open(&directory.path().join("p.db")).await.expect("a store"));
    let all = [service("db", &[]), service("queue", &["db"]), service("shop", &["queue"])];
    let (desired, receiver) = watch::channel(declared(&all));
    let controller = Controller::start(store, receiver, Guard::default()).await.expect("a controller");
    let parts = controller.parts.clone();
    until("they are declared", || parts.service("shop").is_some()).await;
    show(&parts, &["db", "queue", "shop"]);
    let seen = |name: &&str| parts.service(name).is_some_and(|state| !state.targets.is_empty());
    until("they are seen", || ["db", "queue", "shop"].iter().all(seen)).await;
    until("all is decided", || parts.queue.depth().0 == 0).await;
    sick(&parts, "db", "nothing");
    parts.health_cache.with("db", |state| state.waits_for = None);
    sick(&parts, "shop", "db");
    desired.send_replace(declared(&[service("queue", &[]), service("shop", &["queue"])]));
    until("shop waits for nothing", || parts.service("shop").is_some_and(|shop| shop.waits_for.is_none()))
        .await;
    controller.finish().await;
}

#[tokio::test]
async fn what_an_engine_answers_after_it_is_declared_no_longer_shows_nothing() {
    let (controller, _store, _directory, _keep) = started().await;
    let parts = controller.parts.clone();
    show(&parts, &["web"]);
    assert_eq!(parts.world.load().containers.len(), 1);
    parts.world.change(|world| {
        Arc::make_mut(&mut world.engines).remove("local");
        world.containers.remove(&ContainerKey::new("local", "web"));
    });
    let late: Container = serde_json::from_value(serde_json::json!({
        "key": {"engine": "local", "id": "web"}, "name": "web", "image": "i", "state": "running", "created": 1,
    }))
    .expect("a container");
    parts.show(Arc::new(late));
    assert!(parts.world.load().containers.is_empty());
    controller.finish().await;
}
