//! `httpGet`, asking nginx.

mod answers;
pub mod bodies;
mod connections;
mod sites;

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::certificates::Authority;
use super::listeners::{Closed, Listener, Manner};
use super::{ask, denied, fault, output, passed, secret, shown, step, unhealthy};
use crate::support::server::{Server, nginx};

const SITE: &str = "
    server {
        listen 127.0.0.1:PORT;
        location = /health { default_type application/json; return 200 '{\"status\":{\"db\":\"up\",\"queue\":3}}'; }
        location = /down { return 503 'the database is away'; }
        location = /moved { return 301 http://127.0.0.1:1/; }
        location = /big { return 200 'BIG'; }
        location = /hang { proxy_pass http://127.0.0.1:SILENT; }
        location = /private { if ($http_authorization != 'Bearer s3cret') { return 401 'who is it?'; } return 200 'come in'; }
        location = /method { return 200 $request_method; }
    }
";

async fn site(silent: u16) -> Server {
    Server::start("nginx", |home, port| {
        let site = SITE
            .replace("PORT", &port.to_string())
            .replace("SILENT", &silent.to_string())
            .replace("BIG", &"lorem ".repeat(500));
        nginx(home, &site)
    })
    .await
}

fn get(path: &str, expect: Value) -> Value {
    json!({"httpGet": {"path": path, "expect": expect}})
}

#[tokio::test]
async fn an_answer_as_expected_is_healthy_and_another_says_what_came() {
    let silent = Listener::silent().await;
    let server = site(silent.port()).await;
    let json_of = |path: &str, equals: Value| json!({"json": [{"path": path, "equals": equals}]});
    for (path, expect) in [
        ("/health", json!({})),
        ("/health", json!({"bodyContains": "\"up\"", "bodyMatches": "queue\":[0-9]+", "maxLatency": "10s"})),
        ("/health", json_of("$.status.db", json!("up"))),
        ("/down", json!({"status": [503]})),
        ("/moved", json!({"status": ["300-399"]})),
        ("/big", json!({"bodyContains": "lorem"})),
    ] {
        let read = expect.as_object().unwrap().keys().any(|key| key.starts_with("body") || key == "json");
        let outcome = ask(get(path, expect), server.port).await;
        let steps: &[&str] = if read { &["request", "receive", "expect"] } else { &["request", "expect"] };
        assert_eq!(passed(&outcome), [&["resolve", "connect"], steps].concat(), "{path}");
    }
    for (path, expect, text, said) in [
        ("/down", json!({}), "expected status 200-399, got 503", "the database is away"),
        ("/nowhere", json!({"status": [200, 204]}), "expected status 200 or 204, got 404", "<html>"),
        (
            "/health",
            json!({"bodyContains": "green"}),
            r#"expected a body with "green", got another"#,
            r#"{"status""#,
        ),
        (
            "/health",
            json!({"bodyMatches": "^ok$"}),
            r#"expected a body that matches "^ok$", got another"#,
            "{",
        ),
        (
            "/health",
            json_of("$.status.queue", json!(0)),
            "expected 0 at $.status.queue, found something else",
            "3",
        ),
        (
            "/health",
            json_of("$.status.disk", json!("up")),
            r#"expected "up" at $.status.disk, found nothing: $.status has no key "disk""#,
            "",
        ),
        (
            "/down",
            json!({"status": [503], "json": [{"path": "$.a", "equals": 1}]}),
            "expected JSON, got something else (expected ident at line 1 column 2)",
            "the database",
        ),
        (
            "/big",
            json!({"bodyContains": "ipsum"}),
            r#"expected a body with "ipsum", got another"#,
            "lorem lorem",
        ),
    ] {
        let outcome = ask(get(path, expect), server.port).await;
        shown!(outcome);
        assert_eq!(unhealthy(&outcome), text, "{path}");
        assert!(output(&outcome).starts_with(said) && output(&outcome).len() < 1010, "{path}: {outcome:?}");
    }
    let mut hanging = get("/hang", json!({}));
    hanging["timeoutSeconds"] = 1.into();
    assert_eq!(unhealthy(&ask(hanging, server.port).await), "nothing within 1 s, at the step `request`");
}

#[tokio::test]
async fn a_site_that_wants_a_certificate_of_its_clients_refuses_us() {
    let authority = Authority::new();
    let own = authority.certificate("localhost", -1, 30);
    let server = Server::start("nginx", |home, port| {
        let file = |name: &str, text: &str| {
            fs::write(home.join(name), text).unwrap();
            home.join(name).display().to_string()
        };
        let (chain, key, ca) =
            (file("own.pem", &own.chain), file("own.key", &own.key), file("ca.pem", &authority.pem));
        let tls = format!(
            "listen 127.0.0.1:PORT ssl http2; ssl_certificate {chain}; ssl_certificate_key {key}; \
             ssl_client_certificate {ca}; ssl_verify_client on;"
        );
        let site = SITE
            .replace("listen 127.0.0.1:PORT;", &tls)
            .replace("PORT", &port.to_string())
            .replace("SILENT", "1");
        nginx(home, &site)
    })
    .await;
    let probe = json!({"httpGet": {"scheme": "https", "path": "/health"}});
    let outcome = ask(probe, server.port).await;
    shown!(outcome);
    let text = "expected status 200-399, got 400: it requires a client certificate";
    assert_eq!(denied(&outcome), text);
    assert!(output(&outcome).contains("No required SSL certificate was sent"), "{outcome:?}");
    let probe = json!({"httpGet": {"scheme": "https", "path": "/health", "expect": {"status": [400]}}});
    passed(&ask(probe, server.port).await);
}

#[tokio::test]
async fn methods_headers_and_secrets_are_sent_and_no_secret_is_said() {
    let silent = Listener::silent().await;
    let server = site(silent.port()).await;
    let method = json!({"httpGet": {"path": "/method", "method": "PUT", "expect": {"bodyContains": "PUT"}}});
    passed(&ask(method, server.port).await);

    let home = TempDir::new().unwrap();
    let private = |from: Value| {
        let header = json!({"name": "Authorization", "valueFrom": from});
        json!({"httpGet": {"path": "/private", "httpHeaders": [header]}})
    };
    let outcome = ask(private(secret(&home, "Bearer s3cret")), server.port).await;
    assert!(step(&outcome, "request").ends_with("/private: 200 OK"), "{outcome:?}");
    let outcome = ask(private(secret(&home, "Bearer wr0ng")), server.port).await;
    let text = "expected status 200-399, got 401: it requires a login, or more permissions";
    assert_eq!((denied(&outcome), output(&outcome)), (text, "who is it?"));
    assert!(!format!("{outcome:?}").contains("wr0ng"), "{outcome:?}");
    let outcome = ask(private(json!({"file": "/nowhere/token"})), server.port).await;
    assert!(fault(&outcome).contains("/nowhere/token cannot be read"), "{outcome:?}");
}

#[tokio::test]
async fn what_does_not_speak_http_is_unhealthy_with_the_reason() {
    let probe = || get("/", json!({}));
    let closed = Closed::new();
    let outcome = ask(probe(), closed.port()).await;
    let text = format!("no connection to 127.0.0.1:{}: connection refused", closed.port());
    assert_eq!(unhealthy(&outcome), text);
    for manner in [Manner::SaysAndCloses(b""), Manner::SaysAndCloses(b"SSH-2.0-OpenSSH_9.2\r\n")] {
        let stranger = Listener::start(manner).await;
        let outcome = ask(probe(), stranger.port()).await;
        let text = unhealthy(&outcome);
        assert!(text.starts_with("no answer from http://127.0.0.1:") && text.len() < 200, "{text}");
    }
    let clear = Manner::SaysAndCloses(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    let clear = Listener::start(clear).await;
    let outcome = ask(json!({"httpGet": {"scheme": "https"}}), clear.port()).await;
    assert_eq!(denied(&outcome), "no TLS handshake: the server does not speak TLS there");
    let slow =
        Manner::Answers(Duration::from_millis(50), b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", b".");
    let slow = Listener::start(slow).await;
    let outcome = ask(get("/", json!({"maxLatency": "20ms"})), slow.port()).await;
    assert!(unhealthy(&outcome).starts_with("expected an answer within 20ms, it took "), "{outcome:?}");
    let endless = Manner::Answers(Duration::ZERO, b"HTTP/1.1 200 OK\r\n\r\n", b"lorem ipsum ");
    let endless = Listener::start(endless).await;
    let outcome = ask(get("/", json!({"bodyContains": "dolor"})), endless.port()).await;
    // What an endless body holds nobody knows.
    let text = r#"expected a body with "dolor", which is not in its first 1 MiB, and no more is read"#;
    assert_eq!(fault(&outcome), text);
    assert!(output(&outcome).starts_with("lorem ipsum "), "{outcome:?}");
}
