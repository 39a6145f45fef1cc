//! The file of tokens, read again when it changes.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::{error, info};

use crate::config::tokens::Tokens;

/// What tells one version of the file from another: it is always replaced, never written into.
type Version = Option<(u64, u64, i64, i64)>;

/// Tokens as the file had them when it was last looked at.
#[derive(Debug)]
pub(super) struct Kept {
    path: PathBuf,
    last: Mutex<Option<(Version, Arc<Option<Tokens>>)>>,
}

impl Kept {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self { path, last: Mutex::new(None) }
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
                    error!(target: "portreeve::api", "{error}; no token of it opens anything, and nothing is open without one");
                }
                None
            }
        };
        let tokens = Arc::new(tokens);
        *last = Some((version, tokens.clone()));
        tokens
    }
}

fn version(entry: &Metadata) -> (u64, u64, i64, i64) {
    (entry.ino(), entry.len(), entry.mtime(), entry.mtime_nsec())
}
