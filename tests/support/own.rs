//! An engine process of a test's own. Everything of it lies below one directory, so that it can be found and
//! removed even after the test process was killed.
//!
//! It has a bridge, a containerd namespace and a cgroup of its own, and leaves iptables alone: two engines that
//! share any of these fight over it. Published ports go through the engine's user-space proxy.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::engine::lock;
use super::leftovers;
use super::wait;

/// On a real file system: overlays on tmpfs work, but images would fill memory.
const HOME: &str = "/var/lib/portreeve-own";

/// What sets an engine apart from others.
#[derive(Clone, Debug, Default)]
pub struct Traits {
    /// Its containers go on while it is away.
    pub live_restore: bool,
    /// It lives in a network namespace of its own, where it has this bridge.
    pub apart_with: Option<Bridge>,
}

/// The bridge of an engine.
#[derive(Clone, Debug)]
pub struct Bridge {
    /// The interface's name, at most 15 bytes.
    pub name: String,
    /// Its address, the first of a /24.
    pub address: String,
}

pub struct Own {
    id: String,
    dir: PathBuf,
    traits: Traits,
    bridge: Bridge,
    /// Its address as seen from here, if it lives in another network namespace.
    address: Option<String>,
    /// Locked as long as this process lives: what tells a directory in use from a stale one.
    _alive: File,
    child: Option<Child>,
}

impl Own {
    /// Prepares directory and bridge; nothing runs yet. Removes what dead test processes left.
    pub fn create(traits: Traits) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        assert!(rustix::process::geteuid().is_root(), "an engine of one's own needs root");

        // Held while a directory exists without its lock being taken, which is what the sweep looks for.
        let _creating = lock("own.lock");
        sweep();
        let id = format!("pt{:x}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let dir = Path::new(HOME).join(&id);
        fs::create_dir_all(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
        let alive = File::create(dir.join("alive")).expect("a lock file");
        alive.lock().expect("locking");
        // The machine's own daemon.json may hold what contradicts the flags below.
        fs::write(dir.join("daemon.json"), "{}").expect("daemon.json");
        let (bridge, address) = match &traits.apart_with {
            Some(bridge) => (bridge.clone(), Some(add_namespace(&id, bridge))),
            None => (add_bridge(&id), None),
        };
        Self { id, dir, traits, bridge, address, _alive: alive, child: None }
    }

    pub fn bridge(&self) -> &Bridge {
        &self.bridge
    }

    /// Where it is reached from this machine's own network namespace, if it lives in another.
    pub fn address(&self) -> Option<&str> {
        self.address.as_deref()
    }

    /// An interface that nobody uses, for networks that want a parent: one end of a pair of which nobody has the other.
    /// Kernels without the driver `dummy` have this.
    pub fn idle_interface(&self) -> String {
        let (name, end) = (leftovers::idle_interface(&self.id), format!("{}j", self.id));
        ip(&["link", "add", &name, "type", "veth", "peer", "name", &end]);
        ip(&["link", "set", &name, "up"]);
        ip(&["link", "set", &end, "up"]);
        name
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.join("d.sock")
    }

    /// Starts the process; it does not answer yet.
    pub fn spawn(&mut self) {
        assert!(self.child.is_none(), "this engine runs already");
        let log =
            File::options().create(true).append(true).open(self.dir.join("log")).expect("the engine's log");
        let at = |name: &str| self.dir.join(name).display().to_string();
        let mut command = match self.address {
            None => Command::new("dockerd"),
            Some(_) => {
                // It becomes the engine: its pid is the engine's.
                let mut command = Command::new("nsenter");
                command.arg(format!("--net=/run/netns/{}", self.id)).arg("dockerd");
                command
            }
        };
        if self.traits.live_restore {
            command.arg("--live-restore");
        }
        let child = command
            .arg(format!("--host=unix://{}", at("d.sock")))
            .arg(format!("--config-file={}", at("daemon.json")))
            .arg(format!("--data-root={}", at("data")))
            .arg(format!("--exec-root={}", at("x")))
            .arg(format!("--pidfile={}", at("pid")))
            .arg(format!("--bridge={}", self.bridge.name))
            .arg(format!("--storage-driver={}", storage(&self.dir)))
            .arg(format!("--containerd-namespace={}", self.id))
            .arg(format!("--containerd-plugins-namespace={}-plugins", self.id))
            .arg(format!("--cgroup-parent=/{}", self.id))
            .args(["--iptables=false", "--ip-masq=false", "--ip-forward=false"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the engine's log"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|e| panic!("dockerd: {e}; tests/engine/up installs it on Debian"));
        self.child = Some(child);
    }

    pub fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("this engine does not run");
        let pid = Pid::from_raw(child.id().cast_signed()).expect("a pid");
        kill_process(pid, signal).expect("signalling the engine");
    }

    pub async fn wait_gone(&mut self, within: Duration) {
        let child = self.child.as_mut().expect("this engine does not run");
        // One at a time: the look borrows the child, and `until` may not keep two alive.
        let child = std::cell::RefCell::new(child);
        wait::until("the engine is gone", within, || async {
            wait::is(child.borrow_mut().try_wait().expect("waiting for the engine").is_some(), "it runs")
        })
        .await;
        self.child = None;
        // Its containerd is told to die with it, and is gone a moment later.
        let dir = self.dir.display().to_string();
        wait::until("its containerd is gone", within, || async {
            let running = leftovers::processes(&format!("{dir}/x/containerd/containerd.toml"));
            wait::is(running.is_empty(), running)
        })
        .await;
        // Nobody may have reaped it yet, and the next engine would take the pid for a containerd that runs.
        let _ = fs::remove_file(self.dir.join("x/containerd/containerd.pid"));
    }

    /// The end of what the engine logged, for messages.
    pub fn log_tail(&self) -> String {
        let log = fs::read_to_string(self.dir.join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(8).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            if let Some(pid) = Pid::from_raw(child.id().cast_signed()) {
                let _ = kill_process(pid, Signal::TERM);
            }
            let begin = Instant::now();
            while begin.elapsed() < Duration::from_secs(20) && matches!(child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        leftovers::remove(&self.id, &self.dir);
    }
}

/// Removes the engines of test processes that died without a drop.
fn sweep() {
    for entry in fs::read_dir(HOME).into_iter().flatten().flatten() {
        let stale = match File::open(entry.path().join("alive")) {
            Ok(file) => file.try_lock().is_ok(),
            Err(_) => true,
        };
        if stale {
            leftovers::remove(&entry.file_name().to_string_lossy(), &entry.path());
        }
    }
}

fn storage(dir: &Path) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/engine/storage");
    let out = Command::new("bash")
        .arg(script)
        .arg(dir)
        .stdin(Stdio::null())
        .output()
        .expect("tests/engine/storage");
    String::from_utf8_lossy(&out.stdout).trim().to_owned()
}

/// A bridge named `name` on the first free network of 10.213.x.0/24.
fn add_bridge(name: &str) -> Bridge {
    let address = free_network("10.213");
    ip(&["link", "add", name, "type", "bridge"]);
    ip(&["address", "add", &format!("{address}/24"), "dev", name]);
    ip(&["link", "set", name, "up"]);
    Bridge { name: name.to_owned(), address }
}

/// A network namespace named `name` with this bridge, which may be a namesake of one here; gives its address on the
/// cable to it.
fn add_namespace(name: &str, bridge: &Bridge) -> String {
    let here = free_network("10.214");
    let there = format!("{}.2", here.strip_suffix(".1").expect("the first of its network"));
    let (near, far) = (leftovers::cable(name), format!("{name}f"));
    ip(&["netns", "add", name]);
    ip(&["link", "add", &near, "type", "veth", "peer", "name", &far, "netns", name]);
    ip(&["address", "add", &format!("{here}/24"), "dev", &near]);
    ip(&["link", "set", &near, "up"]);
    let inside = |args: &[&str]| ip(&[&["-n", name], args].concat());
    inside(&["link", "set", "lo", "up"]);
    inside(&["address", "add", &format!("{there}/24"), "dev", &far]);
    inside(&["link", "set", &far, "up"]);
    inside(&["link", "add", &bridge.name, "type", "bridge"]);
    inside(&["address", "add", &format!("{}/24", bridge.address), "dev", &bridge.name]);
    inside(&["link", "set", &bridge.name, "up"]);
    there
}

/// The first address of the first free network of `prefix`.x.0/24.
fn free_network(prefix: &str) -> String {
    let taken = ip(&["-o", "-4", "address"]);
    (1..255)
        .map(|third| format!("{prefix}.{third}.1"))
        .find(|address| !taken.contains(&format!("{address}/")))
        .expect("a free network")
}

fn ip(args: &[&str]) -> String {
    let out =
        Command::new("ip").args(args).stdin(Stdio::null()).output().expect("running ip (Debian: iproute2)");
    assert!(out.status.success(), "ip {}: {}", args.join(" "), String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}
