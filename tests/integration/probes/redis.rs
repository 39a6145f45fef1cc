//! `redis`, asking Redis.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{ask, denied, output, passed, secret, shown, unhealthy};
use crate::support::server::{Server, program};

async fn redis(config: &str) -> Server {
    Server::start("redis", |home, port| {
        let file = home.join("redis.conf");
        let config = format!("port {port}\nbind 127.0.0.1\ndir {}\nsave \"\"\n{config}", home.display());
        fs::write(&file, config).unwrap();
        let mut command = program("redis-server");
        command.arg(file);
        command
    })
    .await
}

fn login(username: Option<&str>, password: Value) -> Value {
    json!({"redis": {"auth": {"username": username, "password": password}}})
}

#[tokio::test]
async fn a_server_that_answers_ping_is_healthy_and_its_errors_are_told() {
    let (open, home) = (redis("").await, TempDir::new().unwrap());
    assert_eq!(passed(&ask(json!({"redis": {}}), open.port).await), ["resolve", "connect", "query"]);
    let needless = ask(login(None, secret(&home, "s3cret")), open.port).await;
    assert_eq!(denied(&needless), "expected OK, got ERR AUTH: the login is refused, or has no permission");
    let text = "ERR AUTH <password> called without any password configured";
    assert!(output(&needless).starts_with(text), "{needless:?}");
    open.freeze().await;
    let hanging = ask(json!({"redis": {}, "timeoutSeconds": 1}), open.port).await;
    assert_eq!(unhealthy(&hanging), "nothing within 1 s, at the step `query`");

    let closed = redis("requirepass s3cret\nuser probe on >pr0be +ping\nuser deaf on >pr0be -ping\n").await;
    for right in [login(None, secret(&home, "s3cret")), login(Some("probe"), secret(&home, "pr0be"))] {
        assert_eq!(passed(&ask(right, closed.port).await), ["resolve", "connect", "login", "query"]);
    }
    for (wrong, text, said) in [
        (json!({"redis": {}}), "expected PONG, got NOAUTH: ", "NOAUTH Authentication required."),
        (
            login(None, secret(&home, "wr0ng")),
            "expected OK, got WRONGPASS: ",
            "WRONGPASS invalid username-password pair",
        ),
        (
            login(Some("deaf"), secret(&home, "pr0be")),
            "expected PONG, got NOPERM: ",
            "NOPERM this user has no permissions",
        ),
    ] {
        let outcome = ask(wrong, closed.port).await;
        shown!(outcome);
        assert!(denied(&outcome).starts_with(text), "{outcome:?}");
        assert!(output(&outcome).starts_with(said), "{outcome:?}");
    }
}
