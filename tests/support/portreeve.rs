//! The program under test as a process: started with directories of its own, killed, started again.
//!
//! The binary's path is the caller's to give: `env!("CARGO_BIN_EXE_portreeve")` exists in tests and benches only.

use std::net::TcpListener;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::Method;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};

use super::http::{self, Response};
use super::lab::{HEALED, Lab};
use super::{engine, wait};

pub struct Portreeve {
    binary: PathBuf,
    home: TempDir,
    address: String,
    args: Vec<String>,
    env: Vec<(String, String)>,
    child: Option<Child>,
    lines: Arc<Mutex<Vec<String>>>,
}

pub fn free_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").to_string()
}

impl Portreeve {
    /// `portreeve run` with an empty config directory, an empty state directory and a free loopback port.
    pub fn new(binary: &str) -> Self {
        // The port stays the same over restarts, as it does in service; hardly ever somebody else gets it meanwhile.
        let free = free_port();
        let home = TempDir::with_prefix("portreeve-").expect("a temporary directory");
        std::fs::create_dir(home.path().join("config")).expect("a config directory");
        let state = std::fs::DirBuilder::new().mode(0o700).create(home.path().join("state"));
        state.expect("a state directory");
        let mut new = Self {
            binary: PathBuf::from(binary),
            address: free,
            args: vec!["run".to_owned()],
            env: Vec::new(),
            child: None,
            lines: Arc::default(),
            home,
        };
        let (config, state) = (new.config_dir().display().to_string(), new.state_dir().display().to_string());
        let listen = new.address.clone();
        new =
            new.arg("--config-dir").arg(&config).arg("--state-dir").arg(&state).arg("--listen").arg(&listen);
        new
    }

    #[must_use]
    pub fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.to_owned());
        self
    }

    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Another address than the free loopback port it was given.
    pub fn listen(&mut self, address: &str) {
        let at = self.args.iter().position(|arg| arg == "--listen").expect("it listens");
        address.clone_into(&mut self.args[at + 1]);
    }

    /// Takes a flag and its value away again.
    pub fn without(&mut self, flag: &str) {
        let at = self.args.iter().position(|arg| arg == flag).expect("the flag was given");
        self.args.drain(at..at + 2);
    }

    /// Which engine it watches: an [`super::engine::Engine::endpoint`] or a proxy's.
    #[must_use]
    pub fn docker_host(self, endpoint: &str) -> Self {
        self.arg("--docker-host").arg(endpoint)
    }

    /// It heals what this lab says is to be healed, in place of what the built-in policy knows, and nobody else's.
    #[must_use]
    pub fn healing_only(self, lab: &Lab) -> Self {
        let selector = format!("{{labels: {{{HEALED}: \"{}\"}}}}", lab.run());
        let policy = format!(
            "apiVersion: portreeve/v1\nkind: AutohealPolicy\nmetadata: {{name: default}}\nspec: {{selector: {selector}}}\n"
        );
        self.manifest("policy.yaml", &policy);
        self
    }

    /// Writes a file into the config directory, atomically, now or while it runs.
    pub fn manifest(&self, name: &str, text: &str) {
        let draft = self.home.path().join(name);
        std::fs::write(&draft, text).expect("a manifest");
        std::fs::rename(draft, self.config_dir().join(name)).expect("a manifest");
    }

    pub fn config_dir(&self) -> PathBuf {
        self.home.path().join("config")
    }

    pub fn state_dir(&self) -> PathBuf {
        self.home.path().join("state")
    }

    /// Its Unix socket, by which everything is permitted.
    pub fn socket(&self) -> PathBuf {
        self.home.path().join("api.sock")
    }

    /// Where the CLI asks as one who may change things.
    pub fn socket_url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Whether it would heal what carries `autoheal=true`, whoever it belongs to, on the engine that others use too.
    fn meddles(&self) -> bool {
        let args = &self.args;
        let given = args.windows(2).find(|pair| pair[0] == "--docker-host").map(|pair| pair[1].clone());
        let elsewhere = self.env.iter().any(|(name, _)| name == "DOCKER_HOST" || name == "DOCKER_SOCK");
        let engine = given.map_or(!elsewhere, |endpoint| endpoint == engine::shared_endpoint());
        let declared = || {
            let files = std::fs::read_dir(self.config_dir()).into_iter().flatten().flatten();
            let texts = files.filter_map(|file| std::fs::read_to_string(file.path()).ok());
            texts.into_iter().any(|text| text.contains("kind: AutohealPolicy\nmetadata: {name: default"))
        };
        engine && !args.iter().any(|arg| arg == "--observe") && !declared()
    }

    /// Starts the process; says nothing about whether it is ready.
    pub fn spawn(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        assert!(
            !self.meddles(),
            "it would heal strangers' containers on the shared engine: `healing_only` its lab's, or let it \
             observe"
        );
        let mut command = Command::new(&self.binary);
        // Nothing of the developer's environment may decide a test.
        command.args(&self.args).env_clear().env("HOME", self.home.path()).env("RUST_BACKTRACE", "1");
        command.env("PORTREEVE_SOCKET", self.socket());
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{}: {e}", self.binary.display()));
        self.collect(child.stdout.take().expect("piped"));
        self.collect(child.stderr.take().expect("piped"));
        self.child = Some(child);
    }

    /// Starts it and waits until it listens. If somebody got its port while it was dead, it gets another.
    pub async fn serve(&mut self) {
        let listening =
            |lines: &[String]| lines.iter().filter(|line| line.contains("ready: listening")).count();
        let before = listening(&self.lines());
        self.spawn();
        let begin = std::time::Instant::now();
        while listening(&self.lines()) == before {
            let ended =
                self.child.as_mut().is_some_and(|child| child.try_wait().is_ok_and(|end| end.is_some()));
            if ended {
                self.wait_line("cannot listen on").await;
                self.child = None;
                let address = free_port();
                self.listen(&address);
                self.address = address;
                self.spawn();
            }
            assert!(begin.elapsed() < wait::SOON, "it does not listen; its log:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Starts it and waits until `/readyz` says so.
    pub async fn start(&mut self) {
        self.spawn();
        self.wait_ready().await;
    }

    pub async fn wait_ready(&self) {
        wait::until("portreeve is ready", wait::SOON, || async {
            match self.get("/readyz").await {
                Ok(answer) if answer.status == 200 => Ok(()),
                other => Err(format!("{other:?}; its log:\n{}", self.log())),
            }
        })
        .await;
    }

    /// No warning, as a crash or a power cut.
    pub async fn kill9(&mut self) {
        self.end(Signal::KILL, Duration::from_secs(10)).await;
    }

    /// SIGTERM; gives how it ended, which must be within 10 s and a little.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.end(Signal::TERM, Duration::from_secs(12)).await
    }

    /// Ends it properly and starts it again, on the same directories and port.
    pub async fn restart(&mut self) {
        self.terminate().await;
        self.start().await;
    }

    /// Waits for it to end by itself.
    pub async fn exited(&mut self, within: Duration) -> ExitStatus {
        let child = self.child.as_mut().expect("it does not run");
        match tokio::time::timeout(within, child.wait()).await {
            Ok(status) => {
                self.child = None;
                status.expect("waiting for portreeve")
            }
            Err(_) => panic!("portreeve still runs after {within:?}; its log:\n{}", self.log()),
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().and_then(Child::id).expect("it does not run")
    }

    pub async fn get(&self, path: &str) -> Result<Response, String> {
        http::get(&self.url(path)).await
    }

    /// Asks over its socket, as who may change everything.
    pub async fn edit(&self, method: Method, path: &str, body: &str) -> Result<Response, String> {
        let json = if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
        http::request_over(&self.socket(), method, &self.url(path), &[("content-type", json)], body).await
    }

    /// All it printed so far, over all its starts, both streams.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("no panic under this lock").clone()
    }

    pub fn log(&self) -> String {
        self.lines().join("\n")
    }

    /// Waits for a line that holds `text`, and gives it.
    pub async fn wait_line(&self, text: &str) -> String {
        wait::until(&format!("a log line with `{text}`"), wait::SOON, || async {
            self.lines().into_iter().find(|line| line.contains(text)).ok_or_else(|| self.log())
        })
        .await
    }

    async fn end(&mut self, signal: Signal, within: Duration) -> ExitStatus {
        let pid = Pid::from_raw(self.pid().cast_signed()).expect("a pid");
        kill_process(pid, signal).expect("signalling portreeve");
        self.exited(within).await
    }

    fn collect(&self, stream: impl AsyncRead + Send + Unpin + 'static) {
        let lines = Arc::clone(&self.lines);
        tokio::spawn(async move {
            let mut stream = BufReader::new(stream).lines();
            while let Ok(Some(line)) = stream.next_line().await {
                lines.lock().expect("no panic under this lock").push(line);
            }
        });
    }
}
