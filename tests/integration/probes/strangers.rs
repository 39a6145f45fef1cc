//! What every protocol over TCP must bear: ports that are closed, silent, endless, or somebody else's.

use futures_util::future::join_all;
use portreeve::probe::CheckOutcome;
use serde_json::{Value, json};

use super::listeners::{Closed, Listener, Manner};
use super::{ask, denied, failure, output, shown, unhealthy};

/// Protocols with a conversation of their own, and the step at which they first wait for a server.
fn protocols() -> Vec<(Value, &'static str)> {
    [
        (json!({"mqtt": {"topic": "t"}}), "login"),
        (json!({"kafka": {}}), "greet"),
        (json!({"kafka": {"topic": "t"}}), "greet"),
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

/// What each protocol makes of a listener that does this.
async fn said(manner: Manner) -> Vec<(Value, &'static str, CheckOutcome)> {
    let listener = Listener::start(manner).await;
    let port = listener.port();
    let asked = protocols().into_iter().map(|(mut probe, step)| async move {
        probe["timeoutSeconds"] = 2.into();
        let outcome = ask(probe.clone(), port).await;
        let failure = failure(&outcome);
        assert!(failure.reason.len() < 300, "{probe}: {failure:?}");
        assert!(failure.output.as_ref().is_none_or(|said| said.len() < 1010), "{probe}: {failure:?}");
        (probe, step, outcome)
    });
    join_all(asked).await
}

#[tokio::test]
async fn a_closed_port_is_told() {
    let closed = Closed::new();
    for (probe, _) in protocols() {
        let outcome = ask(probe, closed.port()).await;
        shown!(outcome);
        let text = format!("no connection to 127.0.0.1:{}: connection refused", closed.port());
        assert_eq!(unhealthy(&outcome), text);
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_is_told_with_the_step() {
    for (probe, step, outcome) in said(Manner::Says(b"")).await {
        shown!(outcome);
        assert_eq!(unhealthy(&outcome), format!("nothing within 2 s, at the step `{step}`"), "{probe}");
    }
}

/// What it says is kept apart from the reason, which everybody may read.
#[tokio::test]
async fn a_server_that_speaks_something_else_is_quoted() {
    let http = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
    for (probe, _, outcome) in said(Manner::SaysAndCloses(http)).await {
        let reason = &failure(&outcome).reason;
        assert!(reason.starts_with("expected ") && !reason.contains("400"), "{probe}: {outcome:?}");
        if probe.get("tls").is_some() {
            // Where TLS is asked for, whoever answers something else lives.
            denied(&outcome);
            continue;
        }
        shown!(outcome);
        unhealthy(&outcome);
        // Who leaves the conversation to others does not see what was said.
        let quoted = probe.get("grpc").is_none();
        assert_eq!(output(&outcome).contains("HTTP/1.1 400 Bad Request"), quoted, "{probe}: {outcome:?}");
    }
    for (probe, _, outcome) in said(Manner::SaysAndCloses(b"")).await {
        shown!(outcome);
        assert!(unhealthy(&outcome).starts_with("expected "), "{probe}: {outcome:?}");
    }
}

#[tokio::test]
async fn garbage_without_end_is_refused_or_given_up() {
    for garbage in
        [&b"\0"[..], b"\xff", b"A", b"\r\n", b"\x20\x02\0\0", b"R\0\0\0\x08\0\0\0\0", b"\0\0\0\x0a\xff"]
    {
        for (probe, _, outcome) in said(Manner::SaysForEver(garbage)).await {
            let text = &failure(&outcome).reason;
            assert!(text.starts_with("expected ") || text.starts_with("nothing within"), "{probe}: {text}");
        }
    }
}

/// What is sent to it comes back: also a TLS handshake, which makes it no server of TLS.
#[tokio::test]
async fn a_server_that_repeats_what_it_hears_is_none() {
    let echo = Listener::conversing(|mut stream| async move {
        let (mut from, mut to) = stream.split();
        tokio::io::copy(&mut from, &mut to).await.map(drop)
    })
    .await;
    let more = [json!({"httpGet": {}}), json!({"nats": {"tls": {}}})];
    for probe in protocols().into_iter().map(|(probe, _)| probe).chain(more) {
        let mut hasty = probe.clone();
        hasty["timeoutSeconds"] = 1.into();
        let outcome = ask(hasty, echo.port()).await;
        if probe.get("tls").is_some() {
            denied(&outcome);
            continue;
        }
        shown!(outcome);
        unhealthy(&outcome);
    }
    let outcome = ask(json!({"redis": {"tls": {}}}), echo.port()).await;
    assert_eq!(denied(&outcome), "no TLS handshake: the server does not speak TLS there");
}
