//! The engine client's contract: its requests carry no `/vX.Y` before the path. An engine refuses a version newer than
//! its own, so this is what makes engines from API 1.41 on work with whatever version the client library knows.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portreeve::controller::Controller;
use portreeve::desired::Desired;
use portreeve::docker::Client;
use portreeve::guard::Guard;
use portreeve::resource::docker_host::DockerHostSpec;
use portreeve::store::Sqlite;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support::fake_engine::FakeEngine;
use crate::support::wait;

/// An engine that speaks API 1.41, has no containers, and remembers the first line of each request.
struct OldEngine {
    home: TempDir,
    lines: Arc<Mutex<Vec<String>>>,
    _serving: JoinSet<()>,
}

impl OldEngine {
    fn start() -> Self {
        let home = TempDir::new().unwrap();
        let listener = UnixListener::bind(home.path().join("docker.sock")).unwrap();
        let (lines, mut serving) = (Arc::new(Mutex::new(Vec::new())), JoinSet::new());
        let seen = lines.clone();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(answer(stream, seen.clone()));
            }
        });
        Self { home, lines, _serving: serving }
    }

    fn spec(&self) -> DockerHostSpec {
        let endpoint = format!("unix://{}", self.home.path().join("docker.sock").display());
        DockerHostSpec { endpoint, ..DockerHostSpec::default() }
    }

    /// As in `GET /version`, without queries.
    fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }
}

/// One answer per connection, to requests without bodies.
async fn answer(stream: UnixStream, lines: Arc<Mutex<Vec<String>>>) {
    let mut stream = BufReader::new(stream);
    let mut request = String::new();
    while !request.ends_with("\r\n\r\n") {
        if stream.read_line(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let mut words = request.split([' ', '?']);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    lines.lock().unwrap().push(format!("{method} {path}"));
    let (status, body) = match path {
        "/version" => ("200 OK", r#"{"ApiVersion":"1.41","Version":"20.10.0"}"#),
        "/info" => {
            ("200 OK", r#"{"Name":"h","ServerVersion":"20.10.0","SystemTime":"2025-08-19T07:17:22.193Z"}"#)
        }
        "/containers/json" => ("200 OK", "[]"),
        // What happened up to a time: nothing.
        "/events" if request.contains("until=") => ("200 OK", ""),
        "/events" => {
            // A stream that stays open and says nothing.
            let head =
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
            let _ = stream.write_all(head.as_bytes()).await;
            let _ = stream.read_line(&mut String::new()).await;
            return;
        }
        _ if method == "GET" => ("404 Not Found", r#"{"message":"No such container"}"#),
        _ => ("204 No Content", ""),
    };
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(answer.as_bytes()).await;
}

#[tokio::test]
async fn calls_carry_no_version_in_their_path() {
    let engine = OldEngine::start();
    let (client, info) = Client::connect(&"old".into(), &engine.spec(), &Guard::default()).await.unwrap();
    assert_eq!((info.host.as_str(), info.version.as_str()), ("h", "20.10.0"));
    assert_eq!(client.list().await.unwrap(), []);
    assert!(client.inspect("c1").await.unwrap().is_none());
    client.restart("c1", Duration::from_secs(1)).await.unwrap();
    client.start("c1").await.unwrap();
    client.stop("c1", Duration::from_secs(1)).await.unwrap();
    client.remove("c1").await.unwrap();
    assert_eq!(
        engine.lines(),
        [
            "GET /version",
            "GET /info",
            "GET /networks",
            "GET /containers/json",
            "GET /containers/c1/json",
            "POST /containers/c1/restart",
            "POST /containers/c1/start",
            "POST /containers/c1/stop",
            "DELETE /containers/c1",
        ]
    );
}

#[tokio::test]
async fn an_engines_clock_is_known_while_it_is_away() {
    const AHEAD: i64 = 600;
    let (mut engine, home) = (FakeEngine::start(), TempDir::new().unwrap());
    engine.clock_ahead(AHEAD);
    let store = Arc::new(Sqlite::open(&home.path().join("portreeve.db")).await.unwrap());
    let spec = DockerHostSpec { endpoint: engine.endpoint(), ..DockerHostSpec::default() };
    let hosts = BTreeMap::from([("ahead".to_owned(), spec)]);
    let (_tell, desired) = watch::channel(Arc::new(Desired { hosts, ..Desired::default() }));
    let controller = Controller::start(store, desired, Guard::default()).await.unwrap();
    let is = |connected: bool| {
        let world = controller.view().world();
        let is = world.engines.values().any(|engine| engine.connected == connected);
        wait::is(is, world)
    };
    let feed = engine.subscribed().await;
    wait::until("the engine is watched", wait::SOON, || async { is(true) }).await;
    drop((feed, engine));
    wait::until("the engine is away", wait::SOON, || async { is(false) }).await;
    let seconds = controller.view().world().engines["ahead"].clock_ahead / 1_000_000_000;
    assert!((AHEAD - 60..=AHEAD).contains(&seconds), "{seconds}");
    controller.finish().await;
}

#[tokio::test]
async fn an_engine_of_api_1_41_is_watched_without_a_version_in_any_path() {
    let (engine, home) = (OldEngine::start(), TempDir::new().unwrap());
    let store = Arc::new(Sqlite::open(&home.path().join("portreeve.db")).await.unwrap());
    let hosts = BTreeMap::from([("old".to_owned(), engine.spec())]);
    let (_tell, desired) = watch::channel(Arc::new(Desired { hosts, ..Desired::default() }));
    let controller = Controller::start(store, desired, Guard::default()).await.unwrap();
    wait::until("the engine is watched", wait::SOON, || async {
        let world = controller.view().world();
        wait::is(world.engines.values().any(|engine| engine.connected), (world, engine.lines()))
    })
    .await;
    controller.finish().await;
    let lines = engine.lines();
    assert!(lines.iter().any(|line| line == "GET /events"), "{lines:?}");
    assert!(lines.iter().all(|line| !line.contains(" /v1") && !line.contains(" /v2")), "{lines:?}");
}
