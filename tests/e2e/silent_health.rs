//! Health checks that the engine has stopped to make: an engine before 23.0 that restores its containers live makes none
//! after its own restart (moby/moby#41871), and leaves their last word standing.

use std::time::Duration;

use bollard::models::{ContainerStateStatusEnum as Status, HealthStatusEnum};
use serde_json::Value;

use super::scene::{Scene, restarted, started_at};
use crate::support::builder::Builder;
use crate::support::container::Container;
use crate::support::engine::Engine;
use crate::support::wait;

/// Interval, timeout, what is granted beyond, and time for a busy machine.
const SILENCE: Duration = Duration::from_secs(60);

fn status(scene: &Scene) -> (Option<i32>, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_portreeve"))
        .args(["status", "--server", &scene.portreeve.url("")])
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

/// As the API shows it; nothing while that does not know it yet.
async fn row(scene: &Scene, container: &Container) -> Value {
    scene.json(&format!("/apis/portreeve/v1/containers/{}", container.id())).await.unwrap_or_default()
}

async fn shown(scene: &Scene, container: &Container, health: &str) {
    wait::until(&format!("{} is shown as {health}", container.name()), SILENCE, || async {
        let row = row(scene, container).await;
        if row["health"] == health { Ok(()) } else { Err((row["health"].clone(), scene.portreeve.log())) }
    })
    .await;
}

async fn metric(scene: &Scene, container: &Container) -> String {
    let page = scene.portreeve.get("/metrics").await.unwrap().body;
    let name = format!("container_health_status{{container=\"{}\",status=\"running\"}} ", container.name());
    page.lines().find_map(|line| line.strip_prefix(&name)).unwrap_or("no such series").to_owned()
}

#[tokio::test]
async fn a_health_word_of_before_the_engines_restart_is_no_verdict_and_one_that_comes_again_is() {
    let mut scene = Scene::on(Engine::live_restoring().await).await;
    let checked = |container: Builder| container.switched_health(Duration::from_secs(1), 1);
    let sick = checked(scene.lab.healed("sick")).shell("rm -f /tmp/sick; exec /bin/idle");
    let sick = sick.start().await;
    // Nobody heals it; what is known of it is shown all the same.
    let well = checked(scene.lab.container("well")).start().await;
    scene.portreeve.manifest(
        "service.yaml",
        &format!(
            "apiVersion: portreeve/v1\nkind: MonitoredService\nmetadata: {{name: well}}\nspec:\n  \
             selector: {{names: [\"{}\"]}}\n  probes: [{{name: docker, dockerHealth: {{}}}}]\n",
            well.name()
        ),
    );
    scene.portreeve.start().await;
    for container in [&sick, &well] {
        shown(&scene, container, "healthy").await;
    }
    let (code, said) = status(&scene);
    assert!(code == Some(0) && said.contains("all is well"), "{code:?} {said}");
    assert_eq!(metric(&scene, &well).await, "1");
    let before = started_at(&sick).await;

    scene.engine.stop().await;
    scene.engine.start().await;
    assert_eq!((sick.status().await, started_at(&sick).await), (Status::RUNNING, before.clone()));
    sick.sicken().await;
    for container in [&sick, &well] {
        shown(&scene, container, "silent").await;
        let told = scene.told(container, "HealthCheckSilent", 1).await;
        assert_eq!(
            (&told[0]["reason"], &told[0]["severity"]),
            (&"HealthCheckSilent".into(), &"warning".into())
        );
        assert_eq!(metric(&scene, container).await, "0");
        assert_eq!(
            container.health().await,
            HealthStatusEnum::HEALTHY,
            "the engine makes checks: it is too new"
        );
    }
    let (code, said) = status(&scene);
    for name in [sick.name(), well.name()] {
        let line = format!("container {name} has no verdict: its health check is silent");
        assert!(said.contains(&line), "no `{line}`:\n{said}");
    }
    assert!(code == Some(1) && !said.contains("all is well"), "{code:?} {said}");
    let blocked = row(&scene, &sick).await["blocked"].clone();
    assert_eq!(blocked[0]["reason"], "HealthCheckSilent", "{blocked}");
    let service = scene.json("/apis/portreeve/v1/monitoredservices/well").await.unwrap()["status"].clone();
    assert_eq!(service["health"], "error", "{service}");

    // A restart of Portreeve tells nothing again.
    scene.portreeve.restart().await;
    shown(&scene, &well, "silent").await;

    // The engine takes up the checks of one that goes on after a pause. While it pauses nothing is said of it.
    for container in [&sick, &well] {
        container.pause().await;
        container.unpause().await;
    }
    restarted(&sick, &before).await;
    for container in [&sick, &well] {
        shown(&scene, container, "healthy").await;
        scene.told(container, "HealthCheckHeard", 1).await;
        scene.told(container, "HealthCheckSilent", 1).await;
    }
    assert_eq!(metric(&scene, &well).await, "1");
    let (code, said) = status(&scene);
    assert!(code == Some(0) && said.contains("all is well"), "{code:?} {said}");
}

/// The engine calls a container unhealthy whose checks it stops to make, and leaves that word standing until the next check
/// after the pause.
#[tokio::test]
async fn a_pause_is_neither_silence_nor_illness() {
    let mut scene = Scene::shared().await;
    let web = scene.lab.healed("web").switched_health(Duration::from_secs(3), 1);
    let web = web.with(|body, _| {
        // So that the pause outlasts what is granted.
        body.healthcheck.as_mut().unwrap().timeout = Some(1_000_000_000);
    });
    let web = web.start().await;
    scene.portreeve.start().await;
    shown(&scene, &web, "healthy").await;
    let before = started_at(&web).await;
    web.pause().await;
    web.unpause().await;
    wait::throughout("a healthy container is not restarted", Duration::from_secs(5), || async {
        wait::is(started_at(&web).await == before, scene.portreeve.log())
    })
    .await;
    shown(&scene, &web, "healthy").await;

    web.pause().await;
    shown(&scene, &web, "starting").await;
    wait::throughout("a paused container is not called silent", Duration::from_secs(16), || async {
        let row = row(&scene, &web).await;
        wait::is(row["health"] == "starting", row)
    })
    .await;
    web.unpause().await;
    shown(&scene, &web, "healthy").await;
    web.sicken().await;
    restarted(&web, &before).await;
    assert_eq!(scene.events(&web, &["HealthCheckSilent", "HealthCheckHeard"]).await, Vec::<Value>::new());
}
