//! What a container's own health check prints may be anything: those who may only look are not shown it.

use std::time::Duration;

use bollard::models::HealthStatusEnum as Health;
use reqwest::Method;
use serde_json::Value;

use super::scene::Scene;
use crate::support::wait;

const SAID: &str = "the password hunter2 is wrong";

#[tokio::test]
async fn what_a_health_check_prints_is_shown_to_those_only_who_may_edit() {
    let mut scene = Scene::shared().await;
    scene.declare_policy("  backoff: {initial: 1h, max: 1h, jitter: 0}\n");
    scene.portreeve.start().await;
    let check = format!("test ! -e /tmp/sick || {{ echo {SAID}; false; }}");
    let web = scene.lab.healed("web").healthcheck(&check, Duration::from_millis(200), 2).start().await;
    web.wait_health(Health::HEALTHY).await;
    web.sicken().await;
    let told = scene.told(&web, "Unhealthy", 1).await;
    assert_eq!(
        told[0]["message"],
        format!("{} became unhealthy: 2 health checks failed in a row", web.name())
    );
    assert_eq!(told[0].get("output"), None);
    // The second time is after the restart, and nothing more is done: all is said.
    scene.told(&web, "Unhealthy", 2).await;
    scene.told(&web, "Skipped", 1).await;
    let (events, container) = (
        format!("/api/events?limit=10000&container={}", web.id()),
        format!("/apis/portreeve/v1/containers/{}", web.id()),
    );
    for path in [&events, &container, &"/api/containers".to_owned(), &"/apis/portreeve/v1/events".to_owned()]
    {
        let seen = scene.portreeve.get(path).await.unwrap();
        assert_eq!(seen.status, 200, "{path}");
        assert!(!seen.body.contains("hunter2"), "{path}: {}", seen.body);
    }
    let portreeve = &scene.portreeve;
    let edit = |path: String| async move { portreeve.edit(Method::GET, &path, "").await.unwrap().json() };
    let Value::Array(told) = edit(events).await else { panic!("no array") };
    let sick = told.iter().find(|event| event["event_type"] == "Unhealthy").unwrap();
    assert_eq!(sick["output"], SAID);
    wait::until("the last output is shown", wait::SOON, || async {
        let shown = edit(container.clone()).await;
        wait::is(shown["health_output"] == SAID, shown)
    })
    .await;
    assert!(!scene.portreeve.log().contains("hunter2"), "{}", scene.portreeve.log());
}
