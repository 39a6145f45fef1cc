//! As much of an engine as Portreeve asks for, on a socket, so that thousands of transitions can be had in no time:
//! it answers `/version`, `/info`, lists and inspects from what it is told, and streams the events it is fed. Every command
//! says `begun`, ends at once with exit code 3, and leaves something behind that holds its output open.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedRwLockWriteGuard, RwLock, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

pub struct FakeEngine {
    shared: Arc<Shared>,
    path: PathBuf,
    streams: mpsc::UnboundedReceiver<Feed>,
    accepting: JoinHandle<()>,
    _dir: TempDir,
}

#[derive(Default)]
struct Shared {
    containers: Mutex<BTreeMap<String, Container>>,
    /// What it remembers of its events.
    ring: Mutex<Vec<String>>,
    /// Its clock minus this machine's, in seconds.
    ahead: AtomicI64,
    /// Held by whoever wants no inspect answered for now.
    inspecting: Arc<RwLock<()>>,
    /// How it takes commands, if not as the module's documentation has it.
    exec: Mutex<Option<Exec>>,
    /// Whom it does not let be inspected.
    refused: Mutex<BTreeSet<String>>,
    /// How many it measures now, the most so far, and how many it measures together.
    measuring: watch::Sender<(usize, usize, usize)>,
    /// Rows that its lists have beside its containers.
    odd_rows: Mutex<Vec<Value>>,
}

/// What an engine makes of a command.
#[derive(Clone, Debug)]
pub enum Exec {
    /// It answers with this status and text when it is to be created.
    Refused(&'static str, String),
    /// It does not answer when it is to be created, started, or looked at.
    Silent(&'static str),
    /// It says that the command runs, in this process; 0: there is none yet.
    Runs(i64),
}

/// What an inspect shows; times in nanoseconds, 0 for never.
#[derive(Clone, Debug, Default)]
pub struct Container {
    pub name: String,
    pub created: i64,
    pub started: i64,
    pub finished: i64,
    pub running: bool,
}

impl FakeEngine {
    pub fn start() -> Self {
        let dir = TempDir::with_prefix("pt").unwrap();
        let path = dir.path().join("e.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let shared = Arc::new(Shared::default());
        let (sender, streams) = mpsc::unbounded_channel();
        let accepting = tokio::spawn({
            let shared = Arc::clone(&shared);
            async move {
                // Its connections end with it.
                let mut serving = JoinSet::new();
                while let Ok((stream, _)) = listener.accept().await {
                    serving.spawn(serve(Arc::clone(&shared), stream, sender.clone()));
                }
            }
        });
        Self { shared, path, streams, accepting, _dir: dir }
    }

    pub fn endpoint(&self) -> String {
        format!("unix://{}", self.path.display())
    }

    /// The next subscription to the events.
    pub async fn subscribed(&mut self) -> Feed {
        self.streams.recv().await.expect("the engine serves")
    }

    /// From now on its memory of events holds this one, too, behind those it holds; streams are fed by their feeds.
    pub fn remember(&self, id: &str, name: &str, action: &str, at: i64) {
        self.shared.ring.lock().unwrap().push(format!("{}\n", event(id, name, action, at)));
    }

    /// Whether an inspect of this container is answered with an error.
    pub fn refuse(&self, id: &str, refuse: bool) {
        let mut refused = self.shared.refused.lock().unwrap();
        if refuse {
            refused.insert(id.to_owned())
        } else {
            refused.remove(id)
        };
    }

    /// It measures containers when so many are to be measured at once, or when it has waited for long; how many that were is
    /// [`Self::measured_at_once`].
    pub fn measure_together(&self, count: usize) {
        self.shared.measuring.send_modify(|(_, _, together)| *together = count);
    }

    /// The most containers that were measured at once.
    pub fn measured_at_once(&self) -> usize {
        self.shared.measuring.borrow().1
    }

    /// From now on lists have this row, too.
    pub fn list_too(&self, row: Value) {
        self.shared.odd_rows.lock().unwrap().push(row);
    }

    /// From now on commands fare like this.
    pub fn exec(&self, manner: Exec) {
        *self.shared.exec.lock().unwrap() = Some(manner);
    }

    /// From now on its clock is so many seconds ahead of this machine's.
    pub fn clock_ahead(&self, seconds: i64) {
        self.shared.ahead.store(seconds, Ordering::Relaxed);
    }

    /// Answers no inspect until what this gives is dropped.
    pub async fn hold_inspects(&self) -> OwnedRwLockWriteGuard<()> {
        self.shared.inspecting.clone().write_owned().await
    }

    /// From now on inspects and lists show this; `None`: it does not exist.
    pub fn show(&self, id: &str, container: Option<Container>) {
        let mut containers = self.shared.containers.lock().unwrap();
        match container {
            Some(container) => drop(containers.insert(id.to_owned(), container)),
            None => drop(containers.remove(id)),
        }
    }
}

impl Drop for FakeEngine {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// One subscriber's end.
pub struct Feed {
    stream: UnixStream,
    bytes: usize,
    /// The time in nanoseconds from which on events are asked for.
    pub since: i64,
}

impl Feed {
    /// Writes an event; returns when the socket has taken it.
    pub async fn event(&mut self, id: &str, name: &str, action: &str, at: i64) {
        self.write(&event(id, name, action, at)).await;
    }

    /// Writes more than a socket buffers of what a reader skips: when this returns, all before it has been read.
    pub async fn flush(&mut self) {
        let padding = "x".repeat(32 * 1024);
        for _ in 0..64 {
            self.write(&json!({
                "Type": "container", "Action": "top", "time": 1, "timeNano": 1_000_000_000_i64,
                "Actor": {"ID": "padding", "Attributes": {"padding": padding}},
            }))
            .await;
        }
    }

    /// Writes a line that may be anything.
    pub async fn line(&mut self, line: &Value) {
        self.write(line).await;
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    async fn write(&mut self, event: &Value) {
        let text = format!("{event}\n");
        self.bytes += text.len();
        self.stream.write_all(chunk(&text).as_bytes()).await.expect("the subscriber stays");
    }
}

/// A part of a chunked body.
fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

fn event(id: &str, name: &str, action: &str, at: i64) -> Value {
    let mut attributes = json!({"name": name, "image": "fake:1"});
    if action == "die" {
        attributes["exitCode"] = "0".into();
    }
    json!({
        "Type": "container", "Action": action, "status": action, "id": id, "from": "fake:1",
        "Actor": {"ID": id, "Attributes": attributes},
        "scope": "local", "time": at / 1_000_000_000, "timeNano": at,
    })
}

/// One connection: requests, one after the other, until it becomes an event stream or a command's output.
async fn serve(shared: Arc<Shared>, mut stream: UnixStream, streams: mpsc::UnboundedSender<Feed>) {
    let mut head = Vec::new();
    loop {
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        let text = String::from_utf8_lossy(&head).into_owned();
        head.clear();
        let length = text
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
        if stream.read_exact(&mut vec![0; length.unwrap_or(0)]).await.is_err() {
            return;
        }
        let path = text.split(' ').nth(1).unwrap_or_default();
        // Without the version in front and the query behind.
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let path = match path.strip_prefix("/v").and_then(|rest| rest.split_once('/')) {
            Some((version, rest)) if version.starts_with('1') => format!("/{rest}"),
            _ => path.to_owned(),
        };
        if path == "/events" {
            let more = if query.contains("until=") {
                let ring: String = shared.ring.lock().unwrap().iter().map(|event| chunk(event)).collect();
                ring + "0\r\n\r\n"
            } else {
                String::new()
            };
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{more}"
            );
            if stream.write_all(head.as_bytes()).await.is_err() {
                return;
            }
            if more.is_empty() {
                let _ = streams.send(Feed { stream, bytes: 0, since: since(query) });
                return;
            }
            continue;
        }
        if path.ends_with("/stats") {
            let mut measuring = shared.measuring.subscribe();
            shared.measuring.send_modify(|(now, most, _)| {
                *now += 1;
                *most = (*most).max(*now);
            });
            let all = measuring.wait_for(|(_, most, together)| most >= together);
            let _ = tokio::time::timeout(Duration::from_secs(3), all).await;
            shared.measuring.send_modify(|(now, _, _)| *now -= 1);
        }
        let exec = shared.exec.lock().unwrap().clone();
        let call = match &*path {
            "/exec/e/start" => "start",
            "/exec/e/json" => "inspect",
            _ if path.ends_with("/exec") => "create",
            _ => "",
        };
        match exec {
            Some(Exec::Silent(silent)) if call == silent => std::future::pending().await,
            Some(Exec::Refused(status, text)) if call == "create" => {
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", text.len());
                if stream.write_all((head + &text).as_bytes()).await.is_err() {
                    return;
                }
                continue;
            }
            _ => {}
        }
        if call == "start" {
            let head = "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
            // A frame of standard output: stream, three zeros, length.
            let output = b"\x01\0\0\0\0\0\0\x05begun";
            let _ = stream.write_all(&[head.as_bytes(), output].concat()).await;
            let _ = stream.read_u8().await;
            return;
        }
        let inspects = path.starts_with("/containers/") && path != "/containers/json" && call.is_empty();
        let _turn = if inspects { Some(shared.inspecting.read().await) } else { None };
        let (status, body) = shared.answer(&path);
        let body = body.to_string();
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        if stream.write_all((head + &body).as_bytes()).await.is_err() {
            return;
        }
    }
}

impl Shared {
    fn answer(&self, path: &str) -> (&'static str, Value) {
        let containers = self.containers.lock().unwrap();
        match path {
            "/version" => ("200 OK", json!({"ApiVersion": "1.41", "Version": "20.10.0"})),
            "/info" => {
                let ahead = SignedDuration::from_secs(self.ahead.load(Ordering::Relaxed));
                let now = (Timestamp::now() + ahead).to_string();
                ("200 OK", json!({"Name": "fake-host", "ServerVersion": "20.10.0", "SystemTime": now}))
            }
            "/containers/json" => {
                let rows = containers.iter().map(|(id, container)| {
                    json!({
                        "Id": id, "Names": [format!("/{}", container.name)], "Image": "fake:1",
                        "State": container.state(), "Status": "", "Ports": [], "Labels": {},
                    })
                });
                let odd = self.odd_rows.lock().unwrap().clone();
                ("200 OK", odd.into_iter().chain(rows).collect())
            }
            _ if path.ends_with("/stats") => {
                let now = Timestamp::now().to_string();
                let (cpu, memory) = (json!({"cpu_usage": {"total_usage": 5}}), json!({"usage": 7}));
                ("200 OK", json!({"read": now, "cpu_stats": cpu, "memory_stats": memory}))
            }
            _ if path.ends_with("/exec") => ("201 Created", json!({"Id": "e"})),
            "/exec/e/json" => match *self.exec.lock().unwrap() {
                Some(Exec::Runs(pid)) => {
                    ("200 OK", json!({"ID": "e", "Running": true, "ExitCode": null, "Pid": pid}))
                }
                _ => ("200 OK", json!({"ID": "e", "Running": false, "ExitCode": 3})),
            },
            _ => {
                let id = path.trim_start_matches("/containers/").trim_end_matches("/json");
                if self.refused.lock().unwrap().contains(id) {
                    return ("500 Internal Server Error", json!({"message": "layer does not exist"}));
                }
                match containers.get(id) {
                    Some(container) => ("200 OK", container.inspect(id)),
                    None => ("404 Not Found", json!({"message": format!("No such container: {id}")})),
                }
            }
        }
    }
}

impl Container {
    fn state(&self) -> &'static str {
        match self {
            Self { running: true, .. } => "running",
            Self { started: 0, .. } => "created",
            Self { .. } => "exited",
        }
    }

    fn inspect(&self, id: &str) -> Value {
        json!({
            "Id": id, "Name": format!("/{}", self.name), "Created": time(self.created), "RestartCount": 0,
            "State": {
                "Status": self.state(), "Running": self.running, "Paused": false, "Restarting": false,
                "OOMKilled": false, "Dead": false, "Pid": 0, "ExitCode": 0, "Error": "",
                "StartedAt": time(self.started), "FinishedAt": time(self.finished),
            },
            "Config": {"Image": "fake:1", "Labels": {}},
            "HostConfig": {"NetworkMode": "default"},
            "NetworkSettings": {"Ports": {}, "Networks": {}},
        })
    }
}

/// `since=1755587842.193900000`
fn since(query: &str) -> i64 {
    let given = query.split('&').find_map(|parameter| parameter.strip_prefix("since="));
    given.unwrap_or("0.0").replace('.', "").parse().expect("seconds with nine digits")
}

fn time(at: i64) -> String {
    if at == 0 {
        return "0001-01-01T00:00:00Z".to_owned();
    }
    Timestamp::from_nanosecond(at.into()).unwrap().to_string()
}
