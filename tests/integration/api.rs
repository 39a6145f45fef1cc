//! The HTTP API over a real store and a controller whose engine cannot be reached.

mod browser;
mod deliveries;
mod documents;
mod lists;
mod refusals;
mod serving;
mod tokens;
mod watches;
mod wire;
mod writes;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use portreeve::api::{Access, Api, Peer};
use portreeve::catalogue::Catalogue;
use portreeve::controller::Controller;
use portreeve::desired::{Desired, Layers};
use portreeve::guard::Guard;
use portreeve::manifest::LoadedSet;
use portreeve::resource::docker_host::DockerHostSpec;
use portreeve::resource::{Object, Origin};
use portreeve::store::{Sqlite, Store};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

const V1: &str = "/apis/portreeve/v1";

/// A server that is asked without a network.
struct Server {
    api: Api,
    router: Router,
    store: Arc<dyn Store>,
    controller: Controller,
    catalogue: Arc<Catalogue>,
    directory: watch::Sender<Arc<LoadedSet>>,
    desired: watch::Receiver<Arc<Desired>>,
    stop: CancellationToken,
    /// Who asks: root over the socket, unless a test says otherwise.
    peer: Peer,
}

/// An answer.
struct Answer {
    code: StatusCode,
    headers: HeaderMap,
    body: Value,
}

fn environment(more: Vec<Object>) -> Vec<Object> {
    let spec: DockerHostSpec =
        serde_json::from_value(json!({"endpoint": "unix:///nowhere/docker.sock"})).expect("a host");
    [Object::new("local", Origin::Environment, spec)].into_iter().chain(more).collect()
}

impl Server {
    async fn new(directory: &Path) -> Self {
        Self::with(directory, Access::default(), Vec::new()).await
    }

    async fn with(directory: &Path, access: Access, more: Vec<Object>) -> Self {
        let store = Sqlite::open(&directory.join("portreeve.db")).await.expect("a store");
        Self::over(Arc::new(store), access, more).await
    }

    async fn over(store: Arc<dyn Store>, access: Access, more: Vec<Object>) -> Self {
        let layers = Layers { environment: environment(more).into(), ..Layers::default() };
        let catalogue = Catalogue::load(&*store, layers.clone()).await.expect("objects");
        let (directory, sets) = watch::channel(Arc::new(LoadedSet::default()));
        let desired = portreeve::run::desired(sets, catalogue.clone(), layers);
        let stop = CancellationToken::new();
        let controller =
            Controller::start(store.clone(), desired.clone(), Guard::default()).await.expect("a controller");
        tokio::spawn(
            catalogue.clone().keep(Arc::new(controller.requests().committer().clone()), stop.clone()),
        );
        let metrics = portreeve::metrics::install();
        let api = Api::new(controller.view(), controller.requests(), catalogue.clone(), metrics, access)
            .until(stop.clone());
        let (router, peer) = (api.clone().router(), Peer::Unix { uid: 0 });
        Self { api, router, store, controller, catalogue, directory, desired, stop, peer }
    }

    /// Declares `text` as a file of the configuration directory, and waits until it is in force.
    async fn declare(&mut self, file: &str, text: &str) {
        let parsed = portreeve::manifest::parse(file, text.as_bytes());
        assert!(parsed.problems.is_empty(), "{:?}", parsed.problems);
        let set = LoadedSet { objects: parsed.objects, problems: parsed.problems, ..LoadedSet::default() };
        self.desired.borrow_and_update();
        self.directory.send_replace(Arc::new(set));
        self.desired.changed().await.expect("a change");
    }

    async fn raw(&self, mut request: Request<Body>) -> axum::response::Response {
        request.extensions_mut().insert(self.peer);
        self.router.clone().oneshot(request).await.expect("an answer")
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.raw(request.body(Body::from(body)).expect("a request")).await;
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 64 << 20).await.expect("a body");
        let text = String::from_utf8(bytes.to_vec()).expect("text");
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answer { code: parts.status, headers: parts.headers, body }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send("GET", &format!("{V1}/{path}"), &[], Vec::new()).await
    }

    async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send("PUT", &format!("{V1}/{path}"), &[], body.to_string().into_bytes()).await
    }

    async fn patch(&self, path: &str, body: &Value) -> Answer {
        let headers = [("content-type", "application/merge-patch+json")];
        self.send("PATCH", &format!("{V1}/{path}"), &headers, body.to_string().into_bytes()).await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", &format!("{V1}/{path}"), &[], Vec::new()).await
    }

    async fn post(&self, path: &str) -> Answer {
        self.send("POST", &format!("{V1}/{path}"), &[], Vec::new()).await
    }

    /// Stops everything, so that the store can be opened again.
    async fn finish(self) {
        let Self { api, router, store: _, controller, catalogue, directory, desired, stop, peer: _ } = self;
        stop.cancel();
        // Whoever could still write keeps the store open.
        drop((api, router));
        controller.finish().await;
        drop((catalogue, directory, desired));
    }
}

/// Somebody on this machine, over TCP.
const LOOPBACK: Peer = Peer::Tcp(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9));

impl Answer {
    /// The `Status` of a refusal: code, reason and message.
    fn refusal(&self) -> (u16, &str, &str) {
        assert_eq!(self.body["kind"], "Status", "{}", self.body);
        assert_eq!(self.body["apiVersion"], "v1");
        assert_eq!(self.body["status"], "Failure");
        assert_eq!(self.body["code"], self.code.as_u16());
        let text = |field: &str| self.body[field].as_str().expect(field);
        (self.code.as_u16(), text("reason"), text("message"))
    }

    fn is_refused(&self, code: u16, reason: &str, says: &str) {
        let (found, word, message) = self.refusal();
        assert_eq!((found, word), (code, reason), "{message}");
        assert!(message.contains(says), "{message}");
    }

    fn version(&self) -> u64 {
        self.body["metadata"]["resourceVersion"].as_str().expect("a version").parse().expect("a number")
    }
}

fn registry(name: &str, url: &str) -> Value {
    json!({
        "apiVersion": "portreeve/v1", "kind": "DiscoveryRegistry",
        "metadata": {"name": name}, "spec": {"url": url},
    })
}

fn labelled(name: &str, labels: Value) -> Value {
    let mut object = registry(name, "http://localhost:7000");
    object["metadata"]["labels"] = labels;
    object
}

fn temporary() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}
