//! `tcpSocket`, asking a Redis server, and ports that answer less.

use serde_json::json;

use super::listeners::{Closed, Listener, Manner};
use super::{ask, ask_at, fault, output, passed, shown, step, unhealthy};
use crate::support::server::{Server, program};

async fn redis() -> Server {
    Server::start("redis", |home, port| {
        let mut command = program("redis-server");
        command.args(["--port", &port.to_string(), "--save", "", "--dir"]).arg(home);
        command
    })
    .await
}

#[tokio::test]
async fn a_server_that_says_what_is_expected_is_healthy() {
    let server = redis().await;
    let connected = ask(json!({"tcpSocket": {"port": 1}}), server.port).await;
    assert_eq!(passed(&connected), ["resolve", "connect"]);
    let probe = |expect: &str| json!({"tcpSocket": {"port": 1, "send": "PING\r\n", "expect": expect}, "timeoutSeconds": 1});
    let answered = ask(probe("PONG"), server.port).await;
    assert_eq!(passed(&answered), ["resolve", "connect", "send", "receive"]);
    assert_eq!((step(&answered, "send"), step(&answered, "receive")), ("6 bytes", "+PONG"));

    let other = ask(probe("READY"), server.port).await;
    assert_eq!(unhealthy(&other), "nothing within 1 s, at the step `receive`");
    let quit = json!({"tcpSocket": {"port": 1, "send": "QUIT\r\n", "expect": "READY"}});
    let closed = ask(quit, server.port).await;
    assert_eq!(unhealthy(&closed), r#"expected "READY"; the connection was closed"#);
    assert_eq!(output(&closed), "+OK");
    server.freeze().await;
    let frozen = ask(probe("PONG"), server.port).await;
    assert_eq!(unhealthy(&frozen), "nothing within 1 s, at the step `receive`");
}

#[tokio::test]
async fn what_refuses_or_never_ends_is_unhealthy_and_what_cannot_be_asked_is_a_fault() {
    let closed = Closed::new();
    let refused = ask(json!({"tcpSocket": {"port": 1}}), closed.port()).await;
    let text = format!("no connection to 127.0.0.1:{}: connection refused", closed.port());
    assert_eq!(unhealthy(&refused), text);

    let endless = Listener::start(Manner::SaysForEver(b"lorem ipsum ")).await;
    let read = ask(json!({"tcpSocket": {"port": 1, "expect": "READY"}}), endless.port()).await;
    assert_eq!(unhealthy(&read), r#"expected "READY"; it is not in 65536 bytes"#);
    assert!(output(&read).starts_with("lorem ipsum ") && output(&read).len() < 1010, "{read:?}");

    let metadata = ask_at("169.254.169.254", 80, json!({"tcpSocket": {"port": 80}})).await;
    shown!(metadata);
    assert!(fault(&metadata).contains("link-local, unspecified or metadata address"), "{metadata:?}");
}
