//! Which commit a directory shows, where it lies in a Git work tree: read from `.git` itself, so that nobody needs the
//! program for it, and no process is started at every rescan.
//!
//! Caveats: a repository that keeps its references as a reftable tells nothing.

mod index;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Component, Path, PathBuf};

use index::Index;
use schemars::JsonSchema;
use serde::Serialize;

/// How many references are followed from one to the next, as Git has it.
const MOST_STEPS: usize = 5;
/// The longest line that is read of any file.
const LONGEST: u64 = 4096;

/// What is checked out.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
pub struct Revision {
    /// The commit's full name.
    pub commit: String,
    /// The branch, unless the commit is checked out by itself.
    pub branch: Option<String>,
    /// Whether files differ from the commit, or are not in it.
    pub changed: bool,
}

/// The work tree around a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WorkTree {
    /// The directory itself.
    top: PathBuf,
    /// Where `HEAD` and the index of this work tree are.
    own: PathBuf,
    /// Where the references of all of the repository's work trees are.
    common: PathBuf,
}

impl WorkTree {
    /// The nearest work tree that `directory` is part of.
    pub(super) fn around(directory: &Path) -> Option<Self> {
        let directory = fs::canonicalize(directory).ok()?;
        directory.ancestors().find_map(|above| {
            let entry = above.join(".git");
            let own = match fs::metadata(&entry).ok()? {
                kind if kind.is_dir() => entry,
                // Of a linked work tree, or a submodule.
                kind if kind.is_file() => above.join(first_line(&entry)?.strip_prefix("gitdir:")?.trim()),
                _ => return None,
            };
            first_line(&own.join("HEAD"))?;
            let common = first_line(&own.join("commondir")).map_or_else(|| own.clone(), |at| own.join(at));
            Some(Self { top: above.to_owned(), own, common })
        })
    }

    /// Where something changes when another commit is checked out.
    pub(super) fn directory(&self) -> &Path {
        &self.own
    }

    /// Whether Git is about to change files here: it holds the index until it has.
    pub(super) fn is_changing(&self) -> bool {
        self.own.join("index.lock").exists()
    }

    /// What is checked out; nothing before the first commit.
    pub(super) fn head(&self) -> Option<Revision> {
        let mut said = first_line(&self.own.join("HEAD"))?;
        let mut branch = None;
        for _ in 0..MOST_STEPS {
            let Some(name) = said.strip_prefix("ref:").map(str::trim) else { break };
            if branch.is_none() {
                branch = Some(name.strip_prefix("refs/heads/").unwrap_or(name).to_owned());
            }
            said = self.reference(name)?;
        }
        let is_commit = matches!(said.len(), 40 | 64) && said.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_commit.then_some(Revision { commit: said, branch, changed: false })
    }

    /// The commit that `files` are of: none if Git knows none of them, for then they only lie in a work tree.
    pub(super) fn revision_of<'f>(
        &self,
        files: impl Iterator<Item = (&'f Path, &'f [u8])>,
    ) -> Option<Revision> {
        let revision = self.head()?;
        let Some(index) = Index::read(&self.own) else { return Some(revision) };
        let (mut known, mut changed, mut any) = (false, false, false);
        for (path, content) in files {
            any = true;
            let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
            let tracked = path
                .strip_prefix(&self.top)
                .ok()
                .and_then(|path| index.knows(path.as_os_str().as_encoded_bytes(), content));
            known |= tracked.is_some();
            changed |= tracked != Some(true);
        }
        (known || !any).then_some(Revision { changed, ..revision })
    }

    /// What a reference says, wherever it is kept.
    fn reference(&self, name: &str) -> Option<String> {
        let plain = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
        if !plain || !name.starts_with("refs/") {
            return None;
        }
        first_line(&self.own.join(name))
            .or_else(|| first_line(&self.common.join(name)))
            .or_else(|| packed(&self.common.join("packed-refs"), name))
    }
}

/// The first line of a small file. Anything else than a file, a pipe say, is as if it was not there.
fn first_line(path: &Path) -> Option<String> {
    if !fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut line = String::new();
    BufReader::new(fs::File::open(path).ok()?.take(LONGEST)).read_line(&mut line).ok()?;
    Some(line.trim_end().to_owned())
}

/// `<commit> <name>`, one a line; `#` begins a comment and `^` what the tag above leads to.
fn packed(path: &Path, name: &str) -> Option<String> {
    let lines = BufReader::new(fs::File::open(path).ok()?).lines();
    lines.map_while(Result::ok).find_map(|line| {
        let (commit, of) = line.split_once(' ')?;
        (of == name).then(|| commit.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "1111111111111111111111111111111111111111";
    const TWO: &str = "2222222222222222222222222222222222222222";

    struct Dir(tempfile::TempDir);

    impl Dir {
        fn of(files: &[(&str, &str)]) -> Self {
            let dir = Self(tempfile::tempdir().expect("a directory"));
            files.iter().for_each(|(name, text)| dir.put(name, text));
            dir
        }

        fn put(&self, name: &str, text: &str) {
            let path = self.0.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            fs::write(path, text).expect("a file");
        }

        /// `commit branch` as seen from `below`.
        fn head(&self, below: &str) -> Option<String> {
            let Revision { commit, branch, .. } = WorkTree::around(&self.0.path().join(below))?.head()?;
            Some(format!("{commit} {}", branch.as_deref().unwrap_or("-")))
        }
    }

    #[test]
    fn a_branch_is_found_loose_packed_and_from_further_down() {
        let dir = Dir::of(&[(".git/HEAD", "ref: refs/heads/main\n"), ("a/b/c.yaml", "")]);
        assert_eq!(dir.head("a/b"), None, "there is no commit yet");
        dir.put(
            ".git/packed-refs",
            &format!("# pack-refs with: peeled\n{TWO} refs/heads/x\n^{TWO}\n{ONE} refs/heads/main\n"),
        );
        assert_eq!(dir.head("a/b"), Some(format!("{ONE} main")));
        dir.put(".git/refs/heads/main", &format!("{TWO}\n"));
        assert_eq!(dir.head(""), Some(format!("{TWO} main")));
        dir.put(".git/HEAD", ONE);
        assert_eq!(dir.head("a"), Some(format!("{ONE} -")));
    }

    #[test]
    fn a_linked_work_tree_has_a_head_of_its_own_and_shares_the_branches() {
        let dir = Dir::of(&[
            ("main/.git/HEAD", "ref: refs/heads/main\n"),
            ("main/.git/refs/heads/side", TWO),
            ("main/.git/worktrees/w/HEAD", "ref: refs/heads/side\n"),
            ("main/.git/worktrees/w/commondir", "../..\n"),
            ("w/.git", "gitdir: ../main/.git/worktrees/w\n"),
        ]);
        assert_eq!(dir.head("w"), Some(format!("{TWO} side")));
        assert!(!WorkTree::around(&dir.0.path().join("w")).expect("a work tree").is_changing());
        dir.put("main/.git/worktrees/w/index.lock", "");
        assert!(WorkTree::around(&dir.0.path().join("w")).expect("a work tree").is_changing());
    }

    #[test]
    fn what_is_no_repository_is_told_as_none() {
        let dir = Dir::of(&[("a/.git/config", ""), ("b/.git", "nonsense"), ("c/.git", "gitdir: /nowhere")]);
        for below in ["a", "b", "c", "nowhere"] {
            assert_eq!(dir.head(below), None, "{below}");
        }
        for head in
            ["ref: refs/../../x", "ref: /etc/passwd", "ref: HEAD", "ref: refs/heads/.invalid", "short", ""]
        {
            dir.put("d/.git/HEAD", head);
            dir.put("d/.git/HEAD.lock", ONE);
            assert_eq!(dir.head("d"), None, "{head}");
        }
        // One that leads to itself.
        dir.put("d/.git/HEAD", "ref: refs/heads/a");
        dir.put("d/.git/refs/heads/a", "ref: refs/heads/a");
        assert_eq!(dir.head("d"), None);
    }
}
