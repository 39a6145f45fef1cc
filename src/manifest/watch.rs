//! Keeps a [`LoadedSet`] equal to what the configuration directories hold.
//!
//! File events are hints: whatever one says, everything is read again, and a rescan every minute finds what no event
//! told of (a link to a file elsewhere, a network file system, a directory that was not there at start). Directories are
//! watched and not files, so that editors that rename into place and volumes that swap a link are seen.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::LoadedSet;
use super::directory::Directories;

/// How long events are gathered before everything is read again.
const GATHER: Duration = Duration::from_millis(200);
/// How often everything is read without an event.
const RESCAN: Duration = Duration::from_secs(60);

/// Reads the directories, and again whenever something changes, until `stop`.
///
/// The receiver holds what is there now from the first moment, and is told only of sets that differ from the one before.
/// The returned future does the watching: it is to be spawned, and ends with `stop`.
pub fn watch(
    directories: Directories,
    stop: CancellationToken,
) -> (watch::Receiver<Arc<LoadedSet>>, impl Future<Output = ()> + Send) {
    watch_every(directories, stop, RESCAN)
}

fn watch_every(
    mut directories: Directories,
    stop: CancellationToken,
    rescan: Duration,
) -> (watch::Receiver<Arc<LoadedSet>>, impl Future<Output = ()> + Send) {
    // Watching begins before reading: what changes in between is read twice and not missed.
    let (hint, hints) = mpsc::channel(1);
    let mut eyes = Eyes::new(directories.roots().to_vec(), hint);
    eyes.open();
    let (tell, told) = watch::channel(directories.load());
    (told, async move {
        let mut state = Some((directories, eyes));
        let mut hints = hints;
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = hints.recv() => {
                    tokio::time::sleep(GATHER).await;
                    // One that came meanwhile says nothing more. One that comes from here on is read after this.
                    let _ = hints.try_recv();
                }
                () = tokio::time::sleep(rescan) => {}
            }
            let Some((mut directories, mut eyes)) = state.take() else { break };
            let read = tokio::task::spawn_blocking(move || {
                eyes.open();
                let set = directories.load();
                (directories, eyes, set)
            });
            // Only a panic or a runtime that shuts down ends the task without an answer.
            let Ok((directories, eyes, set)) = read.await else { break };
            state = Some((directories, eyes));
            tell.send_if_modified(|known| {
                let changed = !Arc::ptr_eq(known, &set) && **known != *set;
                if changed {
                    *known = set;
                }
                changed
            });
        }
    })
}

/// The directories watched by the operating system.
struct Eyes {
    roots: Vec<PathBuf>,
    hint: mpsc::Sender<()>,
    watcher: Option<RecommendedWatcher>,
    /// The roots as they were when they were last watched; one that was replaced has to be watched anew.
    watched: Vec<Option<(u64, u64)>>,
}

impl Eyes {
    fn new(roots: Vec<PathBuf>, hint: mpsc::Sender<()>) -> Self {
        Self { watched: vec![None; roots.len()], roots, hint, watcher: None }
    }

    /// Watches whatever root is not watched yet. What cannot be watched is left to the rescan.
    fn open(&mut self) {
        if self.watcher.is_none() {
            let hint = self.hint.clone();
            let tell = move |event: notify::Result<Event>| {
                if event.is_ok_and(|event| is_reading(event.kind)) {
                    return;
                }
                // A full channel means that a hint waits already.
                let _ = hint.try_send(());
            };
            match notify::recommended_watcher(tell) {
                Ok(watcher) => self.watcher = Some(watcher),
                Err(error) => {
                    tracing::warn!("configuration directories are read once a minute only: {error}");
                    return;
                }
            }
        }
        let Some(watcher) = &mut self.watcher else { return };
        for (root, watched) in self.roots.iter().zip(&mut self.watched) {
            let now = identity(root);
            if now == *watched {
                continue;
            }
            if watched.is_some() {
                // The old one is gone, and its watch with it; an error says no more than that.
                let _ = watcher.unwatch(root);
            }
            *watched = None;
            if now.is_some() {
                match watcher.watch(root, RecursiveMode::Recursive) {
                    Ok(()) => *watched = now,
                    Err(error) => tracing::warn!("{} is read once a minute only: {error}", root.display()),
                }
            }
        }
    }
}

/// Whether an event tells of nothing but reading: our own would wake us for ever.
fn is_reading(kind: EventKind) -> bool {
    matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}

fn identity(root: &std::path::Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(root).ok().map(|found| (found.dev(), found.ino()))
}

#[cfg(test)]
mod tests;
