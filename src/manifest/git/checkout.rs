//! What was pulled, on disk: one bare repository, a work tree for each commit that was ever in force lately, and a link to
//! the one that is now. The link is swapped at once, so nobody ever sees half of a commit, and it alone says what is
//! in force.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

use super::command::{Git, GitError, Limit, Login};
use super::progress::Progress;
use super::{left_over, safe};

/// Where the commit that was asked for is kept from being forgotten.
const FETCHED: &str = "refs/portreeve/fetched";
/// The link.
const CURRENT: &str = "current";

/// How objects are named, the usual one first.
const OBJECT_FORMATS: [&str; 2] = ["sha1", "sha256"];

/// What is to be fetched, and how.
pub(super) struct Wanted<'a> {
    pub address: &'a str,
    pub reference: &'a str,
    pub login: Option<&'a Login>,
    /// What the server's name stands for.
    pub pinned: Option<&'a str>,
    /// How long it may take.
    pub limit: Limit,
    /// What tells how far it is.
    pub progress: &'a Progress,
}

/// What a reference may name, in the order in which that is looked for: a branch before a tag.
fn meanings(reference: &str) -> Vec<String> {
    let is_commit =
        matches!(reference.len(), 40 | 64) && reference.bytes().all(|byte| byte.is_ascii_hexdigit());
    if reference == "HEAD" || reference.starts_with("refs/") || is_commit {
        return vec![reference.to_owned()];
    }
    vec![format!("refs/heads/{reference}"), format!("refs/tags/{reference}"), reference.to_owned()]
}

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

    /// Makes the repository if there is none, and takes away what a process that was killed left in it. A `local` source is
    /// read whoever owns it: that is who was named on our command line.
    pub(super) async fn prepare(&mut self, local: Option<&Path>) -> Result<(), CheckoutError> {
        // What is in a repository may not be for every user of the machine.
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.home).map_err(at(&self.home))?;
        if !self.repository().join("HEAD").is_file() {
            self.begin(OBJECT_FORMATS[0]).await?;
        }
        left_over::remove(&self.repository());
        if let Some(entries) = local.and_then(safe::entries) {
            let file = self.home.join("safe");
            fs::write(&file, entries).map_err(at(&file))?;
            self.git = self.git.configured_by(&file);
        }
        Ok(())
    }

    fn repository(&self) -> PathBuf {
        self.home.join("repository")
    }

    /// Makes an empty repository in place of whatever is there.
    async fn begin(&self, format: &str) -> Result<(), CheckoutError> {
        remove(&self.repository())?;
        let format = format!("--object-format={format}");
        self.git.run(["init", "--quiet", "--bare", "--template=", &format], None).await?;
        Ok(())
    }

    /// Fetches what is wanted and gives its commit.
    pub(super) async fn fetch(&self, wanted: &Wanted<'_>) -> Result<String, CheckoutError> {
        let mut fetched = self.fetch_named(wanted).await;
        if matches!(&fetched, Err(GitError::Failed { said, .. }) if said.contains("mismatched algorithms")) {
            // A repository has objects of one kind only, and the other side's is another.
            let ours = self.git.run(["rev-parse", "--show-object-format"], None).await?;
            let other = OBJECT_FORMATS.iter().find(|format| **format != ours).unwrap_or(&OBJECT_FORMATS[0]);
            self.begin(other).await?;
            fetched = self.fetch_named(wanted).await;
        }
        fetched?;
        Ok(self.git.run(["rev-parse", "--verify", "--quiet", &format!("{FETCHED}^{{commit}}")], None).await?)
    }

    /// Fetches the first that there is of what the reference may name. Left to itself Git takes a tag before a branch, and
    /// who may push tags is often not who decides what is in force.
    async fn fetch_named(&self, wanted: &Wanted<'_>) -> Result<(), GitError> {
        let git = wanted.pinned.map_or_else(|| self.git.clone(), |pinned| self.git.pinned(pinned));
        let mut last = None;
        for name in meanings(wanted.reference) {
            let refspec = format!("+{name}:{FETCHED}");
            let fetch = [
                "fetch",
                "--progress",
                "--no-tags",
                "--force",
                "--no-recurse-submodules",
                "--update-shallow",
                "--",
            ];
            let fetch = fetch.into_iter().chain([wanted.address, refspec.as_str()]);
            match git.run_within(fetch, wanted.login, wanted.limit, wanted.progress).await {
                Ok(_) => return Ok(()),
                Err(GitError::Failed { said, code, what }) if said.contains("couldn't find remote ref") => {
                    last = Some(GitError::Failed { said, code, what });
                }
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(|| GitError::Failed {
            what: "fetch".to_owned(),
            code: None,
            said: "there is nothing to fetch".to_owned(),
        }))
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

    /// Puts `wanted` in force. Whatever fails, what was in force before still is. Writing the files out may take as long as
    /// `limit`.
    pub(super) async fn switch(
        &self,
        wanted: &Applied,
        limit: Limit,
        progress: &Progress,
    ) -> Result<(), CheckoutError> {
        let Applied { commit, source } = wanted;
        let (trees, before) = (self.trees(), fs::read_link(self.link()).ok());
        fs::create_dir_all(&trees).map_err(at(&trees))?;
        let name = format!("{commit}-{source}");
        let tree = trees.join(&name);
        remove(&tree)?;
        self.git.run(["worktree", "prune"], None).await?;
        let add = ["worktree", "add", "--force", "--force", "--detach"].map(std::ffi::OsStr::new);
        let add = add.into_iter().chain([tree.as_os_str(), commit.as_ref()]);
        self.git.run_within(add, None, limit, progress).await?;
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
                tracing::warn!(target: "portreeve::manifests", "an old checkout of the repository cannot be removed: {error}");
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
