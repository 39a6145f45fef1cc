//! The engine stopped, killed and restarted under a running Portreeve.

use bollard::models::{ContainerStateStatusEnum as Status, RestartPolicyNameEnum};

use super::scene::{Scene, billed_time, started_at};
use crate::support::container::Container;
use crate::support::engine::Engine;
use crate::support::wait;

/// Waits until Portreeve says that it is degraded, everywhere it says so.
async fn degraded(scene: &Scene) {
    wait::until("it says that the engine is away", wait::SOON, || async {
        let health = scene.json("/health/detailed").await?;
        let engine = &health["engines"]["local"];
        let away =
            health["status"] == "degraded" && engine["connected"] == false && engine["error"].is_string();
        if away { Ok(()) } else { Err(format!("{health:#}")) }
    })
    .await;
    let ready = scene.portreeve.get("/readyz").await.unwrap();
    assert_eq!(ready.status, 503);
    assert!(ready.body.contains("engine local"), "{}", ready.body);
    assert_eq!(scene.portreeve.get("/livez").await.unwrap().status, 200);
    let metrics = scene.portreeve.get("/metrics").await.unwrap().body;
    assert!(metrics.contains(r#"portreeve_engine_up{engine="local"} 0"#), "{metrics}");
}

async fn healthy(scene: &Scene) {
    scene.portreeve.wait_ready().await;
    let health = scene.json("/health/detailed").await.unwrap();
    assert_eq!(health["status"], "healthy", "{health:#}");
}

/// The last `started` told of a running container is the one of the run that runs.
async fn assert_run_told(scene: &Scene, container: &Container) {
    let told = scene.receiver.state().events_of(container.id()).pop().unwrap().timestamp.clone();
    assert_eq!(told, billed_time(&started_at(container).await));
}

#[tokio::test]
async fn an_engine_that_is_stopped_and_started_is_followed_without_a_false_word() {
    let mut scene = Scene::own().await;
    scene.declare_policy("  triggers: {exited: always}\n");
    scene.portreeve.start().await;
    let plain = scene.lab.healed("plain").start().await;
    let always = scene.lab.container("always").restart_policy(RestartPolicyNameEnum::ALWAYS).start().await;
    let idle = scene.lab.container("idle").create().await;
    scene.registered(&[&plain, &always]).await;

    scene.engine.stop().await;
    degraded(&scene).await;

    scene.engine.start().await;
    healthy(&scene).await;
    always.wait_status(Status::RUNNING).await;
    scene.billed(plain.id(), &["started", "stopped"]).await;
    scene.billed(always.id(), &["started", "stopped", "started"]).await;
    scene.registered(&[&always]).await;
    assert_run_told(&scene, &always).await;
    // The engine's shutdown looks like a stop by hand, and nobody's crash.
    let skipped = scene.told(&plain, "Skipped", 1).await;
    assert_eq!(skipped[0]["reason"], "EngineShutdown", "{skipped:#?}");
    assert_eq!(plain.status().await, Status::EXITED);

    plain.start().await;
    idle.remove().await;
    scene.billed(plain.id(), &["started", "stopped", "started"]).await;
    scene.billed(idle.id(), &["removed"]).await;
    scene.registered(&[&plain, &always]).await;
    scene.receiver.state().assert_clean();
}

#[tokio::test]
async fn an_engine_that_is_killed_is_followed_and_its_boot_ends_what_it_lost() {
    let mut scene = Scene::own().await;
    scene.portreeve.start().await;
    let plain = scene.lab.container("plain").start().await;
    let always = scene.lab.container("always").restart_policy(RestartPolicyNameEnum::ALWAYS).start().await;
    scene.registered(&[&plain, &always]).await;

    scene.engine.kill9().await;
    degraded(&scene).await;
    // Nobody can know yet what became of them.
    assert_eq!(scene.names(plain.id()), ["started"]);
    scene.engine.start().await;
    healthy(&scene).await;
    always.wait_status(Status::RUNNING).await;
    scene.billed(plain.id(), &["started", "stopped"]).await;
    scene.billed(always.id(), &["started", "stopped", "started"]).await;
    scene.registered(&[&always]).await;
    assert_run_told(&scene, &always).await;

    // Again, with both of them killed and Portreeve the first to be back.
    scene.engine.kill9().await;
    scene.portreeve.kill9().await;
    scene.portreeve.spawn();
    wait::until("it answers", wait::SOON, || scene.portreeve.get("/livez")).await;
    degraded(&scene).await;
    scene.engine.start().await;
    healthy(&scene).await;
    always.wait_status(Status::RUNNING).await;
    scene.billed(always.id(), &["started", "stopped", "started", "stopped", "started"]).await;
    scene.registered(&[&always]).await;
    assert_run_told(&scene, &always).await;
    assert_eq!(scene.names(plain.id()), ["started", "stopped"]);
    scene.receiver.state().assert_clean();
}

#[tokio::test]
async fn started_before_its_engine_it_waits_for_it() {
    let mut engine = Engine::own().await;
    engine.stop().await;
    let mut scene = Scene::on(engine).await;
    scene.portreeve.spawn();
    wait::until("it answers", wait::SOON, || scene.portreeve.get("/livez")).await;
    degraded(&scene).await;
    scene.engine.start().await;
    healthy(&scene).await;
    let web = scene.lab.container("web").start().await;
    scene.billed(web.id(), &["started"]).await;
    scene.registered(&[&web]).await;
    scene.receiver.state().assert_clean();
}

#[tokio::test]
async fn an_engine_restarted_again_and_again_under_load_is_caught_up_with() {
    let mut scene = Scene::own().await;
    scene.portreeve.start().await;
    let mut all = Vec::new();
    for round in 0..4 {
        for n in 0..3 {
            let container = scene.lab.container(&format!("c{round}-{n}"));
            all.push(container.restart_policy(RestartPolicyNameEnum::ALWAYS).start().await);
        }
        // What an engine did not get to tell before it was killed is gone with its memory; here all of it is told.
        for container in &all {
            wait::until("its first run is told", wait::SOON, || async {
                let names = scene.names(container.id());
                wait::is(names.iter().any(|name| name == "started"), names)
            })
            .await;
        }
        if round % 2 == 0 {
            scene.engine.kill9().await;
        } else {
            scene.engine.stop().await;
        }
        scene.engine.start().await;
        // One is removed while Portreeve may still be looking for its engine.
        all.remove(0).remove().await;
    }
    for container in &all {
        container.wait_status(Status::RUNNING).await;
    }
    scene.registered(&all.iter().collect::<Vec<_>>()).await;
    for container in &all {
        wait::until("its last run is told", wait::SOON, || async {
            let names = scene.names(container.id());
            wait::is(names.last().is_some_and(|name| name == "started"), names)
        })
        .await;
        assert_run_told(&scene, container).await;
    }
    scene.receiver.state().assert_clean();
}
