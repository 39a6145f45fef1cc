//! Who may ask, what refuses to start, how it ends, and what is never said.

use std::time::Duration;

use hyper::Method;

use super::scene::Scene;
use crate::support::http::{Response, request};
use crate::support::portreeve::Portreeve;
use crate::support::wait;

const TOKEN: &str = "tok-3f1c9a7e5d";
const ROUTES: [&str; 5] =
    ["/api/events", "/api/config", "/api/containers", "/health/detailed", "/no/such/route"];

async fn ask(portreeve: &Portreeve, path: &str, headers: &[(&str, &str)]) -> Response {
    request(Method::GET, &portreeve.url(path), headers, "").await.unwrap()
}

fn assert_refused(answer: &Response, path: &str) {
    // The words of document R3, and whether a key came at all.
    assert_eq!(answer.status, 401, "{path}");
    assert!(answer.body.starts_with(r#"{"error":"Invalid API key","reason":""#), "{path}: {}", answer.body);
}

#[tokio::test]
async fn with_a_token_every_route_but_the_probes_asks_for_it() {
    let mut scene = Scene::shared().await.with(|portreeve| portreeve.env("PORTREEVE_TOKEN", TOKEN));
    scene.portreeve.start().await;
    let portreeve = &scene.portreeve;
    let bearer = format!("Bearer {TOKEN}");
    for path in ROUTES.iter().chain(&["/metrics"]) {
        assert_refused(&ask(portreeve, path, &[]).await, path);
        assert_refused(&ask(portreeve, path, &[("X-API-Key", "tok-3f1c9a7e5")]).await, path);
        assert_refused(&ask(portreeve, path, &[("Authorization", "Bearer nonsense")]).await, path);
        let status = if path.starts_with("/no") { 404 } else { 200 };
        assert_eq!(ask(portreeve, path, &[("X-API-Key", TOKEN)]).await.status, status, "{path}");
        assert_eq!(ask(portreeve, path, &[("Authorization", &bearer)]).await.status, status, "{path}");
    }
    for path in ["/livez", "/readyz"] {
        assert_eq!(ask(portreeve, path, &[]).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn metrics_are_open_only_if_so_set_and_the_token_may_come_from_a_file() {
    let scene = Scene::shared().await;
    let file = scene.portreeve.home().join("token");
    std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let file = file.display().to_string();
    let mut scene = scene.with(|portreeve| portreeve.arg("--open-metrics").arg("--token-file").arg(&file));
    scene.portreeve.start().await;
    let metrics = ask(&scene.portreeve, "/metrics", &[]).await;
    assert_eq!(metrics.status, 200);
    assert!(metrics.body.contains("portreeve_engine_up"), "{}", metrics.body);
    for path in ROUTES {
        assert_refused(&ask(&scene.portreeve, path, &[]).await, path);
    }
    assert_eq!(ask(&scene.portreeve, "/api/events", &[("X-API-Key", TOKEN)]).await.status, 200);
}

#[tokio::test]
async fn without_a_token_it_is_read_by_its_names_and_changed_by_its_socket() {
    let mut scene = Scene::shared().await;
    scene.portreeve.start().await;
    let object = r#"{"apiVersion":"portreeve/v1","kind":"Probe","metadata":{"name":"p"},"spec":{"icmp":{}}}"#;
    let path = "/apis/portreeve/v1/probes/p";
    let refused = request(Method::PUT, &scene.portreeve.url(path), &[], object).await.unwrap();
    assert_eq!(refused.status, 403, "{refused:?}");
    let socket = scene.portreeve.socket().display().to_string();
    assert!(refused.body.contains(&socket), "{refused:?}");
    assert_eq!(scene.portreeve.edit(Method::PUT, path, object).await.unwrap().status, 201);
    let events = ask(&scene.portreeve, "/api/events?type=ObjectCreated", &[]).await.json();
    let user = rustix::process::geteuid().as_raw();
    assert!(events[0]["caller"].as_str().unwrap().ends_with(&format!("uid {user})")), "{events}");
    let rebound = ask(&scene.portreeve, "/api/config", &[("Host", "evil.example")]).await;
    assert_eq!(rebound.status, 403, "{rebound:?}");
    let foreign = ask(&scene.portreeve, "/api/config", &[("Origin", "https://evil.example")]).await;
    assert_eq!(foreign.status, 403, "{foreign:?}");
    assert_eq!(ask(&scene.portreeve, "/api/config", &[]).await.status, 200);
}

#[tokio::test]
async fn sigterm_ends_it_properly_with_calls_in_hand() {
    let mut scene = Scene::shared().await;
    scene.portreeve.start().await;
    assert!(scene.portreeve.terminate().await.success());
    scene.portreeve.start().await;
    // Both services hang: the calls are in hand when it is told to stop.
    let hang = crate::support::receiver::faults::Faults { hang_after: 1.0, ..Default::default() };
    scene.receiver.discovery.faults(hang);
    scene.receiver.billing.faults(hang);
    let web = scene.lab.container("web").start().await;
    wait::until("both calls came in", wait::SOON, || async {
        let calls = scene.receiver.look(|state| state.calls.len());
        wait::is(calls >= 2, calls)
    })
    .await;
    assert!(scene.portreeve.terminate().await.success());
    scene.receiver.discovery.faults(Default::default());
    scene.receiver.billing.faults(Default::default());
    scene.portreeve.start().await;
    web.stop().await;
    scene.billed(web.id(), &["started", "stopped"]).await;
    scene.receiver.state().assert_clean();
}

#[tokio::test]
async fn a_second_process_on_the_same_state_is_refused() {
    let mut scene = Scene::shared().await;
    scene.portreeve.start().await;
    let state = scene.portreeve.state_dir().display().to_string();
    let mut second = Portreeve::new(env!("CARGO_BIN_EXE_portreeve"))
        .docker_host(scene.engine.endpoint())
        .arg("--observe")
        .env("PORTREEVE_STATE_DIR", &state);
    second.without("--state-dir");
    second.spawn();
    assert!(!second.exited(wait::SOON).await.success());
    second.wait_line("another Portreeve uses this state directory").await;
    scene.portreeve.wait_ready().await;
}

#[tokio::test]
async fn a_password_in_a_variable_is_refused_without_being_repeated() {
    let mut portreeve = Portreeve::new(env!("CARGO_BIN_EXE_portreeve"))
        .docker_host("unix:///nowhere/docker.sock")
        .env("DISCOVERY_SERVICE_URL", "http://user:url-pass-5e5e@127.0.0.1:9");
    portreeve.spawn();
    assert!(!portreeve.exited(wait::SOON).await.success());
    portreeve.wait_line("DISCOVERY_SERVICE_URL contains a user, a password or a token").await;
    assert!(!portreeve.log().contains("url-pass-5e5e"), "{}", portreeve.log());
}

#[tokio::test]
async fn secrets_appear_in_no_line_and_no_answer() {
    const SECRETS: [&str; 4] = [TOKEN, "bearer-77aa01", "url-pass-5e5e", "env-pass-9b9b"];
    let scene = Scene::shared().await.with(|portreeve| {
        portreeve
            .env("PORTREEVE_TOKEN", TOKEN)
            .env("BILLING_BEARER", "bearer-77aa01")
            .arg("--log-level")
            .arg("debug,portreeve=trace")
    });
    let billing = format!(
        "apiVersion: portreeve/v1\nkind: BillingService\nmetadata: {{name: b}}\nspec:\n  url: {}\n  \
         selector: {{labels: {}}}\n  auth: {{bearer: {{env: BILLING_BEARER}}}}\n",
        scene.receiver.billing.url(),
        scene.of_the_lab()
    );
    scene.portreeve.manifest("billing.yaml", &billing);
    // Someone writes a password where none belongs.
    let wrong = "apiVersion: portreeve/v1\nkind: BillingService\nmetadata: {name: wrong}\n\
                 spec:\n  url: http://u:url-pass-5e5e@127.0.0.1:9\n";
    scene.portreeve.manifest("wrong.yaml", wrong);
    let mut scene = scene;
    scene.portreeve.start().await;
    scene.portreeve.wait_line("wrong.yaml").await;
    let web = scene.lab.container("web").label("managed-by", "x").env("PASSWORD", "env-pass-9b9b");
    let web = web.healthcheck("exit 1", Duration::from_millis(200), 1).start().await;
    scene.billed(web.id(), &["started"]).await;
    scene.receiver.billing.down().await;
    web.stop().await;
    scene.portreeve.wait_line("Failed to notify Billing Service: ").await;
    let mut said = scene.portreeve.log();
    for path in ROUTES.iter().chain(&["/metrics"]) {
        said.push_str(&ask(&scene.portreeve, path, &[("X-API-Key", TOKEN)]).await.body);
    }
    for secret in SECRETS {
        let found = said.find(secret).map(|at| &said[at.saturating_sub(200)..at + secret.len()]);
        assert_eq!(found, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_idle_connections_stop_neither_deliveries_nor_the_api_for_others() {
    const MANY: usize = 2000;
    let resource = rustix::process::Resource::Nofile;
    let limit = rustix::process::getrlimit(resource);
    let raised = rustix::process::Rlimit { current: limit.maximum, ..limit };
    rustix::process::setrlimit(resource, raised).unwrap();
    let mut scene = Scene::shared().await;
    scene.portreeve.start().await;
    let address: std::net::SocketAddr =
        scene.portreeve.url("").trim_start_matches("http://").parse().unwrap();
    let mut idle = Vec::new();
    for _ in 0..MANY {
        idle.push(tokio::net::TcpStream::connect(address).await.unwrap());
    }
    // As the same address, over the socket, and as another one.
    assert_eq!(ask(&scene.portreeve, "/api/config", &[]).await.status, 200);
    let web = scene.lab.container("web").start().await;
    scene.billed(web.id(), &["started"]).await;
    assert_eq!(scene.portreeve.edit(Method::GET, "/health/detailed", "").await.unwrap().status, 200);
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let other = socket.connect(address).await.unwrap();
    let answer =
        crate::support::http::request_on(other, Method::GET, &scene.portreeve.url("/livez")).await.unwrap();
    assert_eq!(answer.status, 200);
    web.stop().await;
    scene.billed(web.id(), &["started", "stopped"]).await;
    // Most of them are gone: so many at once are never held.
    let open = std::fs::read_dir(format!("/proc/{}/fd", scene.portreeve.pid())).unwrap().count();
    assert!(open < MANY / 2, "{open} descriptors");
    drop(idle);
}
