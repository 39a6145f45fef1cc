//! One directory tree → the manifest files in it and what they hold.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::super::worktree::{Revision, WorkTree};
use super::super::{LARGEST_FILE, Problem};
use super::ignored::{self, Rules};

/// A file's content, or why it cannot be had.
pub(super) type Found = Result<Vec<u8>, String>;

/// How many files are read below one root.
const MOST_FILES: usize = 10_000;
/// How many bytes are read below one root.
const MOST_BYTES: usize = 64 << 20;
/// How deep directories are followed.
const DEEPEST: usize = 16;

/// How often a root is read again that was replaced while it was read.
const MOST_TRIES: usize = 5;
/// The link by which a mounted volume swaps all of its files at once.
const VOLUME: &str = "..data";

/// What is found below a root.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) files: BTreeMap<PathBuf, Found>,
    /// Directories that cannot be listed: nothing is known of what lies below them.
    pub(super) unread: Vec<(PathBuf, io::Error)>,
    /// Names that may be directories' or not; they matter if files were known below them.
    pub(super) unknown: Vec<(PathBuf, io::Error)>,
    /// The directories that were listed, and whether each has a file of what is to be passed over.
    pub(super) directories: BTreeMap<PathBuf, bool>,
    /// What such files have passed over, with all that lies below.
    pub(super) ignored: Vec<PathBuf>,
    /// What is wrong with them.
    pub(super) problems: Vec<Problem>,
    /// The commit that all this is of.
    pub(super) revision: Option<Revision>,
    ground: Ground,
}

/// What must stay as it is while a root is read, or half of what is found is of one version and half of another.
#[derive(Debug, Default, PartialEq)]
struct Ground {
    root: Option<PathBuf>,
    head: Option<Revision>,
    volumes: BTreeMap<PathBuf, Option<PathBuf>>,
}

impl Listing {
    /// Whether it is of one version from the first file to the last.
    fn is_whole(&self, root: &Path) -> bool {
        let volumes = self.ground.volumes.keys().map(|path| (path.clone(), fs::read_link(path).ok()));
        let now = Ground { root: fs::canonicalize(root).ok(), head: head(root), volumes: volumes.collect() };
        now == self.ground
    }
}

fn head(root: &Path) -> Option<Revision> {
    WorkTree::around(root)?.head()
}

/// Every `*.yaml`, `*.yml` and `*.json` below `root`, or `root` itself if it is a file.
///
/// Names that start with `.` are skipped: the `..data` of a mounted volume holds the same files once more. So is what a
/// `.portreeveignore` names.
/// What is replaced while it is read, by a link that is swapped or another commit, is read again.
pub(super) fn scan(root: &Path) -> Listing {
    let mut listing = once(root);
    for _ in 1..MOST_TRIES {
        if listing.is_whole(root) {
            break;
        }
        listing = once(root);
    }
    listing
}

fn once(root: &Path) -> Listing {
    let ground = Ground { root: fs::canonicalize(root).ok(), head: head(root), volumes: BTreeMap::new() };
    let listing = Listing { ground, ..Listing::default() };
    let mut scan = Scan { listing, visited: BTreeSet::new(), rules: Vec::new(), bytes: 0 };
    match fs::metadata(root) {
        Ok(kind) if kind.is_dir() => scan.directory(root, 0),
        Ok(_) => scan.file(root.to_owned()),
        Err(error) => scan.unread(root, error),
    }
    let mut listing = scan.listing;
    let files = listing.files.iter();
    let read = files.filter_map(|(path, found)| Some((path.as_path(), found.as_ref().ok()?.as_slice())));
    listing.revision = WorkTree::around(root).and_then(|tree| tree.revision_of(read));
    listing
}

struct Scan {
    listing: Listing,
    /// Canonical paths of directories, against links in a circle.
    visited: BTreeSet<PathBuf>,
    /// What is to be passed over, by the directories from the root down to here.
    rules: Vec<Rules>,
    bytes: usize,
}

impl Scan {
    fn unread(&mut self, path: &Path, error: io::Error) {
        self.listing.unread.push((path.to_owned(), error));
    }

    fn directory(&mut self, path: &Path, depth: usize) {
        let volume = path.join(VOLUME);
        if let Ok(target) = fs::read_link(&volume) {
            self.listing.ground.volumes.insert(volume, Some(target));
        }
        let entries = fs::canonicalize(path).and_then(|canonical| {
            if depth > DEEPEST || !self.visited.insert(canonical) {
                Ok(None)
            } else {
                fs::read_dir(path).map(Some)
            }
        });
        let entries = match entries {
            Ok(None) => return,
            Ok(Some(entries)) => entries.collect::<io::Result<Vec<_>>>(),
            Err(error) => return self.unread(path, error),
        };
        let mut paths: Vec<PathBuf> = match entries {
            Ok(entries) => entries.into_iter().map(|entry| entry.path()).collect(),
            Err(error) => return self.unread(path, error),
        };
        paths.sort();
        let rules = match ignored::rules(path) {
            Ok(rules) => rules,
            Err(error) => return self.unread(path, error),
        };
        self.listing.directories.insert(path.to_owned(), rules.is_some());
        let above = self.rules.len();
        if let Some((rules, problems)) = rules {
            self.rules.push(rules);
            self.listing.problems.extend(problems);
        }
        self.entries(paths, depth);
        self.rules.truncate(above);
    }

    fn entries(&mut self, paths: Vec<PathBuf>, depth: usize) {
        for path in paths {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if name.starts_with('.') {
                continue;
            }
            let manifest = ["yaml", "yml", "json"]
                .iter()
                .any(|end| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(end)));
            let found = fs::metadata(&path);
            if ignored::is_ignored(&self.rules, &path, found.as_ref().is_ok_and(fs::Metadata::is_dir)) {
                self.listing.ignored.push(path);
                continue;
            }
            match found {
                Ok(kind) if kind.is_dir() => self.directory(&path, depth + 1),
                // Also a link to nothing: an editor or a volume may be about to put the file there.
                _ if manifest => self.file(path),
                Ok(_) => {}
                Err(error) => self.listing.unknown.push((path, error)),
            }
        }
    }

    fn file(&mut self, path: PathBuf) {
        let over = self.listing.files.len() >= MOST_FILES || self.bytes > MOST_BYTES;
        let found = if over {
            Err(format!(
                "is not read: there are more than {MOST_FILES} files or {MOST_BYTES} bytes before it"
            ))
        } else {
            read(&path).map_err(|error| format!("cannot be read: {error}"))
        };
        self.bytes += found.as_ref().map_or(0, Vec::len);
        self.listing.files.insert(path, found);
    }
}

/// What is said of a directory that cannot be listed, `known` if files were known below it, and `pulled` if a repository
/// was and it is not there.
pub(super) fn unreadable(path: &Path, error: &io::Error, known: bool, pulled: bool) -> Problem {
    let what = match error.kind() {
        io::ErrorKind::NotFound => "there is no such file or directory".to_owned(),
        _ => format!("cannot be read: {error}"),
    };
    let confirm = if pulled && error.kind() == io::ErrorKind::NotFound {
        " until that is confirmed: start with --allow-empty"
    } else {
        ""
    };
    let message =
        if known { format!("{what}; its last valid version stays in force{confirm}") } else { what };
    Problem::whole(&path.display().to_string(), &message)
}

/// The content, at most one byte more than is ever parsed.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    // Opening a pipe would wait for someone to write to it.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "is not a regular file"));
    }
    let mut content = Vec::new();
    let most = u64::try_from(LARGEST_FILE).unwrap_or(u64::MAX).saturating_add(1);
    fs::File::open(path)?.take(most).read_to_end(&mut content)?;
    Ok(content)
}
