//! Real servers from Debian's packages, each a child of its test: on a free loopback port, with a directory of its own,
//! gone when it is dropped.

use std::fs::File;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::engine::meeting_place;
use super::wait;

/// The longest that a server may take to come up: some write a database first, on a machine that is busy.
const START: Duration = Duration::from_secs(60);
/// The longest that it may take to end when it is asked to.
const END: Duration = Duration::from_secs(5);

pub struct Server {
    pub port: u16,
    _port: Port,
    home: TempDir,
    child: Child,
    farewell: Signal,
}

impl Server {
    /// The server that `command` makes of a directory and a port. `name` is one that `tests/servers/up` knows.
    pub async fn start(name: &str, command: impl Fn(&Path, u16) -> Command) -> Self {
        install(name).await;
        let mut home = TempDir::with_prefix(format!("portreeve-{name}-")).expect("a temporary directory");
        // A server that ends at once has probably lost its port to somebody else.
        let mut tries = 3;
        loop {
            tries -= 1;
            let port = Port::free();
            let child = spawn(command(home.path(), port.number), home.path());
            let mut server = Self { port: port.number, _port: port, home, child, farewell: Signal::KILL };
            match server.listens().await {
                Ok(()) => return server,
                Err(why) if tries == 0 => panic!("{name} did not come up: {why}\n{}", server.log()),
                Err(_) => home = server.into_home(),
            }
        }
    }

    /// The signal that ends it, when being killed would leave something behind.
    pub fn ends_with(mut self, signal: Signal) -> Self {
        self.farewell = signal;
        self
    }

    /// A file in its directory.
    pub fn file(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.file(LOG)).unwrap_or_default()
    }

    /// Stops it in the middle of whatever it does: it takes connections and answers nothing.
    pub async fn freeze(&self) {
        freeze(self.pid()).await;
    }

    async fn listens(&mut self) -> Result<(), String> {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return Err(format!("it ended with {status}"));
            }
            let last = match tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            if begin.elapsed() > START {
                return Err(format!("not within {START:?}: {last}"));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn into_home(mut self) -> TempDir {
        let other = TempDir::new().expect("a temporary directory");
        std::mem::replace(&mut self.home, other)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = kill_process(self.pid(), self.farewell);
        // One that was frozen hears it only now.
        let _ = kill_process(self.pid(), Signal::CONT);
        let begin = Instant::now();
        while self.farewell != Signal::KILL && begin.elapsed() < END {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const LOG: &str = "server.log";

fn spawn(mut command: Command, home: &Path) -> Child {
    let log = File::create(home.join(LOG)).expect("a log");
    command.stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log);
    command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"))
}

/// Stops a process, with all its threads: none of them does anything more once this returns.
pub async fn freeze(pid: Pid) {
    kill_process(pid, Signal::STOP).expect("a process to stop");
    let tasks = format!("/proc/{}/task", pid.as_raw_nonzero());
    wait::until("all threads stand still", wait::SOON, || async {
        let states = std::fs::read_dir(&tasks).expect("its threads").map(|task| {
            let stat =
                std::fs::read_to_string(task.expect("a thread").path().join("stat")).unwrap_or_default();
            // Behind the name, which is in parentheses and may hold anything.
            stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next()).unwrap_or('T')
        });
        let states: String = states.collect();
        wait::is(states.chars().all(|state| state == 'T'), states)
    })
    .await;
}

/// Installs the server called `name`, or says what to install.
pub async fn install(name: &str) {
    let script = format!("{}/tests/servers/up", env!("CARGO_MANIFEST_DIR"));
    let output = tokio::process::Command::new("bash").args([&script, name]).output().await.expect("bash");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "tests/servers/up {name}: {said}");
}

/// A program that may lie where only root looks.
pub fn program(name: &str) -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(name);
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    command
}

/// An nginx with these blocks in its `http`, all its files in `home`.
pub fn nginx(home: &Path, blocks: &str) -> Command {
    let (at, file) = (home.display(), home.join("nginx.conf"));
    let config = format!(
        "daemon off; master_process off; user root; pid {at}/pid; error_log stderr; events {{}}\n
         http {{ access_log off; default_type text/plain; client_body_temp_path {at}; proxy_temp_path {at};
         fastcgi_temp_path {at}; uwsgi_temp_path {at}; scgi_temp_path {at};\n{blocks}}}\n"
    );
    std::fs::write(&file, config).expect("nginx.conf");
    let mut command = program("nginx");
    command.arg("-p").arg(home).arg("-c").arg(file);
    command
}

/// A port of this test's own: no other test of this machine gets it before this is dropped, and the system gives none
/// of this range to those who ask for any.
pub struct Port {
    pub number: u16,
    _lock: File,
}

impl Port {
    pub fn free() -> Self {
        let free = |number: u16| {
            let lock = File::create(meeting_place().join(format!("port-{number}"))).expect("a lock file");
            lock.try_lock().ok()?;
            let address = ("127.0.0.1", number);
            TcpListener::bind(address).and_then(|_| UdpSocket::bind(address)).ok()?;
            Some(Self { number, _lock: lock })
        };
        // Tests that run at once begin at different places.
        let begin = std::process::id() as u16 % 400;
        let mut ports = (0..10_000).map(|n| 20_000 + (begin * 25 + n) % 10_000);
        ports.find_map(free).expect("a free port")
    }
}
