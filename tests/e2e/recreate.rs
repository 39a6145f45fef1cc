//! A container that is made anew is the same in everything but its id (issue of AutohealPolicy's `action: recreate`).

use std::collections::HashMap;
use std::time::Duration;

use bollard::Docker;
use bollard::models::{
    ContainerInspectResponse, EndpointIpamConfig, EndpointSettings, HealthStatusEnum as Health, Mount,
    MountType, NetworkConnectRequest, NetworkingConfig,
};
use bollard::query_parameters::InspectContainerOptions;

use super::likeness::{changed, network};
use super::scene::{Scene, started_at};
use crate::support::receiver::book::Which;
use crate::support::wait;

const CHECK: Duration = Duration::from_millis(200);
const RECREATE: &str = "  action: recreate\n  backoff: {initial: 500ms, max: 500ms, jitter: 0}\n";

fn endpoint(address: &str, alias: &str) -> EndpointSettings {
    EndpointSettings {
        ipam_config: Some(EndpointIpamConfig {
            ipv4_address: Some(address.to_owned()),
            ..EndpointIpamConfig::default()
        }),
        aliases: Some(vec![alias.to_owned()]),
        ..EndpointSettings::default()
    }
}

/// The container by its name, whoever it is by now.
async fn named(docker: &Docker, name: &str) -> ContainerInspectResponse {
    docker.inspect_container(name, None::<InspectContainerOptions>).await.unwrap()
}

#[tokio::test]
async fn what_is_made_anew_is_the_same_in_all_but_its_id_and_healed_by_it() {
    let mut scene = Scene::own().await;
    scene.declare_policy(RECREATE);
    scene.portreeve.start().await;
    let docker = scene.engine.docker();
    network(&docker, "front", "10.231.1.0/24").await;
    network(&docker, "back", "10.231.2.0/24").await;
    let mount = |target: &str, source: Option<&str>| Mount {
        typ: Some(MountType::VOLUME),
        source: source.map(str::to_owned),
        target: Some(target.to_owned()),
        ..Mount::default()
    };
    let web = scene.lab.healed("web").label("tier", "front").env("COLOUR", "blue");
    let web = web.switched_health(CHECK, 2).publish(8080).memory(64 << 20).cpus(0.5).stop_timeout(3);
    let web = web.with(|body, host| {
        body.volumes = Some(vec!["/data".to_owned()]);
        body.working_dir = Some("/tmp".to_owned());
        body.user = Some("0:0".to_owned());
        body.stop_signal = Some("SIGTERM".to_owned());
        host.network_mode = Some("front".to_owned());
        host.binds = Some(vec!["named:/named:ro".to_owned()]);
        host.mounts = Some(vec![mount("/cache", None), mount("/mine", Some("mine"))]);
        host.tmpfs = Some(HashMap::from([("/scratch".to_owned(), "size=1m".to_owned())]));
        host.cap_add = Some(vec!["NET_ADMIN".to_owned()]);
        host.extra_hosts = Some(vec!["db:10.9.9.9".to_owned()]);
        host.dns = Some(vec!["10.9.9.8".to_owned()]);
        host.sysctls =
            Some(HashMap::from([("net.ipv4.ip_unprivileged_port_start".to_owned(), "80".to_owned())]));
        host.restart_policy = Some(bollard::models::RestartPolicy {
            name: Some(bollard::models::RestartPolicyNameEnum::UNLESS_STOPPED),
            maximum_retry_count: None,
        });
        body.networking_config = Some(NetworkingConfig {
            endpoints_config: Some(HashMap::from([("front".to_owned(), endpoint("10.231.1.77", "www"))])),
        });
    });
    let web = web.create().await;
    let also = NetworkConnectRequest {
        container: web.id().to_owned(),
        endpoint_config: Some(endpoint("10.231.2.77", "web-behind")),
    };
    docker.connect_network("back", also).await.unwrap();
    web.start().await;
    web.wait_health(Health::HEALTHY).await;
    let keep = ["sh", "-c", "echo kept > /data/note; echo kept > /cache/note; echo kept > /mine/note"];
    assert_eq!(web.exec(&keep).await, (0, String::new()));
    let before = web.inspect().await;

    web.sicken().await;
    web.wait_gone().await;
    let after = wait::until("its successor is healthy", wait::SOON, || async {
        let after = named(&docker, web.name()).await;
        let health =
            after.state.as_ref().and_then(|state| state.health.as_ref()).and_then(|health| health.status);
        if health == Some(Health::HEALTHY) { Ok(after) } else { Err((health, scene.portreeve.log())) }
    })
    .await;
    assert_ne!(before.id, after.id);
    let all = |seen: &ContainerInspectResponse| serde_json::to_value(seen).unwrap();
    assert_eq!(changed(&all(&before), &all(&after)), Vec::<String>::new());
    let volume = |seen: &ContainerInspectResponse, target: &str| {
        let mounts = seen.mounts.clone().unwrap();
        mounts.into_iter().find(|mount| mount.destination.as_deref() == Some(target)).unwrap().name
    };
    for target in ["/data", "/cache"] {
        assert_eq!(volume(&before, target), volume(&after, target), "{target}");
    }
    let ids = scene.lab.ids().await;
    assert_eq!(ids, [after.id.clone().unwrap()], "nothing stays behind");
    wait::until("it is told", wait::SOON, || async {
        let path = format!("/api/events?limit=1000&container={}", after.id.as_ref().unwrap());
        let told = scene.json(&path).await?;
        let has = |kind: &str| told.as_array().unwrap().iter().any(|event| event["event_type"] == kind);
        if has("create") && has("Restarted") && has("Recovered") { Ok(()) } else { Err(format!("{told:#}")) }
    })
    .await;
    assert_eq!(scene.events(&web, &["Recreating"]).await.len(), 1);
    scene.billed(web.id(), &["started", "stopped", "removed"]).await;
    scene.billed(after.id.as_ref().unwrap(), &["started"]).await;
    scene.receiver.state().assert_clean();
}

#[tokio::test]
async fn a_recreation_that_fails_leaves_the_old_container_running_under_its_name() {
    let mut scene = Scene::own().await;
    scene.declare_policy(&format!("{RECREATE}  budget: {{restarts: 1, per: 1h}}\n"));
    scene.portreeve.start().await;
    // Its successor cannot be started: what it mounts is gone.
    let needed = scene.portreeve.home().join("needed");
    std::fs::create_dir(&needed).unwrap();
    let mount = Mount {
        typ: Some(MountType::BIND),
        source: Some(needed.display().to_string()),
        target: Some("/needed".to_owned()),
        ..Mount::default()
    };
    let web = scene.lab.healed("web").switched_health(CHECK, 2);
    let web = web.with(|_, host| host.mounts = Some(vec![mount])).start().await;
    web.wait_health(Health::HEALTHY).await;
    let before = started_at(&web).await;
    std::fs::remove_dir(&needed).unwrap();
    web.sicken().await;
    let failed = scene.told(&web, "RestartFailed", 1).await;
    assert!(failed[0]["message"].as_str().unwrap().contains("needed"), "{failed:#?}");
    assert_eq!(named(&scene.engine.docker(), web.name()).await.id.as_deref(), Some(web.id()));
    assert_eq!(scene.lab.ids().await, [web.id()]);
    assert_eq!(started_at(&web).await, before, "it was not even stopped");
    scene.told(&web, "Quarantined", 1).await;
    // What was made to take its place is none of anybody's business: only its own start is told of, and billed.
    let told = scene.json("/api/events?limit=10000").await.unwrap();
    let told: Vec<(String, String)> = told
        .as_array()
        .unwrap()
        .iter()
        .map(|event| {
            let text = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
            (text("event_type"), text("container_id"))
        })
        .collect();
    let lives =
        |(kind, _): &&(String, String)| ["create", "start", "stop", "remove"].contains(&kind.as_str());
    assert!(told.iter().filter(lives).all(|(_, id)| id == web.id()), "{told:#?}");
    scene.billed(web.id(), &["started"]).await;
    let billed = scene.receiver.look(|state| {
        let bills = state.calls.iter().filter(|call| call.which == Which::Billing);
        bills.filter(|call| !call.request.body.contains(web.id())).count()
    });
    assert_eq!(billed, 0);
    scene.receiver.state().assert_clean();
}
