//! The connection to the engine between right and gone: silent, cut, idle.

use std::path::Path;
use std::time::{Duration, SystemTime};

use super::downtime::expected;
use super::scene::{Scene, billed_time, started_at};
use crate::support::engine::Engine;
use crate::support::proxy::Proxy;
use crate::support::record::EngineRecord;
use crate::support::wait;

/// A resync, the looks it needs, and time for a busy machine.
const RESYNCED: Duration = Duration::from_secs(30);

async fn behind_a_proxy() -> (Scene, Proxy) {
    let engine = Engine::own().await;
    let proxy = Proxy::new(engine.socket().unwrap()).await;
    let scene = Scene::through(engine, &proxy.endpoint()).await;
    (scene.with(|portreeve| portreeve.env("HEALTH_INTERVAL_SECONDS", "2")), proxy)
}

#[tokio::test]
async fn a_silent_stream_is_made_up_for_by_the_next_resync_and_its_late_events_are_no_news() {
    let (mut scene, proxy) = behind_a_proxy().await;
    scene.portreeve.start().await;
    let stopped = scene.lab.container("stopped").start().await;
    let restarted = scene.lab.container("restarted").start().await;
    let twice = scene.lab.container("twice").start().await;
    let removed = scene.lab.container("removed").start().await;
    scene.registered(&[&stopped, &restarted, &twice, &removed]).await;

    proxy.silence_events(true);
    let late = scene.lab.container("late").start().await;
    stopped.stop().await;
    restarted.restart().await;
    twice.restart().await;
    twice.restart().await;
    removed.remove().await;
    let all = [
        (&late, vec!["started"]),
        (&stopped, vec!["started", "stopped"]),
        (&restarted, vec!["started", "stopped", "started"]),
        (&removed, vec!["started", "stopped", "removed"]),
    ];
    for (container, names) in &all {
        scene.billed_within(container.id(), names, RESYNCED).await;
    }
    // Whether somebody looked between its two restarts is chance; which run runs is not.
    wait::until("the run that runs is told", RESYNCED, || async {
        let told = scene.receiver.state().events_of(twice.id()).pop().unwrap().clone();
        let runs = billed_time(&started_at(&twice).await);
        wait::is(told.event == "started" && told.timestamp == runs, (told, runs))
    })
    .await;
    scene.registered(&[&late, &restarted, &twice]).await;
    let seen_of_twice = scene.names(twice.id());
    for container in [&late, &restarted, &twice] {
        let told = scene.receiver.state().events_of(container.id()).pop().unwrap().timestamp.clone();
        assert_eq!(told, billed_time(&started_at(container).await));
    }
    // Nobody saw when it was removed, and it is said how much is not known.
    let gaps = scene.events(&removed, &["gap"]).await;
    assert!(gaps.iter().any(|gap| gap["message"].as_str().unwrap().contains("the removal")), "{gaps:#?}");

    proxy.silence_events(false);
    let marker = scene.lab.container("marker").start().await;
    scene.billed(marker.id(), &["started"]).await;
    marker.restart().await;
    scene.billed(marker.id(), &["started", "stopped", "started"]).await;
    for (container, names) in &all {
        assert_eq!(scene.names(container.id()), *names);
    }
    assert_eq!(scene.names(twice.id()), seen_of_twice);
    scene.receiver.state().assert_clean();
}

#[tokio::test]
async fn cut_connections_are_made_anew_and_nothing_is_missed() {
    let (mut scene, proxy) = behind_a_proxy().await;
    let record = EngineRecord::start(&scene.engine, &scene.lab).await;
    scene.portreeve.start().await;
    let steady = scene.lab.container("steady").start().await;
    let mut all = Vec::new();
    for round in 0..5 {
        let name = |what: &str| format!("{what}{round}");
        proxy.cut();
        all.push(scene.lab.container(&name("a")).auto_remove().cmd(&["true"]).start().await);
        proxy.refuse(true);
        proxy.cut();
        all.push(scene.lab.container(&name("b")).shell("exit 1").start().await);
        steady.restart().await;
        proxy.refuse(false);
        all.push(scene.lab.container(&name("c")).start().await);
    }
    record.wait(all[12].id(), "destroy", 1).await;
    record.wait(all[13].id(), "die", 1).await;
    all.push(steady);
    for container in &all {
        scene.billed_within(container.id(), &expected(&record, container.id()), RESYNCED).await;
    }
    let running: Vec<_> = all[2..15].iter().step_by(3).chain([&all[15]]).collect();
    scene.registered(&running).await;
    let gaps = scene.json("/api/events?type=gap").await.unwrap();
    assert_eq!(gaps, serde_json::Value::Array(vec![]));
    scene.receiver.state().assert_clean();
}

/// Size and time of change of every file in a directory.
fn files(directory: &Path) -> Vec<(String, u64, SystemTime)> {
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            (entry.file_name().to_string_lossy().into_owned(), metadata.len(), metadata.modified().unwrap())
        })
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn an_idle_system_is_listed_and_otherwise_left_alone() {
    const RESYNCS: usize = 4;
    let (mut scene, proxy) = behind_a_proxy().await;
    scene.portreeve.start().await;
    let mut idle = Vec::new();
    for n in 0..10 {
        idle.push(scene.lab.container(&format!("idle{n}")).start().await);
    }
    scene.registered(&idle.iter().collect::<Vec<_>>()).await;
    for container in &idle {
        scene.billed(container.id(), &["started"]).await;
    }
    let state = scene.portreeve.state_dir();
    // How far the events were read is stored a while after the last of them.
    wait::until("resyncs without an inspect or a write", Duration::from_secs(90), || async {
        let before = files(&state);
        proxy.clear();
        wait::until("some resyncs", Duration::from_secs(60), || async {
            let lists = proxy.count(|call| call.is_list());
            wait::is(lists > RESYNCS, lists)
        })
        .await;
        let others: Vec<_> = proxy.calls().into_iter().filter(|call| !call.is_list()).collect();
        let after = files(&state);
        wait::is(others.is_empty() && before == after, (others, before, after))
    })
    .await;
    scene.receiver.state().assert_clean();
}
