//! Servers that say that it is too early to ask them: shown as not ready, waited for, and begun anew only where a policy
//! bounds that.

use std::fmt::Write;

use hyper::Method;
use serde_json::Value;

use super::scene::{Scene, restarted, started_at};
use crate::support::wait;

/// Answers whoever connects as a Redis does that reads its data.
const LOADING: &str =
    "while :; do echo '-LOADING it reads its data' | nc -l -p 6379 >/dev/null; done & exec /bin/idle";

async fn status(scene: &Scene, name: &str) -> Value {
    let path = format!("/apis/portreeve/v1/monitoredservices/{name}");
    scene.json(&path).await.unwrap_or_default()["status"].clone()
}

async fn blocked(scene: &Scene, id: &str) -> Value {
    let path = format!("/apis/portreeve/v1/containers/{id}");
    scene.json(&path).await.unwrap_or_default()["blocked"].clone()
}

#[tokio::test]
async fn who_is_not_ready_is_restarted_only_where_its_policy_bounds_that_and_keeps_its_dependants_waiting() {
    let mut scene = Scene::shared().await;
    let patient = scene.lab.container("patient").shell(LOADING).start().await;
    let hasty = scene.lab.container("hasty").shell(LOADING).start().await;
    let shop = scene.lab.container("shop").shell("exec /bin/idle").start().await;
    let mut declared = String::new();
    for (policy, triggers) in [("patient", ""), ("hasty", "{notYet: 3s}")] {
        let spec = if triggers.is_empty() { "{}".to_owned() } else { format!("{{triggers: {triggers}}}") };
        writeln!(
            declared,
            "apiVersion: portreeve/v1\nkind: AutohealPolicy\nmetadata: {{name: {policy}}}\nspec: {spec}\n---"
        )
        .unwrap();
    }
    for (service, container, probe, more) in [
        ("patient", &patient, "redis: {}", "autoheal: {policyRef: patient}"),
        ("hasty", &hasty, "redis: {}", "autoheal: {policyRef: hasty}"),
        ("shop", &shop, "tcpSocket: {port: 1}", "autoheal: {policyRef: patient}, dependsOn: [patient]"),
    ] {
        writeln!(
            declared,
            "apiVersion: portreeve/v1\nkind: MonitoredService\nmetadata: {{name: {service}}}\n\
             spec: {{selector: {{names: [{}]}}, {more}, \
             probes: [{{name: ask, {probe}, periodSeconds: 1, failureThreshold: 3}}]}}\n---",
            container.name()
        )
        .unwrap();
    }
    scene.portreeve.manifest("too-early.yaml", &declared);
    let (patients, shops) = (started_at(&patient).await, started_at(&shop).await);
    let mut before = started_at(&hasty).await;
    scene.portreeve.start().await;

    let early = wait::until("it is not ready yet", wait::SOON, || async {
        let status = status(&scene, "patient").await;
        let ready = status["conditions"].as_array().into_iter().flatten().find(|one| one["type"] == "Ready");
        let early =
            status["notYetSince"].is_string() && ready.is_some_and(|ready| ready["reason"] == "NotYet");
        if early { Ok(status) } else { Err(status) }
    })
    .await;
    assert_eq!(early["health"], "unknown", "{early:#}");
    // What a server says is shown to those alone who could ask it themselves.
    let probe = &early["containers"][0]["probes"][0];
    assert_eq!((&probe["outcome"], &probe["output"]), (&"notYet".into(), &Value::Null));
    let path = "/apis/portreeve/v1/monitoredservices";
    let seen = scene.portreeve.edit(Method::GET, &format!("{path}/patient"), "").await.unwrap().json();
    assert_eq!(
        seen["status"]["containers"][0]["probes"][0]["output"], "LOADING it reads its data",
        "{seen:#}"
    );
    for (path, by) in [(path.to_owned(), "list"), (format!("{path}/patient/status"), "status")] {
        let seen = scene.portreeve.edit(Method::GET, &path, "").await.unwrap().body;
        assert!(seen.contains("LOADING it reads"), "{by}: {seen}");
        let seen = scene.portreeve.get(&path).await.unwrap().body;
        assert!(seen.contains("got LOADING") && !seen.contains("LOADING it reads"), "{by}: {seen}");
    }
    // Whoever is down for want of it waits for it.
    wait::until("the shop waits", wait::SOON, || async {
        let (status, blocked) = (status(&scene, "shop").await, blocked(&scene, shop.id()).await);
        let waits = status["waitsFor"] == "patient" && blocked[0]["reason"] == "DependencyDown";
        wait::is(waits, (status, blocked))
    })
    .await;

    // Twice as long as one would have been restarted for it, the other is not.
    for _ in 0..2 {
        before = restarted(&hasty, &before).await;
    }
    let told = scene.told(&hasty, "Restarting", 2).await;
    let why = told[0]["message"].as_str().unwrap();
    assert!(why.contains("not ready yet: expected PONG, got LOADING"), "{why}");
    assert_eq!(blocked(&scene, patient.id()).await[0]["reason"], "NotYet");
    assert_eq!((started_at(&patient).await, started_at(&shop).await), (patients, shops));
    // What it said is no part of any reason.
    let said = scene.portreeve.get("/api/events?limit=1000").await.unwrap().body + &scene.portreeve.log();
    assert!(!said.contains("LOADING it reads"), "{said}");
}
