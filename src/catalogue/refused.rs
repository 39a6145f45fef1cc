//! When a write is not made, and why.

use crate::manifest::FieldFault;
use crate::resource::{KindId, Object, ObjectKey, Origin};

/// How many objects the API may write.
pub(super) const MOST: usize = 10_000;

/// What the object must be like for the write to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Match {
    /// It must exist at one of these versions; none given: it must exist.
    pub versions: Option<Vec<String>>,
    /// It must not exist.
    pub absent: bool,
}

/// Why a write was not made. All but `Store` are for whoever asked to mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no such object.
    #[error("there is no such object")]
    NotFound,
    /// There is one, and it was asked that there be none.
    #[error("it already exists")]
    Exists,
    /// The object has changed since whoever asked read it.
    #[error("{0}")]
    Stale(String),
    /// The object belongs to a file or the environment.
    #[error("{}", foreign(.0))]
    Foreign(Origin),
    /// What is built in can be replaced but not removed.
    #[error("it is built in and cannot be deleted; write an object of this name to replace it")]
    BuiltIn,
    /// The document is about another object than the URL.
    #[error("{0}")]
    Mismatch(String),
    /// The document is faulty.
    #[error("{}", .0.iter().map(|fault| fault.message.as_str()).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<FieldFault>),
    /// There are too many objects.
    #[error("{MOST} objects were written through the API, which is the limit")]
    Full,
    /// It could not be stored.
    #[error("the store cannot commit now, nothing was changed; see /health/detailed")]
    Store,
}

fn foreign(origin: &Origin) -> String {
    match origin {
        Origin::Directory(file) => format!("it is declared in {file}; change it there"),
        Origin::Environment => {
            "it is made from environment variables; change them, or declare it in a file, which wins"
                .to_owned()
        }
        Origin::BuiltIn | Origin::Label | Origin::Api => format!("it comes from: {origin}"),
    }
}

/// `Settings` is merged field by field, so that the API adds to what the environment says; a policy that variables make stands in for
/// the built-in one, and like it is replaced by one that is declared.
pub(super) fn is_foreign(key: &ObjectKey, origin: &Origin) -> bool {
    match origin {
        Origin::Directory(_) | Origin::Label => true,
        Origin::Environment => !matches!(key.kind, KindId::Settings | KindId::AutohealPolicy),
        Origin::BuiltIn | Origin::Api => false,
    }
}

impl Match {
    /// Whether `current`, and the revision at which it was last written, is as it must be. A change of status alone
    /// makes no read stale.
    pub(super) fn check(&self, current: Option<(&Object, u64)>) -> Result<(), Refused> {
        match (self, current) {
            (Self { absent: true, .. }, Some(_)) => Err(Refused::Exists),
            (Self { versions: Some(_), .. }, None) => {
                Err(Refused::Stale("a version was given, but the object no longer exists".to_owned()))
            }
            (Self { versions: Some(versions), .. }, Some((object, written))) => {
                let now = object.metadata.resource_version.as_deref().unwrap_or_default();
                let newest = now.parse().unwrap_or(written);
                let fits = |version: &String| {
                    version.parse::<u64>().is_ok_and(|version| (written..=newest).contains(&version))
                };
                if versions.is_empty() || versions.iter().any(fits) {
                    return Ok(());
                }
                Err(Refused::Stale(format!(
                    "it has changed since it was read at resourceVersion {}, and is at {now} now: read it again",
                    versions.join(", ").escape_debug(),
                )))
            }
            (Self { versions: None, .. }, _) => Ok(()),
        }
    }
}
