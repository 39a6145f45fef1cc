//! YAML text ↔ objects, with positions. The only user of `serde_yaml`.
//!
//! A file is cut into its documents; each is read twice from the same text: once as plain values, bounded in size and
//! depth and free of duplicate keys, and once as the types of its `kind`. Whatever is wrong is found by its path and
//! located in the text again, so that every [`Problem`] names file, line and column and shows the line.

pub mod directory;
mod document;
mod draft;
mod excerpt;
mod fault;
mod file;
mod foreign;
pub mod git;
mod locate;
mod problem;
mod slip;
mod split;
mod strict;
mod value;
pub mod watch;
pub mod worktree;
mod write;

pub use draft::{Draft, Faulty, FieldFault, draft, json};
pub use file::{LARGEST_FILE, Parsed, parse};
pub use foreign::Foreign;
pub use problem::{Place, Problem, Weight};
pub use write::{WriteError, write, yaml};

use crate::resource::check::Reference;
pub use crate::resource::nearest;
use crate::resource::secret::policy::Named;
use crate::resource::{Object, ObjectKey};

/// An object and where it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The object; its origin names the file.
    pub object: Object,
    /// Where its name stands.
    pub place: Place,
    /// The other objects it names, and where.
    pub references: Vec<(Reference, Place)>,
    /// What is odd about it.
    pub warnings: Vec<Problem>,
    /// The variables and files it names, and where.
    pub named: Vec<(Named, Place)>,
    /// Why it is in force although its file does not say so now, if that is so.
    pub held: Option<Held>,
}

/// Why what was declared last stays in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Held {
    /// Its file cannot be read, or has an error.
    Unreadable,
    /// Its directory declares nothing any more, and nobody has confirmed that this is meant.
    Unconfirmed,
}

/// An object that a file declares and that is not in force, because the file has an error.
#[derive(Clone, Debug, PartialEq)]
pub struct Partial {
    /// The object.
    pub key: ObjectKey,
    /// The other objects it names, and where, as far as they can be read.
    pub references: Vec<(Reference, Place)>,
}

/// What the configuration directories say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoadedSet {
    /// Every object, in the order of files and documents; no two with one kind and name.
    pub objects: Vec<Loaded>,
    /// The objects of files that have an error.
    pub partial: Vec<Partial>,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// What is odd beside that.
    pub warnings: Vec<Problem>,
    /// The files that are not Portreeve's, which are passed over.
    pub others: Vec<String>,
}
