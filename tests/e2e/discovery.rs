//! Where registries are told that a container is: the ports that others reach it by.

use serde_json::Value;

use super::scene::{Scene, restarted, started_at};
use crate::support::container::Container;
use crate::support::receiver::book::Which;
use crate::support::wait;

/// The last registration of a container.
fn body(scene: &Scene, container: &Container) -> Option<Value> {
    scene.receiver.look(|state| {
        let posts = state.calls.iter().filter(|call| call.which == Which::Discovery);
        let mut bodies = posts.filter_map(|call| serde_json::from_str::<Value>(&call.request.body).ok());
        bodies.rfind(|body| body["id"] == container.id())
    })
}

async fn host_port(container: &Container) -> u64 {
    let ports = container.inspect().await.network_settings.unwrap().ports.unwrap();
    ports["8080/tcp"].as_ref().unwrap()[0].host_port.clone().unwrap().parse().unwrap()
}

async fn registered_at(scene: &Scene, container: &Container, port: u64) {
    wait::until(&format!("{} is registered at {port}", container.name()), wait::SOON, || async {
        let body = body(scene, container);
        wait::is(body.as_ref().is_some_and(|body| body["port"] == port), body)
    })
    .await;
}

#[tokio::test]
async fn who_uses_anothers_network_is_registered_at_that_ones_ports_and_follows_them() {
    let mut scene = Scene::shared().await;
    scene.portreeve.start().await;
    let vpn = scene.lab.container("vpn").publish_on("0.0.0.0", 8080).start().await;
    let mode = format!("container:{}", vpn.id());
    let app = scene.lab.container("app").with(|_, host| host.network_mode = Some(mode)).start().await;
    registered_at(&scene, &vpn, host_port(&vpn).await).await;
    registered_at(&scene, &app, host_port(&vpn).await).await;
    // A new run has other ports: the engine chooses them.
    let (before, run) = (host_port(&vpn).await, started_at(&vpn).await);
    wait::until("the engine chose another port", wait::SOON, || async {
        vpn.restart().await;
        wait::is(host_port(&vpn).await != before, before)
    })
    .await;
    restarted(&vpn, &run).await;
    registered_at(&scene, &app, host_port(&vpn).await).await;
    scene.receiver.state().assert_clean();
}

#[tokio::test]
async fn what_others_cannot_reach_is_not_told_as_if_they_could() {
    let mut scene = Scene::shared().await;
    let registry = scene.receiver.discovery.url();
    scene.portreeve.manifest(
        "registry.yaml",
        &format!(
            "apiVersion: portreeve/v1\nkind: DiscoveryRegistry\nmetadata: {{name: d}}\n\
             spec: {{url: \"{registry}\", publishedOnly: true, selector: {{labels: {}}}}}\n",
            scene.of_the_lab()
        ),
    );
    scene.portreeve.start().await;
    let inside = scene.lab.container("inside").start().await;
    let local = scene.lab.container("local").publish(8080).start().await;
    let open = scene.lab.container("open").publish_on("0.0.0.0", 8080).start().await;
    registered_at(&scene, &open, host_port(&open).await).await;
    for (container, why) in [
        (&inside, "no port of it is published"),
        (&local, "its ports are published on a loopback address only"),
    ] {
        let path = format!("/apis/portreeve/v1/containers/{}", container.id());
        wait::until("it is said why", wait::SOON, || async {
            let shown = scene.json(&path).await?;
            let registry = &shown["registries"]["d"];
            wait::is(registry["state"] == "ABSENT" && registry["reason"] == why, shown.to_string())
        })
        .await;
    }
    scene.registered(&[&open]).await;
    open.stop().await;
    scene.registered(&[]).await;
    assert!(body(&scene, &inside).is_none() && body(&scene, &local).is_none());
    // Without the wish they are told, at ports of their own: nobody is sent to a port of another machine's loopback.
    scene.declare_services("labels", &scene.of_the_lab());
    registered_at(&scene, &local, 8080).await;
    scene.receiver.state().assert_clean();
}
