//! Git repositories: a bare one, as a server has it, and the work tree of somebody who pushes to it.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

pub struct Repository {
    home: TempDir,
}

impl Repository {
    /// An empty repository with a work tree on the branch `main`.
    pub fn new() -> Self {
        let home = TempDir::with_prefix("portreeve-git-").expect("a directory");
        let repository = Self { home };
        git(repository.home.path(), &["init", "--quiet", "--bare", "ops.git"]);
        git(&repository.bare(), &["symbolic-ref", "HEAD", "refs/heads/main"]);
        repository.clone_to(&repository.work());
        git(&repository.work(), &["symbolic-ref", "HEAD", "refs/heads/main"]);
        repository
    }

    /// The bare repository.
    pub fn bare(&self) -> PathBuf {
        self.home.path().join("ops.git")
    }

    /// The work tree.
    pub fn work(&self) -> PathBuf {
        self.home.path().join("work")
    }

    /// Another work tree of it.
    pub fn clone_to(&self, place: &Path) {
        let (bare, place) = (self.bare().display().to_string(), place.display().to_string());
        git(self.home.path(), &["clone", "--quiet", &bare, &place]);
    }

    pub fn write(&self, file: &str, text: &str) {
        let path = self.work().join(file);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, text).expect("a file");
    }

    pub fn remove(&self, file: &str) {
        std::fs::remove_file(self.work().join(file)).expect("a file");
    }

    pub fn rename(&self, from: &str, to: &str) {
        let to = self.work().join(to);
        std::fs::create_dir_all(to.parent().expect("a parent")).expect("a directory");
        std::fs::rename(self.work().join(from), to).expect("a file");
    }

    /// Commits the work tree as it is, pushes, and gives the commit.
    pub fn push(&self) -> String {
        let work = self.work();
        git(&work, &["add", "--all"]);
        git(&work, &["commit", "--quiet", "--allow-empty", "--message", "a change"]);
        git(&work, &["push", "--quiet", "origin", "main"]);
        self.head()
    }

    /// Makes the last commit another one, and pushes that over it.
    pub fn rewrite(&self) -> String {
        let work = self.work();
        git(&work, &["add", "--all"]);
        git(&work, &["commit", "--quiet", "--amend", "--allow-empty", "--message", "another past"]);
        git(&work, &["push", "--quiet", "--force", "origin", "main"]);
        self.head()
    }

    /// The commit of the work tree.
    pub fn head(&self) -> String {
        git(&self.work(), &["rev-parse", "HEAD"])
    }
}

/// Runs `git` in `directory` with nobody's configuration, and gives what it printed.
pub fn git(directory: &Path, args: &[&str]) -> String {
    let mut command = Command::new("git");
    command.current_dir(directory).args(args);
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "ada").env(format!("GIT_{who}_EMAIL"), "ada@example.org");
    }
    let output = command.output().unwrap_or_else(|error| {
        panic!("git cannot be run ({error}); install it, as `make test` does (Debian: apt-get install git)")
    });
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}
