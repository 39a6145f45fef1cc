//! A Podman of a test's own: its API service, its storage, its state and its log of events lie in one directory.
//!
//! Its containers have no network and few limits, so that it works wherever Docker's engine does, also inside a container.
//! Podman leaves its health checks to timers of systemd: here they are run by hand.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::server::install;
use super::{image, wait};

pub struct Podman {
    home: TempDir,
    service: Child,
}

/// The reference by which its containers name the test image.
pub const IMAGE: &str = "localhost/portreeve-test:1";

impl Podman {
    pub async fn start() -> Self {
        install("podman").await;
        let cgroups = format!("{}/tests/engine/cgroups", env!("CARGO_MANIFEST_DIR"));
        let mounted = Command::new("bash").arg(cgroups).status().expect("tests/engine/cgroups");
        assert!(mounted.success(), "the control groups");
        // Short: sockets below it may have 108 bytes of path at most.
        let home = TempDir::with_prefix("pd").expect("a temporary directory");
        let log = std::fs::File::create(home.path().join("log")).expect("a log");
        let mut command = command(&home);
        let service = command
            .args(["system", "service", "--time=0", &format!("unix://{}/p.sock", home.path().display())])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("podman");
        let podman = Self { home, service };
        wait::until("podman's socket", Duration::from_secs(60), || async {
            wait::is(podman.socket().exists(), std::fs::read_to_string(podman.home.path().join("log")))
        })
        .await;
        let tar = podman.home.path().join("image.tar");
        std::fs::write(&tar, image::root_file_system(&[])).expect("the image");
        let change = format!("CMD [\"{}\"]", image::IDLE);
        let tar = tar.display().to_string();
        podman.run(&["import", "--change", &change, "--change", "ENV PATH=/bin", &tar, IMAGE]).await;
        podman
    }

    fn socket(&self) -> PathBuf {
        self.home.path().join("p.sock")
    }

    /// As `DOCKER_HOST` wants it.
    pub fn endpoint(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Starts a container of the test image, with these flags; gives its id.
    pub async fn container(&self, name: &str, flags: &[&str]) -> String {
        let mut arguments = vec!["run", "-d", "--name", name, "--network", "none"];
        arguments.extend(["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]);
        arguments.extend(flags);
        arguments.push(IMAGE);
        self.run(&arguments).await
    }

    /// Runs `podman` with these arguments, and gives the last line that it prints.
    pub async fn run(&self, arguments: &[&str]) -> String {
        let (well, said) = self.tried(arguments).await;
        assert!(well, "podman {arguments:?}: {said}");
        said.lines().last().unwrap_or_default().trim().to_owned()
    }

    /// The same where it may fail: whether it did well, and what it said.
    pub async fn tried(&self, arguments: &[&str]) -> (bool, String) {
        let mut command = tokio::process::Command::from(command(&self.home));
        let output = command.args(arguments).stdin(Stdio::null()).output().await.expect("podman");
        let said =
            if output.status.success() { output.stdout } else { [output.stdout, output.stderr].concat() };
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }

    /// When the run of a container began, as an inspect shows it.
    pub async fn started(&self, name: &str) -> String {
        self.run(&["container", "inspect", "--format", "{{.State.StartedAt.UnixNano}}", name]).await
    }
}

fn command(home: &TempDir) -> Command {
    let at = |name: &str| home.path().join(name).display().to_string();
    let mut command = Command::new("podman");
    command.args(["--root", &at("root"), "--runroot", &at("run"), "--tmpdir", &at("tmp")]);
    // No overlay: this may be a container itself.
    command.args(["--storage-driver=vfs", "--cgroup-manager=cgroupfs", "--events-backend=file"]);
    command
}

impl Drop for Podman {
    fn drop(&mut self) {
        let _ = command(&self.home).args(["rm", "--all", "--force", "--time=0"]).output();
        let _ = self.service.kill();
        let _ = self.service.wait();
        // Storage that is still mounted could not be removed.
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let below = format!("{}/", self.home.path().display());
        let mut below: Vec<&str> = mounts
            .lines()
            .filter_map(|line| line.split(' ').nth(4))
            .filter(|at| at.starts_with(&below))
            .collect();
        below.sort_unstable();
        for mount in below.iter().rev() {
            let _ = Command::new("umount").arg("-l").arg(mount).status();
        }
    }
}
