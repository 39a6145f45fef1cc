//! Watching containers, on an engine made of air.

use axum::body::Body;
use axum::http::Request;
use portreeve::api::Access;
use portreeve::config::tokens::{self, Role};
use portreeve::observed::ContainerKey;
use portreeve::resource::docker_host::DockerHostSpec;
use portreeve::resource::{Object, Origin};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::{Watched, id};
use crate::integration::api::{Answer, LOOPBACK, Server, V1, registry, temporary};
use crate::support::fake_engine::{Container, FakeEngine, fleet};
use crate::support::wait;

const CONTAINERS: usize = 3;
/// No more changes than that are kept.
const CHANGES_KEPT: usize = 5_000;

struct Scene {
    engine: FakeEngine,
    server: Server,
    directory: tempfile::TempDir,
}

impl Scene {
    async fn new(containers: usize) -> Self {
        Self::with(containers, fleet::plain, Access::default(), temporary()).await
    }

    async fn with(
        containers: usize,
        container: impl Fn(usize) -> Container,
        access: Access,
        directory: tempfile::TempDir,
    ) -> Self {
        let engine = FakeEngine::live();
        engine.populate(0..containers, container);
        let spec: DockerHostSpec =
            serde_json::from_value(json!({"endpoint": engine.endpoint()})).expect("a host");
        let air = Object::new("air", Origin::Environment, spec);
        let server = Server::with(directory.path(), access, vec![air]).await;
        let scene = Self { engine, server, directory };
        wait::until("all are known and decided on", wait::SOON, async || {
            let known = scene.server.get("containers").await.body["items"].as_array().map_or(0, Vec::len);
            let idle = scene.server.controller.view().queue_depth() == (0, 0);
            let connected = scene.server.controller.view().world().is_connected("air");
            wait::is(known == containers && idle && connected, (known, idle, connected))
        })
        .await;
        scene
    }

    async fn watch(&self, query: &str) -> Watched {
        Watched::of(&self.server, &format!("containers?watch=true{query}"), None).await
    }

    /// What a watch that goes on after `id` begins with.
    async fn code(&self, id: &str) -> u16 {
        let path = format!("{V1}/containers?watch=true&after={id}");
        self.server.raw(Request::get(path).body(Body::empty()).expect("a request")).await.status().as_u16()
    }

    /// The answer to a watch that ends soon.
    async fn after(&self, id: &str) -> Answer {
        self.server.get(&format!("containers?watch=true&timeoutSeconds=1&after={id}")).await
    }
}

fn shows(line: &Value, n: usize, status: &str) -> bool {
    line["object"]["id"] == fleet::id(n) && line["object"]["status"] == status
}

/// What a list shows.
fn bare(object: &Value) -> Value {
    let mut object = object.clone();
    object["metadata"].as_object_mut().expect("metadata").remove("resourceVersion");
    object
}

#[tokio::test]
async fn a_watch_tells_of_every_container_and_then_of_those_alone_that_change() {
    let scene = Scene::new(CONTAINERS).await;
    let mut watch = scene.watch("").await;
    let (lines, begun) = watch.until_bookmark().await;
    let list = scene.server.get("containers").await.body;
    // After one of these nobody could go on: the others would never be told.
    let first =
        |line: &Value| line["type"] == "ADDED" && line["object"]["metadata"]["resourceVersion"].is_null();
    assert!(lines.iter().all(first), "{lines:#?}");
    let told: Vec<Value> = lines.iter().map(|line| bare(&line["object"])).collect();
    assert_eq!(json!(told), list["items"]);
    let boot = |id: &str| id.split('.').next().expect("BOOT.REVISION").to_owned();
    assert_eq!(boot(&id(&list)), boot(&begun));
    scene.engine.die(&fleet::id(1), 3);
    let line = watch.until(|line| shows(line, 1, "exited")).await;
    assert_eq!((&line["type"], &line["object"]["exit_code"]), (&json!("MODIFIED"), &json!(3)));
    // After that id it goes on: nothing of what was told, everything else.
    let mut later = scene.watch(&format!("&after={}", id(&line["object"]))).await;
    scene.engine.die(&fleet::id(2), 0);
    let first = later.until(|line| line["type"] != "BOOKMARK" && line["object"]["id"] != fleet::id(1)).await;
    assert!(first["type"] == "MODIFIED" && shows(&first, 2, "exited"), "{first}");
    // From the list on all is told that happened since, each container once.
    let mut since = scene.watch(&format!("&after={begun}")).await;
    let (lines, _) = since.until_bookmark().await;
    assert_eq!(lines.len(), 2, "{lines:#?}");
    // In the order of their last changes, which may be those of what was decided.
    assert!([1, 2].iter().all(|n| lines.iter().any(|line| shows(line, *n, "exited"))), "{lines:#?}");
    assert!(lines.iter().all(|line| line["type"] == "MODIFIED"));
}

#[tokio::test]
async fn what_comes_and_goes_is_told_as_that_also_to_one_that_goes_on() {
    let scene = Scene::new(CONTAINERS).await;
    let begun = id(&scene.server.get("containers").await.body);
    let mut watch = scene.watch("").await;
    watch.until_bookmark().await;
    scene.engine.show(&fleet::id(7), Some(fleet::plain(7)));
    scene.engine.begin(&fleet::id(7));
    let line = watch.until(|line| line["object"]["id"] == fleet::id(7)).await;
    assert_eq!(line["type"], "ADDED");
    scene.engine.remove(&fleet::id(0));
    let line = watch.until(|line| line["type"] == "DELETED").await;
    assert_eq!((&line["object"]["id"], &line["object"]["name"]), (&json!(fleet::id(0)), &json!("air-0")));
    scene.engine.remove(&fleet::id(7));
    watch.until(|line| line["type"] == "DELETED" && line["object"]["id"] == fleet::id(7)).await;
    let (lines, _) = scene.watch(&format!("&after={begun}")).await.until_bookmark().await;
    let told: Vec<_> = lines.iter().map(|line| (&line["type"], &line["object"]["id"])).collect();
    assert_eq!(told, [(&json!("DELETED"), &json!(fleet::id(0)))], "what came and went since is no news");
}

#[tokio::test]
async fn what_goes_in_one_moment_is_told_whole_to_one_that_goes_on_in_the_midst_of_it() {
    let mut scene = Scene::new(0).await;
    let other = FakeEngine::live();
    other.populate(0..CONTAINERS, fleet::plain);
    let host = json!({
        "apiVersion": "portreeve/v1", "kind": "DockerHost", "metadata": {"name": "other"},
        "spec": {"endpoint": other.endpoint()},
    });
    let mut watch = scene.watch("").await;
    scene.server.declare("other.yaml", &host.to_string()).await;
    let mut came = 0;
    while came < CONTAINERS {
        came += usize::from(watch.next().await.expect("a line")["type"] == "ADDED");
    }
    scene.server.declare("other.yaml", "").await;
    let first = watch.until(|line| line["type"] == "DELETED").await;
    for n in (0..CONTAINERS).map(fleet::id).filter(|n| first["object"]["id"] != *n) {
        let mut again = scene.watch(&format!("&after={}", id(&first["object"]))).await;
        again.until(|line| line["type"] == "DELETED" && line["object"]["id"] == n).await;
    }
}

#[tokio::test]
async fn an_id_that_is_not_known_or_too_old_is_refused_with_what_to_do() {
    let scene = Scene::new(CONTAINERS).await;
    let present = id(&scene.server.get("containers").await.body);
    let (boot, revision) = present.split_once('.').expect("BOOT.REVISION");
    let revision: u64 = revision.parse().expect("a number");
    let says = "list again, or watch without `after`";
    for unknown in
        [format!("0123456789abcdef.{revision}"), revision.to_string(), String::new(), format!("{boot}.x")]
    {
        scene.after(&unknown).await.is_refused(410, "Expired", says);
        scene.after(&unknown).await.is_refused(410, "Expired", "not an id of this run of Portreeve");
    }
    scene.after(&format!("{boot}.{}", revision + 1_000_000)).await.is_refused(
        410,
        "Expired",
        "still to come",
    );
    let mut slow = scene.watch("").await;
    slow.until_bookmark().await;
    // As long as it takes to forget what has changed since: each decision may show in a row.
    let ids: Vec<String> = (0..CONTAINERS).map(fleet::id).collect();
    for _ in 0..CHANGES_KEPT {
        let code = scene.code(&present).await;
        if code == 410 {
            break;
        }
        assert_eq!(code, 200);
        for id in &ids {
            assert!(
                scene
                    .server
                    .controller
                    .requests()
                    .release(&ContainerKey::new("air", id.as_str()), "nobody")
                    .await
            );
        }
    }
    scene.after(&present).await.is_refused(410, "Expired", says);
    scene.after(&present).await.is_refused(410, "Expired", "not all changes since then are kept");
    // One that was not read meanwhile is told how everything came out.
    scene.engine.die(&ids[0], 42);
    slow.until(|line| line["object"]["id"] == ids[0] && line["object"]["exit_code"] == 42).await;
}

#[tokio::test]
async fn when_something_else_is_declared_rows_are_compared_once_and_those_told_that_differ() {
    let scene = Scene::new(CONTAINERS).await;
    let mut watch = scene.watch("").await;
    let (lines, _) = watch.until_bookmark().await;
    assert!(lines.iter().all(|line| line["object"]["policy"].is_null()));
    let policy = json!({
        "apiVersion": "portreeve/v1", "kind": "AutohealPolicy", "metadata": {"name": "one"},
        "spec": {"selector": {"names": ["air-1"]}},
    });
    assert!(scene.server.put("heal/one", &policy).await.code.is_success());
    let line = watch.until(|line| line["object"]["policy"] == "one").await;
    assert_eq!((&line["type"], &line["object"]["name"]), (&json!("MODIFIED"), &json!("air-1")));
    // What shows in no row is told as a bookmark alone.
    let registry = registry("reg", "http://127.0.0.1:1");
    assert!(scene.server.put("reg/reg", &registry).await.code.is_success());
    let mut lines = watch.until_bookmark().await.0;
    lines.extend(watch.until_bookmark().await.0);
    assert!(lines.iter().all(|line| line["object"]["name"] == "air-1"), "{lines:#?}");
}

/// How many rows were made for watchers so far.
async fn rows(server: &Server) -> u64 {
    let page = server.send("GET", "/metrics", &[], Vec::new()).await.body;
    let line = page
        .as_str()
        .expect("text")
        .lines()
        .find_map(|line| line.strip_prefix("portreeve_watch_rows_total "));
    line.map_or(0, |text| text.parse().expect("a number"))
}

#[tokio::test]
async fn a_watcher_costs_nothing_while_nothing_happens_and_one_row_for_each_change() {
    const WATCHERS: u64 = 10;
    let scene = Scene::new(CONTAINERS).await;
    let begun = rows(&scene.server).await;
    let mut watches = Vec::new();
    for _ in 0..WATCHERS {
        let mut watch = scene.watch("").await;
        watch.until_bookmark().await;
        watches.push(watch);
    }
    assert_eq!(rows(&scene.server).await - begun, WATCHERS * CONTAINERS as u64);
    let (before, revision) = (rows(&scene.server).await, scene.server.controller.view().world().revision);
    scene.engine.die(&fleet::id(1), 3);
    for watch in &mut watches {
        watch.until(|line| shows(line, 1, "exited")).await;
    }
    // Of the one that changed alone, each time that something was seen, decided or remembered of it.
    let changes = scene.server.controller.view().world().revision - revision;
    let made = rows(&scene.server).await - before;
    assert!((WATCHERS..=WATCHERS * changes).contains(&made), "{made} rows for {changes} changes");
}

#[tokio::test]
async fn what_a_check_printed_is_told_to_those_alone_who_may_see_it_and_the_end_comes_with_the_role() {
    let directory = temporary();
    let path = tokens::path(directory.path());
    let (_, view) = tokens::create(&path, Role::View, Some("view")).expect("a token");
    let access = Access::default().with_tokens(path.clone());
    let sick = |n| Container { health: Some("healthy"), ..fleet::plain(n) };
    let mut scene = Scene::with(1, sick, access, directory).await;
    let by_socket = scene.watch("").await.until_bookmark().await.0;
    assert_eq!(by_socket[0]["object"]["health_output"], "ok", "{by_socket:#?}");
    scene.server.peer = LOOPBACK;
    let path = "containers?watch=true&labelSelector=maintainer";
    let mut watch = Watched::of(&scene.server, path, Some(view.expose_secret())).await;
    let told = watch.until_bookmark().await.0;
    assert_eq!((told.len(), &told[0]["object"]["health_output"]), (1, &Value::Null), "{told:#?}");
    scene.engine.die(&fleet::id(0), 1);
    let line = watch.until(|line| shows(line, 0, "exited")).await;
    assert!(line["object"].get("health_output").is_none(), "{line}");
    let path = tokens::path(scene.directory.path());
    tokens::delete(&path, "view").expect("deleted");
    while let Some(line) = watch.next().await {
        assert!(shows(&line, 0, "exited"), "{line}");
    }
}
