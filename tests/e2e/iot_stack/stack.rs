//! The stack itself: an engine of its own with the image of `tests/engine/rootfs`, the example's containers under the
//! example's names, and the example's manifests with shorter waits.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::CreateImageOptionsBuilder;
use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::{TryStreamExt, stream};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;

use crate::e2e::scene::Scene;
use crate::support::container::Container;
use crate::support::wait;

pub const SERVICES: [&str; 9] = [
    "mosquitto",
    "zookeeper",
    "kafka",
    "postgres",
    "timescaledb",
    "mqtt-kafka-connector",
    "data-processor",
    "kafka-timescale-sink",
    "f2-simulator",
];
/// What is alive and not ready for a long time, beside the example.
pub const RECOVERING: [&str; 2] = ["cache", "standby"];
pub const PASSWORD: &str = "the-right-passw0rd";
/// A virtual machine for Java on a busy machine takes its time.
pub const PATIENCE: Duration = Duration::from_secs(90);
const IMAGE: &str = "portreeve-iot";

pub struct Stack {
    pub scene: Scene,
    containers: BTreeMap<&'static str, Container>,
    secrets: TempDir,
}

impl Stack {
    /// Everything runs, and Portreeve watches it.
    pub async fn up() -> Self {
        let tar = root_file_system().await;
        let scene = Scene::own().await;
        import(&scene.engine.docker(), &tar).await;
        let secrets = TempDir::new().unwrap();
        let scene = scene.with(|portreeve| {
            portreeve.env("PORTREEVE_SECRET_MQTT", PASSWORD).env("PORTREEVE_SECRET_TIMESCALE", PASSWORD)
        });
        let of_example = SERVICES.map(|name| (name, example().join("entry.sh")));
        let others = RECOVERING.map(|name| (name, own("recovering.sh")));
        let all = of_example.into_iter().chain(others);
        let started = all.map(async |(name, entry)| (name, start(&scene, name, &entry).await));
        let containers = join_all(started).await.into_iter().collect();
        let mut stack = Self { scene, containers, secrets };
        stack.password(PASSWORD);
        stack.declare();
        // They write their databases first, which counts for nothing here.
        for name in ["postgres", "timescaledb"] {
            wait::until(&format!("{name} has its database"), PATIENCE, || async {
                let (code, said) =
                    stack.container(name).exec(&["ls", "/tmp/.s.PGSQL.5432", "/srv/postgres/made"]).await;
                wait::is(code == 0, said)
            })
            .await;
        }
        for (name, port) in [("cache", 6379), ("standby", 5432)] {
            wait::until(&format!("{name} listens"), PATIENCE, || async {
                let ask = format!("busybox nc -w 1 127.0.0.1 {port} </dev/null");
                let (code, said) = stack.container(name).exec(&["sh", "-c", &ask]).await;
                wait::is(code == 0, said)
            })
            .await;
        }
        stack.scene.portreeve.start().await;
        stack
    }

    /// The example's own manifests; what is changed is how long one waits.
    fn declare(&self) {
        let file = self.secrets.path().join("postgres").display().to_string();
        let mut changes = vec![
            ("periodSeconds: 10\n", "periodSeconds: 1\n", 0),
            ("timeoutSeconds: 3\n", "timeoutSeconds: 2\n", 0),
            ("failureThreshold: 90", "failureThreshold: 8", 0),
            ("minUnhealthy: 5s", "minUnhealthy: 3s", 0),
            ("backoff: {initial: 5s, max: 2m}", "backoff: {initial: 1s, max: 2s}", 0),
            ("/run/secrets/postgres", &file, 0),
        ];
        for entry in std::fs::read_dir(example()).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "yaml") {
                continue;
            }
            let mut text = std::fs::read_to_string(&path).unwrap();
            for (from, to, seen) in &mut changes {
                *seen += text.matches(*from).count();
                text = text.replace(*from, to);
            }
            self.scene.portreeve.manifest(path.file_name().unwrap().to_str().unwrap(), &text);
        }
        let others = std::fs::read_to_string(own("recovering.yaml")).unwrap();
        self.scene.portreeve.manifest("recovering.yaml", &others);
        assert!(changes.iter().all(|(_, _, seen)| *seen > 0), "not in the example any more: {changes:?}");
    }

    pub fn container(&self, name: &str) -> &Container {
        &self.containers[name]
    }

    /// What Portreeve takes for the password of postgres from now on.
    pub fn password(&self, password: &str) {
        let draft = self.secrets.path().join("draft");
        std::fs::write(&draft, format!("{password}\n")).unwrap();
        std::fs::rename(draft, self.secrets.path().join("postgres")).unwrap();
    }

    pub fn no_password(&self) {
        std::fs::remove_file(self.secrets.path().join("postgres")).unwrap();
    }

    /// Sends a signal to the processes of a server: `STOP` makes it hang, `KILL` closes its port. PID 1 is none of them.
    pub async fn signal(&self, name: &str, signal: &str, process: &str) {
        let signal = format!("-{signal}");
        let (code, said) = self.container(name).exec(&["busybox", "killall", &signal, process]).await;
        assert_eq!(code, 0, "{name}: {said}");
    }

    pub async fn status(&self, name: &str) -> Value {
        let path = format!("/apis/portreeve/v1/monitoredservices/{name}");
        self.scene.json(&path).await.unwrap()["status"].clone()
    }

    /// Waits until the service's health is this word, and gives its status.
    pub async fn is(&self, name: &str, health: &str) -> Value {
        wait::until(&format!("{name} is {health}"), PATIENCE, || async {
            let status = self.status(name).await;
            if status["health"] == health { Ok(status) } else { Err((status, self.scene.portreeve.log())) }
        })
        .await
    }

    /// Waits until the service says that it needs `root`, which is down, and gives its status.
    pub async fn waits_for(&self, name: &str, root: &str) -> Value {
        wait::until(&format!("{name} waits for {root}"), wait::SOON, || async {
            let status = self.status(name).await;
            if status["waitsFor"] == root { Ok(status) } else { Err(status) }
        })
        .await
    }

    pub async fn waits_for_nobody(&self, name: &str) {
        wait::until(&format!("{name} waits for nobody"), wait::SOON, || async {
            let status = self.status(name).await;
            wait::is(status["waitsFor"].is_null(), status)
        })
        .await;
    }

    pub async fn container_row(&self, name: &str) -> Value {
        let path = format!("/apis/portreeve/v1/containers/{}", self.container(name).id());
        self.scene.json(&path).await.unwrap()
    }

    /// The events of a type, newest first.
    async fn events(&self, kind: &str) -> Vec<Value> {
        let Value::Array(events) =
            self.scene.json(&format!("/api/events?limit=10000&type={kind}")).await.unwrap()
        else {
            panic!("no array")
        };
        events
    }

    /// Whom the events of a type were about, and their reasons.
    pub async fn told(&self, kind: &str) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let events = self.events(kind).await;
        events.iter().map(|event| (text(&event["container_name"]), text(&event["reason"]))).collect()
    }

    pub async fn last_told(&self, kind: &str, name: &str) -> Value {
        let events = self.events(kind).await;
        events.into_iter().find(|event| event["container_name"] == name).unwrap_or_default()
    }

    /// Whatever somebody can read: the log, all events, all objects.
    pub async fn everything_said(&self) -> String {
        let mut said = self.scene.portreeve.log();
        for path in
            ["/api/events?limit=10000", "/apis/portreeve/v1/monitoredservices", "/api/containers", "/metrics"]
        {
            said.push_str(&self.scene.portreeve.get(path).await.unwrap().body);
        }
        said
    }
}

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/iot-stack")
}

/// A file of this test.
fn own(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/iot_stack").join(name)
}

async fn start(scene: &Scene, name: &str, entry: &Path) -> Container {
    let entry = format!("{}:/entry.sh:ro", entry.display());
    scene
        .lab
        .named(name)
        .image(&format!("{IMAGE}:1"))
        .cmd(&["/entry.sh", name])
        .env("MQTT_PASSWORD", PASSWORD)
        .env("POSTGRES_PASSWORD", PASSWORD)
        .with(|_, host| host.binds = Some(vec![entry]))
        .start()
        .await
}

/// Where `tests/engine/rootfs` has put it; the first who asks waits until it is made.
async fn root_file_system() -> PathBuf {
    let script = format!("{}/tests/engine/rootfs", env!("CARGO_MANIFEST_DIR"));
    let output = tokio::process::Command::new("bash").arg(&script).output().await.expect("bash");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "tests/engine/rootfs: {said}");
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
}

/// As `docker import`, in pieces: it is some hundred megabytes.
async fn import(docker: &Docker, tar: &Path) {
    let file = tokio::fs::File::open(tar).await.unwrap_or_else(|error| panic!("{}: {error}", tar.display()));
    let pieces = stream::try_unfold(file, |mut file| async move {
        let mut piece = vec![0; 1 << 20];
        let read = file.read(&mut piece).await?;
        piece.truncate(read);
        Ok((read > 0).then(|| (Bytes::from(piece), file)))
    });
    let options = CreateImageOptionsBuilder::default()
        .from_src("-")
        .repo(IMAGE)
        .tag("1")
        .changes(vec!["ENV PATH=/usr/sbin:/usr/bin".to_owned(), "LABEL portreeve.test.image=iot".to_owned()])
        .build();
    let imported = docker.create_image(Some(options), Some(bollard::body_try_stream(pieces)), None);
    imported.try_collect::<Vec<_>>().await.expect("importing the image of the stack");
}
