//! Which secrets an object may name. Whoever may declare an object has its secrets sent where the object says; so what
//! strangers may write names only what was put aside for it.
//!
//! Strangers are whoever may use the API, whoever may push to a repository that is pulled, and whoever may write to a
//! configuration directory beside root and Portreeve's own user. What these declare is [`Trust::Restricted`]: variables
//! with [`PREFIX`], and files in the directories of `--secret-dir`.

use std::path::{Component, Path, PathBuf};

use super::super::path::FieldPath;

/// How the names of variables begin that everybody's objects may name.
pub const PREFIX: &str = "PORTREEVE_SECRET_";

/// Whether an object may name any variable and file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trust {
    /// Only what was put aside for everybody's objects.
    #[default]
    Restricted,
    /// Any: only root or Portreeve's own user can have written it.
    Trusted,
}

/// Something outside its document that an object names: where a secret is found, or a file of TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// An environment variable of Portreeve, by its name.
    Variable(String),
    /// A file, by its path.
    File(String),
}

/// A [`Source`], and the field that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Where it is named.
    pub path: FieldPath,
    /// What is named.
    pub source: Source,
}

/// What objects of restricted trust may name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretPolicy {
    directories: Vec<PathBuf>,
}

impl SecretPolicy {
    /// Files in these directories may be named, and in those below them.
    pub const fn new(directories: Vec<PathBuf>) -> Self {
        Self { directories }
    }

    /// The directories, in the order in which they were given.
    pub fn directories(&self) -> &[PathBuf] {
        &self.directories
    }

    /// The one of the directories that `path` is written to be in.
    pub fn directory_of(&self, path: &Path) -> Option<&Path> {
        self.directories.iter().map(PathBuf::as_path).find(|directory| path.starts_with(directory))
    }

    /// Why an object of restricted trust may not name `source`, and what would be right.
    pub fn refuses(&self, source: &Source) -> Option<String> {
        match source {
            Source::Variable(name) => (!name.starts_with(PREFIX)).then(|| {
                format!(
                    "only variables that begin with {PREFIX} may be named here; others only in a directory that only \
                    root or Portreeve's user can write"
                )
            }),
            Source::File(path) => {
                let path = Path::new(path);
                (!is_plain(path) || self.directory_of(path).is_none()).then(|| {
                    let directories: Vec<String> =
                        self.directories.iter().map(|directory| directory.display().to_string()).collect();
                    format!(
                        "only files in {} may be named here (--secret-dir); others only in a directory that only root \
                        or Portreeve's user can write",
                        directories.join(" and ")
                    )
                })
            }
        }
    }

    /// What of `named` an object of restricted trust may not name, with the reason.
    pub fn refused<'n>(&self, named: &'n [Named]) -> impl Iterator<Item = (&'n Named, String)> {
        named.iter().filter_map(|named| Some((named, self.refuses(&named.source)?)))
    }
}

/// Whether a path is absolute and leads nowhere else on its way.
pub fn is_plain(path: &Path) -> bool {
    let straight = |part| matches!(part, Component::RootDir | Component::Normal(_));
    path.is_absolute() && path.components().all(straight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_name_what_was_put_aside_for_them_and_nothing_else() {
        let policy = SecretPolicy::new(vec!["/run/secrets".into(), "/var/lib/portreeve/secrets".into()]);
        let variable = |name: &str| Source::Variable(name.to_owned());
        let file = |path: &str| Source::File(path.to_owned());
        for good in [
            variable("PORTREEVE_SECRET_TOKEN"),
            file("/run/secrets/db"),
            file("/run/secrets/a/b"),
            file("/var/lib/portreeve/secrets/key"),
        ] {
            assert_eq!(policy.refuses(&good), None, "{good:?}");
        }
        for bad in [
            variable("PORTREEVE_TOKEN"),
            variable("HOME"),
            variable(""),
            file("/etc/shadow"),
            file("/run/secrets/../../etc/shadow"),
            file("/run/secretsx/a"),
            file("run/secrets/a"),
            file("/var/lib/portreeve/tokens.json"),
            file(""),
        ] {
            let why = policy.refuses(&bad).expect("refused");
            let right = if matches!(bad, Source::Variable(_)) { PREFIX } else { "/run/secrets and /var/lib" };
            assert!(why.contains(right), "{why}");
        }
    }
}
