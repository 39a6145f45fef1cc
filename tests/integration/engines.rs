//! Engines that are declared, declared otherwise, and declared no longer; whose clocks go as they like.

use std::sync::Arc;

use portreeve::controller::Controller;
use portreeve::desired::{Desired, Sources};
use portreeve::guard::Guard;
use portreeve::manifest::draft;
use portreeve::observed::{ContainerKey, Engine, Nanos, Shard};
use portreeve::resource::{KindId, Object, ObjectKey, Origin};
use portreeve::store::{ChangeSet, EventFilter, EventLog, EventRow, Ledger, Sqlite};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::sync::watch;

use crate::support::fake_engine::{Container, FakeEngine};
use crate::support::portreeve::Portreeve;
use crate::support::receiver::{Options, Receiver};
use crate::support::wait;

mod deleted;

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
    /// Where the store is.
    pub(super) fn path(&self) -> std::path::PathBuf {
        self.home.path().join("portreeve.db")
    }

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
        self.controller.view().world().engines.get(name).cloned()
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
    let words = scene.controller.view().services();
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

pub(super) fn running(name: &str) -> Container {
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

/// Waits until everything is processed.
async fn idle(scene: &Scene) {
    wait::until("nothing waits", wait::SOON, || async {
        let depth = scene.controller.view().queue_depth();
        wait::is(depth == (0, 0), depth)
    })
    .await;
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
    let old = ChangeSet { records: vec![record.into()], ..ChangeSet::of(Shard::Engine("e".into())) };
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
