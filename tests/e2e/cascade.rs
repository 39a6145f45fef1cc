//! What shares a network, or depends on something, follows it; what is silenced is left alone.

use std::time::Duration;

use bollard::models::{ContainerInspectResponse, ContainerStateStatusEnum as Status};
use bollard::query_parameters::InspectContainerOptions;

use super::scene::{Scene, started_at};
use crate::support::builder::Builder;
use crate::support::container::Container;
use crate::support::wait;

const CHECK: Duration = Duration::from_millis(200);

fn healed(scene: &Scene, name: &str) -> Builder {
    scene.lab.healed(name)
}

fn sharing(builder: Builder, parent: &Container) -> Builder {
    let mode = format!("container:{}", parent.id());
    builder.with(|_, host| host.network_mode = Some(mode))
}

async fn network(container: &Container) -> String {
    container.exec(&["readlink", "/proc/1/ns/net"]).await.1
}

async fn named(scene: &Scene, name: &str) -> Option<ContainerInspectResponse> {
    scene.engine.docker().inspect_container(name, None::<InspectContainerOptions>).await.ok()
}

#[tokio::test]
async fn who_shares_a_network_is_restarted_after_whose_it_is_and_made_anew_when_that_was() {
    let mut scene = Scene::own().await;
    scene.portreeve.start().await;
    let vpn = healed(&scene, "vpn").switched_health(CHECK, 2).start().await;
    let web = sharing(healed(&scene, "web"), &vpn).start().await;
    let plain = sharing(scene.lab.container("plain"), &vpn).start().await;
    assert_eq!(network(&web).await, network(&vpn).await);
    let (before, untouched) = (started_at(&web).await, started_at(&plain).await);
    scene.told(&web, "start", 1).await;

    vpn.sicken().await;
    scene.told(&vpn, "Restarted", 1).await;
    vpn.cure().await;
    wait::until("it is restarted into the network that is there now", wait::SOON, || async {
        let running = web.status().await == Status::RUNNING && started_at(&web).await != before;
        if running && network(&web).await == network(&vpn).await {
            Ok(())
        } else {
            Err(scene.portreeve.log())
        }
    })
    .await;
    let restarting = scene.told(&web, "Restarting", 1).await;
    assert!(
        restarting[0]["message"].as_str().unwrap().contains("whose network it shares"),
        "{restarting:#?}"
    );
    scene.told(&web, "Restarted", 1).await;

    vpn.remove().await;
    let vpn = healed(&scene, "vpn").switched_health(CHECK, 2).start().await;
    let mode = format!("container:{}", vpn.id());
    wait::until("it is made anew in the network of its parent's successor", wait::SOON, || async {
        let seen = named(&scene, web.name()).await;
        let shares = |seen: &ContainerInspectResponse| {
            let host = seen.host_config.as_ref().and_then(|host| host.network_mode.clone());
            host.as_ref() == Some(&mode) && seen.state.as_ref().and_then(|state| state.running) == Some(true)
        };
        if seen.as_ref().is_some_and(shares) { Ok(()) } else { Err((seen, scene.portreeve.log())) }
    })
    .await;
    web.wait_gone().await;
    assert_eq!(started_at(&plain).await, untouched, "no policy selects it");
    scene.receiver.state().assert_clean();
}

#[tokio::test]
async fn composes_dependents_follow_a_restart_and_wait_for_what_is_down() {
    let mut scene = Scene::own().await;
    scene.portreeve.start().await;
    let of = |name: &str| {
        let one = healed(&scene, name).label("com.docker.compose.project", "shop");
        one.label("com.docker.compose.service", name).switched_health(CHECK, 2)
    };
    let db = of("db").start().await;
    let web = of("web").label("com.docker.compose.depends_on", "db:service_healthy:false").start().await;
    let before = started_at(&web).await;
    db.sicken().await;
    scene.told(&db, "Restarted", 1).await;
    web.sicken().await;
    let skipped = scene.told(&web, "Skipped", 1).await;
    assert_eq!(skipped[0]["reason"], "DependencyDown", "{skipped:#?}");
    assert_eq!(started_at(&web).await, before);
    web.cure().await;
    db.cure().await;
    wait::until("it follows", wait::SOON, || async {
        let at = started_at(&web).await;
        wait::is(at != before, (at, scene.portreeve.log()))
    })
    .await;
    scene.receiver.state().assert_clean();
}

#[tokio::test]
async fn a_silence_suppresses_healing_until_it_is_lifted() {
    let mut scene = Scene::own().await;
    let silence = "apiVersion: portreeve/v1\nkind: Silence\nmetadata: {name: works}\n\
                   spec: {selector: {all: true}, endsAt: 2999-01-01T00:00:00Z, suppress: [healing]}\n";
    scene.portreeve.manifest("silence.yaml", silence);
    scene.portreeve.start().await;
    let web = healed(&scene, "web").switched_health(CHECK, 2).start().await;
    let before = started_at(&web).await;
    web.sicken().await;
    let skipped = scene.told(&web, "Skipped", 1).await;
    assert_eq!(skipped[0]["reason"], "Silenced");
    assert_eq!(started_at(&web).await, before);
    std::fs::remove_file(scene.portreeve.config_dir().join("silence.yaml")).unwrap();
    scene.told(&web, "Restarting", 1).await;
    wait::until("it is restarted", wait::SOON, || async {
        let at = started_at(&web).await;
        wait::is(at != before, at)
    })
    .await;
    scene.receiver.state().assert_clean();
}
