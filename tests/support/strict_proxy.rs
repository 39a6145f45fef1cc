//! A proxy in front of an engine's socket that lets some calls pass and answers others with a page of its own, as those do
//! that are put there for safety.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

pub struct StrictProxy {
    path: PathBuf,
    forbidden: Arc<Mutex<BTreeSet<String>>>,
    accepting: JoinHandle<()>,
    _dir: TempDir,
}

impl StrictProxy {
    /// In front of the socket `target`. What begins a forbidden call's path (`info`), or its method (`POST`), is named, or
    /// both with what ends its path (`POST containers rename`).
    pub fn new(target: &Path, forbidden: &[&str]) -> Self {
        let dir = TempDir::with_prefix("sp").expect("a temporary directory");
        let path = dir.path().join("s.sock");
        let listener = UnixListener::bind(&path).expect("a socket");
        let forbidden: BTreeSet<String> = forbidden.iter().map(|&word| word.to_owned()).collect();
        let forbidden = Arc::new(Mutex::new(forbidden));
        let accepting = tokio::spawn({
            let (target, forbidden) = (target.to_owned(), Arc::clone(&forbidden));
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    tokio::spawn(pass(client, target.clone(), Arc::clone(&forbidden)));
                }
            }
        });
        Self { path, forbidden, accepting, _dir: dir }
    }

    /// As `DOCKER_HOST` wants it.
    pub fn endpoint(&self) -> String {
        format!("unix://{}", self.path.display())
    }

    /// From now on these are forbidden and no others.
    pub fn forbid(&self, forbidden: &[&str]) {
        *self.forbidden.lock().unwrap() = forbidden.iter().map(|&word| word.to_owned()).collect();
    }
}

impl Drop for StrictProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// One connection, of one request: so the program makes them.
async fn pass(mut client: UnixStream, target: PathBuf, forbidden: Arc<Mutex<BTreeSet<String>>>) {
    const PAGE: &str =
        "<html><body><h1>403 Forbidden</h1>\nRequest forbidden by administrative rules.\n</body></html>\n";
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut piece = [0; 4096];
        match client.read(&mut piece).await {
            Ok(read @ 1..) => head.extend_from_slice(&piece[..read]),
            _ => return,
        }
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let mut words = text.split(' ');
    let method = words.next().unwrap_or_default();
    let path = words.next().unwrap_or_default().trim_start_matches('/');
    let section = path.split(['/', '?']).next().unwrap_or_default();
    let refused = {
        let forbidden = forbidden.lock().unwrap();
        let last = path.split('?').next().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
        let exactly = format!("{method} {section} {last}");
        forbidden.contains(method) || forbidden.contains(section) || forbidden.contains(&exactly)
    };
    if refused {
        let answer = format!(
            "HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{PAGE}",
            PAGE.len()
        );
        let _ = client.write_all(answer.as_bytes()).await;
        return;
    }
    let Ok(mut engine) = UnixStream::connect(target).await else { return };
    if engine.write_all(&head).await.is_ok() {
        let _ = copy_bidirectional(&mut client, &mut engine).await;
    }
}
