//! `nats`, asking nats-server.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

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

    let refused = "expected PONG, got 'Authorization Violation': the login is refused, or lacks a right";
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

#[tokio::test]
async fn a_password_that_a_server_repeats_is_not_told() {
    let home = TempDir::new().unwrap();
    let parrot = Listener::start(Manner::Says(b"INFO {}\r\n-ERR 'no s3cret here'\r\n")).await;
    let outcome = ask(login(Some("probe"), secret(&home, "s3cret")), parrot.port()).await;
    assert_eq!(unhealthy(&outcome), "expected PONG, got an error");
    assert_eq!(output(&outcome), "no *** here");
}
