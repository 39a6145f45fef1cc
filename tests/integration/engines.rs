//! Engines that are declared, declared otherwise, and declared no longer; whose clocks go as they like.

use std::sync::Arc;

use portreeve::controller::Controller;
use portreeve::desired::{Desired, Sources};
use portreeve::guard::Guard;
use portreeve::manifest::draft;
use portreeve::observed::{ContainerKey, Engine, Nanos};
use portreeve::resource::{KindId, Object, ObjectKey, Origin};
use portreeve::store::{ChangeSet, EventFilter, EventRow, Sqlite, Store};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::sync::watch;

use crate::support::fake_engine::{Container, FakeEngine};
use crate::support::portreeve::Portreeve;
use crate::support::receiver::{Options, Receiver};
use crate::support::wait;

pub(super) const SECOND: i64 = 1_000_000_000;

pub(super) fn id(letter: &str) -> String {
    letter.repeat(64)
}

pub(super) fn now() -> i64 {
    i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap()
}

pub(super) fn object(kind: &str, name: &str, spec: Value) -> Object {
    let document =
        json!({"apiVersion": "portreeve/v1", "kind": kind, "metadata": {"name": name}, "spec": spec});
    draft(document, Origin::Api).expect("an object").object
}

pub(super) fn host(name: &str, engine: &FakeEngine) -> Object {
    object("DockerHost", name, json!({"endpoint": engine.endpoint()}))
}

fn desired(objects: &[Object]) -> Arc<Desired> {
    let hosts = objects.iter().filter(|object| object.spec.kind() == KindId::DockerHost);
    assert!(hosts.count() > 0, "it would watch, and heal on, the engine of this machine");
    Arc::new(Desired::of(Sources { api: objects, ..Sources::default() }))
}

/// What decides and acts, without faces.
pub(super) struct Scene {
    home: TempDir,
    pub store: Arc<Sqlite>,
    tell: watch::Sender<Arc<Desired>>,
    pub controller: Controller,
}

impl Scene {
    pub(super) async fn start(objects: &[Object]) -> Self {
        Self::start_in(TempDir::new().unwrap(), objects).await
    }

    async fn start_in(home: TempDir, objects: &[Object]) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let store = Arc::new(Sqlite::open(&home.path().join("portreeve.db")).await.unwrap());
        let (tell, receiver) = watch::channel(desired(objects));
        let controller = Controller::start(store.clone(), receiver, Guard::default()).await.unwrap();
        Self { home, store, tell, controller }
    }

    /// Ends it properly, has `change` done to its store, and starts it anew on what is stored.
    async fn restart(self, objects: &[Object], change: Option<ChangeSet>) -> Self {
        let Self { home, store, tell, controller } = self;
        controller.finish().await;
        store.commit(change.as_slice()).await.unwrap();
        drop((store, tell));
        Self::start_in(home, objects).await
    }

    /// From now on this is declared, and nothing else.
    pub(super) fn declare(&self, objects: &[Object]) {
        self.tell.send(desired(objects)).unwrap();
    }

    pub(super) fn engine(&self, name: &str) -> Option<Engine> {
        self.controller.shared.world().engines.get(name).cloned()
    }

    pub(super) async fn connected(&self, name: &str, connected: bool) {
        wait::until(&format!("{name} connected: {connected}"), wait::SOON, || async {
            let engine = self.engine(name);
            wait::is(engine.as_ref().is_some_and(|engine| engine.connected == connected), engine)
        })
        .await;
    }

    pub(super) async fn events(&self, event_type: &str) -> Vec<EventRow> {
        let filter =
            EventFilter { event_type: Some(event_type.to_owned()), limit: 100, ..EventFilter::default() };
        self.store.events(&filter).await.unwrap()
    }

    pub(super) async fn told(&self, event_type: &str) -> Vec<EventRow> {
        wait::until(&format!("an event {event_type}"), wait::SOON, || async {
            let events = self.events(event_type).await;
            if events.is_empty() { Err("none") } else { Ok(events) }
        })
        .await
    }
}

#[tokio::test]
async fn that_no_container_is_there_waits_only_for_engines_on_which_one_can_be() {
    let mut engine = FakeEngine::start();
    let away = object("DockerHost", "away", json!({"endpoint": "unix:///nowhere/docker.sock"}));
    let service = |name: &str, selector: Value| {
        object(
            "MonitoredService",
            name,
            json!({"selector": selector, "probes": [{"name": "port", "tcpSocket": {"port": 80}}]}),
        )
    };
    let here = service("here", json!({"names": ["web"], "hosts": ["near"]}));
    let anywhere = service("anywhere", json!({"names": ["web"]}));
    let scene = Scene::start(&[host("near", &engine), away, here, anywhere]).await;
    let _feed = engine.subscribed().await;
    let down = scene.told("ServiceDown").await;
    assert_eq!(down[0].event.container_name, "here");
    let words = scene.controller.shared.services();
    let words: Vec<_> = words.iter().map(|(name, state)| (name.as_str(), state.health.as_str())).collect();
    assert_eq!(words, [("anywhere", "unknown"), ("here", "not_found")]);
    scene.controller.finish().await;
}

#[tokio::test]
async fn an_engine_that_is_declared_otherwise_is_not_connected_before_it_was_read() {
    let mut engine = FakeEngine::start();
    let home = TempDir::new().unwrap();
    // Whoever connects gets no answer.
    let _silent = UnixListener::bind(home.path().join("silent.sock")).unwrap();
    let endpoint = format!("unix://{}", home.path().join("silent.sock").display());
    let scene = Scene::start(&[host("e", &engine)]).await;
    let _feed = engine.subscribed().await;
    scene.connected("e", true).await;
    scene.declare(&[object("DockerHost", "e", json!({"endpoint": endpoint}))]);
    scene.connected("e", false).await;
    assert_eq!(scene.engine("e").unwrap().error, None, "nobody has failed yet");
    scene.controller.finish().await;
}

#[tokio::test]
async fn a_clock_of_the_engine_that_steps_back_while_it_is_listened_to_is_no_gap() {
    let mut engine = FakeEngine::start();
    engine.clock_ahead(3600);
    let settings = object("Settings", "portreeve", json!({"resync": "1s"}));
    let scene = Scene::start(&[host("e", &engine), settings]).await;
    let mut feed = engine.subscribed().await;
    let early = now() + 3600 * SECOND;
    let run = |name: &str, started: i64| Container {
        name: name.to_owned(),
        created: started,
        started,
        running: true,
        ..Container::default()
    };
    engine.show(&id("a"), Some(run("early", early)));
    feed.event(&id("a"), "early", "start", early).await;
    wait::until("it is entered", wait::SOON, || async {
        let events = scene.events("start").await;
        wait::is(events.len() == 1, events)
    })
    .await;
    engine.clock_ahead(0);
    // What no event tells of has the stream renewed, and the clock measured.
    engine.show(&id("b"), Some(run("later", now())));
    let renewed = engine.subscribed().await;
    wait::until("it is entered, too", wait::SOON, || async {
        let events = scene.events("start").await;
        wait::is(events.len() == 2, events)
    })
    .await;
    assert_eq!(scene.engine("e").unwrap().clock_ahead / SECOND, 0);
    drop((feed, renewed));
    let _again = engine.subscribed().await;
    // What the contact has to tell is stored before this is.
    engine.show(&id("c"), Some(run("last", now())));
    wait::until("it is entered after the contact", wait::SOON, || async {
        let events = scene.events("start").await;
        wait::is(events.len() == 3, events)
    })
    .await;
    let gaps = scene.events("gap").await;
    let invented: Vec<_> = gaps.iter().filter(|row| row.event.message.contains("clock went back")).collect();
    assert!(invented.is_empty(), "{invented:?}");
    scene.controller.finish().await;
}

#[tokio::test]
async fn a_clean_stop_warns_of_nothing() {
    let mut engine = FakeEngine::start();
    let portreeve = Portreeve::new(env!("CARGO_BIN_EXE_portreeve"));
    let mut portreeve = portreeve.docker_host(&engine.endpoint()).arg("--observe");
    let started = now();
    let web = Container {
        name: "web".to_owned(),
        created: started,
        started,
        running: true,
        ..Container::default()
    };
    engine.show(&id("a"), Some(web));
    portreeve.start().await;
    let _feed = engine.subscribed().await;
    portreeve.wait_line("Container aaaaaaaa").await;
    let before = portreeve.lines().len();
    assert!(portreeve.terminate().await.success());
    portreeve.wait_line("stopped").await;
    let warned: Vec<_> =
        portreeve.lines().into_iter().skip(before).filter(|line| line.contains("WARN")).collect();
    assert_eq!(warned, Vec::<String>::new());
}

fn away() -> Object {
    object("DockerHost", "away", json!({"endpoint": "unix:///nowhere/docker.sock"}))
}

fn registry(name: &str, receiver: &Receiver, more: &[(&str, &str)]) -> Object {
    let mut spec = json!({"url": receiver.discovery.url()});
    more.iter().for_each(|(field, value)| spec[field] = (*value).into());
    object("DiscoveryRegistry", name, spec)
}

fn running(name: &str) -> Container {
    let started = now();
    Container { name: name.to_owned(), created: started, started, running: true, ..Container::default() }
}

/// Waits until so many containers are in the registry.
async fn registered(receiver: &Receiver, number: usize) {
    wait::until(&format!("{number} are registered"), wait::SOON, || async {
        receiver.look(|state| wait::is(state.registry.len() == number, state.registry.len()))
    })
    .await;
}

/// Waits until nothing waits to be decided on.
async fn idle(scene: &Scene) {
    wait::until("nothing waits", wait::SOON, || async {
        let depth = scene.controller.shared.queue_depth();
        wait::is(depth == (0, 0), depth)
    })
    .await;
}

#[tokio::test]
async fn the_containers_of_a_host_that_is_deleted_are_registered_no_more_and_nothing_waits_for_it() {
    let mut engine = FakeEngine::start();
    let receiver = Receiver::start(Options::default()).await.unwrap();
    let reg = registry("d", &receiver, &[]);
    let scene = Scene::start(&[host("e", &engine), away(), reg.clone()]).await;
    engine.show(&id("a"), Some(running("web")));
    let mut feed = engine.subscribed().await;
    scene.connected("e", true).await;
    registered(&receiver, 1).await;
    // What cannot be inspected any more is tried again and again, while there is a host to ask.
    let held = engine.hold_inspects().await;
    feed.event(&id("a"), "web", "unpause", now()).await;
    feed.flush().await;
    drop((feed, engine, held));
    scene.connected("e", false).await;
    assert!(scene.controller.shared.queue_depth().0 > 0, "it waits for the engine");
    scene.declare(&[away(), reg.clone()]);
    registered(&receiver, 0).await;
    idle(&scene).await;
    // Nor does it come back with a start.
    let scene = scene.restart(&[away(), reg], None).await;
    idle(&scene).await;
    assert!(receiver.look(|state| state.registry.is_empty()));
    receiver.state().assert_clean();
    scene.controller.finish().await;
}

#[tokio::test]
async fn the_containers_of_a_host_that_is_deleted_stay_registered_where_it_says_so() {
    let mut engine = FakeEngine::start();
    let receiver = Receiver::start(Options::default()).await.unwrap();
    let reg = registry("d", &receiver, &[]);
    let kept = object("DockerHost", "e", json!({"endpoint": engine.endpoint(), "deletionPolicy": "retain"}));
    let mut other = FakeEngine::start();
    let scene = Scene::start(&[kept, host("o", &other), reg.clone()]).await;
    engine.show(&id("a"), Some(running("web")));
    other.show(&id("b"), Some(running("db")));
    let _feeds = (engine.subscribed().await, other.subscribed().await);
    registered(&receiver, 2).await;
    scene.declare(&[away(), reg.clone()]);
    registered(&receiver, 1).await;
    let scene = scene.restart(&[away(), reg], None).await;
    idle(&scene).await;
    assert!(receiver.look(|state| state.registry.contains_key(&id("a"))));
    receiver.state().assert_clean();
    scene.controller.finish().await;
}

#[tokio::test]
async fn what_is_billed_of_a_host_that_was_deleted_meanwhile_names_it() {
    let mut engine = FakeEngine::start();
    let service = object("BillingService", "b", json!({"url": "http://127.0.0.1:1"}));
    let scene = Scene::start(&[host("e", &engine), away(), service.clone()]).await;
    let web = running("web");
    engine.show(&id("a"), Some(web.clone()));
    let mut feed = engine.subscribed().await;
    scene.connected("e", true).await;
    idle(&scene).await;
    let held = engine.hold_inspects().await;
    engine.show(&id("a"), Some(Container { running: false, finished: now(), ..web }));
    feed.event(&id("a"), "web", "die", now()).await;
    feed.flush().await;
    // The inspect is on its way.
    wait::until("it is worked on", wait::SOON, || async {
        let depth = scene.controller.shared.queue_depth();
        wait::is(depth.0 == 1 && depth.1 == 0, depth)
    })
    .await;
    scene.declare(&[away(), service]);
    wait::until("it is forgotten", wait::SOON, || async {
        let engine = scene.engine("e");
        wait::is(engine.is_none(), engine)
    })
    .await;
    drop(held);
    let bodies = wait::until("its end is billed", wait::SOON, || async {
        let lanes = scene.store.due_lanes("b", Nanos(i64::MAX), &[], 9).await.unwrap();
        let bills = lanes.iter().flat_map(|lane| &lane.bills);
        let bodies: Vec<_> = bills.map(|bill| String::from_utf8_lossy(&bill.body).into_owned()).collect();
        if bodies.len() == 2 { Ok(bodies) } else { Err(format!("{bodies:?}")) }
    })
    .await;
    assert!(bodies.iter().all(|body| body.contains(r#""host":"fake-host""#)), "{bodies:?}");
    scene.controller.finish().await;
}

#[tokio::test]
async fn a_registry_that_is_deleted_is_told_while_portreeve_runs_and_at_its_next_start() {
    let mut engine = FakeEngine::start();
    let (gone, kept) = (
        Receiver::start(Options::default()).await.unwrap(),
        Receiver::start(Options::default()).await.unwrap(),
    );
    let of = |name: &str| registry(name, &gone, &[]);
    let retain = registry("kept", &kept, &[("deletionPolicy", "retain")]);
    let near = host("e", &engine);
    let scene = Scene::start(&[near.clone(), of("d"), retain.clone()]).await;
    engine.show(&id("a"), Some(running("web")));
    let feed = engine.subscribed().await;
    registered(&gone, 1).await;
    registered(&kept, 1).await;
    scene.declare(std::slice::from_ref(&near));
    let told = scene.told("Deregistered").await;
    assert_eq!(told[0].event.message, "DiscoveryRegistry/d is deleted, and its registrations are taken out");
    assert!(gone.look(|state| state.registry.is_empty()));
    // It may come back.
    scene.declare(&[near.clone(), of("d"), retain]);
    registered(&gone, 1).await;
    // Deleted while nobody looked.
    let scene = scene.restart(&[near], None).await;
    drop(feed);
    wait::until("it is told", wait::SOON, || async {
        let told = scene.events("Deregistered").await;
        wait::is(told.len() == 2, told)
    })
    .await;
    assert!(gone.look(|state| state.registry.is_empty()));
    assert_eq!(scene.store.load().await.unwrap().last_specs, [].into());
    assert!(kept.look(|state| state.registry.contains_key(&id("a"))), "it says so");
    gone.state().assert_clean();
    kept.state().assert_clean();
    scene.controller.finish().await;
}

#[tokio::test]
async fn a_deleted_registry_that_cannot_be_told_is_given_up_and_named() {
    let mut engine = FakeEngine::start();
    let nobody = object("DiscoveryRegistry", "d", json!({"url": "http://127.0.0.1:1"}));
    let scene = Scene::start(&[host("e", &engine), nobody]).await;
    engine.show(&id("a"), Some(running("web")));
    let feed = engine.subscribed().await;
    wait::until("it is to be registered", wait::SOON, || async {
        let (_, cells) = scene.store.depths().await.unwrap();
        wait::is(cells.get("d").is_some_and(|cells| cells.pending == 1 && cells.last_error.is_some()), cells)
    })
    .await;
    // As if it had been deleted long ago.
    let key = ObjectKey { kind: KindId::DiscoveryRegistry, name: "d".to_owned() };
    let document = json!({"registry": {"url": "http://127.0.0.1:1"}, "gone": 1}).to_string();
    let long_ago = ChangeSet { last_specs: vec![(key, Some(document))], ..ChangeSet::default() };
    let scene = scene.restart(&[host("e", &engine)], Some(long_ago)).await;
    drop(feed);
    let told = scene.told("DeregistrationFailed").await;
    let message = &told[0].event.message;
    let says =
        "DiscoveryRegistry/d is deleted and was not told within 10 minutes; 1 registration may stay there: ";
    assert!(message.starts_with(says), "{message}");
    let (_, cells) = scene.store.depths().await.unwrap();
    assert!(cells.is_empty(), "{cells:?}");
    assert_eq!(scene.store.load().await.unwrap().last_specs, [].into());
    scene.controller.finish().await;
}

/// Since when something is unknown.
fn unknown_since(message: &str) -> jiff::Timestamp {
    let (_, bounds) = message.split_once("between ").unwrap_or_else(|| panic!("{message}"));
    bounds.split(' ').next().unwrap().parse().unwrap_or_else(|error| panic!("{message}: {error}"))
}

#[tokio::test]
async fn what_came_and_went_after_a_proper_end_is_unknown_from_then_on_and_no_longer() {
    let mut engine = FakeEngine::start();
    let near = host("e", &engine);
    let scene = Scene::start(std::slice::from_ref(&near)).await;
    engine.show(&id("a"), Some(running("web")));
    let feed = engine.subscribed().await;
    scene.connected("e", true).await;
    idle(&scene).await;
    // As if nothing had happened to it for years.
    let key = ContainerKey::new("e", id("a"));
    let mut record = scene.store.record(&key).await.unwrap().expect("a record");
    record.last_known = Nanos(SECOND);
    let old = ChangeSet { records: vec![Arc::new(record)], ..ChangeSet::default() };
    engine.show(&id("a"), None);
    let before = jiff::Timestamp::now();
    let scene = scene.restart(&[near], Some(old)).await;
    drop(feed);
    let _feed = engine.subscribed().await;
    wait::until("its removal is told", wait::SOON, || async {
        let removed = scene.events("remove").await;
        wait::is(removed.len() == 1, removed)
    })
    .await;
    let gaps = scene.told("gap").await;
    for gap in &gaps {
        let since = unknown_since(&gap.event.message);
        assert!(since >= before - jiff::SignedDuration::from_secs(2), "{}", gap.event.message);
    }
    scene.controller.finish().await;
}
