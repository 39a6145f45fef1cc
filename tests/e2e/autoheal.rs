//! A user of docker-autoheal changes the image and nothing else (CONTRACTS, section 6): the same variables and labels,
//! no manifest, no flag, the same effect.

use std::time::Duration;

use bollard::models::{ContainerStateStatusEnum as Status, HealthStatusEnum as Health};
use serde_json::Value;

use super::scene::{Scene, restarted, started_at};
use crate::support::container::Container;
use crate::support::wait;

const CHECK: Duration = Duration::from_millis(200);

/// Portreeve as the image starts it, on an engine of its own: with `all` everybody's containers are meant.
async fn started_with(variables: &[(&str, &str)]) -> Scene {
    let mut scene = Scene::own().await;
    for flag in ["--config-dir", "--docker-host"] {
        scene.portreeve.without(flag);
    }
    let socket = scene.engine.socket().expect("an own engine has a socket").display().to_string();
    scene = scene.with(|portreeve| {
        let portreeve = portreeve.env("DOCKER_SOCK", &socket);
        variables.iter().fold(portreeve, |portreeve, (name, value)| portreeve.env(name, value))
    });
    scene.portreeve.start().await;
    scene
}

/// Sick for as long as that takes to be seen, and in its first run all the same.
async fn left_alone(containers: &[(&Container, &str)]) {
    for (container, before) in containers {
        container.wait_health(Health::UNHEALTHY).await;
        let name = container.name();
        wait::throughout(&format!("{name} is left alone"), Duration::from_secs(2), || async {
            let at = started_at(container).await;
            wait::is(at == *before, at)
        })
        .await;
    }
}

fn reasons(events: &[Value]) -> Vec<&str> {
    events.iter().filter_map(|event| event["reason"].as_str()).collect()
}

#[tokio::test]
async fn docker_autoheals_variables_name_the_label_and_the_stop_timeout() {
    let scene = started_with(&[
        ("AUTOHEAL_CONTAINER_LABEL", "heal-me"),
        ("AUTOHEAL_INTERVAL", "5"),
        ("AUTOHEAL_START_PERIOD", "0"),
        ("AUTOHEAL_DEFAULT_STOP_TIMEOUT", "1"),
        ("CURL_TIMEOUT", "30"),
    ])
    .await;
    let deaf = "trap '' TERM; while :; do usleep 100000; done";
    let sickly = |name: &str| scene.lab.container(name).switched_health(CHECK, 2);
    // With a timeout of its own it would outlast this test.
    let meant = sickly("meant").label("heal-me", "true").shell(deaf).stop_timeout(600).start().await;
    let patient = sickly("patient").label("heal-me", "true").label("autoheal.stop.timeout", "600");
    let patient = patient.start().await;
    let other = sickly("other").label("autoheal", "true").start().await;
    let plain = sickly("plain").start().await;
    let before = [&meant, &patient, &other, &plain].map(started_at);
    let before = futures_util::future::join_all(before).await;
    for container in [&meant, &patient, &other, &plain] {
        container.sicken().await;
    }
    restarted(&meant, &before[0]).await;
    restarted(&patient, &before[1]).await;
    meant.cure().await;
    patient.cure().await;
    let exit_codes = |events: Vec<Value>| events[0]["message"].as_str().unwrap().to_owned();
    let ended = exit_codes(scene.told(&meant, "stop", 1).await);
    assert!(ended.contains("137"), "killed after the default timeout: {ended}");
    let ended = exit_codes(scene.told(&patient, "stop", 1).await);
    assert!(!ended.contains("137"), "it heeds TERM, and the label gives it time: {ended}");
    left_alone(&[(&other, &before[2]), (&plain, &before[3])]).await;
    scene.portreeve.wait_line("AUTOHEAL_INTERVAL has no effect: events replace polling").await;
}

#[tokio::test]
async fn docker_autoheals_all_means_every_container_but_those_that_opt_out() {
    let scene = started_with(&[
        ("AUTOHEAL_CONTAINER_LABEL", "all"),
        ("AUTOHEAL_START_PERIOD", "6"),
        ("AUTOHEAL_ONLY_MONITOR_RUNNING", "true"),
    ])
    .await;
    let sickly = |name: &str| scene.lab.container(name).switched_health(CHECK, 2);
    let plain = sickly("plain").start().await;
    let excluded = sickly("excluded").label("autoheal", "FALSE").start().await;
    let watched = sickly("watched").label("autoheal.action", "none").start().await;
    let ended = sickly("ended").start().await;
    let before = [&plain, &excluded, &watched].map(started_at);
    let before = futures_util::future::join_all(before).await;
    for container in [&plain, &excluded, &watched, &ended] {
        container.sicken().await;
    }
    ended.wait_health(Health::UNHEALTHY).await;
    ended.stop().await;
    // Within the start period it is left alone, and that is said.
    let skipped = scene.told(&plain, "Skipped", 1).await;
    assert_eq!(reasons(&skipped), ["Starting"]);
    let after = restarted(&plain, &before[0]).await;
    let [before_it, after_it] = [&before[0], &after].map(|at| at.parse::<jiff::Timestamp>().unwrap());
    assert!(after_it.duration_since(before_it).as_secs() >= 6, "{before_it} {after_it}");
    plain.cure().await;
    left_alone(&[(&excluded, &before[1]), (&watched, &before[2])]).await;
    assert_eq!(ended.status().await, Status::EXITED);
    for container in [&excluded, &watched, &ended] {
        assert!(scene.events(container, &["Restarting", "Stopping"]).await.is_empty());
    }
}
