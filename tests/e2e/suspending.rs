//! What is suspended by its annotation does nothing, and makes up for it later where that makes sense.

use std::time::Duration;

use bollard::models::HealthStatusEnum as Health;

use super::scene::{Scene, started_at};
use crate::support::wait;

const CHECK: Duration = Duration::from_millis(200);

/// Suspends the object of a manifest, or has it go on.
fn suspend(scene: &Scene, file: &str, suspended: bool) {
    let text = std::fs::read_to_string(scene.portreeve.config_dir().join(file)).unwrap();
    let (with, without) = (", annotations: {portreeve/suspend: \"true\"}}\n", "}\n");
    let (from, to) = if suspended { (without, with) } else { (with, without) };
    let line = text.lines().find(|line| line.starts_with("metadata:")).unwrap();
    let changed = format!("{line}\n").replace(from, to);
    scene.portreeve.manifest(file, &text.replace(&format!("{line}\n"), &changed));
}

#[tokio::test]
async fn a_suspended_policy_heals_nobody_until_it_goes_on() {
    let mut scene = Scene::own().await;
    suspend(&scene, "policy.yaml", true);
    scene.portreeve.start().await;
    let web = scene.lab.healed("web").switched_health(CHECK, 2).start().await;
    let before = started_at(&web).await;
    web.sicken().await;
    let skipped = scene.told(&web, "Skipped", 1).await;
    assert_eq!(skipped[0]["reason"], "Suspended");
    assert!(skipped[0]["message"].as_str().unwrap().ends_with("AutohealPolicy/default is suspended"));
    let row = scene.json(&format!("/apis/portreeve/v1/containers/{}", web.id())).await.unwrap();
    assert_eq!((&row["policy"], &row["blocked"][0]["reason"]), (&"default".into(), &"Suspended".into()));
    wait::throughout("nobody restarts it", Duration::from_secs(2), || async {
        let at = started_at(&web).await;
        wait::is(at == before, at)
    })
    .await;
    assert_eq!(web.inspect().await.state.unwrap().health.unwrap().status, Some(Health::UNHEALTHY));
    suspend(&scene, "policy.yaml", false);
    wait::until("it is restarted", wait::SOON, || async {
        let at = started_at(&web).await;
        wait::is(at != before, at)
    })
    .await;
    scene.receiver.state().assert_clean();
}

#[tokio::test]
async fn on_the_word_of_a_suspended_service_nothing_is_healed() {
    let mut scene = Scene::own().await;
    scene.declare_policy("  minUnhealthy: 1h\n");
    let labels = scene.of_the_lab();
    let service = format!(
        "apiVersion: portreeve/v1\nkind: MonitoredService\nmetadata: {{name: web}}\nspec:\n  selector: {{labels: {labels}}}\n  \
         probes: [{{name: down, tcpSocket: {{port: 81}}, periodSeconds: 1, failureThreshold: 1}}]\n"
    );
    scene.portreeve.manifest("service.yaml", &service);
    scene.portreeve.start().await;
    let web = scene.lab.healed("web").start().await;
    let before = started_at(&web).await;
    let skipped = scene.told(&web, "Skipped", 1).await;
    assert_eq!(skipped[0]["reason"], "NotUnhealthyLongEnough");
    suspend(&scene, "service.yaml", true);
    in_force(&scene, "monitoredservices/web", "\"Suspended\"").await;
    // From here on it would be restarted at once.
    scene.declare_policy("");
    in_force(&scene, "autohealpolicies/default", "\"minUnhealthy\":\"0s\"").await;
    wait::throughout("nobody restarts it", Duration::from_secs(3), || async {
        let at = started_at(&web).await;
        wait::is(at == before, at)
    })
    .await;
    suspend(&scene, "service.yaml", false);
    wait::until("it is restarted", wait::SOON, || async {
        let at = started_at(&web).await;
        wait::is(at != before, at)
    })
    .await;
}

/// Waits until the object holds `text`.
async fn in_force(scene: &Scene, object: &str, text: &str) {
    wait::until(&format!("{object} says {text}"), wait::SOON, || async {
        let found = scene.portreeve.get(&format!("/apis/portreeve/v1/{object}")).await?.body;
        wait::is(found.contains(text), found)
    })
    .await;
}

#[tokio::test]
async fn what_suspended_services_are_to_be_told_waits_and_is_sent_in_order_later() {
    let mut scene = Scene::shared().await;
    for file in ["billing.yaml", "registry.yaml"] {
        suspend(&scene, file, true);
    }
    scene.portreeve.start().await;
    let web = scene.lab.container("web").start().await;
    scene.told(&web, "start", 1).await;
    web.restart().await;
    scene.told(&web, "start", 2).await;
    let deliveries = wait::until("all of it waits", wait::SOON, || async {
        let deliveries = scene.json("/health/detailed").await?["deliveries"].clone();
        let pending = |pointer: &str| deliveries.pointer(pointer).and_then(|number| number.as_u64());
        let waits = pending("/billing/b/pending") == Some(3) && pending("/discovery/d/pending") == Some(1);
        if waits { Ok(deliveries) } else { Err(deliveries.to_string()) }
    })
    .await;
    assert_eq!(
        (&deliveries["billing"]["b"]["suspended"], &deliveries["discovery"]["d"]["suspended"]),
        (&true.into(), &true.into())
    );
    assert_eq!(scene.names(web.id()), Vec::<String>::new());
    assert!(scene.receiver.look(|state| state.up().is_empty()));
    // Over a restart, too.
    scene.portreeve.restart().await;
    assert_eq!(scene.names(web.id()), Vec::<String>::new());
    for file in ["billing.yaml", "registry.yaml"] {
        suspend(&scene, file, false);
    }
    scene.billed(web.id(), &["started", "stopped", "started"]).await;
    scene.registered(&[&web]).await;
    scene.receiver.state().assert_clean();
}
