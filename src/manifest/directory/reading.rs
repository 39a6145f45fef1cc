//! One file of a directory: what it says now, and what is kept of what it said before.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use super::super::{Loaded, Parsed, Partial, Problem, parse};
use super::keep::Keep;
use super::scan::Found;
use crate::resource::ObjectKey;
use crate::resource::secret::policy::{SecretPolicy, Trust};

/// What is kept of one file.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Of the content that all this was made of, so that an unchanged file is not parsed again.
    content: Option<u64>,
    /// Of the content and who can have written it.
    pub(super) fingerprint: Option<u64>,
    pub(super) good: Vec<Loaded>,
    /// What is wrong with it.
    pub(super) now: Vec<Problem>,
    /// What it declares all the same.
    pub(super) partial: Vec<Partial>,
    /// What is odd about it.
    pub(super) odd: Vec<Problem>,
    /// Whether it is another tool's.
    pub(super) foreign: bool,
}

impl Memory {
    /// What a file said that was good.
    pub(super) fn of(good: Vec<Loaded>) -> Self {
        Self { good, ..Self::default() }
    }

    /// Remembers what a file says now.
    pub(super) fn take(&mut self, reading: Reading, path: &Path, writers: &Writers<'_>, keep: Option<&Keep>) {
        let (content, parsed) = match reading {
            Reading::Unreadable(problem) => {
                (self.content, self.fingerprint, self.now) = (None, None, vec![problem]);
                self.partial.clear();
                return;
            }
            Reading::Content(content, parsed) => (content, parsed),
        };
        let hash = hash(&content);
        let mut hasher = DefaultHasher::new();
        (hash, &writers.stranger).hash(&mut hasher);
        let fingerprint = Some(hasher.finish());
        if self.fingerprint == fingerprint {
            return;
        }
        // The same content, and others can write it now.
        let parsed = parsed.unwrap_or_else(|| parse(&path.display().to_string(), &content));
        (self.content, self.fingerprint, self.foreign) = (Some(hash), fingerprint, parsed.is_foreign());
        let Parsed { mut objects, mut problems, partial, foreign } = parsed;
        self.partial = partial;
        problems.extend(twice(&objects));
        problems.extend(writers.judge(&mut objects));
        // Beside documents of ours another tool's is most likely not meant.
        let odd = foreign.into_iter().filter(|_| !self.foreign);
        self.odd = odd.map(|foreign| foreign.problem.softened()).collect();
        if problems.is_empty() {
            self.good = objects;
            match keep {
                Some(keep) if self.good.is_empty() => keep.forget(path),
                Some(keep) => keep.save(path, &content, writers.trust()),
                None => {}
            }
        } else {
            let good = |Loaded { object, references, .. }: Loaded| Partial { key: object.key(), references };
            self.partial.extend(objects.into_iter().map(good));
        }
        self.now = problems;
    }
}

/// What a file says now.
pub(super) enum Reading {
    /// Nobody knows.
    Unreadable(Problem),
    /// Its content, and what that means if it is another content than before.
    Content(Vec<u8>, Option<Parsed>),
}

impl Reading {
    /// What was found at `path`, which somebody named itself if `insist`.
    pub(super) fn of(path: &Path, found: Found, insist: bool, known: Option<&Memory>) -> Self {
        let name = path.display().to_string();
        let content = match found {
            Ok(content) => content,
            Err(why) => return Self::Unreadable(Problem::whole(&name, &why)),
        };
        if known.is_some_and(|known| known.content == Some(hash(&content))) {
            return Self::Content(content, None);
        }
        let mut parsed = parse(&name, &content);
        let was_ours = known.is_some_and(|known| !known.good.is_empty());
        // What declared something and cannot be read now is no other tool's.
        if insist || was_ours && parsed.foreign.iter().any(|foreign| !foreign.legible) {
            parsed.insist();
        }
        Self::Content(content, Some(parsed))
    }

    /// Whether it declares something, or may: what has an error does.
    pub(super) fn speaks(&self, known: Option<&Memory>) -> bool {
        match self {
            Self::Unreadable(_) => true,
            Self::Content(_, Some(parsed)) => !(parsed.objects.is_empty() && parsed.problems.is_empty()),
            Self::Content(_, None) => {
                known.is_some_and(|known| !(known.good.is_empty() && known.now.is_empty()))
            }
        }
    }
}

fn hash(content: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    hasher.finish()
}

/// Who can have written a file.
pub(super) struct Writers<'a> {
    /// Who beside root and our own user, for people.
    pub(super) stranger: Option<String>,
    pub(super) secrets: &'a SecretPolicy,
}

impl Writers<'_> {
    fn trust(&self) -> Trust {
        if self.stranger.is_none() { Trust::Trusted } else { Trust::Restricted }
    }

    /// Trusts the objects that nobody else can have written; what others may not name is a problem.
    pub(super) fn judge(&self, objects: &mut [Loaded]) -> Vec<Problem> {
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

/// Objects that a file declares more than once.
fn twice(objects: &[Loaded]) -> Vec<Problem> {
    let mut first: BTreeMap<ObjectKey, usize> = BTreeMap::new();
    let mut problems = Vec::new();
    for loaded in objects {
        match first.entry(loaded.object.key()) {
            Entry::Vacant(vacant) => drop(vacant.insert(loaded.place.line)),
            Entry::Occupied(line) => {
                let message = format!("{} is already declared in line {}", loaded.object.key(), line.get());
                problems.push(loaded.place.problem(&message));
            }
        }
    }
    problems
}
