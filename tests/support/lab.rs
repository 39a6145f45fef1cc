//! A place for one test's containers: all are labelled with the test's run, and all are gone after the drop,
//! whatever the test did. Containers of dead runs are swept by the next one.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use bollard::Docker;
use bollard::models::{NetworkCreateRequest, VolumeCreateRequest};
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder,
    RemoveContainerOptionsBuilder, RemoveVolumeOptionsBuilder,
};
use futures_util::{StreamExt, stream};

use super::builder::Builder;
use super::engine::{Engine, lock, meeting_place};

/// The label every container of every test carries; its value is the run.
pub const LABEL: &str = "portreeve.test";
/// The label by which a test's policy selects what it heals; its value is the run. Not `autoheal=true`: whatever carries
/// that one is healed by every tool of its kind on the engine, the machine's owner's among them.
pub const HEALED: &str = "portreeve.test.healed";

pub struct Lab {
    docker: Docker,
    run: String,
    /// Locked while this process lives, so that a sweep can tell a dead run.
    alive: Option<(File, PathBuf)>,
}

impl Lab {
    pub async fn new(engine: &Engine) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let now =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock after 1970");
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let run = format!("{:x}-{:x}-{count}", now.as_secs(), std::process::id());

        if engine.is_own() {
            // Goes with its engine.
            return Self { docker: engine.docker(), run, alive: None };
        }
        // Held until this run's lock is taken: a sweep elsewhere would take the file for a dead run's.
        let _creating = lock("runs.lock");
        sweep(&engine.docker()).await;
        let path = runs().join(&run);
        let file = File::create(&path).expect("a lock file");
        file.lock().expect("locking");
        Self { docker: engine.docker(), run, alive: Some((file, path)) }
    }

    /// The run's id, the value of [`LABEL`].
    pub fn run(&self) -> &str {
        &self.run
    }

    /// A container to be made; its name is `name` and the run's id.
    pub fn container(&self, name: &str) -> Builder {
        Builder::new(self.docker.clone(), format!("{name}-{}", self.run), &self.run, self.is_shared())
    }

    /// One that the policies of a test are to select: see [`HEALED`].
    pub fn healed(&self, name: &str) -> Builder {
        self.container(name).label(HEALED, &self.run)
    }

    /// A container to be made whose name is `name` and nothing else: on an engine of the test's own only.
    pub fn named(&self, name: &str) -> Builder {
        assert!(!self.is_shared(), "on the shared engine two tests would want the same name");
        Builder::new(self.docker.clone(), name.to_owned(), &self.run, false)
    }

    /// Whether others use the same engine.
    fn is_shared(&self) -> bool {
        self.alive.is_some()
    }

    /// Makes a network called `name` and the run's id, of which `change` may say more; gives that name.
    pub async fn network(&self, name: &str, change: impl FnOnce(&mut NetworkCreateRequest)) -> String {
        let name = format!("{name}-{}", self.run);
        let labels = HashMap::from([(LABEL.to_owned(), self.run.clone())]);
        let mut wanted =
            NetworkCreateRequest { name: name.clone(), labels: Some(labels), ..Default::default() };
        change(&mut wanted);
        self.docker.create_network(wanted).await.unwrap_or_else(|e| panic!("network {name}: {e}"));
        name
    }

    /// Makes a volume called `name` and the run's id; gives that name.
    pub async fn volume(&self, name: &str) -> String {
        let name = format!("{name}-{}", self.run);
        let labels = HashMap::from([(LABEL.to_owned(), self.run.clone())]);
        let wanted =
            VolumeCreateRequest { name: Some(name.clone()), labels: Some(labels), ..Default::default() };
        self.docker.create_volume(wanted).await.unwrap_or_else(|e| panic!("volume {name}: {e}"));
        name
    }

    /// The ids of this run's containers, whatever their state.
    pub async fn ids(&self) -> Vec<String> {
        labelled(&self.docker, &format!("{LABEL}={}", self.run)).await
    }

    /// Removes all containers of this run now.
    pub async fn clear(&self) {
        clear(&self.docker, &self.run).await;
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // A drop cannot wait in the test's runtime, and that runtime may be the one that is going down: a
        // thread and a runtime of its own do it, also while the test panics.
        let (docker, run) = (self.docker.clone(), self.run.clone());
        let cleared = std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread().enable_all().build().map(|runtime| {
                runtime.block_on(async {
                    let limit = std::time::Duration::from_secs(60);
                    tokio::time::timeout(limit, clear(&docker, &run)).await.unwrap_or(false)
                })
            })
        });
        let done = matches!(cleared.join(), Ok(Ok(true)));
        // Without its lock file no later sweep would know the run.
        if let (true, Some((_, path))) = (done, self.alive.take()) {
            let _ = fs::remove_file(path);
        }
    }
}

/// Removes the containers of runs of this machine whose process is gone. A run that is not known here may be
/// another machine's, on the same engine: it is left alone.
async fn sweep(docker: &Docker) {
    for entry in fs::read_dir(runs()).into_iter().flatten().flatten() {
        let Ok(file) = File::open(entry.path()) else { continue };
        if file.try_lock().is_ok() && clear(docker, &entry.file_name().to_string_lossy()).await {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn runs() -> PathBuf {
    let place = meeting_place().join("runs");
    fs::create_dir_all(&place).expect("a directory for the runs' locks");
    place
}

/// Whether nothing is left of the run. An engine that does not answer is no reason to panic in a drop.
async fn clear(docker: &Docker, run: &str) -> bool {
    let label = format!("{LABEL}={run}");
    // Again: what a restart policy or a test's background task brings back meanwhile must go, too.
    for _ in 0..3 {
        let ids = labelled(docker, &label).await;
        if ids.is_empty() {
            clear_the_rest(docker, &label).await;
            return docker.ping().await.is_ok();
        }
        // A few at a time: a hundred one by one take half a minute.
        stream::iter(ids)
            .for_each_concurrent(8, |id| async move {
                let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
                let _ = docker.remove_container(&id, Some(options)).await;
            })
            .await;
    }
    false
}

/// Networks and volumes, which nobody uses any more.
async fn clear_the_rest(docker: &Docker, label: &str) {
    let filters = HashMap::from([("label", vec![label])]);
    let networks = ListNetworksOptionsBuilder::default().filters(&filters).build();
    for network in docker.list_networks(Some(networks)).await.unwrap_or_default() {
        let _ = docker.remove_network(&network.id.unwrap_or_default()).await;
    }
    let volumes = ListVolumesOptionsBuilder::default().filters(&filters).build();
    let volumes = docker.list_volumes(Some(volumes)).await.ok().and_then(|answer| answer.volumes);
    for volume in volumes.unwrap_or_default() {
        let force = RemoveVolumeOptionsBuilder::default().force(true).build();
        let _ = docker.remove_volume(&volume.name, Some(force)).await;
    }
}

async fn labelled(docker: &Docker, label: &str) -> Vec<String> {
    let filters = HashMap::from([("label", vec![label])]);
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    let list = docker.list_containers(Some(options)).await.unwrap_or_default();
    list.into_iter().filter_map(|container| container.id).collect()
}
