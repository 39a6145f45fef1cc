//! `nats`, asking nats-server.

use std::time::Duration;
use std::{fs, io};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::certificates::Authority;
use super::listeners::{Listener, Manner};
use super::{ask, denied, output, passed, secret, shown, step, unhealthy};
use crate::support::server::{Server, program};

async fn nats(config: &str) -> Server {
    Server::start("nats", |home, port| {
        let own = Authority::new().certificate("localhost", -1, 30);
        fs::write(home.join("own.pem"), own.chain).unwrap();
        fs::write(home.join("own.key"), own.key).unwrap();
        let file = home.join("nats.conf");
        let config = config.replace("HOME", &home.display().to_string());
        fs::write(&file, format!("listen: \"127.0.0.1:{port}\"\nserver_name: here\n{config}")).unwrap();
        let mut command = program("nats-server");
        command.arg("-c").arg(file);
        command
    })
    .await
}

fn login(username: Option<&str>, password: Value) -> Value {
    json!({"nats": {"auth": {"username": username, "password": password}}})
}

#[tokio::test]
async fn a_server_that_takes_the_login_and_answers_ping_is_healthy() {
    let home = TempDir::new().unwrap();
    let open = nats("").await;
    let outcome = ask(json!({"nats": {}}), open.port).await;
    assert_eq!(passed(&outcome), ["resolve", "connect", "receive", "login"]);
    assert!(step(&outcome, "receive").ends_with(" on here"), "{outcome:?}");
    open.freeze().await;
    let hanging = ask(json!({"nats": {}, "timeoutSeconds": 1}), open.port).await;
    assert_eq!(unhealthy(&hanging), "nothing within 1 s, at the step `receive`");

    let refused = "expected PONG, got 'Authorization Violation': the login is refused, or has no permission";
    let users = nats("authorization { users = [{ user: probe, password: s3cret }] }\n").await;
    passed(&ask(login(Some("probe"), secret(&home, "s3cret")), users.port).await);
    for wrong in [json!({"nats": {}}), login(Some("probe"), secret(&home, "wr0ng"))] {
        let outcome = ask(wrong, users.port).await;
        shown!(outcome);
        assert_eq!(denied(&outcome), refused);
    }
    let token = nats("authorization { token: t0ken }\n").await;
    passed(&ask(login(None, secret(&home, "t0ken")), token.port).await);
    assert_eq!(denied(&ask(login(None, secret(&home, "wr0ng")), token.port).await), refused);
}

#[tokio::test]
async fn a_server_that_wants_tls_gets_it() {
    let server = nats("tls { cert_file: \"HOME/own.pem\", key_file: \"HOME/own.key\" }\n").await;
    let outcome = ask(json!({"nats": {}}), server.port).await;
    assert_eq!(passed(&outcome), ["resolve", "connect", "receive", "TLS", "login"]);
    // Who sends on behind the offer of TLS, before there is any, is not believed.
    let eager = Listener::start(Manner::Says(b"INFO {\"tls_required\":true}\r\nPONG\r\n")).await;
    let outcome = ask(json!({"nats": {}}), eager.port()).await;
    assert_eq!(unhealthy(&outcome), "expected a TLS handshake, got something else");
    assert_eq!(output(&outcome), "PONG");
}

/// nats-server's `handshake_first`.
#[tokio::test]
async fn a_server_that_wants_its_handshake_first_gets_it() {
    const INFO: &[u8] = b"INFO {\"version\":\"2.11\",\"server_name\":\"here\",\"tls_required\":true}\r\n";
    async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
        let mut lines = String::new();
        while !lines.contains("PING\r\n") {
            lines.push(stream.read_u8().await?.into());
        }
        assert!(lines.starts_with("CONNECT {"), "{lines}");
        stream.write_all(b"PONG\r\n").await?;
        stream.shutdown().await
    }
    let own = Authority::new().certificate("localhost", -1, 30);
    let first = Listener::encrypted(&own, |mut stream| async move {
        stream.write_all(INFO).await?;
        converse(stream).await
    })
    .await;
    let clear = ask(json!({"nats": {}, "timeoutSeconds": 1}), first.port()).await;
    assert!(denied(&clear).ends_with("the server uses TLS there: set `tls: {}`"), "{clear:?}");
    for tls in [json!({}), json!({"verify": false})] {
        let outcome = ask(json!({"nats": {"tls": tls}, "timeoutSeconds": 3}), first.port()).await;
        assert_eq!(passed(&outcome), ["resolve", "connect", "TLS", "receive", "login"]);
        assert_eq!(step(&outcome, "receive"), "version 2.11 on here");
    }
    // One that does not, and is slow to greet, is given its time.
    let acceptor = own.acceptor();
    let slow = Listener::conversing(move |mut stream| {
        let acceptor = acceptor.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(600)).await;
            stream.write_all(INFO).await?;
            converse(acceptor.accept(stream).await?).await
        }
    })
    .await;
    passed(&ask(json!({"nats": {"tls": {}}}), slow.port()).await);
    // One that hangs is no other than before.
    let hanging = Listener::silent().await;
    let outcome = ask(json!({"nats": {"tls": {}}, "timeoutSeconds": 1}), hanging.port()).await;
    assert_eq!(unhealthy(&outcome), "nothing within 1 s, at the step `TLS`");
}

#[tokio::test]
async fn a_password_that_a_server_repeats_is_not_told() {
    let home = TempDir::new().unwrap();
    let parrot = Listener::start(Manner::Says(b"INFO {}\r\n-ERR 'no s3cret here'\r\n")).await;
    let outcome = ask(login(Some("probe"), secret(&home, "s3cret")), parrot.port()).await;
    assert_eq!(unhealthy(&outcome), "expected PONG, got an error");
    assert_eq!(output(&outcome), "no *** here");
}
