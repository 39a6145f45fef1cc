//! Tasks of a Swarm service are left to Swarm, which replaces what is unhealthy by itself: a restart by others would have it
//! make a second one.

use std::collections::HashMap;

use bollard::Docker;
use bollard::models::{
    HealthConfig, ServiceSpec, ServiceSpecMode, ServiceSpecModeReplicated, SwarmInitRequest, TaskSpec,
    TaskSpecContainerSpec,
};
use bollard::query_parameters::ListContainersOptionsBuilder;

use super::scene::Scene;
use crate::support::image::IMAGE;
use crate::support::lab::{HEALED, LABEL};
use crate::support::portreeve::free_port;
use crate::support::wait;

async fn tasks(docker: &Docker) -> Vec<String> {
    let options = ListContainersOptionsBuilder::default().all(true).build();
    let list = docker.list_containers(Some(options)).await.unwrap();
    let names = list.into_iter().flat_map(|container| container.names.unwrap_or_default());
    names.filter(|name| name.starts_with("/web.1.")).collect()
}

#[tokio::test]
async fn what_swarm_runs_is_left_to_swarm_and_that_is_said_once() {
    let mut scene = Scene::own().await;
    scene.portreeve.start().await;
    let docker = scene.engine.docker();
    let init = SwarmInitRequest {
        listen_addr: Some(free_port()),
        advertise_addr: Some("127.0.0.1".to_owned()),
        ..SwarmInitRequest::default()
    };
    docker.init_swarm(init).await.unwrap();
    let labels = HashMap::from([
        (LABEL.to_owned(), scene.lab.run().to_owned()),
        (HEALED.to_owned(), scene.lab.run().to_owned()),
    ]);
    let check = HealthConfig {
        test: Some(vec!["CMD".to_owned(), "false".to_owned()]),
        interval: Some(200_000_000),
        timeout: Some(1_000_000_000),
        retries: Some(1),
        ..HealthConfig::default()
    };
    let container = TaskSpecContainerSpec {
        image: Some(IMAGE.to_owned()),
        labels: Some(labels),
        health_check: Some(check),
        ..TaskSpecContainerSpec::default()
    };
    let one = ServiceSpecModeReplicated { replicas: Some(1) };
    let spec = ServiceSpec {
        name: Some("web".to_owned()),
        mode: Some(ServiceSpecMode { replicated: Some(one), ..ServiceSpecMode::default() }),
        task_template: Some(TaskSpec { container_spec: Some(container), ..TaskSpec::default() }),
        ..ServiceSpec::default()
    };
    docker.create_service(spec, None).await.unwrap();
    // Each is unhealthy, and Swarm puts another in its place.
    wait::until("Swarm has made three", std::time::Duration::from_secs(90), || async {
        let tasks = tasks(&docker).await;
        wait::is(tasks.len() >= 3, (tasks, scene.portreeve.log()))
    })
    .await;
    let said = wait::until("it is said", wait::SOON, || async {
        let told = scene.json("/api/events?limit=10000").await?;
        let told = told.as_array().cloned().unwrap_or_default();
        let about = |event: &&serde_json::Value| event["reason"] == "LeftToSwarm";
        if told.iter().filter(about).count() > 0 { Ok(told) } else { Err(format!("{told:#?}")) }
    })
    .await;
    let count = |field: &str, value: &str| said.iter().filter(|event| event[field] == value).count();
    assert_eq!(count("reason", "LeftToSwarm"), 1, "{said:#?}");
    assert_eq!(count("event_type", "Restarting") + count("event_type", "auto_monitor"), 0, "{said:#?}");
    // Between the end of one task and the start of the next none runs.
    let web = wait::until("a task runs and is left to Swarm", wait::SOON, || async {
        let rows = scene.json("/api/containers").await?;
        let runs = |row: &&serde_json::Value| {
            row["status"] == "running" && row["blocked"][0]["reason"] == "LeftToSwarm"
        };
        rows.as_array().and_then(|rows| rows.iter().find(runs)).cloned().ok_or_else(|| format!("{rows:#}"))
    })
    .await;
    assert_eq!(web["blocked"][0]["reason"], "LeftToSwarm", "{web:#}");
    assert!(web["blocked"][0]["message"].as_str().unwrap().contains("Swarm itself replaces it"), "{web:#}");
}
