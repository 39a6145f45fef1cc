//! Directories that declared something and declare nothing any more: deleted on purpose, or a volume that is not mounted?
//! Nobody can tell them apart, so that nothing is taken out of force until somebody says which it is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::super::Problem;
use super::ignored::NAME;
use crate::resource::count;

/// What is known of a root, before and now.
pub(super) struct Look<'a> {
    pub(super) root: &'a Path,
    /// The files that declared something and do not any more.
    pub(super) lost: &'a [PathBuf],
    /// The files that declare something, or may.
    pub(super) speaking: &'a BTreeSet<PathBuf>,
    /// The directories that were listed, and whether each has a `.portreeveignore`.
    pub(super) directories: &'a BTreeMap<PathBuf, bool>,
    /// What is passed over on purpose, with all that lies below.
    pub(super) ignored: &'a [PathBuf],
}

/// For each lost file whose loss nobody has confirmed the topmost directory that is empty of declarations.
///
/// A directory that is gone itself was removed by somebody, unless it is all there was in the one above.
pub(super) fn unconfirmed(look: &Look<'_>) -> BTreeMap<PathBuf, PathBuf> {
    let speaks = |directory: &Path| look.speaking.iter().any(|file| file.starts_with(directory));
    let mut silent: BTreeMap<&Path, bool> = BTreeMap::new();
    let mut found = BTreeMap::new();
    for file in look.lost {
        if look.ignored.iter().any(|above| file.starts_with(above)) {
            continue;
        }
        let mut above: Vec<&Path> = file.ancestors().filter(|above| above.starts_with(look.root)).collect();
        above.reverse();
        let empty = above.into_iter().find(|directory| {
            let is_there = look.directories.contains_key(*directory) || *directory == look.root;
            is_there && *silent.entry(directory).or_insert_with(|| !speaks(directory))
        });
        if let Some(empty) = empty.filter(|empty| look.directories.get(*empty) != Some(&true)) {
            found.insert(file.clone(), empty.to_owned());
        }
    }
    found
}

/// What is said of such a directory, `held` of whose objects stay in force.
pub(super) fn problem(directory: &Path, held: usize) -> Problem {
    let there = if directory.is_dir() { format!(", or put a file {NAME} there") } else { String::new() };
    let message = format!(
        "declares nothing any more; still in force: {}; to delete them start with --allow-empty{there}",
        count(held, "object")
    );
    Problem::whole_warning(&directory.display().to_string(), &message)
}

/// The directory of a file, for people.
pub(super) fn above(file: &Path) -> PathBuf {
    file.parent().unwrap_or(file).to_owned()
}

/// What is said of a directory that an earlier start was given and this one is not.
pub(super) fn unnamed(directory: &Path, held: usize) -> Problem {
    let message = format!(
        "was given to an earlier start (--config-dir, --git-url) and not to this one; still in force: {}; give it again, declare \
         them elsewhere, or start with --allow-empty to delete them",
        count(held, "object")
    );
    Problem::whole_warning(&directory.display().to_string(), &message)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `found` for what was lost, what still speaks and which directories there are; a `!` marks those that confirm.
    fn of(lost: &[&str], speaking: &[&str], directories: &[&str], ignored: &[&str]) -> Vec<(String, String)> {
        let paths = |paths: &[&str]| paths.iter().map(PathBuf::from).collect::<Vec<_>>();
        let directory = |name: &&str| (PathBuf::from(name.trim_end_matches('!')), name.ends_with('!'));
        let look = Look {
            root: Path::new("/c"),
            lost: &paths(lost),
            speaking: &paths(speaking).into_iter().collect(),
            directories: &directories.iter().map(directory).collect(),
            ignored: &paths(ignored),
        };
        let text = |path: PathBuf| path.display().to_string();
        unconfirmed(&look).into_iter().map(|(file, directory)| (text(file), text(directory))).collect()
    }

    #[test]
    fn what_is_lost_with_all_of_its_directory_waits_for_a_word() {
        let held = |file: &str, directory: &str| vec![(file.to_owned(), directory.to_owned())];
        // The root, a file that is a root, and a directory further down.
        assert_eq!(of(&["/c/a"], &[], &["/c"], &[]), held("/c/a", "/c"));
        assert_eq!(of(&["/c"], &[], &[], &[]), held("/c", "/c"));
        assert_eq!(of(&["/c/s/a"], &["/c/b"], &["/c", "/c/s"], &[]), held("/c/s/a", "/c/s"));
        assert_eq!(of(&["/c/s/a"], &[], &["/c", "/c/s"], &[]), held("/c/s/a", "/c"));
        assert_eq!(of(&["/c/s/t/a"], &["/c/b"], &["/c", "/c/s"], &[]), held("/c/s/t/a", "/c/s"));
        // One file of several, a directory that is gone, and what somebody confirmed.
        assert_eq!(of(&["/c/a"], &["/c/b"], &["/c"], &[]), []);
        assert_eq!(of(&["/c/s/a"], &["/c/b"], &["/c"], &[]), []);
        assert_eq!(of(&["/c/a"], &[], &["/c!"], &[]), []);
        assert_eq!(of(&["/c/s/a"], &["/c/b"], &["/c", "/c/s!"], &[]), []);
        assert_eq!(of(&["/c/s/a"], &["/c/b"], &["/c!", "/c/s"], &[]), held("/c/s/a", "/c/s"));
        assert_eq!(of(&["/c/s/a"], &["/c/b"], &["/c!", "/c/s"], &["/c/s"]), []);
    }
}
