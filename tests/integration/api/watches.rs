//! Watching: the current objects, then every change.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::{Server, V1, labelled, registry, temporary};

struct Watched {
    body: Body,
    rest: Vec<u8>,
}

impl Watched {
    async fn new(server: &Server, query: &str) -> Self {
        let request =
            Request::get(format!("{V1}/reg?watch=true{query}")).body(Body::empty()).expect("a request");
        let response = server.raw(request).await;
        assert_eq!(response.status(), 200);
        Self { body: response.into_body(), rest: Vec::new() }
    }

    /// The next line; `None` at the end.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).expect("a line of JSON"));
            }
            let frame = tokio::time::timeout(Duration::from_secs(10), self.body.frame()).await;
            let frame = frame.expect("in time")?.expect("a frame");
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

    async fn bookmark(&mut self) {
        let line = self.next().await.expect("a line");
        assert_eq!(line["type"], "BOOKMARK", "{line}");
        assert!(line["object"]["metadata"]["resourceVersion"].is_string());
    }
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
