//! The ground the other tests stand on: containers, health, waiting, the counting proxy, the process.

use std::time::Duration;

use bollard::models::{ContainerStateStatusEnum as Status, HealthStatusEnum as Health};
use bollard::query_parameters::{EventsOptionsBuilder, ListContainersOptions};
use futures_util::StreamExt;

use crate::support::engine::Engine;
use crate::support::lab::Lab;
use crate::support::portreeve::Portreeve;
use crate::support::proxy::Proxy;
use crate::support::{image, wait};

#[tokio::test]
async fn a_container_runs_stops_at_once_and_is_removed_with_its_lab() {
    let engine = Engine::shared().await;
    let lab = Lab::new(&engine).await;
    let web = lab.container("web").label("colour", "blue").start().await;
    let seen = web.inspect().await;
    let config = seen.config.unwrap();
    assert_eq!(config.image.as_deref(), Some(image::IMAGE));
    assert_eq!(config.labels.unwrap()["colour"], "blue");
    assert_eq!(web.exec(&["sh", "-c", "echo hello; exit 3"]).await, (3, "hello\n".to_owned()));

    web.stop().await;
    let state = web.inspect().await.state.unwrap();
    assert_eq!(
        (state.status, state.exit_code),
        (Some(Status::EXITED), Some(0)),
        "it heeds TERM, so nobody waits"
    );
    web.start().await;
    web.kill("KILL").await;
    web.wait_status(Status::EXITED).await;

    let other = Lab::new(&engine).await;
    let kept = other.container("kept").start().await;
    assert_eq!(lab.ids().await, [web.id()]);
    drop(lab);
    assert!(!web.exists().await);
    assert!(kept.exists().await, "a lab removes its own containers only");
}

#[tokio::test]
async fn a_lab_is_cleared_even_when_its_test_panics() {
    let engine = Engine::shared().await;
    let witness = Lab::new(&engine).await;
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let failing = tokio::spawn(async move {
        let lab = Lab::new(&engine).await;
        let _ = sender.send(lab.container("doomed").start().await);
        panic!("as a failing assertion does");
    });
    let doomed = receiver.await.unwrap();
    assert!(failing.await.unwrap_err().is_panic());
    doomed.wait_gone().await;
    drop(witness);
}

#[tokio::test]
async fn health_follows_the_switch() {
    let engine = Engine::shared().await;
    let lab = Lab::new(&engine).await;
    let web = lab.container("web").switched_health(Duration::from_millis(200), 2).start().await;
    web.wait_health(Health::HEALTHY).await;
    web.sicken().await;
    web.wait_health(Health::UNHEALTHY).await;
    web.restart().await;
    web.wait_health(Health::UNHEALTHY).await;
    web.cure().await;
    web.wait_health(Health::HEALTHY).await;
}

#[tokio::test]
async fn a_short_run_with_auto_remove_is_gone_by_itself() {
    let engine = Engine::shared().await;
    let lab = Lab::new(&engine).await;
    let short = lab.container("short").auto_remove().cmd(&["true"]).start().await;
    short.wait_gone().await;
}

#[tokio::test]
#[should_panic(expected = "last seen: \"three\"")]
async fn waiting_fails_with_what_was_seen_last() {
    wait::until("the impossible", Duration::from_millis(50), || async { wait::is(false, "three") }).await;
}

#[tokio::test]
async fn the_proxy_counts_calls_and_passes_streams_and_hijacked_connections() {
    let engine = Engine::shared().await;
    let proxy = Proxy::new(engine.socket().expect("the shared engine has a socket")).await;
    let docker = bollard::Docker::connect_with_host(&proxy.endpoint()).unwrap();
    let lab = Lab::new(&engine).await;
    let web = lab.container("web").start().await.through(&docker);

    docker.list_containers(None::<ListContainersOptions>).await.unwrap();
    let sum = web.exec(&["sh", "-c", "seq 1 20000 | wc -l"]).await;
    assert_eq!(sum, (0, "20000\n".to_owned()));
    docker.list_containers(None::<ListContainersOptions>).await.unwrap();

    let calls: Vec<String> =
        proxy.calls().iter().map(|call| format!("{} {}", call.method, call.path)).collect();
    assert_eq!(proxy.count(|call| call.is_list()), 2, "{calls:#?}");
    assert_eq!(proxy.count(|call| call.method == "POST" && call.path.contains("/exec")), 2, "{calls:#?}");
    proxy.clear();
    assert!(proxy.calls().is_empty());
}

#[tokio::test]
async fn the_proxy_silences_the_event_stream_without_closing_it_and_cuts_it() {
    let engine = Engine::shared().await;
    let proxy = Proxy::new(engine.socket().expect("the shared engine has a socket")).await;
    let docker = bollard::Docker::connect_with_host(&proxy.endpoint()).unwrap();
    let lab = Lab::new(&engine).await;
    let web = lab.container("web").create().await;
    let filters =
        std::collections::HashMap::from([("container", vec![web.id()]), ("event", vec!["start", "die"])]);
    let mut events = docker.events(Some(EventsOptionsBuilder::default().filters(&filters).build()));
    let mut next = async |within| tokio::time::timeout(within, events.next()).await;
    let silence = Duration::from_secs(2);

    // The first poll makes the connection; nothing has happened yet.
    assert!(next(silence).await.is_err());
    web.start().await;
    assert_eq!(next(wait::SOON).await.unwrap().unwrap().unwrap().action.as_deref(), Some("start"));
    proxy.silence_events(true);
    web.kill("KILL").await;
    assert!(next(silence).await.is_err(), "silent but open");
    docker.ping().await.expect("other calls pass");
    proxy.silence_events(false);
    assert_eq!(next(wait::SOON).await.unwrap().unwrap().unwrap().action.as_deref(), Some("die"));

    proxy.refuse(true);
    proxy.cut();
    assert!(!matches!(next(wait::SOON).await, Err(_) | Ok(Some(Ok(_)))), "the stream ended");
    assert!(docker.ping().await.is_err());
    proxy.refuse(false);
    docker.ping().await.expect("it serves again");
}

/// A shell script stands in for the program: what is tested here is how it is handled.
#[tokio::test]
async fn a_process_is_started_killed_and_restarted_and_its_lines_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let binary = dir.path().join("stand-in");
    let script = "#!/bin/sh\necho \"args: $*\"; echo \"colour: $COLOUR\" >&2\n\
        trap 'echo bye; exit 7' TERM\nwhile :; do sleep 0.05; done\n";
    std::fs::write(&binary, script).unwrap();
    std::fs::set_permissions(&binary, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();

    let mut program =
        Portreeve::new(binary.to_str().unwrap()).docker_host("unix:///nowhere").env("COLOUR", "blue");
    program.manifest("a.yaml", "kind: Settings");
    assert!(program.config_dir().join("a.yaml").exists());
    program.spawn();
    let args = program.wait_line("args: run --config-dir").await;
    assert!(
        args.contains("--listen 127.0.0.1:") && args.ends_with("--docker-host unix:///nowhere"),
        "{args}"
    );
    program.wait_line("colour: blue").await;
    assert!(program.get("/readyz").await.is_err(), "nothing listens");

    program.kill9().await;
    program.spawn();
    wait::until("the second start", wait::SOON, || async {
        wait::is(program.log().matches("colour: blue").count() == 2, program.log())
    })
    .await;
    assert_eq!(program.terminate().await.code(), Some(7));
    program.wait_line("bye").await;
}

#[tokio::test]
#[should_panic(expected = "another healing tool on this engine would restart it")]
async fn on_the_shared_engine_nothing_carries_the_label_that_others_heal_by() {
    let engine = Engine::shared().await;
    let lab = Lab::new(&engine).await;
    lab.container("web").label("autoheal", "true").create().await;
}
