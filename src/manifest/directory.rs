//! Configuration directories → one set of objects. A file is in force as a whole or not at all.
//!
//! Guarantees:
//! - A file that can no longer be read, or has a fault in it, keeps in force what it said when it was last good.
//! - A directory that is gone or cannot be read takes nothing out of force; it says so.
//! - A file that is deleted from a directory that can be read takes its objects with it, but for the last one: a directory
//!   that declared something and declares nothing now takes nothing out of force until that is confirmed.
//! - What an earlier start declared from elsewhere, with other flags, stays in force until that is confirmed or this start's
//!   files declare it.
//! - Documents of other tools are ignored and counted; in a file that was named itself they are errors.
//! - Of two objects with one kind and name the one in the first file, in the order of paths, is in force.
//! - With [`Directories::keeping`] all this holds across restarts too.
//! - What a link swaps at once, a volume's `..data` or the root itself, is read from one version only.

mod emptied;
mod ignored;
mod keep;
mod reading;
mod scan;
mod state;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use metrics::gauge;

use super::worktree::WorkTree;
use super::{Held, Loaded, LoadedSet, Parsed, Problem, parse};
use crate::ownership::Ownership;
use crate::resource::ObjectKey;
use crate::resource::secret::policy::{SecretPolicy, Trust};
use emptied::Look;
use keep::Keep;
use reading::{Memory, Reading, Writers};
use scan::Listing;
pub use state::DirectoryState;
use state::States;

/// The configuration directories and what their files said when they were last good.
#[derive(Debug, Default)]
pub struct Directories {
    roots: Vec<PathBuf>,
    files: BTreeMap<PathBuf, Memory>,
    /// Those among them that are in no root of this start.
    abroad: BTreeSet<PathBuf>,
    keep: Option<Keep>,
    secrets: SecretPolicy,
    /// A directory whose files others write, whoever owns them here.
    strangers: Option<PathBuf>,
    /// Whether what declares nothing any more is meant to.
    allow_empty: bool,
    set: Arc<LoadedSet>,
    states: States,
}

impl Directories {
    /// Directories to be read, in this order; a file may be named too. Nothing is read yet.
    pub fn new(roots: Vec<PathBuf>) -> Self {
        Self { roots, ..Self::default() }
    }

    /// Lets files that others can have written name only the secrets that `secrets` puts aside for them. What is below
    /// `strangers`, by whatever path or link, is others', whoever owns it here.
    #[must_use]
    pub fn guarded(mut self, secrets: SecretPolicy, strangers: Option<PathBuf>) -> Self {
        (self.secrets, self.strangers) = (secrets, strangers);
        self
    }

    /// Takes a directory that declares nothing any more at its word, and one that this start does not name.
    #[must_use]
    pub fn allowing_empty(mut self, allow: bool) -> Self {
        self.allow_empty = allow;
        self
    }

    /// Keeps what is good in `directory`, one of Portreeve's own, and takes up what an earlier process kept there.
    #[must_use]
    pub fn keeping(mut self, directory: PathBuf) -> Self {
        let keep = Keep::new(directory);
        for (path, (content, trust)) in keep.copies() {
            // Of another start: that this one does not name its directory may be a slip.
            let abroad = !self.roots.iter().any(|root| path.starts_with(root));
            if abroad && self.allow_empty {
                keep.forget(&path);
                continue;
            }
            let Parsed { mut objects, mut problems, .. } =
                parse(&path.display().to_string(), content.as_bytes());
            let stranger = (trust == Trust::Restricted).then(String::new);
            problems.extend(Writers { stranger, secrets: &self.secrets }.judge(&mut objects));
            // What was good for an earlier version may not be for this one.
            if problems.is_empty() {
                if abroad {
                    self.abroad.insert(path.clone());
                }
                self.files.insert(path, Memory::of(objects));
            }
        }
        self.keep = Some(keep);
        self
    }

    /// The directories.
    pub fn roots(&self) -> &[PathBuf] {
        &self.roots
    }

    /// How the directories stood when they were last read, in their order.
    pub fn states(&self) -> Vec<DirectoryState> {
        self.states.list()
    }

    /// Whether Git is changing files of a directory just now, so that reading it would find half of a commit.
    pub fn is_changing(&self) -> bool {
        self.roots.iter().filter_map(|root| WorkTree::around(root)).any(|tree| tree.is_changing())
    }

    /// Reads everything again. Blocks on the file system.
    pub fn load(&mut self) -> Arc<LoadedSet> {
        let mut set = LoadedSet::default();
        let (mut order, mut unconfirmed) = (Vec::new(), Vec::new());
        for (place, root) in self.roots.clone().iter().enumerate() {
            let mut round = self.survey(place, root, &mut set.problems);
            order.extend(round.files.into_iter().map(|(path, found)| (place, path, found)));
            unconfirmed.append(&mut round.unconfirmed);
        }
        let mut ownership = Ownership::new();
        let mut in_force: BTreeMap<ObjectKey, String> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for (place, path, found) in order {
            // One directory inside another is read once.
            if !seen.insert(path.clone()) {
                continue;
            }
            let listed = found.is_some();
            if let Some(found) = found {
                let stranger = self.stranger(&path, &mut ownership);
                let writers = Writers { stranger, secrets: &self.secrets };
                let memory = self.files.entry(path.clone()).or_default();
                memory.take(found, &path, &writers, self.keep.as_ref());
            }
            let Some(memory) = self.files.get(&path) else { continue };
            set.problems.extend(memory.now.iter().cloned());
            set.warnings.extend(memory.odd.iter().cloned());
            set.partial.extend(memory.partial.iter().cloned());
            let held = (!listed || !memory.now.is_empty()).then_some(Held::Unreadable);
            self.states.file(place, &path, memory.fingerprint, held.is_some());
            if memory.foreign {
                self.states.other(place);
                set.others.push(path.display().to_string());
            }
            for loaded in &memory.good {
                match in_force.entry(loaded.object.key()) {
                    Entry::Vacant(vacant) => {
                        vacant.insert(loaded.place.file.clone());
                        self.states.object(place);
                        set.objects.push(Loaded { held, ..loaded.clone() });
                    }
                    Entry::Occupied(first) => {
                        let key = loaded.object.key();
                        let message =
                            format!("{key} is already declared in {}, which stays in force", first.get());
                        set.problems.push(loaded.place.problem(&message));
                    }
                }
            }
        }
        // They are in no directory whose state is shown.
        let nowhere = self.roots.len();
        unconfirmed.extend(self.abroad.iter().map(|path| (nowhere, path.clone(), emptied::above(path))));
        self.hold(unconfirmed, &mut in_force, &mut set);
        self.states.end();
        if *self.set != set {
            self.set = Arc::new(set);
        }
        Arc::clone(&self.set)
    }

    /// Lists what lies below a root, and forgets what does no longer.
    fn survey(&mut self, place: usize, root: &Path, problems: &mut Vec<Problem>) -> Round {
        let mut listing = scan::scan(root);
        // A path that is gone from what was pulled is as empty as Git can have it.
        if self.allow_empty && self.is_pulled(root) && listing.files.is_empty() {
            listing.unread.retain(|(path, error)| path != root || error.kind() != io::ErrorKind::NotFound);
        }
        self.states.begin(place, root, listing.revision.clone());
        let Listing { files, unread: gone, unknown, directories, ignored, problems: odd, .. } = listing;
        problems.extend(odd);
        let remembered: Vec<PathBuf> =
            self.files.keys().filter(|path| path.starts_with(root)).cloned().collect();
        let mut unread = Vec::new();
        let gone = gone.into_iter().map(|gone| (gone, true));
        for ((path, error), is_directory) in gone.chain(unknown.into_iter().map(|path| (path, false))) {
            let known = remembered.iter().any(|known| known.starts_with(&path));
            // Nothing has been pulled yet, which is said of the repository.
            if !known && path == root && error.kind() == io::ErrorKind::NotFound && self.awaits_pull(root) {
                continue;
            }
            if known || is_directory {
                let pulled = self.is_pulled(root);
                problems.push(scan::unreadable(&path, &error, known, pulled));
                unread.push(path);
            }
        }
        // What lies below something that cannot be listed is as it was; all else that is not listed is gone.
        let kept = |path: &Path| unread.iter().any(|above| path.starts_with(above));
        let mut here: BTreeMap<PathBuf, Option<Reading>> = BTreeMap::new();
        let mut speaking = BTreeSet::new();
        for (path, found) in files {
            let reading = Reading::of(&path, found, path == root, self.files.get(&path));
            if reading.speaks(self.files.get(&path)) {
                speaking.insert(path.clone());
            }
            here.insert(path, Some(reading));
        }
        let mut lost = Vec::new();
        for path in remembered {
            if kept(&path) {
                speaking.insert(path.clone());
                here.insert(path, None);
            } else if !speaking.contains(&path)
                && self.files.get(&path).is_some_and(|memory| !memory.good.is_empty())
            {
                lost.push(path);
            } else if !here.contains_key(&path) {
                self.forget(&path);
            }
        }
        let look =
            Look { root, lost: &lost, speaking: &speaking, directories: &directories, ignored: &ignored };
        let unconfirmed = if self.allow_empty { BTreeMap::new() } else { emptied::unconfirmed(&look) };
        for path in lost.iter().filter(|path| !unconfirmed.contains_key(*path) && !here.contains_key(*path)) {
            self.forget(path);
        }
        here.retain(|path, _| !unconfirmed.contains_key(path));
        let unconfirmed = unconfirmed.into_iter().map(|(path, directory)| (place, path, directory)).collect();
        Round { files: here, unconfirmed }
    }

    /// Keeps in force what directories declared that declare nothing now, until that is confirmed or somebody else declares
    /// it.
    fn hold(
        &mut self,
        unconfirmed: Vec<(usize, PathBuf, PathBuf)>,
        in_force: &mut BTreeMap<ObjectKey, String>,
        set: &mut LoadedSet,
    ) {
        let mut counts: BTreeMap<PathBuf, usize> = BTreeMap::new();
        for (place, path, directory) in unconfirmed {
            let Some(memory) = self.files.get(&path) else { continue };
            let mut held = 0;
            for loaded in &memory.good {
                if let Entry::Vacant(vacant) = in_force.entry(loaded.object.key()) {
                    vacant.insert(loaded.place.file.clone());
                    self.states.held(place);
                    set.objects.push(Loaded { held: Some(Held::Unconfirmed), ..loaded.clone() });
                    held += 1;
                }
            }
            self.states.file(place, &path, memory.fingerprint, true);
            if held == 0 {
                self.forget(&path);
            } else {
                *counts.entry(directory).or_default() += held;
            }
        }
        gauge!("portreeve_manifests_unconfirmed").set(counts.values().sum::<usize>() as f64);
        set.problems.extend(counts.into_iter().map(|(directory, held)| {
            match self.roots.iter().any(|root| directory.starts_with(root)) {
                true => emptied::problem(&directory, held),
                false => emptied::unnamed(&directory, held),
            }
        }));
    }

    fn forget(&mut self, path: &Path) {
        self.files.remove(path);
        self.abroad.remove(path);
        if let Some(keep) = &self.keep {
            keep.forget(path);
        }
    }

    /// Whether a root is part of what is pulled from a repository, and something was pulled.
    fn is_pulled(&self, root: &Path) -> bool {
        self.checkout_of(root).is_some_and(|checkout| checkout.is_dir())
    }

    /// Whether a root is part of a repository of which nothing was pulled yet.
    fn awaits_pull(&self, root: &Path) -> bool {
        self.checkout_of(root).is_some_and(|checkout| !checkout.is_dir())
    }

    /// The link to what is pulled from the repository that a root is part of, if it is of one.
    fn checkout_of(&self, root: &Path) -> Option<PathBuf> {
        let home = self.strangers.as_ref()?;
        Some(home.join(root.strip_prefix(home).ok()?.components().next()?))
    }

    /// Who beside root and our own user can have written a file.
    fn stranger(&self, path: &Path, ownership: &mut Ownership) -> Option<String> {
        if self.strangers.as_ref().is_some_and(|strangers| is_below(path, strangers)) {
            return Some("others write to the repository".to_owned());
        }
        ownership.stranger(path)
    }
}

/// What a look at one root found.
struct Round {
    /// Its files; nothing for one that cannot be looked at.
    files: BTreeMap<PathBuf, Option<Reading>>,
    /// The place of the root, a file that declares nothing any more, and the directory that is empty with it.
    unconfirmed: Vec<(usize, PathBuf, PathBuf)>,
}

/// Whether a file is in `directory` in the end, wherever its path and links lead on the way.
fn is_below(path: &Path, directory: &Path) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    path.starts_with(directory) || real(path).starts_with(real(directory))
}

#[cfg(test)]
mod tests;
