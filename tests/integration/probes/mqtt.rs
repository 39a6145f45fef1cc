//! `mqtt`, asking Mosquitto.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::listeners::{Listener, Manner};
use super::{ask, denied, fault, passed, secret, shown, step, unhealthy};
use crate::support::server::{Server, program};

async fn mosquitto() -> Server {
    Server::start("mosquitto", |home, port| {
        let file = |name: &str| home.join(name).display().to_string();
        let config = format!(
            "listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {}\nuser root\n",
            file("passwords")
        );
        fs::write(file("passwords"), "probe:s3cret\n").unwrap();
        fs::write(file("config"), config).unwrap();
        // It knows hashes only.
        let hashed = Command::new("mosquitto_passwd").args(["-U", &file("passwords")]).status().unwrap();
        assert!(hashed.success());
        let mut command = program("mosquitto");
        command.args(["-c", &file("config")]);
        command
    })
    .await
}

fn login(username: &str, password: Value) -> Value {
    json!({"mqtt": {"auth": {"username": username, "password": password}}})
}

#[tokio::test]
async fn a_broker_that_takes_the_login_and_the_subscription_is_healthy() {
    let (server, home) = (mosquitto().await, TempDir::new().unwrap());
    let right = login("probe", secret(&home, "s3cret"));
    let outcome = ask(right.clone(), server.port).await;
    assert_eq!(passed(&outcome), ["resolve", "connect", "login"]);
    let mut subscribing = right.clone();
    subscribing["mqtt"]["topic"] = "sensors/+/temperature".into();
    let outcome = ask(subscribing, server.port).await;
    assert_eq!(passed(&outcome), ["resolve", "connect", "login", "query"]);
    assert_eq!(step(&outcome, "query"), "subscribed to sensors/+/temperature");
    assert!(server.log().contains("as portreeve"), "{}", server.log());

    let refused = "expected a connection, got return code 5: it refuses this client";
    for wrong in [
        login("probe", secret(&home, "wr0ng")),
        login("stranger", secret(&home, "s3cret")),
        json!({"mqtt": {}}),
    ] {
        assert_eq!(denied(&ask(wrong, server.port).await), refused);
    }
    let missing = ask(login("probe", json!({"env": "PORTREEVE_TEST_NOT_SET"})), server.port).await;
    shown!(missing);
    assert!(fault(&missing).contains("PORTREEVE_TEST_NOT_SET is not set"), "{missing:?}");

    server.freeze().await;
    let mut hanging = right;
    hanging["timeoutSeconds"] = 1.into();
    assert_eq!(unhealthy(&ask(hanging, server.port).await), "nothing within 1 s, at the step `login`");
}

#[tokio::test]
async fn a_refused_subscription_is_told_and_messages_before_its_answer_are_let_go_by() {
    let probe = || json!({"mqtt": {"topic": "orders"}});
    let refusing = Listener::start(Manner::Says(b"\x20\x02\0\0\x90\x03\0\x01\x80")).await;
    let outcome = ask(probe(), refusing.port()).await;
    let text = "expected a subscription to orders, got return code 128: it refuses this client";
    assert_eq!(denied(&outcome), text);
    let retained = Listener::start(Manner::Says(b"\x20\x02\0\0\x31\x09\0\x06ordersX\x90\x03\0\x01\0")).await;
    assert_eq!(step(&ask(probe(), retained.port()).await, "query"), "subscribed to orders");
    for (answer, text) in [
        (&b"\x20\xff\xff\xff\xff\x01"[..], "expected a CONNACK, got something else"),
        (b"\x20\xff\xff\xff\x7f", "expected a CONNACK, got one that claims 268435455 bytes"),
    ] {
        let listener = Listener::start(Manner::SaysAndCloses(answer)).await;
        assert_eq!(unhealthy(&ask(probe(), listener.port()).await), text);
    }
}
