//! The file of tokens, read again when it changes.
//!
//! Every request looks whether it has changed. Whoever goes on without a request ([`Kept::follow`]) is told by the file's
//! directory, which is watched from the first of them on; where the system cannot watch it, by the next request.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::config::tokens::Tokens;

/// What tells one version of the file from another: it is always replaced, never written into.
type Version = Option<(u64, u64, i64, i64)>;

/// Tokens as the file had them when it was last looked at.
#[derive(Debug)]
pub(super) struct Kept {
    path: PathBuf,
    last: Mutex<Option<(Version, Arc<Option<Tokens>>)>>,
    changed: watch::Sender<()>,
    eyes: Mutex<Option<RecommendedWatcher>>,
}

impl Kept {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, last: Mutex::new(None), changed: watch::Sender::new(()), eyes: Mutex::new(None) }
    }

    /// Tells of every change from now on.
    pub(super) fn follow(self: &Arc<Self>) -> watch::Receiver<()> {
        let changes = self.changed.subscribe();
        let mut eyes = self.eyes.lock().unwrap_or_else(PoisonError::into_inner);
        if eyes.is_none() {
            *eyes = open(Arc::downgrade(self), &self.path)
                .inspect_err(|error| {
                    warn!(target: "portreeve::api", "{} cannot be watched: {error}; a connection of a \
                    deleted token may stay open until the next request", self.path.display())
                })
                .ok();
        }
        changes
    }

    /// Whether there is a file, of whatever content: then there is or was a token.
    pub(super) fn closes(&self) -> bool {
        self.tokens().is_none() || self.last().as_ref().is_some_and(|(version, _)| version.is_some())
    }

    fn last(&self) -> MutexGuard<'_, Option<(Version, Arc<Option<Tokens>>)>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tokens as they are now; `None` if the file cannot be read: then nobody can be let in by it.
    pub(super) fn tokens(&self) -> Arc<Option<Tokens>> {
        let version = std::fs::metadata(&self.path).ok().map(|entry| version(&entry));
        let mut last = self.last();
        if let Some((known, tokens)) = &*last
            && *known == version
            // What could not be read may be readable now without another change of the file.
            && tokens.is_some()
        {
            return tokens.clone();
        }
        let tokens = match Tokens::read(&self.path) {
            Ok(tokens) => {
                if last.is_some() {
                    info!(target: "portreeve::api", tokens = tokens.tokens.len(), "the tokens have changed");
                }
                Some(tokens)
            }
            Err(error) => {
                if last.as_ref().is_none_or(|(known, _)| *known != version) {
                    error!(target: "portreeve::api", "{error}; none of its tokens is accepted, and calls without a \
                        token are refused");
                }
                None
            }
        };
        let tokens = Arc::new(tokens);
        let before = last.replace((version, tokens.clone()));
        drop(last);
        if before.is_some_and(|before| before != (version, tokens.clone())) {
            self.changed.send_replace(());
        }
        tokens
    }
}

/// Looks at the file whenever something happens to it. Its directory is watched, since it is always replaced.
fn open(kept: Weak<Kept>, path: &Path) -> notify::Result<RecommendedWatcher> {
    let name = path.file_name().map(ToOwned::to_owned);
    let seen = move |event: notify::Result<Event>| {
        let concerns = event.as_ref().map_or(true, |event| match event.kind {
            // Looking at it is no change, and is what we do.
            EventKind::Access(kind) if kind != AccessKind::Close(AccessMode::Write) => false,
            _ => event.need_rescan() || event.paths.iter().any(|path| path.file_name() == name.as_deref()),
        });
        if concerns && let Some(kept) = kept.upgrade() {
            kept.tokens();
        }
    };
    let mut eyes = notify::recommended_watcher(seen)?;
    eyes.watch(path.parent().unwrap_or(path), RecursiveMode::NonRecursive)?;
    Ok(eyes)
}

fn version(entry: &Metadata) -> (u64, u64, i64, i64) {
    (entry.ino(), entry.len(), entry.mtime(), entry.mtime_nsec())
}
