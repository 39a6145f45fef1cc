//! `exec`, in a container of a real engine.

use std::sync::Arc;

use portreeve::docker::Client;
use portreeve::guard::Guard;
use portreeve::observed::Container;
use portreeve::probe::{Outcome, Subject, check};
use portreeve::resource::docker_host::DockerHostSpec;
use serde_json::json;

use super::{fault, output, passed, shown, spec, step, unhealthy};
use crate::support::engine::Engine;
use crate::support::fake_engine::{self, FakeEngine};
use crate::support::lab::Lab;

async fn run(client: &Client, container: &Container, command: &[&str], seconds: u32) -> Outcome {
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
