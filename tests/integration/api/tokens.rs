//! Who may ask for what.

use std::net::SocketAddr;

use portreeve::api::{Access, Peer};
use portreeve::config::Anonymous;
use portreeve::config::tokens::{self, Role};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::{LOOPBACK, Server, V1, registry, temporary};

fn anonymous(rules: &[&str]) -> Anonymous {
    Anonymous::new(rules.iter().map(|rule| rule.parse().expect(rule)).collect())
}

fn from(address: &str) -> Peer {
    Peer::Tcp(address.parse::<SocketAddr>().expect(address))
}

#[tokio::test]
async fn a_viewer_reads_an_editor_writes_and_nobody_else_does_anything() {
    let directory = temporary();
    let path = tokens::path(directory.path());
    let access = Access::new(Some("own".into()), Anonymous::default()).with_tokens(path.clone());
    let mut server = Server::with(directory.path(), access, Vec::new()).await;
    server.peer = LOOPBACK;
    let (_, view) = tokens::create(&path, Role::View, None).expect("a token");
    let (_, edit) = tokens::create(&path, Role::Edit, Some("ci")).expect("a token");
    let body = || registry("main", "http://a").to_string().into_bytes();
    let object = format!("{V1}/reg/main");
    let ask = async |method: &str, token: &str| {
        let bearer = format!("Bearer {token}");
        server.send(method, &object, &[("authorization", &bearer)], body()).await
    };
    assert_eq!(ask("PUT", edit.expose_secret()).await.code, 201);
    assert_eq!(ask("GET", view.expose_secret()).await.code, 200);
    assert_eq!(ask("HEAD", view.expose_secret()).await.code, 200);
    for method in ["PUT", "PATCH", "DELETE", "POST"] {
        ask(method, view.expose_secret()).await.is_refused(403, "Forbidden", "may only read");
    }
    assert_eq!(ask("GET", "own").await.code, 200);
    for token in ["", "wrong", "portreeve_"] {
        ask("GET", token).await.is_refused(401, "Unauthorized", "portreeve token create");
    }
    let answer = server.send("GET", "/api/events", &[], Vec::new()).await;
    assert_eq!((answer.code.as_u16(), &answer.body["error"]), (401, &"Invalid API key".into()));
    assert!(
        answer.body["reason"].as_str().is_some_and(|why| why.starts_with("a token is needed")),
        "{}",
        answer.body
    );
    let answer = server.send("GET", "/api/events", &[("x-api-key", "wrong")], Vec::new()).await;
    assert!(
        answer.body["reason"].as_str().is_some_and(|why| why.contains("is not accepted")),
        "{}",
        answer.body
    );
    // What a write would come to is to be read, too.
    for (method, path) in
        [("PUT", "reg/main?dryRun=All"), ("DELETE", "reg/main?dryRun=All"), ("POST", "reg?dryRun=All")]
    {
        let bearer = format!("Bearer {}", view.expose_secret());
        let path = format!("{V1}/{path}");
        let answer = server.send(method, &path, &[("authorization", &bearer)], body()).await;
        let expected = if method == "POST" { 409 } else { 200 };
        assert_eq!(answer.code, expected, "{method} {path}: {}", answer.body);
    }
    assert_eq!(ask("GET", view.expose_secret()).await.code, 200);
    let answer = server.send("GET", "/docs", &[("x-api-key", view.expose_secret())], Vec::new()).await;
    assert_eq!(answer.code, 200);
    assert_eq!(server.send("GET", "/livez", &[], Vec::new()).await.code, 200);

    tokens::delete(&path, "ci").expect("deleted");
    ask("GET", edit.expose_secret()).await.is_refused(401, "Unauthorized", "token");
    assert_eq!(ask("DELETE", "own").await.code, 200);
}

#[tokio::test]
async fn without_a_token_this_machine_reads_and_the_socket_alone_changes() {
    let directory = temporary();
    let mut server = Server::new(directory.path()).await;
    let billing = json!({
        "apiVersion": "portreeve/v1", "kind": "BillingService", "metadata": {"name": "thief"},
        "spec": {"url": "http://127.0.0.1:9", "auth": {"basic": {"username": "x", "password": {"file": "/etc/shadow"}}}},
    });
    let probe = json!({"container": "web", "probe": {"exec": {"command": ["id"]}}});
    server.peer = LOOPBACK;
    assert_eq!(server.get("reg").await.code, 200);
    server.put("bill/thief", &billing).await.is_refused(403, "Forbidden", "the API is read-only");
    server.put("reg/main", &registry("main", "http://a")).await.is_refused(403, "Forbidden", "role edit");
    server.delete("reg/main").await.is_refused(403, "Forbidden", "the API is read-only");
    let tried = server.send("POST", &format!("{V1}/test/probe"), &[], probe.to_string().into_bytes()).await;
    tried.is_refused(403, "Forbidden", "the API is read-only");
    for peer in ["10.0.0.1:9", "[2001:db8::1]:9", "172.17.0.1:9"] {
        server.peer = from(peer);
        server.get("reg").await.is_refused(401, "Unauthorized", "token");
        assert_eq!(server.send("GET", "/livez", &[], Vec::new()).await.code, 200);
    }
    server.peer = Peer::Unix { uid: 1000 };
    assert_eq!(server.put("reg/main", &registry("main", "http://a")).await.code, 201);
    // Nobody has his secrets sent by what the API wrote, whoever he is.
    let refused = server.put("bill/thief", &billing).await;
    refused.is_refused(422, "Invalid", "only files in");
    assert_eq!(refused.body["details"]["causes"][0]["field"], "spec.auth.basic.password.file");
    assert_eq!(server.get("bill/thief").await.code, 404);
    // Nor has he a file shown, through what a server or a library says of it.
    let file = "/etc/shadow";
    for (kind, spec, field) in [
        ("Probe", json!({"redis": {"tls": {"ca": file}}}), "redis.tls.ca"),
        ("Probe", json!({"httpGet": {"scheme": "https", "tls": {"ca": file}}}), "httpGet.tls.ca"),
        ("Probe", json!({"redis": {"auth": {"password": {"file": file}}}}), "redis.auth.password.file"),
        (
            "Probe",
            json!({"httpGet": {"httpHeaders": [{"name": "cookie", "valueFrom": {"file": file}}]}}),
            "httpGet.httpHeaders[0].valueFrom.file",
        ),
        ("Probe", json!({"redis": {"auth": {"password": {"env": "HOME"}}}}), "redis.auth.password.env"),
        (
            "DockerHost",
            json!({"endpoint": "tcp://a:2376", "tls": {"ca": file, "cert": "/run/secrets/c", "key": "/run/secrets/k"}}),
            "tls.ca",
        ),
    ] {
        let object =
            json!({"apiVersion": "portreeve/v1", "kind": kind, "metadata": {"name": "thief"}, "spec": spec});
        let short = if kind == "Probe" { "probe/thief" } else { "dockerhost/thief" };
        let refused = server.put(short, &object).await;
        refused.is_refused(422, "Invalid", "may be named here");
        assert_eq!(refused.body["details"]["causes"][0]["field"], format!("spec.{field}"));
    }
}

#[tokio::test]
async fn what_anonymous_says_holds_for_whom_it_names_and_for_nobody_whom_a_proxy_names() {
    let directory = temporary();
    let access = Access::new(None, anonymous(&["edit", "view@172.16.0.0/12"]));
    let mut server = Server::with(directory.path(), access, Vec::new()).await;
    let object = registry("main", "http://a");
    server.peer = LOOPBACK;
    assert_eq!(server.put("reg/main", &object).await.code, 201);
    server.peer = from("[::ffff:172.17.0.1]:9");
    assert_eq!(server.get("reg/main").await.code, 200);
    server.put("reg/main", &object).await.is_refused(403, "Forbidden", "the API is read-only");
    server.peer = from("172.32.0.1:9");
    server.get("reg/main").await.is_refused(401, "Unauthorized", "token");
    for peer in [LOOPBACK, Peer::Unix { uid: 0 }] {
        server.peer = peer;
        for (name, value) in
            [("forwarded", "for=10.0.0.1"), ("x-forwarded-for", "10.0.0.1"), ("via", "1.1 nginx")]
        {
            let passed_on = [("host", "evil.example"), (name, value)];
            for (method, host) in [("PUT", &passed_on[..]), ("GET", &passed_on[1..])] {
                let body = object.to_string().into_bytes();
                let answer = server.send(method, &format!("{V1}/reg/main"), host, body).await;
                let refused = matches!(answer.code.as_u16(), 401 | 403);
                assert!(refused, "{peer:?} {method} {name}: {}", answer.body);
            }
        }
        assert_eq!(server.get("reg/main").await.code, 200);
    }
}

#[tokio::test]
async fn making_a_token_closes_what_was_open_and_deleting_the_last_one_opens_nothing() {
    let directory = temporary();
    let path = tokens::path(directory.path());
    let access = || Access::default().with_tokens(path.clone());
    let mut server = Server::with(directory.path(), access(), Vec::new()).await;
    server.peer = LOOPBACK;
    assert_eq!(server.get("reg").await.code, 200);
    let (_, _) = tokens::create(&path, Role::View, Some("only")).expect("a token");
    assert_eq!(server.get("reg").await.code, 401);
    // A file that says nothing readable opens nothing, nor does its absence while this process lives.
    let good = std::fs::read(&path).expect("a file");
    std::fs::write(&path, "{").expect("a file");
    assert_eq!(server.get("reg").await.code, 401);
    std::fs::remove_file(&path).expect("gone");
    assert_eq!(server.get("reg").await.code, 401);
    std::fs::write(&path, good).expect("a file");
    tokens::delete(&path, "only").expect("deleted");
    assert_eq!(server.get("reg").await.code, 401);
    server.peer = Peer::Unix { uid: 0 };
    assert_eq!(server.get("reg").await.code, 200);
    server.finish().await;

    // Nor does a new start: the file remains.
    let mut server = Server::with(directory.path(), access(), Vec::new()).await;
    server.peer = LOOPBACK;
    assert_eq!(server.get("reg").await.code, 401);
    server.finish().await;
    let said = Access::new(None, anonymous(&["view"])).with_tokens(path.clone());
    let mut server = Server::with(directory.path(), said, Vec::new()).await;
    server.peer = LOOPBACK;
    assert_eq!(server.get("reg").await.code, 200);
}

#[tokio::test]
async fn who_did_something_is_in_its_event() {
    let directory = temporary();
    let path = tokens::path(directory.path());
    let access = Access::new(None, anonymous(&["edit"])).with_tokens(path.clone());
    let mut server = Server::with(directory.path(), access, Vec::new()).await;
    let object = |url: &str| registry("main", url).to_string().into_bytes();
    let (_, token) = tokens::create(&path, Role::Edit, Some("ci")).expect("a token");
    let bearer = format!("Bearer {}", token.expose_secret());
    let by_token = [("authorization", bearer.as_str())];
    let reg = format!("{V1}/reg/main");
    assert_eq!(server.send("PUT", &reg, &by_token, object("http://a")).await.code, 201);
    assert_eq!(server.send("PUT", &reg, &[], object("http://b")).await.code, 200);
    // What changes nothing, or is only tried, is no event.
    assert_eq!(server.send("PUT", &reg, &[], object("http://b")).await.code, 200);
    assert_eq!(server.send("DELETE", &format!("{reg}?dryRun=All"), &[], Vec::new()).await.code, 200);
    server.peer = LOOPBACK;
    assert_eq!(server.send("DELETE", &reg, &[], Vec::new()).await.code, 200);
    let target = json!({"target": {"host": "127.0.0.1"}, "probe": {"tcpSocket": {"port": 9}}}).to_string();
    let tried = server.send("POST", &format!("{V1}/test/probe"), &[], target.into_bytes()).await;
    assert_eq!(tried.code, 200, "{}", tried.body);
    let events = server.send("GET", "/api/events", &[], Vec::new()).await.body;
    let told: Vec<[&str; 3]> = events
        .as_array()
        .expect("events")
        .iter()
        .map(|event| ["event_type", "message", "caller"].map(|field| event[field].as_str().expect(field)))
        .collect();
    let anonymous = "anonymous at 127.0.0.1";
    assert_eq!(
        told,
        [
            ["ProbeTried", "a probe was tried: tcpSocket at 127.0.0.1, by anonymous at 127.0.0.1", anonymous],
            ["ObjectDeleted", "DiscoveryRegistry/main was deleted by anonymous at 127.0.0.1", anonymous],
            ["ObjectChanged", "DiscoveryRegistry/main was changed by user root (uid 0)", "user root (uid 0)"],
            ["ObjectCreated", "DiscoveryRegistry/main was created by token ci", "token ci"],
        ]
    );
    assert!(!events.to_string().contains(token.expose_secret()));
    let _: Value = events;
}

#[tokio::test]
async fn without_a_token_a_name_that_a_page_elsewhere_can_point_here_is_refused() {
    let directory = temporary();
    let access = Access::default().for_hosts(vec!["portreeve.example".to_owned()]);
    let mut server = Server::with(directory.path(), access, Vec::new()).await;
    server.peer = LOOPBACK;
    let code = async |path: &str, host: &str| {
        server.send("GET", path, &[("host", host)], Vec::new()).await.code.as_u16()
    };
    for path in ["/api/config", "/livez", "/readyz", "/no/such/route"] {
        assert_eq!(code(path, "evil.example").await, 403, "{path}");
        for host in ["localhost:8000", "portreeve:8000", "portreeve.example", "[::1]:8000"] {
            assert_ne!(code(path, host).await, 403, "{path} {host}");
        }
    }
}
