//! Configuration directories → one set of objects. A file is in force as a whole or not at all.
//!
//! Guarantees:
//! - A file that can no longer be read, or has a fault in it, keeps in force what it said when it was last good.
//! - A directory that is gone or cannot be read takes nothing out of force; it says so.
//! - A file that is deleted from a directory that can be read takes its objects with it.
//! - Of two objects with one kind and name the one in the first file, in the order of paths, is in force.
//! - With [`Directories::keeping`] all this holds across restarts too.
//! - What a link swaps at once, a volume's `..data` or the root itself, is read from one version only.

mod keep;
mod scan;
mod state;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::worktree::WorkTree;
use super::{Loaded, LoadedSet, Parsed, Problem, parse};
use crate::ownership::Ownership;
use crate::resource::ObjectKey;
use crate::resource::secret::policy::{SecretPolicy, Trust};
use keep::Keep;
use scan::{Found, Listing};
pub use state::DirectoryState;
use state::States;

/// The configuration directories and what their files said when they were last good.
#[derive(Debug, Default)]
pub struct Directories {
    roots: Vec<PathBuf>,
    files: BTreeMap<PathBuf, Memory>,
    keep: Option<Keep>,
    secrets: SecretPolicy,
    /// A directory whose files others write, whoever owns them here.
    strangers: Option<PathBuf>,
    set: Arc<LoadedSet>,
    states: States,
}

/// What is kept of one file.
#[derive(Debug, Default)]
struct Memory {
    /// Of the content that `now` and `good` were made of, so that an unchanged file is not parsed again.
    fingerprint: Option<u64>,
    good: Vec<Loaded>,
    now: Vec<Problem>,
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

    /// Keeps what is good in `directory`, one of Portreeve's own, and takes up what an earlier process kept there.
    #[must_use]
    pub fn keeping(mut self, directory: PathBuf) -> Self {
        let keep = Keep::new(directory);
        for (path, (content, trust)) in keep.copies() {
            // One of another configuration is left where it is: this start may be a slip.
            if !self.roots.iter().any(|root| path.starts_with(root)) {
                continue;
            }
            let Parsed { mut objects, mut problems } = parse(&path.display().to_string(), content.as_bytes());
            let stranger = (trust == Trust::Restricted).then(String::new);
            problems.extend(Writers { stranger, secrets: &self.secrets }.judge(&mut objects));
            // What was good for an earlier version may not be for this one.
            if problems.is_empty() {
                self.files.insert(path, Memory { good: objects, ..Memory::default() });
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
        let mut problems = Vec::new();
        let mut order = Vec::new();
        for (place, root) in self.roots.iter().enumerate() {
            let listing = scan::scan(root);
            self.states.begin(place, root, listing.revision.clone());
            let Listing { files, unread: gone, unknown, .. } = listing;
            let remembered: Vec<PathBuf> =
                self.files.keys().filter(|path| path.starts_with(root)).cloned().collect();
            let mut unread = Vec::new();
            let gone = gone.into_iter().map(|gone| (gone, true));
            for ((path, error), is_directory) in gone.chain(unknown.into_iter().map(|path| (path, false))) {
                let known = remembered.iter().any(|known| known.starts_with(&path));
                if known || is_directory {
                    problems.push(scan::unreadable(&path, &error, known));
                    unread.push(path);
                }
            }
            // What lies below something that cannot be listed is as it was; all else that is not listed is gone.
            let kept = |path: &Path| unread.iter().any(|above| path.starts_with(above));
            let mut here: BTreeMap<PathBuf, Option<Found>> = BTreeMap::new();
            for path in remembered {
                if kept(&path) {
                    here.insert(path, None);
                } else if !files.contains_key(&path) {
                    self.files.remove(&path);
                    if let Some(keep) = &self.keep {
                        keep.forget(&path);
                    }
                }
            }
            here.extend(files.into_iter().map(|(path, found)| (path, Some(found))));
            order.extend(here.into_iter().map(|(path, found)| (place, path, found)));
        }
        let mut ownership = Ownership::new();
        let mut in_force: BTreeMap<ObjectKey, String> = BTreeMap::new();
        let mut set = LoadedSet::default();
        let mut seen = std::collections::BTreeSet::new();
        for (place, path, found) in order {
            // One directory inside another is read once.
            if !seen.insert(path.clone()) {
                continue;
            }
            let memory = self.files.entry(path.clone()).or_default();
            let listed = found.is_some();
            if let Some(found) = found {
                let strangers = self.strangers.as_ref().is_some_and(|strangers| is_below(&path, strangers));
                let stranger = match strangers {
                    true => Some("others write to the repository".to_owned()),
                    false => ownership.stranger(&path),
                };
                memory.update(
                    &path,
                    found,
                    &Writers { stranger, secrets: &self.secrets },
                    self.keep.as_ref(),
                );
            }
            problems.extend(memory.now.iter().cloned());
            let held = !listed || !memory.now.is_empty();
            self.states.file(place, &path, memory.fingerprint, held);
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
                            format!("{key} is declared in {} already, which stays in force", first.get());
                        problems.push(loaded.place.problem(&message));
                    }
                }
            }
        }
        set.problems = problems;
        self.states.end();
        if *self.set != set {
            self.set = Arc::new(set);
        }
        Arc::clone(&self.set)
    }
}

impl Memory {
    fn update(&mut self, path: &Path, found: Found, writers: &Writers<'_>, keep: Option<&Keep>) {
        let name = path.display().to_string();
        let content = match found {
            Ok(content) => content,
            Err(why) => {
                self.fingerprint = None;
                self.now = vec![Problem::whole(&name, &why)];
                return;
            }
        };
        let mut hasher = DefaultHasher::new();
        (&content, &writers.stranger).hash(&mut hasher);
        let fingerprint = Some(hasher.finish());
        if self.fingerprint == fingerprint {
            return;
        }
        self.fingerprint = fingerprint;
        let Parsed { mut objects, mut problems } = parse(&name, &content);
        problems.extend(twice(&objects));
        problems.extend(writers.judge(&mut objects));
        if problems.is_empty() {
            self.good = objects;
            if let Some(keep) = keep {
                keep.save(path, &content, writers.trust());
            }
        }
        self.now = problems;
    }
}

/// Who can have written a file.
struct Writers<'a> {
    /// Who beside root and our own user, for people.
    stranger: Option<String>,
    secrets: &'a SecretPolicy,
}

impl Writers<'_> {
    fn trust(&self) -> Trust {
        if self.stranger.is_none() { Trust::Trusted } else { Trust::Restricted }
    }

    /// Trusts the objects that nobody else can have written; what others may not name is a problem.
    fn judge(&self, objects: &mut [Loaded]) -> Vec<Problem> {
        let Some(stranger) = &self.stranger else {
            for loaded in objects {
                loaded.object.trust = Trust::Trusted;
            }
            return Vec::new();
        };
        let named = objects.iter().flat_map(|loaded| &loaded.named);
        let refused = named.filter_map(|(named, place)| {
            let why = self.secrets.refuses(&named.source)?;
            Some(place.problem(&format!("{}: {why} ({stranger})", named.path)))
        });
        refused.collect()
    }
}

/// Whether a file is in `directory` in the end, wherever its path and links lead on the way.
fn is_below(path: &Path, directory: &Path) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    path.starts_with(directory) || real(path).starts_with(real(directory))
}

/// Objects that a file declares more than once.
fn twice(objects: &[Loaded]) -> Vec<Problem> {
    let mut first: BTreeMap<ObjectKey, usize> = BTreeMap::new();
    let mut problems = Vec::new();
    for loaded in objects {
        match first.entry(loaded.object.key()) {
            Entry::Vacant(vacant) => drop(vacant.insert(loaded.place.line)),
            Entry::Occupied(line) => {
                let message = format!("{} is declared in line {} already", loaded.object.key(), line.get());
                problems.push(loaded.place.problem(&message));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests;
