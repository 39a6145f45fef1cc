//! A Portreeve with something of everything in it: objects of files and of the API, containers, events, and deliveries
//! in every state.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use hyper::Method;
use portreeve::config::tokens::{self, Role};
use portreeve::manifest::parse;
use portreeve::observed::{ContainerKey, Nanos};
use portreeve::reconcile::discovery::Wanted;
use portreeve::reconcile::heal::{HealMemory, Quarantine};
use portreeve::reconcile::lifecycle::EventName;
use portreeve::resource::KindId;
use portreeve::resource::event::EventKind;
use portreeve::store::{ChangeSet, EventLog, LaneKey, Settlement, Sqlite};
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

use crate::integration::fixtures::{self, commit};
use crate::support::fake_engine::{Container, FakeEngine};
use crate::support::portreeve::Portreeve;
use crate::support::{http, wait};

const V1: &str = "/apis/portreeve/v1";
/// The engine that is watched, and a container on it.
const ENGINE: &str = "kind: DockerHost\nmetadata: {name: local}\nspec: {endpoint: ";
const WEB: &str = "web";
/// A Billing Service that is declared no more.
const GONE: &str = "gone";
/// Kinds of which the examples have none, or none that can be in force here.
const MORE: &str = "apiVersion: portreeve/v1
kind: DockerHost
metadata: {name: main}
spec: {endpoint: unix:///nowhere/docker.sock, address: 127.0.0.1}
---
apiVersion: portreeve/v1
kind: Settings
metadata: {name: portreeve}
spec: {resync: 5m}
";

pub struct Scene {
    pub portreeve: Portreeve,
    /// A token that may only read, if tokens are asked for.
    pub viewer: Option<String>,
    editor: Option<String>,
    _engine: FakeEngine,
}

impl Scene {
    pub async fn new(with_tokens: bool) -> Self {
        let engine = FakeEngine::start();
        let now = i64::try_from(jiff::Timestamp::now().as_nanosecond()).expect("nanoseconds");
        for (n, name) in [(1, WEB), (2, "old")] {
            let (created, started) = (now - 9_000_000_000, now - 8_000_000_000);
            let finished = if n == 1 { 0 } else { started + 1_000_000_000 };
            let name = name.to_owned();
            let running = n == 1;
            let container = Container { name, created, started, finished, running, ..Container::default() };
            engine.show(&fixtures::container(n).id, Some(container));
        }
        let mut portreeve = Portreeve::new(env!("CARGO_BIN_EXE_portreeve")).arg("--observe");
        if !with_tokens {
            portreeve = portreeve.arg("--anonymous").arg("edit");
        }
        remember(&portreeve.state_dir()).await;
        let token = |role| {
            let path = tokens::path(&portreeve.state_dir());
            let (_, token) = tokens::create(&path, role, None).expect("a token");
            with_tokens.then(|| token.expose_secret().to_owned())
        };
        let (viewer, editor) =
            if with_tokens { (token(Role::View), token(Role::Edit)) } else { (None, None) };
        portreeve.manifest(
            "engine.yaml",
            &format!("apiVersion: portreeve/v1\n{ENGINE}'{}'}}\n", engine.endpoint()),
        );
        let examples = examples();
        for (place, text) in examples.iter().enumerate() {
            portreeve.manifest(&format!("{place}.yaml"), text);
        }
        portreeve.start().await;
        let scene = Self { portreeve, viewer, editor, _engine: engine };
        scene.write_two_of_every_kind(&examples).await;
        scene
    }

    /// What the files declare, twice more through the API.
    async fn write_two_of_every_kind(&self, examples: &[String]) {
        let mut written = BTreeSet::new();
        for text in examples.iter().map(String::as_str).chain([MORE]) {
            for loaded in parse("example.yaml", text.as_bytes()).objects {
                let kind = loaded.object.spec.kind();
                if !written.insert(kind) {
                    continue;
                }
                for name in [kind.only().unwrap_or("main"), kind.only().unwrap_or("spare")] {
                    let object = json!({
                        "apiVersion": "portreeve/v1", "kind": kind,
                        "metadata": {"name": name, "labels": {"tier": "web"}}, "spec": loaded.object.spec,
                    });
                    let path = format!("{V1}/{}/{name}", kind.plural());
                    let answer = self.ask(Method::PUT, &path, &object.to_string()).await;
                    assert!(matches!(answer.status, 200 | 201), "{}", answer.body);
                }
            }
        }
        assert_eq!(written.len(), KindId::ALL.len(), "{written:?}");
    }

    async fn ask(&self, method: Method, path: &str, body: &str) -> http::Response {
        let bearer = self.editor.as_ref().map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
        http::request(method, &self.portreeve.url(path), &headers, body).await.expect("an answer")
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.ask(Method::GET, path, "").await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.json()
    }

    pub async fn document(&self) -> Value {
        self.get("/openapi.json").await
    }

    /// Every collection, with its items.
    pub async fn collections(&self) -> BTreeMap<String, Vec<Value>> {
        let mut collections = BTreeMap::new();
        for resource in self.get(V1).await["resources"].as_array().expect("resources") {
            let plural = resource["name"].as_str().expect("a name");
            let list = self.get(&format!("{V1}/{plural}")).await;
            collections.insert(plural.to_owned(), list["items"].as_array().expect("items").clone());
        }
        collections
    }

    /// Every declared object, without its status and the version, which rises with the status.
    pub async fn objects(&self) -> Vec<(Value, Value)> {
        let items = self.collections().await.into_values().flatten();
        let declared = items.filter(|item| item["kind"].is_string() && item["spec"].is_object());
        let metadata = |item: &Value| {
            let mut metadata = item["metadata"].clone();
            metadata.as_object_mut().expect("an object").remove("resourceVersion");
            metadata
        };
        declared.map(|item| (metadata(&item), item["spec"].clone())).collect()
    }

    /// What `tests/openapi/hooks.py` is told of it.
    pub async fn there(&self) -> Value {
        let (mut names, mut main, mut objects) = (Map::new(), Map::new(), Map::new());
        let mut skipped = Value::Null;
        for (plural, mut items) in self.collections().await {
            let best = |item: &&Value| {
                let name = item["metadata"]["name"].as_str().expect("a name");
                // What was declared through the API, the container in quarantine, and what is parked for nobody.
                [KindId::Settings.only().unwrap_or_default(), "main", WEB].contains(&name)
                    || item["target"] == GONE
            };
            let name = |item: &Value| item["metadata"]["name"].clone();
            // What is parked for nobody is kept apart once more: it is to be skipped, and nothing else frees it before.
            if let Some(spare) = items.iter().rposition(|item| item["target"] == GONE) {
                skipped = name(&items.remove(spare));
            }
            if let Some(item) = items.iter().find(best) {
                main.insert(plural.clone(), name(item));
                objects.insert(plural.clone(), item.clone());
            }
            names.insert(plural, items.iter().map(name).collect());
        }
        json!({"names": names, "main": main, "objects": objects, "skipped": skipped})
    }

    /// It answers, and nothing in it panicked.
    pub async fn is_well(&self) {
        assert_eq!(self.portreeve.get("/livez").await.expect("an answer").status, 200);
        let log = self.portreeve.lines();
        let panics: Vec<_> = log.iter().filter(|line| line.contains("panicked")).collect();
        assert!(panics.is_empty(), "{panics:?}");
    }
}

/// A Portreeve that answers and watches nothing.
pub async fn bare() -> Portreeve {
    let mut portreeve =
        Portreeve::new(env!("CARGO_BIN_EXE_portreeve")).docker_host("unix:///nowhere/docker.sock");
    portreeve.spawn();
    wait::until("it answers", wait::SOON, || async { portreeve.get("/livez").await.map(drop) }).await;
    portreeve
}

/// Bills of three lanes that are parked, one delivered, one pending, a discovery state, an event, and a container in
/// quarantine.
async fn remember(state: &Path) {
    let store = Sqlite::open(&state.join("portreeve.db")).await.expect("a store");
    let (web, old) = (fixtures::container(1), fixtures::container(2));
    let bill = fixtures::bill;
    let quarantined =
        Some(Quarantine { since: Nanos(1), why: "its budget is spent".to_owned(), image: String::new() });
    let memory = HealMemory { quarantined, ..HealMemory::default() };
    let enqueued = ChangeSet {
        outbox: fixtures::rows(vec![
            bill("billing", &web, EventName::Started, 1),
            bill("billing", &web, EventName::Stopped, 1),
            bill("billing", &old, EventName::Started, 1),
            bill(GONE, &web, EventName::Started, 1),
            bill(GONE, &old, EventName::Started, 1),
        ]),
        cells: vec![(LaneKey::discovery("discovery", &web), Wanted::Down)],
        healing: vec![(format!("local/name/{WEB}"), Some(serde_json::to_string(&memory).expect("a memory")))],
        at: Nanos(1_000_000_000),
        ..fixtures::local()
    };
    commit(&store, enqueued).await;
    store.append(&[fixtures::event(5, EventKind::Start, "it started")]).await.expect("appended");
    let parked = |target: &str, container: &ContainerKey| Settlement::LaneParked {
        lane: LaneKey::billing(target, container),
        error: "HTTP 422".to_owned(),
    };
    let settled = vec![
        Settlement::Delivered { lane: LaneKey::billing("billing", &web), seq: 1 },
        parked("billing", &web),
        parked(GONE, &web),
        parked(GONE, &old),
    ];
    commit(&store, ChangeSet { settled, at: Nanos(2_000_000_000), ..fixtures::local() }).await;
}

/// The text of every manifest below `examples`, but for engines: this scene has its own.
fn examples() -> Vec<String> {
    let mut open = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples")];
    let mut texts = BTreeMap::new();
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                let text = std::fs::read_to_string(&path).expect("text");
                let ours = text.contains("apiVersion: portreeve/") && !text.contains("kind: DockerHost");
                drop(ours.then(|| texts.insert(path, text)));
            }
        }
    }
    texts.into_values().collect()
}
