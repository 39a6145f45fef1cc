//! `amqp`, asking RabbitMQ.

use std::fs;
use std::process::{Child, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::listeners::{Listener, Manner};
use super::{ask, denied, fault, output, passed, secret, step, unhealthy};
use crate::support::server::{Port, Server, install, program};

/// Where Erlang's nodes find each other; a node insists on one.
struct Epmd(Child, Port);

impl Epmd {
    async fn start() -> Self {
        install("rabbitmq").await;
        let port = Port::free();
        let mut command = program("epmd");
        command.args(["-port", &port.number.to_string(), "-address", "127.0.0.1"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap(), port)
    }
}

impl Drop for Epmd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn rabbitmq(epmd: &Epmd, nodes: &Port) -> Server {
    Server::start("rabbitmq", |home, port| {
        let file = |name: &str| home.join(name).display().to_string();
        // Debian's wrapper around this insists on a user of its own.
        let mut command = match fs::exists("/usr/lib/rabbitmq/bin/rabbitmq-server").unwrap() {
            true => program("/usr/lib/rabbitmq/bin/rabbitmq-server"),
            false => program("rabbitmq-server"),
        };
        command
            .env("HOME", home)
            // In place of the shell that starts it, so that killing it ends it.
            .env("RUNNING_UNDER_SYSTEMD", "1")
            .env("ERL_EPMD_PORT", epmd.1.number.to_string())
            .env("RABBITMQ_NODENAME", format!("portreeve-{port}@localhost"))
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", port.to_string())
            .env("RABBITMQ_DIST_PORT", nodes.number.to_string())
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("RABBITMQ_CONFIG_FILE", file("rabbitmq.conf"))
            .env("RABBITMQ_ADVANCED_CONFIG_FILE", file("advanced.config"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", file("plugins"))
            .env("RABBITMQ_FEATURE_FLAGS_FILE", file("feature-flags"))
            .env("RABBITMQ_MNESIA_BASE", file("data"))
            .env("RABBITMQ_LOGS", "-");
        command
    })
    .await
}

fn login(username: &str, password: Value) -> Value {
    json!({"amqp": {"auth": {"username": username, "password": password}}})
}

#[tokio::test]
async fn a_broker_that_takes_the_login_is_healthy() {
    let (epmd, home) = (Epmd::start().await, TempDir::new().unwrap());
    let nodes = Port::free();
    let server = rabbitmq(&epmd, &nodes).await;
    let steps = ["resolve", "connect", "receive", "login", "close"];
    let outcome = ask(json!({"amqp": {}}), server.port).await;
    assert_eq!(passed(&outcome), steps);
    assert!(step(&outcome, "receive").contains("PLAIN"), "{outcome:?}");
    assert_eq!(passed(&ask(login("guest", secret(&home, "guest")), server.port).await), steps);
    let outcome = ask(login("guest", secret(&home, "wr0ng")), server.port).await;
    let text = "expected an accepted login, got reply code 403: the login is refused or has no permission, or a limit \
        of connections is reached";
    assert_eq!(denied(&outcome), text);
    let text = "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN.";
    assert!(output(&outcome).starts_with(text), "{outcome:?}");
    // Connections that end as they should leave no complaint behind.
    assert!(!server.log().contains("client unexpectedly closed"), "{}", server.log());
    server.freeze().await;
    let hanging = ask(json!({"amqp": {}, "timeoutSeconds": 1}), server.port).await;
    assert_eq!(unhealthy(&hanging), "nothing within 1 s, at the step `receive`");
}

#[tokio::test]
async fn another_login_and_nonsense_are_told() {
    // A greeting of version 0-9 without properties, with these ways to log in.
    const EXTERNAL: &[u8] =
        b"\x01\0\0\0\0\0\x1f\0\x0a\0\x0a\0\x09\0\0\0\0\0\0\0\x08EXTERNAL\0\0\0\x05en_US\xce";
    const UNENDED: &[u8] = b"\x01\0\0\0\0\0\x04\0\x0a\0\x0a\0";
    let ask_one = |says: &'static [u8]| async move {
        let listener = Listener::start(Manner::SaysAndCloses(says)).await;
        ask(json!({"amqp": {}}), listener.port()).await
    };
    let external = ask_one(EXTERNAL).await;
    assert_eq!(fault(&external), "this probe logs in with PLAIN, which the broker does not offer");
    assert_eq!(output(&external), "EXTERNAL");
    let unended = ask_one(UNENDED).await;
    assert_eq!(unhealthy(&unended), "expected a greeting, got something else");
    assert_eq!(output(&unended), "the bytes 01 00 00 00 00 00 04 00 0a 00 0a");
    assert_eq!(
        unhealthy(&ask_one(b"\x01\0\0\xff\xff\xff\xff").await),
        "expected a greeting, got one that claims 4294967296 bytes"
    );
}
