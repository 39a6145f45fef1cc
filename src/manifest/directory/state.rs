//! How each configuration directory stands, for people.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use crate::clock;
use crate::manifest::worktree::Revision;
use crate::observed::Nanos;

/// How a configuration directory stood when it was last read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryState {
    /// As it was named.
    pub path: PathBuf,
    /// The commit that it shows, if it is part of a Git work tree.
    pub revision: Option<Revision>,
    /// How many of its objects are in force.
    pub objects: usize,
    /// How many of these it does not declare any more: they stay until somebody confirms that this is meant.
    pub unconfirmed: usize,
    /// How many of its files are other tools'.
    pub others: usize,
    /// When what it says was last taken for what is wanted: at the start, and after every change.
    pub applied: Nanos,
}

/// The states of all directories, as a reading of them goes on.
#[derive(Debug, Default)]
pub(super) struct States(Vec<Reading>);

#[derive(Debug)]
struct Reading {
    state: DirectoryState,
    /// Of all its files, as read last.
    fingerprint: Option<u64>,
    hasher: DefaultHasher,
}

impl States {
    pub(super) fn list(&self) -> Vec<DirectoryState> {
        self.0.iter().map(|reading| reading.state.clone()).collect()
    }

    /// The directory at `place`, of which `revision` is shown, is being read.
    pub(super) fn begin(&mut self, place: usize, path: &Path, revision: Option<Revision>) {
        if self.0.len() <= place {
            let state = DirectoryState {
                path: path.to_owned(),
                revision: None,
                objects: 0,
                unconfirmed: 0,
                others: 0,
                applied: Nanos(0),
            };
            self.0.push(Reading { state, fingerprint: None, hasher: DefaultHasher::new() });
        }
        let Some(reading) = self.0.get_mut(place) else { return };
        reading.hasher = DefaultHasher::new();
        revision.hash(&mut reading.hasher);
        reading.state.revision = revision;
        let DirectoryState { objects, unconfirmed, others, .. } = &mut reading.state;
        (*objects, *unconfirmed, *others) = (0, 0, 0);
    }

    /// A file of it, and whether what it said before is in force instead.
    pub(super) fn file(&mut self, place: usize, path: &Path, content: Option<u64>, held: bool) {
        if let Some(reading) = self.0.get_mut(place) {
            (path, content, held).hash(&mut reading.hasher);
        }
    }

    /// An object of it is in force.
    pub(super) fn object(&mut self, place: usize) {
        if let Some(reading) = self.0.get_mut(place) {
            reading.state.objects += 1;
        }
    }

    /// An object that it declared stays in force.
    pub(super) fn held(&mut self, place: usize) {
        self.object(place);
        if let Some(reading) = self.0.get_mut(place) {
            reading.state.unconfirmed += 1;
        }
    }

    /// A file of it is another tool's.
    pub(super) fn other(&mut self, place: usize) {
        if let Some(reading) = self.0.get_mut(place) {
            reading.state.others += 1;
        }
    }

    /// All has been read.
    pub(super) fn end(&mut self) {
        let now = clock::now();
        for reading in &mut self.0 {
            let fingerprint = Some(reading.hasher.finish());
            if reading.fingerprint != fingerprint {
                reading.fingerprint = fingerprint;
                reading.state.applied = now;
            }
        }
    }
}
