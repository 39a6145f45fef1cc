//! Where containers are asked: only where what answers is the container, and a guess that was wrong heals nobody.

use std::collections::HashMap;
use std::time::Duration;

use bollard::models::{EndpointSettings, NetworkConnectRequest, PortBinding};
use serde_json::Value;
use tempfile::TempDir;

use super::inside::{Inside, services};
use super::scene::{Scene, restarted, started_at};
use crate::support::builder::Builder;
use crate::support::container::Container;
use crate::support::engine::Engine;
use crate::support::lab::Lab;
use crate::support::sshd::Sshd;
use crate::support::wait;

/// Busybox' HTTP server on port 80, whose page can be taken away.
const SERVE: &str = "mkdir -p /www; echo fine > /www/health; httpd -p 80 -h /www; exec /bin/idle";
/// It answers, and has no such page.
const STRANGER: &str = "mkdir -p /www; httpd -p 80 -h /www; exec /bin/idle";
/// A few rounds of checks, each of which may bring about a restart.
const ROUNDS: Duration = Duration::from_secs(8);

fn publish(builder: Builder, address: &str, port: Option<&str>) -> Builder {
    let binding = PortBinding { host_ip: Some(address.to_owned()), host_port: port.map(str::to_owned) };
    builder.with(|body, host| {
        body.exposed_ports.get_or_insert_default().push("80/tcp".to_owned());
        host.port_bindings.get_or_insert_default().insert("80/tcp".to_owned(), Some(vec![binding]));
    })
}

async fn address(container: &Container, network: &str) -> String {
    let settings = container.inspect().await.network_settings.unwrap();
    settings.networks.unwrap()[network].ip_address.clone().unwrap()
}

async fn status(scene: &Scene, service: &str) -> Value {
    let path = format!("/apis/portreeve/v1/monitoredservices/{service}");
    scene.json(&path).await.unwrap()["status"].clone()
}

async fn is(scene: &Scene, service: &str, health: &str) -> Value {
    wait::until(&format!("{service} is {health}"), wait::SOON, || async {
        let status = status(scene, service).await;
        if status["health"] == health { Ok(status) } else { Err((status, scene.portreeve.log())) }
    })
    .await
}

/// Nobody restarts these within some rounds of checks.
async fn none_is_restarted(containers: &[&Container], log: impl AsyncFn() -> String) {
    let mut before = Vec::new();
    for container in containers {
        before.push(started_at(container).await);
    }
    wait::throughout("no container is restarted", ROUNDS, || async {
        for (container, before) in containers.iter().zip(&before) {
            let now = started_at(container).await;
            if now != *before {
                return Err(format!("{} was restarted:\n{}", container.name(), log().await));
            }
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_foreign_network_namespace_is_asked_where_it_publishes_and_no_stranger_is() {
    let here = Engine::own().await;
    let lab = Lab::new(&here).await;
    let stranger = lab.container("stranger").shell(STRANGER).start().await;

    let mut scene = Scene::on(Engine::apart(&here).await).await;
    let web = scene.lab.healed("web").shell(SERVE);
    let web = publish(web, "0.0.0.0", Some("8080")).start().await;
    assert_eq!(
        address(&web, "bridge").await,
        address(&stranger, "bridge").await,
        "the test needs a stranger"
    );
    scene.portreeve.manifest("services.yaml", &services(&scene, &[("web", &web)]));
    scene.portreeve.start().await;

    none_is_restarted(&[&web], async || scene.portreeve.log()).await;
    let unsaid = is(&scene, "web", "error").await;
    let reason = unsaid["reason"].as_str().unwrap();
    assert!(reason.contains("spec.address"), "the remedy is not named: {reason}");

    // Once it is said where its published ports are asked, they are; and what fails there is the container's failure.
    let host = format!(
        "apiVersion: portreeve/v1\nkind: DockerHost\nmetadata: {{name: local}}\n\
         spec: {{endpoint: \"{}\", address: {}}}\n",
        scene.engine.endpoint(),
        scene.engine.address()
    );
    scene.portreeve.manifest("host.yaml", &host);
    let healthy = is(&scene, "web", "healthy").await;
    let asks = healthy["containers"][0]["probes"][0]["asks"].as_str().unwrap();
    assert!(asks.starts_with(&format!("{}:8080, ", scene.engine.address())), "{asks}");
    let before = started_at(&web).await;
    web.exec(&["rm", "/www/health"]).await;
    restarted(&web, &before).await;
    is(&scene, "web", "healthy").await;
}

#[tokio::test]
async fn a_bridge_is_asked_before_a_macvlan_network_that_sorts_first_and_one_alone_there_is_left_alone() {
    let mut scene = Scene::own().await;
    let parent = scene.engine.idle_interface();
    let lan = scene
        .lab
        .network("a_lan", |network| {
            network.driver = Some("macvlan".to_owned());
            network.options = Some(HashMap::from([("parent".to_owned(), parent)]));
        })
        .await;
    let both = scene.lab.healed("both").shell(SERVE).create().await;
    let settings = NetworkConnectRequest {
        container: both.id().to_owned(),
        endpoint_config: Some(EndpointSettings::default()),
    };
    scene.engine.docker().connect_network(&lan, settings).await.unwrap();
    both.start().await;
    assert!(!address(&both, &lan).await.is_empty() && *lan < *"bridge");
    let lone = scene.lab.healed("lone").shell(SERVE);
    let lone = lone.with(|_, host| host.network_mode = Some(lan.clone())).start().await;
    scene.portreeve.manifest("services.yaml", &services(&scene, &[("both", &both), ("lone", &lone)]));
    scene.portreeve.start().await;

    none_is_restarted(&[&both, &lone], async || scene.portreeve.log()).await;
    let healthy = is(&scene, "both", "healthy").await;
    let asks = healthy["containers"][0]["probes"][0]["asks"].as_str().unwrap();
    assert!(asks.starts_with(&format!("{}:80, ", address(&both, "bridge").await)), "{asks}");
    let unsaid = is(&scene, "lone", "error").await;
    let reason = unsaid["reason"].as_str().unwrap();
    assert!(reason.contains("macvlan") && reason.contains("name a host in the probe"), "{reason}");
}

/// What the bridge's interface has for an address, and what becomes of it.
fn ip_address(scene: &Scene, verb: &str) {
    let bridge = scene.engine.bridge();
    let address = format!("{}/24", bridge.address);
    let status =
        std::process::Command::new("ip").args(["address", verb, &address, "dev", &bridge.name]).status();
    assert!(status.unwrap().success(), "ip address {verb} {address}");
}

#[tokio::test]
async fn a_bridge_that_has_lost_its_address_is_no_illness_of_the_containers_behind_it() {
    let mut scene = Scene::own().await;
    let web = scene.lab.container("web").label("autoheal", "true").shell(SERVE).start().await;
    scene.portreeve.manifest("services.yaml", &services(&scene, &[("web", &web)]));
    scene.portreeve.start().await;
    is(&scene, "web", "healthy").await;
    ip_address(&scene, "delete");
    none_is_restarted(&[&web], async || scene.portreeve.log()).await;
    is(&scene, "web", "error").await;
    ip_address(&scene, "add");
    is(&scene, "web", "healthy").await;
}

#[tokio::test]
async fn behind_a_socket_proxy_a_container_is_asked_in_the_network_that_it_shares_with_portreeve() {
    crate::support::server::install("socat").await;
    let scene = Scene::shared().await;
    let mon = scene.lab.network("mon", |_| {}).await;
    let on_mon = |builder: Builder| builder.with(|_, host| host.network_mode = Some(mon.clone()));
    let socket = scene.engine.socket().expect("an engine with a socket here");
    let (directory, file) =
        (socket.parent().unwrap().display(), socket.file_name().unwrap().to_str().unwrap());
    let binds = ["/lib", "/lib64", "/usr"].into_iter().filter(|path| std::path::Path::new(path).exists());
    let mut binds: Vec<String> = binds.map(|path| format!("{path}:{path}:ro")).collect();
    binds.push(format!("{directory}:/engine"));
    let socket = format!("UNIX-CONNECT:/engine/{file}");
    let relay = ["/usr/bin/socat", "TCP-LISTEN:2375,fork,reuseaddr", &socket];
    let relay = scene.lab.container("socket-proxy").cmd(&relay).with(|_, host| {
        host.network_mode = Some(mon.clone());
        host.binds = Some(binds);
    });
    let relay = relay.start().await;
    let relay = address(&relay, &mon).await;
    // One publishes its port, where the proxy's name would be asked for it, and one does not.
    let shown = publish(on_mon(scene.lab.healed("shown").shell(SERVE)), "0.0.0.0", None).start().await;
    let inner = on_mon(scene.lab.healed("inner").shell(SERVE)).start().await;
    let config = TempDir::new().unwrap();
    let text = services(&scene, &[("shown", &shown), ("inner", &inner)]);
    std::fs::write(config.path().join("services.yaml"), text).unwrap();
    // The policy for the lab's containers alone, as the scene has declared it.
    std::fs::copy(scene.portreeve.config_dir().join("policy.yaml"), config.path().join("policy.yaml"))
        .unwrap();
    let portreeve = scene.lab.container("portreeve").with(|_, host| {
        host.network_mode = Some(mon.clone());
        host.extra_hosts = Some(vec![format!("socket-proxy:{relay}")]);
        host.binds = Some(vec![format!("{}:/config:ro", config.path().display())]);
    });
    let arguments = ["run", "--config-dir", "/config", "--state-dir", "/state", "--listen", "127.0.0.1:8000"];
    let arguments = [&arguments[..], &["--docker-host", "tcp://socket-proxy:2375"]].concat();
    let portreeve = Inside::start(portreeve, scene.engine.docker(), &arguments, None).await;

    none_is_restarted(&[&shown, &inner, portreeve.container()], async || portreeve.log().await).await;
    for (service, container) in [("shown", &shown), ("inner", &inner)] {
        let healthy = portreeve.is(service, "healthy").await;
        let asks = healthy["containers"][0]["probes"][0]["asks"].as_str().unwrap();
        assert!(asks.starts_with(&format!("{}:80, ", address(container, &mon).await)), "{asks}");
    }
}

#[tokio::test]
async fn a_host_that_only_ssh_knows_is_no_host_to_ask() {
    let engine = Engine::shared().await;
    let mut server = Sshd::new();
    let endpoint = server.alias("portreeve-box", engine.socket().expect("an engine with a socket here"));
    let path = server.path();
    let mut scene = Scene::through(engine, &endpoint).await.with(|portreeve| portreeve.env("PATH", &path));
    server.start().await;
    let web = scene.lab.healed("web").shell(SERVE);
    let web = publish(web, "0.0.0.0", None).start().await;
    scene.portreeve.manifest("services.yaml", &services(&scene, &[("web", &web)]));
    scene.portreeve.start().await;
    none_is_restarted(&[&web], async || scene.portreeve.log()).await;
    let unsaid = is(&scene, "web", "error").await;
    let reason = unsaid["reason"].as_str().unwrap();
    assert!(reason.contains("portreeve-box") && reason.contains("spec.address"), "{reason}");

    let host = format!(
        "apiVersion: portreeve/v1\nkind: DockerHost\nmetadata: {{name: local}}\n\
         spec: {{endpoint: \"{endpoint}\", address: 127.0.0.1}}\n"
    );
    scene.portreeve.manifest("host.yaml", &host);
    is(&scene, "web", "healthy").await;
}
