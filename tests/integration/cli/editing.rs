//! `portreeve edit` against a server of another version, which refuses what this one would take.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Json;
use axum::routing::get;
use serde_json::{Value, json};

use super::transcript::Shell;

/// What was sent: the version it was to be at, and the patch.
type Sent = Arc<Mutex<Vec<(String, Value)>>>;

fn object(version: &str) -> Json<Value> {
    Json(json!({
        "apiVersion": "portreeve/v1", "kind": "BillingService",
        "metadata": {"name": "billing", "resourceVersion": version, "origin": "api"},
        "spec": {"url": "http://b:1", "path": "/events"},
    }))
}

/// Takes no path but `/good`.
async fn patch(
    State(sent): State<Sent>,
    headers: HeaderMap,
    Json(patch): Json<Value>,
) -> (StatusCode, Json<Value>) {
    let version = headers["if-match"].to_str().expect("text").to_owned();
    sent.lock().expect("no panic under this lock").push((version, patch.clone()));
    if patch["spec"]["path"] == "/good" {
        return (StatusCode::OK, object("8"));
    }
    let status = json!({
        "kind": "Status", "message": "BillingService/billing: spec.path: is not good",
        "details": {"causes": [{"field": "spec.path", "message": "spec.path: is not good"}]},
    });
    (StatusCode::UNPROCESSABLE_ENTITY, Json(status))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_refuses_is_shown_again_and_only_what_was_changed_is_sent() {
    let sent = Sent::default();
    let handlers = get(async || object("7")).patch(patch);
    let router = Router::new().route("/apis/portreeve/v1/billingservices/billing", handlers);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let shell = Shell::new(&format!("http://{}", listener.local_addr().expect("an address")));
    let serving = tokio::spawn(axum::serve(listener, router.with_state(sent.clone())).into_future());
    shell.file(
        "editor",
        "if grep -q '^# error: BillingService/billing: spec.path: is not good' \"$1\"\n\
         then sed -i 's,/bad,/good,' \"$1\"; else sed -i 's,/events,/bad,' \"$1\"; fi\n",
    );
    let said = shell.run("EDITOR='sh editor' portreeve edit bill billing");
    assert_eq!(said, "BillingService/billing edited\n");
    let path = |path: &str| ("\"7\"".to_owned(), json!({"spec": {"path": path}}));
    assert_eq!(*sent.lock().expect("no panic under this lock"), [path("/bad"), path("/good")]);
    serving.abort();
}
