//! A Docker engine for tests: the shared one, or one of the test's own that may be stopped, killed and started.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use bollard::Docker;

use super::own::{Bridge, Own, Traits};
use super::{image, wait};

/// How long an engine may take to come up on a busy machine.
const START: Duration = Duration::from_secs(60);
const DEFAULT_ENDPOINT: &str = "unix:///var/run/docker.sock";

/// An engine that answers, with the test image in it.
pub struct Engine {
    endpoint: String,
    docker: Docker,
    own: Option<Own>,
}

impl Engine {
    /// The engine at `DOCKER_HOST` or the default socket, started by `tests/engine/up` if none answers. Others
    /// use it at the same time: only touch what a [`super::lab::Lab`] made.
    pub async fn shared() -> Self {
        let endpoint = shared_endpoint();
        let answers = match client(&endpoint) {
            Ok(docker) => docker.ping().await.is_ok(),
            Err(_) => false,
        };
        if !answers {
            tokio::task::spawn_blocking(bring_up).await.expect("starting the shared engine");
        }
        let docker = client(&endpoint).expect("an engine that answers");
        let engine = Self { endpoint, docker, own: None };
        engine.ensure_image().await;
        engine
    }

    /// An engine of the caller's own, with its own bridge, data and containerd. Takes about a second; needs
    /// root. Everything of it is gone after the drop.
    pub async fn own() -> Self {
        Self::own_with(Traits::default()).await
    }

    /// One whose containers go on while it is away.
    pub async fn live_restoring() -> Self {
        Self::own_with(Traits { live_restore: true, ..Traits::default() }).await
    }

    /// One in a network namespace of its own, whose bridge has the name and the addresses of `twin`'s: what is reached
    /// at them from here belongs to the twin.
    pub async fn apart(twin: &Self) -> Self {
        let bridge = twin.bridge().clone();
        Self::own_with(Traits { apart_with: Some(bridge), ..Traits::default() }).await
    }

    async fn own_with(traits: Traits) -> Self {
        let create = move || Own::create(traits);
        let mut own = tokio::task::spawn_blocking(create).await.expect("preparing an engine");
        own.spawn();
        let endpoint = format!("unix://{}", own.socket().display());
        // The client is refused as long as there is no socket, so the engine comes first.
        let docker = wait::until("the engine's socket", START, || async {
            client(&endpoint).map_err(|e| format!("{e}; its log ends: {}", own.log_tail()))
        })
        .await;
        let engine = Self { docker, endpoint, own: Some(own) };
        engine.wait_answers().await;
        engine.ensure_image().await;
        engine
    }

    pub fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// Where an engine in another network namespace is reached.
    pub fn address(&self) -> &str {
        self.own.as_ref().and_then(Own::address).expect("an engine in another network namespace")
    }

    /// The bridge of an engine of the test's own.
    pub fn bridge(&self) -> &Bridge {
        self.own.as_ref().expect("an engine of the test's own").bridge()
    }

    /// An interface of this machine that nobody uses; it goes with the engine.
    pub fn idle_interface(&self) -> String {
        self.own.as_ref().expect("an engine of the test's own").idle_interface()
    }

    /// A client; cheap to clone, reconnects by path for each call.
    pub fn docker(&self) -> Docker {
        self.docker.clone()
    }

    /// As `DOCKER_HOST` wants it.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The socket's path, where the engine is reached by one.
    pub fn socket(&self) -> Option<&Path> {
        self.endpoint.strip_prefix("unix://").map(Path::new)
    }

    /// Starts an engine of the test's own again and waits until it answers.
    pub async fn start(&mut self) {
        self.own_mut().spawn();
        self.wait_answers().await;
    }

    /// Stops it as an administrator would: SIGTERM, containers first. Returns when it is gone.
    pub async fn stop(&mut self) {
        let own = self.own_mut();
        own.signal(rustix::process::Signal::TERM);
        own.wait_gone(Duration::from_secs(30)).await;
    }

    /// Kills the engine without a word (its containerd dies with it, the containers do not). Returns when it is gone.
    pub async fn kill9(&mut self) {
        let own = self.own_mut();
        own.signal(rustix::process::Signal::KILL);
        own.wait_gone(Duration::from_secs(10)).await;
    }

    async fn wait_answers(&self) {
        let log = || self.own.as_ref().map(Own::log_tail).unwrap_or_default();
        wait::until("the engine answers", START, || async {
            self.docker.ping().await.map(drop).map_err(|e| format!("{e}; its log ends: {}", log()))
        })
        .await;
    }

    fn own_mut(&mut self) -> &mut Own {
        self.own.as_mut().expect("only an engine of the test's own may be stopped and started")
    }

    async fn ensure_image(&self) {
        // Two processes that build the same tag at once would leave one of the two untagged.
        let _lock = tokio::task::spawn_blocking(|| lock("image.lock")).await.expect("locking");
        image::ensure(&self.docker).await;
    }
}

/// Where the shared engine is reached.
pub(super) fn shared_endpoint() -> String {
    let given = std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty());
    given.unwrap_or_else(|| DEFAULT_ENDPOINT.to_owned())
}

/// bollard wants the socket to exist; the calls then connect by its path each time anew.
fn client(endpoint: &str) -> Result<Docker, bollard::errors::Error> {
    Ok(Docker::connect_with_host(endpoint)?.with_timeout(Duration::from_secs(60)))
}

/// nextest runs each test in a process of its own; `up` itself holds a lock, so all may call it at once.
fn bring_up() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/engine/up");
    let out =
        Command::new("bash").arg(&script).stdin(Stdio::null()).output().expect("running tests/engine/up");
    assert!(
        out.status.success(),
        "no engine answers and {} did not start one:\n{}{}",
        script.display(),
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
}

/// Where tests of one machine and user meet: locks, and the directories of own engines. Short, since sockets
/// below it may have 108 bytes of path at most.
pub(super) fn meeting_place() -> PathBuf {
    let place = if rustix::process::geteuid().is_root() {
        PathBuf::from("/run/portreeve-test")
    } else {
        std::env::temp_dir().join(format!("portreeve-test-{}", rustix::process::geteuid().as_raw()))
    };
    std::fs::create_dir_all(&place).unwrap_or_else(|e| panic!("{}: {e}", place.display()));
    place
}

/// Waits for the named lock; it is free again when the file is dropped, however the process ends.
pub(super) fn lock(name: &str) -> File {
    let file = File::create(meeting_place().join(name)).expect("a lock file");
    file.lock().expect("locking");
    file
}
