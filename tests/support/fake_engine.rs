//! As much of an engine as Portreeve asks for (Docker API 1.41), on a socket, so that thousands of containers and their
//! transitions can be had in no time: it answers questions from what it is told, and does what it is told to do.
//!
//! What a test feeds by hand ([`FakeEngine::start`]) streams the events that the test writes, no others; one that is
//! [live](FakeEngine::live) tells what happens to its containers by itself. Either can be made ill ([`Manner`]), and
//! keeps a record of the calls. Every command says `begun`, ends at once with exit code 3, and leaves something behind
//! that holds its output open.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::sync::{OwnedRwLockWriteGuard, RwLock, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

#[path = "fake_engine/answer.rs"]
mod answer;
#[path = "fake_engine/calls.rs"]
mod calls;
#[path = "fake_engine/container.rs"]
mod container;
#[path = "fake_engine/feed.rs"]
mod feed;
#[path = "fake_engine/fleet.rs"]
pub mod fleet;
#[path = "fake_engine/life.rs"]
mod life;
#[path = "fake_engine/manner.rs"]
mod manner;
#[path = "fake_engine/serve.rs"]
mod serve;
#[path = "fake_engine/stream.rs"]
mod stream;

pub use calls::Call;
pub use container::Container;
pub use feed::Feed;
pub use manner::Manner;

pub struct FakeEngine {
    shared: Arc<Shared>,
    path: PathBuf,
    feeds: mpsc::UnboundedReceiver<Feed>,
    feeding: mpsc::UnboundedSender<Feed>,
    /// `None`: connections are refused.
    accepting: Option<JoinHandle<()>>,
    _dir: TempDir,
}

#[derive(Default)]
struct Shared {
    containers: Mutex<BTreeMap<String, Container>>,
    /// Its events are its own, and nobody feeds them.
    live: bool,
    /// Its events.
    stream: Mutex<stream::Stream>,
    /// Who called.
    record: calls::Record,
    /// How many connected.
    connections: AtomicUsize,
    /// How it is not well.
    manners: manner::Manners,
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

impl FakeEngine {
    /// One whose events a test feeds by hand.
    pub fn start() -> Self {
        Self::of(Shared::default())
    }

    /// One that tells by itself what happens to its containers.
    pub fn live() -> Self {
        Self::of(Shared { live: true, ..Shared::default() })
    }

    fn of(shared: Shared) -> Self {
        let dir = TempDir::with_prefix("pt").unwrap();
        let path = dir.path().join("e.sock");
        let (feeding, feeds) = mpsc::unbounded_channel();
        let mut engine = Self { shared: Arc::new(shared), path, feeds, feeding, accepting: None, _dir: dir };
        engine.open();
        engine
    }

    /// From now on connections are taken.
    pub fn open(&mut self) {
        let _ = std::fs::remove_file(&self.path);
        let listener = UnixListener::bind(&self.path).unwrap();
        let (shared, feeding) = (Arc::clone(&self.shared), self.feeding.clone());
        self.accepting = Some(tokio::spawn(async move {
            // Its connections end with it.
            let mut serving = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                while serving.try_join_next().is_some() {}
                let number = shared.connections.fetch_add(1, Ordering::Relaxed);
                serving.spawn(serve::serve(Arc::clone(&shared), number, stream, feeding.clone()));
            }
        }));
    }

    /// All connections end, and new ones are refused, until it is opened again.
    pub async fn close(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
            let _ = accepting.await;
        }
    }

    /// From now on calls fare like this: those of a route, as in `GET /containers/{id}/json`, of one path, or all: `*`.
    pub fn behave(&self, calls: &str, manner: Manner) {
        self.shared.manners.set(calls, manner);
    }

    /// From now on it is well.
    pub fn recover(&self) {
        self.shared.manners.clear();
    }

    /// The calls of a route so far.
    pub fn calls(&self, route: &str) -> Vec<Call> {
        self.shared.record.of(route)
    }

    /// How many calls of a route there were.
    pub fn count(&self, route: &str) -> usize {
        self.shared.record.count(route)
    }

    /// How many calls there were.
    pub fn total(&self) -> usize {
        self.shared.record.total()
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Ends the streams of events; who wants to hear more asks anew.
    pub fn cut_streams(&self) {
        self.shared.stream.lock().unwrap().cut();
    }

    /// How many hear now what a live engine tells.
    pub fn subscribers(&self) -> usize {
        self.shared.stream.lock().unwrap().subscribers()
    }

    pub fn endpoint(&self) -> String {
        format!("unix://{}", self.path.display())
    }

    /// The next subscription to the events.
    pub async fn subscribed(&mut self) -> Feed {
        self.feeds.recv().await.expect("the engine serves")
    }

    /// From now on its memory of events holds this one, too, behind those it holds; streams are fed by their feeds.
    pub fn remember(&self, id: &str, name: &str, action: &str, at: i64) {
        self.shared.stream.lock().unwrap().remember(action, at, &feed::event(id, name, action, at));
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
        self.accepting.iter().for_each(JoinHandle::abort);
    }
}

impl Shared {
    /// Its clock, in nanoseconds.
    fn now(&self) -> i64 {
        let now = i64::try_from(Timestamp::now().as_nanosecond()).unwrap();
        now + self.ahead.load(Ordering::Relaxed) * 1_000_000_000
    }
}
