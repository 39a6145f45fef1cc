//! A proxy in front of the engine that lets only some calls pass.

use std::sync::Arc;
use std::time::Duration;

use portreeve::docker::Client;
use portreeve::guard::Guard;
use portreeve::resource::docker_host::DockerHostSpec;
use serde_json::json;

use super::scene::Scene;
use crate::support::engine::Engine;
use crate::support::lab::Lab;
use crate::support::strict_proxy::StrictProxy;
use crate::support::wait;

async fn behind(forbidden: &[&str]) -> (Scene, StrictProxy) {
    let engine = Engine::shared().await;
    let proxy = StrictProxy::new(engine.socket().expect("an engine behind a socket"), forbidden);
    (Scene::through(engine, &proxy.endpoint()).await, proxy)
}

#[tokio::test]
async fn without_info_and_networks_containers_are_billed_registered_and_healed() {
    let (mut scene, proxy) = behind(&["info", "networks"]).await;
    scene.portreeve.start().await;
    let web = scene.lab.healed("web").switched_health(Duration::from_millis(200), 2).start().await;
    scene.billed(web.id(), &["started"]).await;
    scene.registered(&[&web]).await;
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    assert_eq!(scene.receiver.state().events_of(web.id())[0].host, host);
    let log = scene.portreeve.log();
    assert!(log.contains("GET /info is forbidden") && log.contains("must allow INFO"), "{log}");

    proxy.forbid(&["info", "POST"]);
    web.sicken().await;
    let failed = scene.told(&web, "RestartFailed", 1).await;
    let message = failed[0]["message"].as_str().unwrap();
    assert!(message.contains("POST /containers/{id}/restart is forbidden"), "{message}");
    assert!(message.contains("must allow CONTAINERS, POST"), "{message}");
    assert!(!message.contains('<'), "{message}");
    proxy.forbid(&["info"]);
    scene.billed(web.id(), &["started", "stopped", "started"]).await;
}

#[tokio::test]
async fn a_call_that_is_needed_and_forbidden_is_named_with_what_to_allow() {
    let (mut scene, proxy) = behind(&["version"]).await;
    scene.portreeve.spawn();
    for (section, call) in
        [("version", "GET /version"), ("events", "GET /events"), ("containers", "GET /containers/json")]
    {
        proxy.forbid(&[section]);
        let told = format!(
            "{call} is forbidden: the answer is not from a Docker engine; a proxy before the engine's socket must \
            allow {}",
            section.to_uppercase()
        );
        wait::until(&told, wait::SOON, || async {
            let status = scene.json("/health/detailed").await?;
            wait::is(status.to_string().contains(&told), (status, scene.portreeve.log()))
                .map_err(|seen| format!("{seen:?}"))
        })
        .await;
    }
    proxy.forbid(&[]);
    scene.portreeve.wait_ready().await;
}

#[tokio::test]
async fn whatever_call_of_a_replacement_is_forbidden_is_named_and_the_old_container_runs_on() {
    let engine = Engine::shared().await;
    let docker = engine.docker();
    let proxy = StrictProxy::new(engine.socket().expect("an engine behind a socket"), &[]);
    let spec = DockerHostSpec { endpoint: proxy.endpoint(), ..DockerHostSpec::default() };
    let (client, _) = Client::connect(&Arc::from("local"), &spec, &Guard::default()).await.unwrap();
    let lab = Lab::new(&engine).await;
    // One in two networks, which the new one is connected to, and one in none, which it is disconnected from.
    let (web, apart) = (lab.container("web").start().await, lab.container("apart").start().await);
    let back = lab.network("back", |_| {}).await;
    let request = json!({"Container": web.id()});
    docker.connect_network(&back, serde_json::from_value(request).unwrap()).await.unwrap();
    let seen = serde_json::to_value(apart.inspect().await).unwrap();
    for network in seen["NetworkSettings"]["Networks"].as_object().unwrap().keys() {
        let request = json!({"Container": apart.id(), "Force": false});
        docker.disconnect_network(network, serde_json::from_value(request).unwrap()).await.unwrap();
    }
    let before = lab.ids().await;
    for (container, forbidden, call, allow) in [
        (&web, "GET containers json", "GET /containers/{id}/json", "CONTAINERS"),
        (&web, "GET images json", "GET /images/{name}/json", "IMAGES"),
        (&web, "DELETE", "DELETE /containers/{id}", "CONTAINERS, POST, DELETE"),
        (&web, "POST containers create", "POST /containers/create", "CONTAINERS, POST"),
        (&web, "POST networks connect", "POST /networks/{id}/connect", "NETWORKS, POST"),
        (&apart, "POST networks disconnect", "POST /networks/{id}/disconnect", "NETWORKS, POST"),
        (&web, "POST containers stop", "POST /containers/{id}/stop", "CONTAINERS, POST"),
        (&web, "POST containers rename", "POST /containers/{id}/rename", "CONTAINERS, POST"),
    ] {
        proxy.forbid(&[forbidden]);
        let refused =
            client.recreate(container.id(), Duration::from_secs(1), None).await.unwrap_err().to_string();
        let told = format!("{call} is forbidden: the answer is not from a Docker engine");
        assert!(refused.contains(&told), "{forbidden}: {refused}");
        assert!(refused.ends_with(&format!("must allow {allow} (HTTP 403)")), "{forbidden}: {refused}");
        proxy.forbid(&[]);
        let seen = container.inspect().await;
        assert_eq!(seen.state.unwrap().running, Some(true), "{forbidden}");
        assert_eq!(lab.ids().await, before, "{forbidden}: nothing half-made is left");
    }
    // Who may not be started is down, and comes back once it may.
    proxy.forbid(&["POST containers start"]);
    let refused = client.recreate(web.id(), Duration::from_secs(1), None).await.unwrap_err().to_string();
    assert!(refused.contains("POST /containers/{id}/start is forbidden"), "{refused}");
    proxy.forbid(&[]);
    client.bring_back(web.id(), web.name()).await.unwrap();
    assert_eq!(web.inspect().await.state.unwrap().running, Some(true));
}
