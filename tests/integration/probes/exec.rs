//! `exec`, in a container of a real engine.

use std::sync::Arc;

use portreeve::docker::Client;
use portreeve::guard::Guard;
use portreeve::observed::Container;
use portreeve::probe::{CheckOutcome, Subject, check};
use portreeve::resource::docker_host::DockerHostSpec;
use serde_json::json;

use super::verdicts::means;
use super::{failure, fault, output, passed, shown, spec, step, unhealthy};
use crate::support::engine::Engine;
use crate::support::fake_engine::{self, Exec, FakeEngine};
use crate::support::lab::Lab;

async fn run(client: &Client, container: &Container, command: &[&str], seconds: u32) -> CheckOutcome {
    let probe = spec(json!({"exec": {"command": command}, "timeoutSeconds": seconds}));
    check(
        &probe,
        &Subject { container: Some(container), engine: Some(client), ..Subject::within(Guard::default()) },
    )
    .await
}

#[tokio::test]
async fn a_command_in_the_container_decides_by_its_exit_code() {
    let engine = Engine::shared().await;
    let lab = Lab::new(&engine).await;
    let spec = DockerHostSpec { endpoint: engine.endpoint().to_owned(), ..DockerHostSpec::default() };
    let (client, _) = Client::connect(&Arc::from("local"), &spec, &Guard::default()).await.unwrap();
    let running = lab.container("exec").start().await;
    let container = client.inspect(running.id()).await.unwrap().expect("it is there").0;

    let outcome = run(&client, &container, &["echo", "all is well"], 10).await;
    assert_eq!((passed(&outcome), step(&outcome, "exec")), (vec!["exec"], "exit code 0: all is well"));
    let outcome = run(&client, &container, &["sh", "-c", "echo 'queue is full' >&2; exit 3"], 10).await;
    shown!(outcome);
    assert_eq!((unhealthy(&outcome), output(&outcome)), ("expected exit code 0, got 3", "queue is full"));
    let outcome = run(&client, &container, &["sh", "-c", "yes lorem | head -c 1000000; exit 1"], 10).await;
    assert_eq!(unhealthy(&outcome), "expected exit code 0, got 1");
    assert!(output(&outcome).starts_with("lorem lorem") && output(&outcome).len() < 1010, "{outcome:?}");
    let outcome = run(&client, &container, &["/no/such/program"], 10).await;
    shown!(outcome);
    assert_eq!(fault(&outcome), "the command cannot be run in the container");
    assert!(output(&outcome).contains("no such file or directory"), "{outcome:?}");

    // The command decides, not what it leaves behind: neither a process that holds its output open, nor that it closed it.
    let outcome = run(&client, &container, &["sh", "-c", "echo begun; sleep 600 & exit 0"], 10).await;
    assert_eq!((passed(&outcome), step(&outcome, "exec")), (vec!["exec"], "exit code 0: begun"));
    let outcome = run(&client, &container, &["sh", "-c", "echo begun; sleep 600 & exit 3"], 10).await;
    assert_eq!((unhealthy(&outcome), output(&outcome)), ("expected exit code 0, got 3", "begun"));
    let outcome = run(&client, &container, &["sh", "-c", "exec >&- 2>&-; sleep 0.5; exit 4"], 10).await;
    assert_eq!(unhealthy(&outcome), "expected exit code 0, got 4");

    // What hangs is not joined by another of its kind.
    let hang = ["sleep", "600"];
    let outcome = run(&client, &container, &hang, 1).await;
    assert_eq!(unhealthy(&outcome), "nothing within 1 s, at the step `exec`");
    let outcome = run(&client, &container, &hang, 10).await;
    let text = "the engine refused: the same command, started by an earlier check, still runs";
    shown!(outcome);
    assert_eq!(unhealthy(&outcome), text);

    running.remove().await;
    let outcome = run(&client, &container, &["true"], 10).await;
    assert!(unhealthy(&outcome).starts_with("the engine refused: No such container"), "{outcome:?}");
}

/// Engines differ in how long they hold on to the output of a command that has ended: 20.10.24 gives up after two seconds.
#[tokio::test]
async fn an_engine_that_never_ends_the_output_of_a_command_is_asked_for_its_exit_code() {
    let engine = FakeEngine::start();
    engine.show("a", Some(fake_engine::Container { started: 1, running: true, ..Default::default() }));
    let spec = DockerHostSpec { endpoint: engine.endpoint(), ..DockerHostSpec::default() };
    let (client, _) = Client::connect(&Arc::from("local"), &spec, &Guard::default()).await.unwrap();
    let container = client.inspect("a").await.unwrap().expect("it is there").0;
    let outcome = run(&client, &container, &["check"], 10).await;
    assert_eq!((unhealthy(&outcome), output(&outcome)), ("expected exit code 0, got 3", "begun"));
}

#[tokio::test]
async fn without_an_engine_nothing_is_said_of_the_container() {
    let probe = spec(json!({"exec": {"command": ["true"]}}));
    let nobody = check(&probe, &Subject::within(Guard::default())).await;
    shown!(nobody);
    assert_eq!(fault(&nobody), "there is no container");
    let spec = DockerHostSpec { endpoint: "unix:///nowhere.sock".to_owned(), ..DockerHostSpec::default() };
    assert!(Client::connect(&Arc::from("local"), &spec, &Guard::default()).await.is_err());
}

/// What comes of a command that an engine takes like this.
async fn taken(manner: Exec) -> CheckOutcome {
    let engine = FakeEngine::start();
    engine.show("a", Some(fake_engine::Container { started: 1, running: true, ..Default::default() }));
    let spec = DockerHostSpec { endpoint: engine.endpoint(), ..DockerHostSpec::default() };
    let (client, _) = Client::connect(&Arc::from("local"), &spec, &Guard::default()).await.unwrap();
    let container = client.inspect("a").await.unwrap().expect("it is there").0;
    engine.exec(manner);
    run(&client, &container, &["check"], 1).await
}

fn message(text: &str) -> String {
    json!({ "message": text }).to_string()
}

#[tokio::test]
async fn the_engines_own_trouble_says_nothing_of_the_container() {
    let page = "<html><body><h1>Sorry</h1></body></html>";
    let dead = "dial unix /run/containerd/containerd.sock: connect: connection refused";
    let full = "OCI runtime exec failed: write /tmp/runc-process1: no space left on device: unknown";
    for (status, text) in [
        ("400 Bad Request", message("client version 1.41 is too old")),
        ("401 Unauthorized", message("authorization denied by plugin")),
        ("403 Forbidden", page.to_owned()),
        ("403 Forbidden", message("permission denied")),
        ("404 Not Found", page.to_owned()),
        ("404 Not Found", message("page not found")),
        ("429 Too Many Requests", message("slowly")),
        ("500 Internal Server Error", message(dead)),
        (
            "500 Internal Server Error",
            message(&dead.replace("connection refused", "no such file or directory")),
        ),
        ("500 Internal Server Error", message("context deadline exceeded")),
        ("500 Internal Server Error", message(full)),
        ("502 Bad Gateway", page.to_owned()),
        ("503 Service Unavailable", page.to_owned()),
    ] {
        let outcome = taken(Exec::Refused(status, text.clone())).await;
        means!(outcome, Fault);
        let reason = fault(&outcome);
        assert!(reason.starts_with("the engine refused: "), "{status} {text}: {outcome:?}");
        assert_eq!(reason.contains("CONTAINERS, EXEC, POST"), status.starts_with("403"), "{reason}");
    }
    for call in ["create", "start", "inspect"] {
        let outcome = taken(Exec::Silent(call)).await;
        means!(outcome, Fault);
        assert_eq!(fault(&outcome), "nothing within 1 s, at the step `engine`", "{call}");
    }
    // The engine has taken the command, and has not begun it.
    let outcome = taken(Exec::Runs(0)).await;
    means!(outcome, Fault);
    assert_eq!(fault(&outcome), "nothing within 1 s, at the step `engine`");
}

#[tokio::test]
async fn a_container_that_takes_no_command_is_unhealthy() {
    let paused = "Container a is paused, unpause the container before exec";
    let stopped = "OCI runtime exec failed: exec failed: cannot exec in a stopped container: unknown";
    let full = "OCI runtime exec failed: exec failed: fork/exec /proc/self/exe: resource temporarily unavailable: unknown";
    for (status, text) in [
        ("404 Not Found", "No such container: a"),
        ("409 Conflict", "container a is not running"),
        ("409 Conflict", paused),
        ("500 Internal Server Error", stopped),
        ("500 Internal Server Error", full),
        ("500 Internal Server Error", "cannot exec in a stopped state: unknown"),
        ("500 Internal Server Error", "container a is not running"),
    ] {
        let outcome = taken(Exec::Refused(status, message(text))).await;
        means!(outcome, Unhealthy);
        assert_eq!(unhealthy(&outcome), format!("the engine refused: {text}"));
    }
}

#[tokio::test]
async fn a_command_that_does_not_end_is_the_containers_trouble() {
    let outcome = taken(Exec::Runs(7)).await;
    means!(outcome, Unhealthy);
    assert_eq!(failure(&outcome).reason, "nothing within 1 s, at the step `exec`");
}
