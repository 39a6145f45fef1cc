//! Watching: what is there, then every change.

mod containers;
mod events;

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use portreeve::api::{Access, Peer};
use portreeve::config::tokens::{self, Role};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::{LOOPBACK, Server, V1, labelled, registry, temporary};

/// A watch, read line by line.
pub struct Watched {
    body: Body,
    rest: Vec<u8>,
    /// The last line that was read.
    last: Value,
}

impl Watched {
    async fn new(server: &Server, query: &str) -> Self {
        Self::by(server, query, None).await
    }

    async fn by(server: &Server, query: &str, token: Option<&str>) -> Self {
        Self::of(server, &format!("reg?watch=true{query}"), token).await
    }

    async fn of(server: &Server, path: &str, token: Option<&str>) -> Self {
        let mut request = Request::get(format!("{V1}/{path}"));
        if let Some(token) = token {
            request = request.header("x-api-key", token);
        }
        let request = request.body(Body::empty()).expect("a request");
        let response = server.raw(request).await;
        assert_eq!(response.status(), 200);
        Self { body: response.into_body(), rest: Vec::new(), last: Value::Null }
    }

    /// The next line; `None` at the end.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                self.last = serde_json::from_slice(&line).expect("a line of JSON");
                return Some(self.last.clone());
            }
            let frame = tokio::time::timeout(Duration::from_secs(10), self.body.frame()).await;
            let frame = frame.unwrap_or_else(|_| panic!("no line came after {}", self.last));
            let frame = frame?.expect("a frame");
            self.rest.extend_from_slice(&frame.into_data().expect("data"));
        }
    }

    async fn expect(&mut self, word: &str, name: &str) -> Value {
        let line = self.next().await.expect("a line");
        assert_eq!(
            (&line["type"], &line["object"]["metadata"]["name"]),
            (&json!(word), &json!(name)),
            "{line}"
        );
        line["object"].clone()
    }

    async fn bookmark(&mut self) -> String {
        let line = self.next().await.expect("a line");
        assert_eq!(line["type"], "BOOKMARK", "{line}");
        id(&line["object"])
    }

    /// The lines up to the next bookmark, and its id.
    async fn until_bookmark(&mut self) -> (Vec<Value>, String) {
        let mut lines = Vec::new();
        loop {
            let line = self.next().await.expect("a line");
            if line["type"] == "BOOKMARK" {
                return (lines, id(&line["object"]));
            }
            lines.push(line);
        }
    }

    /// The next line that is as wanted; those before it are dropped.
    async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let line = self.next().await.expect("a line");
            if wanted(&line) {
                return line;
            }
        }
    }
}

/// Where to go on.
fn id(object: &Value) -> String {
    object["metadata"]["resourceVersion"].as_str().expect("a version").to_owned()
}

#[tokio::test]
async fn a_watch_tells_what_is_there_and_then_what_changes() {
    let directory = temporary();
    let mut server = Server::new(directory.path()).await;
    server.put("reg/a", &registry("a", "http://a")).await;
    let mut watch = Watched::new(&server, "").await;
    watch.expect("ADDED", "a").await;
    watch.bookmark().await;
    server.put("reg/b", &registry("b", "http://b")).await;
    watch.expect("ADDED", "b").await;
    server.put("reg/b", &registry("b", "http://c")).await;
    assert_eq!(watch.expect("MODIFIED", "b").await["spec"]["url"], "http://c");
    // Of other kinds nothing is told.
    server.patch("heal/default", &json!({"metadata": {"labels": {"x": "y"}}})).await;
    server.delete("reg/a").await;
    watch.expect("DELETED", "a").await;
    // Files are told of too.
    server.declare("conf/a.yaml", &registry("filed", "http://f").to_string()).await;
    watch.expect("ADDED", "filed").await;
}

#[tokio::test]
async fn an_object_that_stops_matching_is_told_as_deleted() {
    let directory = temporary();
    let server = Server::new(directory.path()).await;
    server.put("reg/a", &labelled("a", json!({"tier": "web"}))).await;
    server.put("reg/b", &labelled("b", json!({}))).await;
    let mut watch = Watched::new(&server, "&labelSelector=tier").await;
    watch.expect("ADDED", "a").await;
    watch.bookmark().await;
    server.patch("reg/a", &json!({"metadata": {"labels": {"tier": null}}})).await;
    watch.expect("DELETED", "a").await;
    server.patch("reg/b", &json!({"metadata": {"labels": {"tier": "db"}}})).await;
    watch.expect("ADDED", "b").await;
}

#[tokio::test]
async fn a_watch_ends_with_the_server_and_with_its_timeout() {
    let directory = temporary();
    let server = Server::new(directory.path()).await;
    let mut short = Watched::new(&server, "&timeoutSeconds=1").await;
    short.bookmark().await;
    assert!(short.next().await.is_none());
    let mut long = Watched::new(&server, "").await;
    long.bookmark().await;
    server.stop.cancel();
    assert!(long.next().await.is_none());
}

#[tokio::test]
async fn a_watch_ends_as_soon_as_its_caller_may_not_watch_any_more() {
    let directory = temporary();
    let path = tokens::path(directory.path());
    let mut server =
        Server::with(directory.path(), Access::default().with_tokens(path.clone()), Vec::new()).await;
    let mut by_socket = Watched::new(&server, "").await;
    by_socket.bookmark().await;
    server.peer = LOOPBACK;
    let mut anonymous = Watched::new(&server, "").await;
    anonymous.bookmark().await;
    // The first token closes what was open without one. Nobody asks for anything meanwhile.
    let (_, view) = tokens::create(&path, Role::View, Some("view")).expect("a token");
    assert_eq!(anonymous.next().await, None);
    let mut by_token = Watched::by(&server, "", Some(view.expose_secret())).await;
    by_token.bookmark().await;
    // What concerns another is no reason to end.
    let (_, _) = tokens::create(&path, Role::Edit, Some("other")).expect("a token");
    tokens::delete(&path, "other").expect("deleted");
    server.peer = Peer::Unix { uid: 0 };
    server.put("reg/a", &registry("a", "http://a")).await;
    by_token.expect("ADDED", "a").await;
    tokens::delete(&path, "view").expect("deleted");
    server.put("reg/b", &registry("b", "http://b")).await;
    assert_eq!(by_token.next().await, None, "a deleted token is told what changes");
    // A file that says nothing readable opens nothing.
    let (_, again) = tokens::create(&path, Role::View, Some("again")).expect("a token");
    let mut by_token = Watched::by(&server, "", Some(again.expose_secret())).await;
    by_token.expect("ADDED", "a").await;
    by_token.expect("ADDED", "b").await;
    by_token.bookmark().await;
    std::fs::write(&path, "{").expect("a file");
    assert_eq!(by_token.next().await, None);
    // The socket needs no token.
    by_socket.expect("ADDED", "a").await;
    by_socket.expect("ADDED", "b").await;
}

#[tokio::test]
async fn a_watcher_that_falls_behind_is_told_the_difference() {
    let directory = temporary();
    let server = Server::new(directory.path()).await;
    server.put("reg/first", &registry("first", "http://a")).await;
    let mut watch = Watched::new(&server, "").await;
    watch.expect("ADDED", "first").await;
    watch.bookmark().await;
    // More changes than are kept for one who does not read.
    for index in 0..1_100 {
        let url = format!("http://h{index}");
        assert!(server.put("reg/busy", &registry("busy", &url)).await.code.is_success());
    }
    server.delete("reg/first").await;
    watch.expect("DELETED", "first").await;
    assert_eq!(watch.expect("ADDED", "busy").await["spec"]["url"], "http://h1099");
    server.delete("reg/busy").await;
    watch.expect("DELETED", "busy").await;
}
