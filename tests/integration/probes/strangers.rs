//! What every protocol over TCP must bear: ports that are closed, silent, endless, or somebody else's.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::listeners::{Closed, Listener, Manner};
use super::{ask, unhealthy};

/// Protocols with a conversation of their own, and the step at which they first wait for a server.
fn protocols() -> Vec<(Value, &'static str)> {
    [
        (json!({"mqtt": {"topic": "t"}}), "login"),
        (json!({"kafka": {}}), "query"),
        (json!({"kafka": {"topic": "t"}}), "query"),
        (json!({"postgres": {}}), "TLS"),
        (json!({"redis": {}}), "query"),
        (json!({"tls": {}}), "TLS"),
        (json!({"grpc": {"port": 1}}), "query"),
        (json!({"mysql": {}}), "receive"),
        (json!({"amqp": {}}), "receive"),
        (json!({"nats": {}}), "receive"),
    ]
    .into()
}

/// What each protocol says of a listener that does this.
async fn said(manner: Manner) -> Vec<(Value, &'static str, String)> {
    let listener = Listener::start(manner).await;
    let port = listener.port();
    let asked = protocols().into_iter().map(|(mut probe, step)| async move {
        probe["timeoutSeconds"] = 2.into();
        let outcome = ask(probe.clone(), port).await;
        let text = unhealthy(&outcome).to_owned();
        assert!(text.len() < 600, "{probe}: {text}");
        (probe, step, text)
    });
    join_all(asked).await
}

#[tokio::test]
async fn a_closed_port_is_told() {
    let closed = Closed::new();
    for (probe, _) in protocols() {
        let outcome = ask(probe, closed.port()).await;
        let text = format!("no connection to 127.0.0.1:{}: connection refused", closed.port());
        assert_eq!(unhealthy(&outcome), text);
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_is_told_with_the_step() {
    for (probe, step, text) in said(Manner::Says(b"")).await {
        assert_eq!(text, format!("nothing within 2 s, at the step `{step}`"), "{probe}");
    }
}

#[tokio::test]
async fn a_server_that_speaks_something_else_is_quoted() {
    let http = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
    for (probe, _, text) in said(Manner::SaysAndCloses(http)).await {
        assert!(text.starts_with("expected "), "{probe}: {text}");
        // Those who leave the conversation to others do not see what was said.
        let quoted = probe.get("tls").is_none() && probe.get("grpc").is_none();
        assert_eq!(text.contains("HTTP/1.1 400 Bad Request"), quoted, "{probe}: {text}");
    }
    for (probe, _, text) in said(Manner::SaysAndCloses(b"")).await {
        assert!(text.starts_with("expected "), "{probe}: {text}");
    }
}

#[tokio::test]
async fn garbage_without_end_is_refused_or_given_up() {
    for garbage in
        [&b"\0"[..], b"\xff", b"A", b"\r\n", b"\x20\x02\0\0", b"R\0\0\0\x08\0\0\0\0", b"\0\0\0\x0a\xff"]
    {
        for (probe, _, text) in said(Manner::SaysForEver(garbage)).await {
            assert!(text.starts_with("expected ") || text.starts_with("nothing within"), "{probe}: {text}");
        }
    }
}
