//! A pass-through proxy in front of an engine's socket. It counts the calls, and plays the network's worst
//! tricks: a stream that goes silent and stays open, connections that are cut, an engine that is not there.
//!
//! Bytes pass as they come, streams and hijacked connections included; only the requests' heads are read.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::requests::Requests;

/// One request that reached the engine.
#[derive(Clone, Debug)]
pub struct Call {
    pub at: Instant,
    pub method: String,
    /// Path and query, as sent.
    pub path: String,
}

impl Call {
    pub fn is_events(&self) -> bool {
        self.path.split('?').next().is_some_and(|path| path.ends_with("/events"))
    }

    /// `/containers/json`, without the version that a client may put in front.
    pub fn is_list(&self) -> bool {
        self.path.split('?').next().is_some_and(|path| path.ends_with("/containers/json"))
    }
}

pub struct Proxy {
    shared: Arc<Shared>,
    path: PathBuf,
    accepting: JoinHandle<()>,
    _dir: TempDir,
}

struct Shared {
    target: PathBuf,
    calls: Mutex<Vec<Call>>,
    /// Whether `/events` answers are held back.
    silent: watch::Sender<bool>,
    /// Counts up to cut all connections there are.
    cuts: watch::Sender<u64>,
    refusing: AtomicBool,
}

impl Proxy {
    /// A proxy in front of the socket `target`.
    pub async fn new(target: &Path) -> Self {
        let dir = TempDir::with_prefix("pt").expect("a temporary directory");
        let path = dir.path().join("p.sock");
        let listener = UnixListener::bind(&path).expect("a socket");
        let shared = Arc::new(Shared {
            target: target.to_owned(),
            calls: Mutex::default(),
            silent: watch::Sender::new(false),
            cuts: watch::Sender::new(0),
            refusing: AtomicBool::new(false),
        });
        let accepting = tokio::spawn({
            let shared = Arc::clone(&shared);
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    if !shared.refusing.load(Ordering::SeqCst) {
                        tokio::spawn(pass(Arc::clone(&shared), client));
                    }
                }
            }
        });
        Self { shared, path, accepting, _dir: dir }
    }

    /// As `DOCKER_HOST` wants it.
    pub fn endpoint(&self) -> String {
        format!("unix://{}", self.path.display())
    }

    /// The calls so far, in order of arrival.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.calls.lock().expect("no panic under this lock").clone()
    }

    pub fn count(&self, which: impl Fn(&Call) -> bool) -> usize {
        self.calls().iter().filter(|call| which(call)).count()
    }

    /// Forgets the calls so far.
    pub fn clear(&self) {
        self.shared.calls.lock().expect("no panic under this lock").clear();
    }

    /// Holds back what `/events` answers from now on, on connections that stay open; `false` lets it flow again.
    pub fn silence_events(&self, silent: bool) {
        self.shared.silent.send_replace(silent);
    }

    /// Closes every connection there is; new ones are served.
    pub fn cut(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Closes every new connection at once, as an engine that is down; cut what there is with [`Proxy::cut`].
    pub fn refuse(&self, refusing: bool) {
        self.shared.refusing.store(refusing, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn pass(shared: Arc<Shared>, client: UnixStream) {
    let mut cuts = shared.cuts.subscribe();
    let Ok(engine) = UnixStream::connect(&shared.target).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_engine, to_engine) = engine.into_split();
    let state = Arc::new(Connection { requests: Mutex::default(), events: watch::Sender::new(false) });
    let both = async {
        // A direction that ended has shut its side down; the other may go on, as in a half-closed attach.
        tokio::join!(
            requests(&shared, &state, from_client, to_engine),
            answers(&shared, &state, from_engine, to_client)
        )
    };
    tokio::select! {
        _ = both => {}
        _ = cuts.changed() => {}
    }
}

struct Connection {
    requests: Mutex<Requests>,
    /// Whether the request being answered is `/events`.
    events: watch::Sender<bool>,
}

async fn requests(shared: &Shared, state: &Connection, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(n @ 1..) = from.read(&mut buffer).await {
        let seen = state.requests.lock().expect("no panic under this lock").read(&buffer[..n]);
        for (method, path) in seen {
            let call = Call { at: Instant::now(), method, path };
            state.events.send_replace(call.is_events());
            shared.calls.lock().expect("no panic under this lock").push(call);
        }
        if to.write_all(&buffer[..n]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

async fn answers(shared: &Shared, state: &Connection, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let mut buffer = vec![0; 16 * 1024];
    let mut silent = shared.silent.subscribe();
    while let Ok(n @ 1..) = from.read(&mut buffer).await {
        state.requests.lock().expect("no panic under this lock").answered(&buffer[..n]);
        if *state.events.borrow() && silent.wait_for(|silent| !silent).await.is_err() {
            return;
        }
        if to.write_all(&buffer[..n]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}
