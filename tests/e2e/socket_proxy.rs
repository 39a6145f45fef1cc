//! A proxy in front of the engine that lets only some calls pass.

use std::time::Duration;

use super::scene::Scene;
use crate::support::engine::Engine;
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
