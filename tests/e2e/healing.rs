//! Sick containers are restarted, within bounds, and nobody else is (CONTRACTS, section 4; RELIABILITY, invariant 4).

use std::time::Duration;

use bollard::models::{
    ContainerStateStatusEnum as Status, HealthStatusEnum as Health, Mount, MountType, RestartPolicyNameEnum,
};

use super::scene::{Scene, restarted, started_at};
use crate::support::builder::Builder;
use crate::support::container::Container;
use crate::support::record::EngineRecord;
use crate::support::wait;

const CHECK: Duration = Duration::from_millis(200);
/// Waits of half a second between attempts.
const QUICK: &str = "  backoff: {initial: 500ms, max: 500ms, jitter: 0}\n";

fn healed(scene: &Scene, name: &str) -> Builder {
    scene.lab.healed(name)
}

async fn sick(scene: &Scene, name: &str) -> Container {
    let container = healed(scene, name).switched_health(CHECK, 2).start().await;
    container.sicken().await;
    container
}

/// The container is let run on for a while.
async fn stays_untouched(container: &Container, since: &str) {
    wait::throughout("nobody restarts it", Duration::from_secs(3), || async {
        let at = started_at(container).await;
        wait::is(at == since, at)
    })
    .await;
}

#[tokio::test]
async fn a_labelled_container_is_monitored_at_once_and_restarted_when_it_turns_unhealthy() {
    let mut scene = Scene::own().await;
    std::fs::remove_file(scene.portreeve.config_dir().join("policy.yaml")).unwrap();
    // What the built-in policy knows, on an engine of its own.
    let labelled = |name: &str| scene.lab.container(name).label("autoheal", "true");
    let early = labelled("early").start().await;
    scene.portreeve.start().await;
    let record = EngineRecord::start(&scene.engine, &scene.lab).await;
    let web = labelled("web").switched_health(CHECK, 2).start().await;
    let excluded = scene.lab.container("excluded").label("autoheal", "False").switched_health(CHECK, 2);
    let excluded = excluded.start().await;
    let near = scene.lab.container("near").label("autoheal", "True").start().await;
    let plain = scene.lab.container("plain").switched_health(CHECK, 2).start().await;

    for container in [&early, &web] {
        let (name, short) = (container.name(), &container.id()[..12]);
        let event = scene.told(container, "auto_monitor", 1).await.remove(0);
        let wanted = serde_json::json!({
            "timestamp": event["timestamp"], "container_id": container.id(), "container_name": name,
            "event_type": "auto_monitor", "restart_count": 0, "status": "enabled",
            "message": "Automatically added to monitoring due to autoheal=true label",
        });
        for (field, value) in wanted.as_object().unwrap() {
            assert_eq!(&event[field], value, "{field}");
        }
        let line = format!(
            "✓ Auto-monitoring enabled for container '{name}' ({short}) - detected autoheal=true label"
        );
        scene.portreeve.wait_line(&line).await;
    }
    scene
        .portreeve
        .wait_line("Event listener started for auto-monitoring containers with autoheal=true")
        .await;
    scene
        .portreeve
        .wait_line(&format!("Container '{}' ({}) is excl", excluded.name(), &excluded.id()[..12]))
        .await;
    let warning = scene.told(&near, "label_warning", 1).await;
    assert_eq!(warning[0]["reason"], "NearMiss");
    let config = scene.json("/api/config").await.unwrap();
    let mut selected = [early.name(), web.name()];
    selected.sort_unstable();
    assert_eq!(config["containers"]["selected"], serde_json::json!(selected));
    assert_eq!(config["containers"]["excluded"], serde_json::json!([excluded.name()]));

    let bystanders = [started_at(&excluded).await, started_at(&plain).await];
    let before = started_at(&web).await;
    excluded.sicken().await;
    plain.sicken().await;
    web.sicken().await;
    restarted(&web, &before).await;
    web.cure().await;
    scene.told(&web, "Restarting", 1).await;
    scene.told(&web, "Restarted", 1).await;
    scene.told(&web, "Recovered", 1).await;
    for container in [&excluded, &plain] {
        container.wait_health(Health::UNHEALTHY).await;
    }
    let skipped = scene.told(&excluded, "Skipped", 1).await;
    assert_eq!(skipped[0]["reason"], "Excluded");

    web.restart().await;
    scene.told(&web, "start", 3).await;
    scene.portreeve.restart().await;
    let marker = labelled("marker").start().await;
    scene.told(&marker, "auto_monitor", 1).await;
    assert_eq!(scene.events(&web, &["auto_monitor"]).await.len(), 1);
    assert_eq!([started_at(&excluded).await, started_at(&plain).await], bystanders);
    assert_eq!(record.count(web.id(), "start"), 3, "ours and the one by hand");
    scene.receiver.state().assert_clean();
}

#[tokio::test]
async fn the_next_attempt_waits_for_its_time_also_over_a_restart_of_portreeve() {
    let mut scene = Scene::own().await;
    scene.declare_policy("  backoff: {initial: 1h, max: 1h, jitter: 0}\n");
    scene.portreeve.start().await;
    let web = healed(&scene, "web").switched_health(CHECK, 2).start().await;
    let first = started_at(&web).await;
    web.sicken().await;
    let second = restarted(&web, &first).await;
    web.wait_health(Health::UNHEALTHY).await;
    let skipped = scene.told(&web, "Skipped", 1).await;
    assert_eq!(skipped[0]["reason"], "BackingOff");
    scene.portreeve.kill9().await;
    scene.portreeve.start().await;
    stays_untouched(&web, &second).await;
    assert_eq!(scene.events(&web, &["Skipped"]).await.len(), 1, "a reason is told once");
}

#[tokio::test]
async fn a_spent_budget_quarantines_and_the_quarantine_survives_a_kill() {
    let mut scene = Scene::own().await;
    scene.declare_policy(&format!("  budget: {{restarts: 2, per: 1h}}\n{QUICK}"));
    scene.portreeve.start().await;
    let record = EngineRecord::start(&scene.engine, &scene.lab).await;
    let web = sick(&scene, "web").await;
    let told = scene.told(&web, "Quarantined", 1).await;
    assert_eq!(told[0]["reason"], "BudgetExhausted");
    assert_eq!(scene.events(&web, &["Restarting"]).await.len(), 2);
    let last = started_at(&web).await;
    scene.portreeve.kill9().await;
    scene.portreeve.start().await;
    web.wait_health(Health::UNHEALTHY).await;
    stays_untouched(&web, &last).await;
    let rows = scene.json("/api/containers").await.unwrap();
    let row = rows.as_array().unwrap().iter().find(|row| row["id"] == web.id()).unwrap().clone();
    assert_eq!(row["quarantined"], true, "{row:#}");
    assert_eq!(record.count(web.id(), "start"), 3);
    assert_eq!(scene.events(&web, &["Quarantined"]).await.len(), 1);
    // Nor does another trigger get around it.
    web.kill("TERM").await;
    web.wait_status(Status::EXITED).await;
    scene.told(&web, "stop", 3).await;
    assert_eq!(web.status().await, Status::EXITED);
}

#[tokio::test]
async fn what_is_stopped_or_killed_by_hand_is_left_alone_and_what_crashes_is_restarted() {
    let mut scene = Scene::own().await;
    scene.declare_policy(&format!("  triggers: {{exited: always}}\n{QUICK}"));
    scene.portreeve.start().await;
    let stopped = healed(&scene, "stopped").start().await;
    let killed = healed(&scene, "killed").start().await;
    let crash = "while ! test -e /tmp/die; do usleep 50000; done; rm /tmp/die; exit 3";
    let crashing = healed(&scene, "crashing").shell(crash).start().await;
    let before = started_at(&crashing).await;
    stopped.stop().await;
    killed.kill("KILL").await;
    assert_eq!(crashing.exec(&["touch", "/tmp/die"]).await.0, 0);
    let again = restarted(&crashing, &before).await;
    for container in [&stopped, &killed] {
        let skipped = scene.told(container, "Skipped", 1).await;
        assert_eq!(skipped[0]["reason"], "StoppedByHand");
        assert_eq!(container.status().await, Status::EXITED);
    }
    // Once more, over a restart of Portreeve.
    scene.portreeve.restart().await;
    assert_eq!(crashing.exec(&["touch", "/tmp/die"]).await.0, 0);
    restarted(&crashing, &again).await;
    let restarting = scene.told(&crashing, "Restarting", 2).await;
    assert!(restarting[0]["message"].as_str().unwrap().contains("exited with code 3"), "{restarting:#?}");
    for container in [&stopped, &killed] {
        assert_eq!(container.status().await, Status::EXITED);
        assert!(scene.events(container, &["Restarting"]).await.is_empty());
    }
    scene.receiver.state().assert_clean();
}

async fn decided_but_not_done(scene: &mut Scene, reason: &str) {
    scene.portreeve.start().await;
    let web = healed(scene, "web").switched_health(CHECK, 2).start().await;
    let before = started_at(&web).await;
    web.sicken().await;
    let skipped = scene.told(&web, "Skipped", 1).await;
    assert_eq!(skipped[0]["reason"], reason);
    assert!(skipped[0]["message"].as_str().unwrap().contains("would restart"), "{skipped:#?}");
    stays_untouched(&web, &before).await;
    assert!(scene.events(&web, &["Restarting"]).await.is_empty());
    // What is seen is told all the same.
    scene.billed(web.id(), &["started"]).await;
}

#[tokio::test]
async fn observing_decides_and_says_and_touches_nothing() {
    let mut scene = Scene::own().await.with(|portreeve| portreeve.arg("--observe"));
    decided_but_not_done(&mut scene, "Observing").await;
}

#[tokio::test]
async fn an_engine_declared_read_only_is_not_touched() {
    let mut scene = Scene::own().await;
    let host = format!(
        "apiVersion: portreeve/v1\nkind: DockerHost\nmetadata: {{name: local}}\n\
         spec: {{endpoint: \"{}\", readOnly: true}}\n",
        scene.engine.endpoint()
    );
    scene.portreeve.manifest("host.yaml", &host);
    decided_but_not_done(&mut scene, "ReadOnly").await;
}

#[tokio::test]
async fn a_restart_that_could_not_start_it_again_is_repaired_as_soon_as_it_can_be() {
    let mut scene = Scene::own().await;
    scene.declare_policy(&format!("  budget: {{restarts: 1000, per: 1h}}\n{QUICK}"));
    scene.portreeve.start().await;
    // Its data directory vanishes from the host: it turns unhealthy, and the engine cannot start it without.
    let data = scene.portreeve.home().join("data");
    let make = || {
        std::fs::create_dir(&data).unwrap();
        std::fs::write(data.join("ok"), "").unwrap();
    };
    make();
    let mount = Mount {
        typ: Some(MountType::BIND),
        source: Some(data.display().to_string()),
        target: Some("/data".to_owned()),
        ..Mount::default()
    };
    let web = healed(&scene, "web").healthcheck("test -e /data/ok", CHECK, 2);
    let web = web.with(|_, host| host.mounts = Some(vec![mount])).start().await;
    web.wait_health(Health::HEALTHY).await;
    let before = started_at(&web).await;
    std::fs::remove_dir_all(&data).unwrap();
    wait::until("the restart failed", wait::SOON, || async {
        let failed = scene.events(&web, &["RestartFailed"]).await;
        if failed.len() >= 2 { Ok(()) } else { Err(scene.events(&web, &[]).await) }
    })
    .await;
    assert_eq!(web.status().await, Status::EXITED);
    scene.billed(web.id(), &["started", "stopped"]).await;

    make();
    restarted(&web, &before).await;
    web.wait_health(Health::HEALTHY).await;
    scene.told(&web, "Restarted", 1).await;
    scene.told(&web, "Recovered", 1).await;
    scene.billed(web.id(), &["started", "stopped", "started"]).await;
    scene.registered(&[&web]).await;
    scene.receiver.state().assert_clean();
}

#[tokio::test]
async fn stop_timeouts_are_honoured_and_a_slow_stop_is_no_failure() {
    let mut scene = Scene::own().await;
    scene.declare_policy("  stopTimeout: 3s\n");
    scene.portreeve.start().await;
    let deaf = |name: &str| {
        let script = "trap '' TERM; while :; do usleep 100000; done";
        // With its own timeout it would outlast this test.
        healed(&scene, name).shell(script).stop_timeout(600).switched_health(CHECK, 2)
    };
    let by_policy = deaf("policy").start().await;
    let by_label = deaf("label").label("autoheal.stop.timeout", "1").start().await;
    for container in [&by_policy, &by_label] {
        let before = started_at(container).await;
        container.sicken().await;
        restarted(container, &before).await;
        container.cure().await;
        scene.told(container, "Restarted", 1).await;
        assert!(scene.events(container, &["RestartFailed"]).await.is_empty());
        // The engine tells its own: killed, not stopped.
        let ended = scene.told(container, "stop", 1).await;
        assert!(ended[0]["message"].as_str().unwrap().contains("137"), "{ended:#?}");
    }
    scene.receiver.state().assert_clean();
}

#[tokio::test]
async fn a_restart_that_does_not_heal_is_followed_by_the_next_step_of_the_escalation() {
    let mut scene = Scene::own().await;
    scene.declare_policy(&format!("  escalation: [restart, restart, stop]\n{QUICK}"));
    scene.portreeve.start().await;
    let web = sick(&scene, "web").await;
    web.wait_status(Status::EXITED).await;
    scene.told(&web, "Stopped", 1).await;
    let told: Vec<String> = scene
        .events(&web, &["Restarting", "Restarted", "NotHealed", "Stopping", "Stopped"])
        .await
        .iter()
        .map(|event| event["event_type"].as_str().unwrap().to_owned())
        .collect();
    let expected = [
        "Restarting",
        "Restarted",
        "NotHealed",
        "Restarting",
        "Restarted",
        "NotHealed",
        "Stopping",
        "Stopped",
    ];
    assert_eq!(told, expected);
    assert!(scene.events(&web, &["Recovered"]).await.is_empty());
}

#[tokio::test]
async fn an_escalation_at_its_end_quarantines_also_over_a_kill_and_a_release_begins_it_anew() {
    let mut scene = Scene::own().await;
    scene.declare_policy(&format!("  escalation: [restart]\n{QUICK}"));
    scene.portreeve.start().await;
    let web = sick(&scene, "web").await;
    let told = scene.told(&web, "Quarantined", 1).await;
    assert_eq!(told[0]["reason"], "EscalationExhausted");
    let last = started_at(&web).await;
    scene.portreeve.kill9().await;
    scene.portreeve.start().await;
    web.wait_health(Health::UNHEALTHY).await;
    stays_untouched(&web, &last).await;
    let path = format!("/apis/portreeve/v1/containers/{}/release", web.name());
    let released = scene.portreeve.edit(hyper::Method::POST, &path, "").await.unwrap();
    assert_eq!(released.status, 200, "{released:?}");
    restarted(&web, &last).await;
}

#[tokio::test]
async fn on_failure_heals_failures_only_and_leaves_to_docker_and_to_people_what_is_theirs() {
    let mut scene = Scene::own().await;
    scene.declare_policy(&format!("  triggers: {{exited: onFailure}}\n{QUICK}"));
    scene.portreeve.start().await;
    let on_order =
        "while ! test -e /tmp/end; do usleep 50000; done; code=$(cat /tmp/end); rm /tmp/end; exit $code";
    let failing = healed(&scene, "failing").shell(on_order).start().await;
    let clean = healed(&scene, "clean").shell(on_order).start().await;
    let dockers = healed(&scene, "dockers").shell(on_order);
    let dockers = dockers.restart_policy(RestartPolicyNameEnum::UNLESS_STOPPED).start().await;
    let stopped = healed(&scene, "stopped").shell(on_order).start().await;
    let (first, second) = (started_at(&failing).await, started_at(&dockers).await);
    for (container, code) in [(&failing, "3"), (&clean, "0"), (&dockers, "3")] {
        let order = format!("echo {code} > /tmp/order; mv /tmp/order /tmp/end");
        assert_eq!(container.exec(&["sh", "-c", &order]).await.0, 0);
    }
    stopped.stop().await;
    restarted(&failing, &first).await;
    restarted(&dockers, &second).await;
    scene.told(&failing, "Restarting", 1).await;
    assert_eq!(scene.told(&stopped, "Skipped", 1).await[0]["reason"], "StoppedByHand");
    wait::until("it is said why nothing is done", wait::SOON, || async {
        let rows = scene.json("/api/containers").await?;
        let row = rows.as_array().unwrap().iter().find(|row| row["id"] == clean.id()).cloned();
        let reason = row.as_ref().map(|row| row["blocked"][0]["reason"].clone());
        if reason == Some("TriggerOff".into()) { Ok(()) } else { Err(format!("{row:?}")) }
    })
    .await;
    wait::throughout("nobody starts them", Duration::from_secs(2), || async {
        let found = [clean.status().await, stopped.status().await];
        wait::is(found == [Status::EXITED; 2], found)
    })
    .await;
    for container in [&clean, &dockers, &stopped] {
        assert!(scene.events(container, &["Restarting"]).await.is_empty(), "{}", container.name());
    }
    scene.receiver.state().assert_clean();
}

#[tokio::test]
async fn a_registered_container_drains_before_it_is_restarted_and_comes_back_with_its_new_run() {
    let mut scene = Scene::shared().await;
    scene.declare_services("labels", &scene.of_the_lab());
    scene.declare_policy(&format!("{QUICK}  drain: 6s\n"));
    let web = healed(&scene, "web").shell("rm -f /tmp/sick; exec /bin/idle").switched_health(CHECK, 2);
    let web = web.start().await;
    scene.portreeve.start().await;
    scene.registered(&[&web]).await;
    let first = started_at(&web).await;
    web.sicken().await;
    scene.registered(&[]).await;
    assert_eq!(started_at(&web).await, first, "it is out of the registry while it still runs");
    assert_eq!(scene.names(web.id()), ["started"]);
    // The wait outlives the process.
    scene.portreeve.kill9().await;
    scene.portreeve.start().await;
    restarted(&web, &first).await;
    scene.registered(&[&web]).await;
    let reasons = scene.events(&web, &["Skipped", "Restarting"]).await;
    let reasons: Vec<&str> = reasons.iter().filter_map(|event| event["reason"].as_str()).collect();
    assert_eq!(reasons, ["Draining", "Restarting"]);
}
