//! The compose file that is shipped: its mounts, networks and hosts, with the local image in place of the one it builds.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::models::PortBinding;
use serde_json::Value;
use tempfile::TempDir;

use super::inside::{Inside, services};
use super::scene::{Scene, restarted, started_at};
use crate::support::container::Container;
use crate::support::image;
use crate::support::wait;

const TOKEN: &str = "the-token-of-this-test";
const SERVE: &str = "mkdir -p /www; echo fine > /www/health; httpd -p 80 -h /www; exec /bin/idle";

/// `services.portreeve` of the file, and the whole.
fn shipped() -> (Value, Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/compose/compose.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let file: Value = serde_yaml::from_str(&text).unwrap();
    (file["services"]["portreeve"].clone(), file)
}

fn texts(value: &Value) -> Vec<String> {
    let items = value.as_array().into_iter().flatten();
    items.map(|item| item.as_str().expect("a text").to_owned()).collect()
}

/// The file's own words for what is mounted, with a directory of the test in place of the one beside the file.
async fn binds(scene: &Scene, service: &Value, file: &Value, beside: &Path) -> Vec<String> {
    let path = |text: &str| -> PathBuf { beside.join(text.trim_start_matches("./")) };
    let mut binds = Vec::new();
    for volume in texts(&service["volumes"]) {
        let (source, target) = volume.split_once(':').expect("a source and a target");
        let source = match source {
            source if source.starts_with("./") => path(source).display().to_string(),
            source if source.starts_with('/') => source.to_owned(),
            name => {
                assert!(file["volumes"].get(name).is_some(), "no volume {name}");
                scene.lab.volume(name).await
            }
        };
        binds.push(format!("{source}:{target}"));
    }
    for secret in texts(&service["secrets"]) {
        let source = file["secrets"][&secret]["file"].as_str().expect("a file");
        binds.push(format!("{}:/run/secrets/{secret}:ro", path(source).display()));
    }
    binds
}

async fn web(scene: &Scene, name: &str, front: &str, address: &str) -> Container {
    let binding = PortBinding { host_ip: Some(address.to_owned()), host_port: None };
    let builder = scene.lab.healed(name).shell(SERVE).with(|body, host| {
        body.exposed_ports.get_or_insert_default().push("80/tcp".to_owned());
        host.port_bindings.get_or_insert_default().insert("80/tcp".to_owned(), Some(vec![binding]));
        host.network_mode = Some(front.to_owned());
    });
    builder.start().await
}

#[tokio::test]
async fn portreeve_as_the_compose_file_runs_it_reaches_what_others_publish_and_restarts_nothing_healthy() {
    let scene = Scene::shared().await;
    let (service, file) = shipped();
    let beside = TempDir::new().unwrap();
    std::fs::create_dir(beside.path().join("portreeve")).unwrap();
    std::fs::write(beside.path().join("portreeve.token"), TOKEN).unwrap();

    let front = scene.lab.network("front", |_| {}).await;
    let open = web(&scene, "open", &front, "0.0.0.0").await;
    let local = web(&scene, "local", &front, "127.0.0.1").await;
    let text = services(&scene, &[("open", &open), ("local", &local)]);
    std::fs::write(beside.path().join("portreeve/services.yaml"), text).unwrap();
    // The policy for the lab's containers alone, as the scene has declared it.
    let policy = scene.portreeve.config_dir().join("policy.yaml");
    std::fs::copy(policy, beside.path().join("portreeve/policy.yaml")).unwrap();

    // Nobody says otherwise: Compose makes a network for the project.
    assert!(service.get("networks").is_none() && service.get("network_mode").is_none());
    let project = scene.lab.network("project_default", |_| {}).await;
    let binds = binds(&scene, &service, &file, beside.path()).await;
    let hosts = texts(&service["extra_hosts"]);
    // As the image that the file builds: a volume is as private as its directory.
    let directories = [("var/", 0o755), ("var/lib/", 0o755), ("var/lib/portreeve/", 0o700)];
    let image = image::ensure_with(&scene.engine.docker(), "state", &directories).await;
    let mut builder = scene.lab.container("portreeve").image(&image);
    for (name, value) in service["environment"].as_object().unwrap() {
        builder = builder.env(name, value.as_str().unwrap());
    }
    let builder = builder.with(|_, host| {
        host.network_mode = Some(project.clone());
        host.binds = Some(binds);
        host.extra_hosts = Some(hosts);
    });
    let arguments = texts(&service["command"]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let portreeve = Inside::start(builder, scene.engine.docker(), &arguments, Some(TOKEN)).await;

    let before = [started_at(&open).await, started_at(&local).await];
    wait::throughout("nothing healthy is restarted", Duration::from_secs(8), || async {
        let now = [started_at(&open).await, started_at(&local).await];
        if now == before { Ok(()) } else { Err((now, before.clone(), portreeve.log().await)) }
    })
    .await;
    let healthy = portreeve.is("open", "healthy").await;
    let asks = healthy["containers"][0]["probes"][0]["asks"].as_str().unwrap();
    assert!(asks.starts_with("host.docker.internal:"), "{asks}");
    let unsaid = portreeve.is("local", "error").await;
    let reason = unsaid["reason"].as_str().unwrap();
    assert!(reason.contains("127.0.0.1") && reason.contains("share a network"), "{reason}");

    // What it reached once is judged by what it answers.
    open.exec(&["rm", "/www/health"]).await;
    restarted(&open, &before[0]).await;
}
