//! What was pulled, on disk: one bare repository, a work tree for each commit that was ever in force lately, and a link to
//! the one that is now. The link is swapped at once, so nobody ever sees half of a commit, and it alone says what is
//! in force.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

use super::command::{Git, GitError, Login};

/// Where the commit that was asked for is kept from being forgotten.
const FETCHED: &str = "refs/portreeve/fetched";
/// The link.
const CURRENT: &str = "current";

/// What is in force of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Applied {
    pub commit: String,
    /// Which repository and reference it came from.
    pub source: String,
}

/// Why what was pulled cannot be put in place.
#[derive(Debug, thiserror::Error)]
pub(super) enum CheckoutError {
    #[error(transparent)]
    Git(#[from] GitError),
    #[error("{}: {error}", path.display())]
    Disk { path: PathBuf, error: io::Error },
}

/// Puts the path into an error of the file system.
fn at(path: &Path) -> impl FnOnce(io::Error) -> CheckoutError {
    |error| CheckoutError::Disk { path: path.to_owned(), error }
}

/// A directory of ours.
#[derive(Clone, Debug)]
pub(super) struct Checkout {
    pub(super) home: PathBuf,
    git: Git,
}

impl Checkout {
    pub(super) fn new(home: PathBuf) -> Self {
        Self { git: Git::new(&home.join("repository")), home }
    }

    /// The link to what is in force.
    pub(super) fn link(&self) -> PathBuf {
        self.home.join(CURRENT)
    }

    fn trees(&self) -> PathBuf {
        self.home.join("trees")
    }

    /// What is in force, if there is anything yet.
    pub(super) fn applied(&self) -> Option<Applied> {
        let target = fs::read_link(self.link()).ok()?;
        let name = target.file_name()?.to_str()?;
        let (commit, source) = name.split_once('-')?;
        self.trees()
            .join(name)
            .is_dir()
            .then(|| Applied { commit: commit.to_owned(), source: source.to_owned() })
    }

    /// Whether the program can be run at all.
    pub(super) async fn check(&self) -> Result<(), GitError> {
        self.git.run(["version"], None).await.map(drop)
    }

    /// Makes the repository if there is none, and takes away what a process that was killed left in it.
    pub(super) async fn prepare(&self) -> Result<(), CheckoutError> {
        let repository = self.home.join("repository");
        // What is in a repository may not be for every user of the machine.
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.home).map_err(at(&self.home))?;
        if !repository.join("HEAD").is_file() {
            remove(&repository)?;
            self.git.run(["init", "--quiet", "--bare", "--template="], None).await?;
        }
        remove_locks(&repository);
        Ok(())
    }

    /// Fetches `reference` and gives its commit. `pinned` is what the server's name stands for.
    pub(super) async fn fetch(
        &self,
        address: &str,
        reference: &str,
        login: Option<&Login>,
        pinned: Option<&str>,
    ) -> Result<String, GitError> {
        let wanted = format!("+{reference}:{FETCHED}");
        let fetch =
            ["fetch", "--quiet", "--no-tags", "--force", "--no-recurse-submodules", "--", address, &wanted];
        let git = pinned.map_or_else(|| self.git.clone(), |pinned| self.git.pinned(pinned));
        git.run(fetch, login).await?;
        self.git.run(["rev-parse", "--verify", "--quiet", &format!("{FETCHED}^{{commit}}")], None).await
    }

    /// Whether `new` comes after `old`. One that the repository does not know cannot be in its history.
    pub(super) async fn follows(&self, new: &str, old: &str) -> Result<bool, GitError> {
        let known = self.git.run(["cat-file", "-e", &format!("{old}^{{commit}}")], None).await;
        if matches!(known, Err(GitError::Failed { .. })) {
            return Ok(false);
        }
        match self.git.run(["merge-base", "--is-ancestor", old, new], None).await {
            Ok(_) => Ok(true),
            Err(GitError::Failed { code: Some(1), .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Puts `wanted` in force. Whatever fails, what was in force before still is.
    pub(super) async fn switch(&self, wanted: &Applied) -> Result<(), CheckoutError> {
        let Applied { commit, source } = wanted;
        let (trees, before) = (self.trees(), fs::read_link(self.link()).ok());
        fs::create_dir_all(&trees).map_err(at(&trees))?;
        let name = format!("{commit}-{source}");
        let tree = trees.join(&name);
        remove(&tree)?;
        self.git.run(["worktree", "prune"], None).await?;
        let add = ["worktree", "add", "--force", "--force", "--detach"].map(std::ffi::OsStr::new);
        let add = add.into_iter().chain([tree.as_os_str(), commit.as_ref()]);
        self.git.run(add, None).await?;
        let next = self.home.join("current.new");
        remove(&next)?;
        let (synced, link) = (tree.clone(), self.link());
        let target = Path::new("trees").join(&name);
        let swap = move || {
            // After a loss of power the link must not lead to files that are empty: empty files declare nothing.
            sync(&synced)?;
            symlink(&target, &next).map_err(at(&next))?;
            fs::rename(&next, &link).map_err(at(&link))?;
            let home = link.parent().unwrap_or(&link);
            fs::File::open(home).and_then(|home| home.sync_all()).map_err(at(home))
        };
        match tokio::task::spawn_blocking(swap).await {
            Ok(swapped) => swapped?,
            // The runtime shuts down.
            Err(error) => return Err(at(&tree)(io::Error::other(error))),
        }
        // Somebody may be reading the one from before; it goes with the next.
        let old = before.as_deref().and_then(Path::file_name);
        self.tidy(|tree| tree == name.as_str() || Some(tree) == old);
        Ok(())
    }

    /// Removes the work trees that are not to be kept.
    fn tidy(&self, keep: impl Fn(&std::ffi::OsStr) -> bool) {
        for entry in fs::read_dir(self.trees()).into_iter().flatten().flatten() {
            if !keep(&entry.file_name())
                && let Err(error) = remove(&entry.path())
            {
                tracing::warn!(target: "portreeve::manifests", "cannot be removed: {error}");
            }
        }
    }
}

/// Removes a file, a link or a directory with all in it, if it is there.
fn remove(path: &Path) -> Result<(), CheckoutError> {
    let removed = match fs::symlink_metadata(path) {
        Ok(entry) if entry.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Git takes its locks away however it ends, but not when it is killed. Nobody else works in this repository.
fn remove_locks(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        let objects = path.file_name().is_some_and(|name| name == "objects");
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && !objects => remove_locks(&path),
            Ok(kind) if kind.is_file() && path.extension().is_some_and(|end| end == "lock") => {
                let _ = fs::remove_file(path);
            }
            Ok(_) | Err(_) => {}
        }
    }
}

/// Has everything below `directory` written to the disk.
fn sync(directory: &Path) -> Result<(), CheckoutError> {
    for entry in fs::read_dir(directory).map_err(at(directory))? {
        let entry = entry.map_err(at(directory))?;
        let path = entry.path();
        if entry.file_type().map_err(at(&path))?.is_dir() {
            sync(&path)?;
        } else {
            fs::File::open(&path).and_then(|file| file.sync_all()).map_err(at(&path))?;
        }
    }
    fs::File::open(directory).and_then(|directory| directory.sync_all()).map_err(at(directory))
}
