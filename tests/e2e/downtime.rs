//! What happened while Portreeve was not there is told at its next start, once.

use bollard::models::ContainerStateStatusEnum as Status;
use serde_json::Value;

use super::scene::{Scene, billed_time, started_at};
use crate::support::container::Container;
use crate::support::record::EngineRecord;
use crate::support::wait;

#[derive(Clone, Copy)]
enum End {
    Killed,
    Stopped,
}

/// The bills that the engine's own account of a container asks for.
pub fn expected(record: &EngineRecord, container: &str) -> Vec<&'static str> {
    let of_it = |entry: &crate::support::record::Entry| entry.container == container;
    let name = |action: &str| match action {
        "start" => Some("started"),
        "die" => Some("stopped"),
        "destroy" => Some("removed"),
        _ => None,
    };
    record.all().iter().filter(|entry| of_it(entry)).filter_map(|entry| name(&entry.action)).collect()
}

async fn assert_no_gap(scene: &Scene) {
    let gaps = scene.json("/api/events?type=gap").await.unwrap();
    assert_eq!(gaps, Value::Array(vec![]));
}

async fn what_happens_meanwhile_is_told(end: End) {
    let mut scene = Scene::own().await;
    let record = EngineRecord::start(&scene.engine, &scene.lab).await;
    scene.portreeve.start().await;
    let lab = &scene.lab;
    let restarted = lab.container("restarted").start().await;
    let stopped = lab.container("stopped").start().await;
    let removed = lab.container("removed").start().await;
    let untouched = lab.container("untouched").start().await;
    let down = lab.container("down").start().await;
    let idle = lab.container("idle").create().await;
    down.stop().await;
    scene.billed(down.id(), &["started", "stopped"]).await;
    scene.registered(&[&restarted, &stopped, &removed, &untouched]).await;
    let before = started_at(&untouched).await;

    match end {
        End::Killed => scene.portreeve.kill9().await,
        End::Stopped => assert!(scene.portreeve.terminate().await.success()),
    }
    let lab = &scene.lab;
    restarted.restart().await;
    restarted.restart().await;
    stopped.stop().await;
    removed.remove().await;
    down.start().await;
    idle.remove().await;
    let new = lab.container("new").start().await;
    let crashed = lab.container("crashed").shell("exit 1").start().await;
    let short = lab.container("short").auto_remove().cmd(&["true"]).start().await;
    short.wait_gone().await;
    record.wait(crashed.id(), "die", 1).await;

    scene.portreeve.start().await;
    let everything: [&Container; 9] =
        [&restarted, &stopped, &removed, &untouched, &down, &idle, &new, &crashed, &short];
    for container in everything {
        scene.billed(container.id(), &expected(&record, container.id())).await;
    }
    scene.registered(&[&restarted, &untouched, &down, &new]).await;
    for container in [&restarted, &down, &new, &untouched] {
        let told = scene.receiver.state().events_of(container.id()).pop().unwrap().timestamp.clone();
        assert_eq!(told, billed_time(&started_at(container).await), "{}", container.name());
    }
    assert_eq!(started_at(&untouched).await, before);
    assert_no_gap(&scene).await;

    // Once more: there is nothing new to tell.
    let calls = scene.receiver.state().calls.len();
    scene.portreeve.restart().await;
    let marker = scene.lab.container("marker").start().await;
    scene.billed(marker.id(), &["started"]).await;
    let more = scene.receiver.state().calls.split_off(calls);
    let about_others = more.iter().filter(|call| !call.to_string().contains(&marker.id()[..12]));
    assert_eq!(about_others.map(ToString::to_string).collect::<Vec<_>>(), Vec::<String>::new());
    scene.receiver.state().assert_clean();
}

#[tokio::test]
async fn what_happens_while_it_is_killed_is_told_at_the_next_start() {
    what_happens_meanwhile_is_told(End::Killed).await;
}

#[tokio::test]
async fn what_happens_while_it_is_stopped_is_told_at_the_next_start() {
    what_happens_meanwhile_is_told(End::Stopped).await;
}

/// Portreeve was away, the engine was not: what was stopped then was stopped by hand.
#[tokio::test]
async fn what_is_stopped_by_hand_meanwhile_was_not_stopped_by_the_engine() {
    let mut scene = Scene::own().await;
    scene.declare_policy("  triggers: {exited: always}\n");
    scene.portreeve.start().await;
    let (stopped, killed) =
        (scene.lab.healed("stopped").start().await, scene.lab.healed("killed").start().await);
    for container in [&stopped, &killed] {
        scene.billed(container.id(), &["started"]).await;
    }
    scene.portreeve.kill9().await;
    stopped.stop().await;
    killed.kill("SIGKILL").await;
    scene.portreeve.start().await;
    for container in [&stopped, &killed] {
        let skipped = scene.told(container, "Skipped", 1).await;
        assert_eq!(skipped[0]["reason"], "StoppedByHand", "{skipped:#?}");
        assert_eq!(container.status().await, Status::EXITED);
    }
    assert_no_gap(&scene).await;
}

#[tokio::test]
async fn at_first_contact_what_runs_is_started_and_what_has_ended_is_only_recorded() {
    let mut scene = Scene::own().await;
    let running = scene.lab.container("running").start().await;
    let paused = scene.lab.container("paused").start().await;
    paused.pause().await;
    let ended = scene.lab.container("ended").start().await;
    ended.stop().await;
    let again = scene.lab.container("again").start().await;
    again.stop().await;
    scene.portreeve.start().await;
    for container in [&running, &paused] {
        scene.billed(container.id(), &["started"]).await;
        let told = scene.receiver.state().events_of(container.id())[0].timestamp.clone();
        assert_eq!(told, billed_time(&started_at(container).await));
    }
    scene.registered(&[&running, &paused]).await;
    again.start().await;
    ended.remove().await;
    scene.billed(again.id(), &["started"]).await;
    scene.billed(ended.id(), &["removed"]).await;
    scene.receiver.state().assert_clean();
}

#[tokio::test]
async fn whoever_got_started_gets_stopped_and_removed_although_the_selector_was_narrowed() {
    let mut scene = Scene::shared().await;
    scene.portreeve.start().await;
    let web = scene.lab.container("web").start().await;
    let other = scene.lab.container("other").start().await;
    scene.billed(web.id(), &["started"]).await;
    scene.registered(&[&web, &other]).await;
    scene.declare_services("names", "[nobody]");
    // The registry forgets whom it is no longer meant for.
    scene.registered(&[]).await;
    assert!(scene.receiver.state().registry.is_empty());
    let unseen = scene.lab.container("unseen").start().await;
    web.stop().await;
    scene.billed(web.id(), &["started", "stopped"]).await;
    web.start().await;
    scene.told(&web, "start", 2).await;
    web.remove().await;
    scene.billed(web.id(), &["started", "stopped", "removed"]).await;
    scene.told(&unseen, "start", 1).await;
    assert_eq!(scene.names(unseen.id()), Vec::<String>::new());
    scene.declare_services("labels", &scene.of_the_lab());
    scene.registered(&[&other, &unseen]).await;
    scene.billed(unseen.id(), &["started"]).await;
    assert_eq!(scene.names(other.id()), ["started"]);
    scene.receiver.state().assert_clean();
}

async fn billing_waits(scene: &Scene, pending: u64, held: bool) {
    wait::until("what waits is in sight", wait::SOON, || async {
        let target = scene.json("/health/detailed").await?["deliveries"]["billing"]["b"].clone();
        let seen = target["pending"] == pending && target["held"] == held;
        if seen { Ok(()) } else { Err(format!("{target:#}")) }
    })
    .await;
}

#[tokio::test]
async fn what_waits_for_a_deleted_service_is_held_in_sight_and_sent_when_it_is_back() {
    let mut scene = Scene::shared().await;
    scene.portreeve.start().await;
    scene.receiver.billing.down().await;
    let web = scene.lab.container("web").start().await;
    scene.portreeve.wait_line("Failed to notify Billing Service: ").await;
    let path = scene.portreeve.config_dir().join("billing.yaml");
    std::fs::remove_file(&path).unwrap();
    billing_waits(&scene, 1, true).await;
    scene.receiver.billing.up().await.unwrap();
    scene.portreeve.restart().await;
    billing_waits(&scene, 1, true).await;
    let marker = scene.lab.container("marker").start().await;
    scene.registered(&[&web, &marker]).await;
    assert_eq!(scene.names(web.id()), Vec::<String>::new());
    web.stop().await;
    scene.told(&web, "stop", 1).await;
    scene.declare_services("labels", &scene.of_the_lab());
    scene.billed(web.id(), &["started", "stopped"]).await;
    scene.billed(marker.id(), &["started"]).await;
    billing_waits(&scene, 0, false).await;
    scene.receiver.state().assert_clean();
}

#[tokio::test]
async fn a_bad_manifest_is_reported_and_the_last_good_version_stays_in_force() {
    let mut scene = Scene::shared().await;
    scene.portreeve.start().await;
    let problems = async |count: usize| {
        wait::until("the problems of the manifests are in sight", wait::SOON, || async {
            let health = scene.json("/health/detailed").await?;
            let problems = health["manifests"]["problems"].as_array().cloned().unwrap_or_default();
            if problems.len() == count { Ok(problems) } else { Err(format!("{problems:#?}")) }
        })
        .await
    };
    problems(0).await;
    let good = std::fs::read_to_string(scene.portreeve.config_dir().join("billing.yaml")).unwrap();
    scene.portreeve.manifest("billing.yaml", &good.replace("  url:", "  ulr:"));
    let found = problems(1).await[0].as_str().unwrap().to_owned();
    assert!(found.contains("billing.yaml:5:") && found.contains("ulr") && found.contains("url"), "{found}");
    let metrics = scene.portreeve.get("/metrics").await.unwrap().body;
    assert!(metrics.contains("portreeve_manifest_problems 1"), "{metrics}");
    let web = scene.lab.container("web").start().await;
    scene.billed(web.id(), &["started"]).await;
    scene.portreeve.manifest("billing.yaml", "{{ not YAML");
    scene.portreeve.wait_line("stays in force").await;
    web.stop().await;
    scene.billed(web.id(), &["started", "stopped"]).await;
    problems(1).await;
    scene.portreeve.manifest("billing.yaml", &good);
    problems(0).await;
    web.remove().await;
    scene.billed(web.id(), &["started", "stopped", "removed"]).await;
    scene.receiver.state().assert_clean();
}
