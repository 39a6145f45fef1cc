//! Keeps a [`LoadedSet`] equal to what the configuration directories hold.
//!
//! File events are hints: whatever one says, everything is read again, and a rescan every minute finds what no event
//! told of (a link to a file elsewhere, a network file system, a directory that was not there at start). Directories are
//! watched and not files, so that editors that rename into place and volumes that swap a link are seen.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::LoadedSet;
use super::directory::{Directories, DirectoryState};
use super::worktree::WorkTree;

/// How long nothing must happen before everything is read again.
const QUIET: Duration = Duration::from_millis(200);
/// How long that is waited for: something that is always written to must not keep us from reading.
const GATHER: Duration = Duration::from_secs(2);
/// How long Git may take to change files; what it left behind when it was killed must not stop us for good.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often everything is read without an event.
const RESCAN: Duration = Duration::from_secs(60);
/// How often a directory that is not there is looked for: nothing tells when it comes.
const MISSING: Duration = Duration::from_secs(1);

/// What the directories say, as far as it has been read.
#[derive(Debug)]
pub struct Watched {
    /// What is declared; told only of sets that differ from the one before.
    pub sets: watch::Receiver<Arc<LoadedSet>>,
    /// How each directory stands.
    pub states: watch::Receiver<Vec<DirectoryState>>,
    /// For whoever knows that something has changed.
    pub hint: Hint,
}

/// Has everything read again soon.
#[derive(Clone, Debug)]
pub struct Hint(mpsc::Sender<()>);

impl Hint {
    /// Something may have changed.
    pub fn give(&self) {
        // A full channel means that a hint waits already.
        let _ = self.0.try_send(());
    }
}

/// Reads the directories, and again whenever something changes, until `stop`.
///
/// The receivers hold what is there now from the first moment. The returned future does the watching: it is to be
/// spawned, and ends with `stop`.
pub async fn watch(
    directories: Directories,
    stop: CancellationToken,
) -> (Watched, impl Future<Output = ()> + Send) {
    watch_at(Pace { rescan: RESCAN, patience: PATIENCE }, directories, stop).await
}

/// How often to look, and how long to wait for whoever is changing something.
#[derive(Clone, Copy, Debug)]
struct Pace {
    rescan: Duration,
    patience: Duration,
}

async fn watch_at(
    pace: Pace,
    mut directories: Directories,
    stop: CancellationToken,
) -> (Watched, impl Future<Output = ()> + Send) {
    // Watching begins before reading: what changes in between is read twice and not missed.
    let (hint, mut hints) = mpsc::channel(1);
    let hint = Hint(hint);
    let mut eyes = Eyes::new(directories.roots().to_vec(), hint.clone());
    eyes.open();
    let begin = Instant::now();
    while directories.is_changing() && begin.elapsed() < pace.patience {
        sleep(QUIET / 4).await;
    }
    let (tell, sets) = watch::channel(directories.load());
    let (tell_states, states) = watch::channel(directories.states());
    let work = async move {
        let mut state = Some((directories, eyes));
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = hints.recv() => {}
                () = sleep(pace.rescan) => {}
                () = back(state.as_ref().map(|(_, eyes)| eyes.missing.clone()).unwrap_or_default()) => {}
            }
            let Some((mut directories, mut eyes)) = state.take() else { break };
            settle(&mut hints, &directories, pace.patience).await;
            let read = tokio::task::spawn_blocking(move || {
                eyes.open();
                let set = directories.load();
                (directories, eyes, set)
            });
            // Only a panic or a runtime that shuts down ends the task without an answer.
            let Ok((directories, eyes, set)) = read.await else { break };
            let now = directories.states();
            state = Some((directories, eyes));
            tell.send_if_modified(|known| {
                let changed = !Arc::ptr_eq(known, &set) && **known != *set;
                if changed {
                    *known = set;
                }
                changed
            });
            tell_states.send_if_modified(|known| {
                *known != now && {
                    *known = now;
                    true
                }
            });
        }
    };
    (Watched { sets, states, hint }, work)
}

/// Waits until one of these is there.
async fn back(missing: Vec<PathBuf>) {
    if missing.is_empty() {
        return std::future::pending().await;
    }
    while !missing.iter().any(|path| path.exists()) {
        sleep(MISSING).await;
    }
}

/// Waits until nothing has changed for a moment, so that what is changed together is read together.
async fn settle(hints: &mut mpsc::Receiver<()>, directories: &Directories, patience: Duration) {
    let begin = Instant::now();
    loop {
        // A hint that comes from here on is read after this.
        let quiet = timeout(QUIET, hints.recv()).await.is_err();
        let changing = directories.is_changing();
        let longest = if changing { patience } else { GATHER };
        if quiet && !changing || begin.elapsed() >= longest {
            return;
        }
    }
}

/// The directories watched by the operating system.
struct Eyes {
    roots: Vec<PathBuf>,
    hint: Hint,
    watcher: Option<RecommendedWatcher>,
    /// What is watched, as it was when that began; a directory that was replaced has to be watched anew.
    watched: BTreeMap<PathBuf, (u64, u64)>,
    /// The roots that were not there when that was looked at last.
    missing: Vec<PathBuf>,
}

impl Eyes {
    fn new(roots: Vec<PathBuf>, hint: Hint) -> Self {
        Self { roots, hint, watcher: None, watched: BTreeMap::new(), missing: Vec::new() }
    }

    /// Watches whatever is not watched yet. What cannot be watched is left to the rescan.
    fn open(&mut self) {
        self.missing = self.roots.iter().filter(|root| identity(root).is_none()).cloned().collect();
        if self.watcher.is_none() {
            let hint = self.hint.clone();
            let tell = move |event: notify::Result<Event>| {
                if !event.is_ok_and(|event| is_reading(event.kind)) {
                    hint.give();
                }
            };
            match notify::recommended_watcher(tell) {
                Ok(watcher) => self.watcher = Some(watcher),
                Err(error) => {
                    tracing::warn!(
                        "configuration directories cannot be watched and are read once a minute instead: {error}"
                    );
                    return;
                }
            }
        }
        let Some(watcher) = &mut self.watcher else { return };
        let wanted = wanted(&self.roots);
        self.watched.retain(|path, known| {
            let stays = wanted.contains_key(path) && identity(path) == Some(*known);
            if !stays {
                // The old one may be gone, and its watch with it; an error says no more than that.
                let _ = watcher.unwatch(path);
            }
            stays
        });
        for (path, mode) in wanted {
            let Some(now) = identity(&path).filter(|_| !self.watched.contains_key(&path)) else { continue };
            match watcher.watch(&path, mode) {
                Ok(()) => drop(self.watched.insert(path, now)),
                Err(error) => tracing::warn!(
                    "{} cannot be watched and is read once a minute instead: {error}",
                    path.display()
                ),
            }
        }
    }
}

/// The roots, and where Git keeps what it has checked out in them if that is elsewhere: another commit may change no
/// manifest, and is shown all the same.
fn wanted(roots: &[PathBuf]) -> BTreeMap<PathBuf, RecursiveMode> {
    let mut wanted: BTreeMap<PathBuf, RecursiveMode> =
        roots.iter().map(|root| (root.clone(), RecursiveMode::Recursive)).collect();
    let is_below = |path: &Path| {
        roots.iter().filter_map(|root| std::fs::canonicalize(root).ok()).any(|root| path.starts_with(root))
    };
    for tree in roots.iter().filter_map(|root| WorkTree::around(root)) {
        if !is_below(tree.directory()) {
            wanted.entry(tree.directory().to_owned()).or_insert(RecursiveMode::NonRecursive);
        }
    }
    wanted
}

/// Whether an event tells of nothing but reading: our own would wake us for ever.
fn is_reading(kind: EventKind) -> bool {
    matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}

fn identity(root: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(root).ok().map(|found| (found.dev(), found.ino()))
}

#[cfg(test)]
mod tests;
