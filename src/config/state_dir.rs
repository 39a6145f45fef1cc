//! The state directory is private: what is kept there (the ledger, tokens, copies of manifests and of Git repositories)
//! is for the user that Portreeve runs as, and for nobody else on the machine.
//!
//! # Guarantees
//! - The directory is made 0700, and from [`claim`] on every file that this process makes, there and elsewhere, is
//!   closed to others: also those that SQLite and `git` make.
//! - A directory that others may enter, or that belongs to somebody else, is refused and left as it is: who shared it
//!   may want it so, and what lies in it may be read or laid there by others.

use std::fs::{self, DirBuilder, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::process::{geteuid, umask};

/// What group and others may do.
const OTHERS: u32 = 0o077;

/// Why a state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateDirError {
    /// It can be neither made nor looked at.
    #[error("cannot use the state directory {}: {error}; name another one with --state-dir", path.display())]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// Something else has its name.
    #[error("the state directory {} is not a directory: name another one with --state-dir", .0.display())]
    NoDirectory(PathBuf),
    /// Other users may enter it. Normal once for what a version made that did not close it.
    #[error(
        "the state directory {} is open to other users (mode {mode:04o}) and contains private data: make it private with `chmod 700 {}`, or name another one with --state-dir",
        path.display(), word(path)
    )]
    Shared {
        /// The directory.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Another user owns it.
    #[error(
        "the state directory {} belongs to uid {owner}, who could read and replace what is kept there, and this process \
         runs as uid {own}: run it as that user (`sudo -u '#{owner}' … --state-dir {}`), hand the directory over with \
         `chown -R {own} {}`, or name another one with --state-dir",
        path.display(), word(path), word(path)
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// The user that it belongs to.
        owner: u32,
        /// The user of this process.
        own: u32,
    },
}

/// Proof that a state directory is private, and this process with it.
#[derive(Clone, Copy, Debug)]
pub struct Claimed {
    /// How much in it was open to others, and is no longer.
    pub closed: usize,
}

/// Makes the directory where there is none, closes what lies open in it, and has this process make private files alone
/// from now on.
///
/// The last is for the process as a whole: it is called before threads are started.
///
/// # Errors
/// The directory cannot be used; nothing was changed then.
pub fn claim(path: &Path) -> Result<Claimed, StateDirError> {
    if !check(path)? {
        let failed = |error| StateDirError::Unusable { path: path.to_owned(), error };
        // What leads there is as this user makes directories.
        fs::create_dir_all(path.parent().unwrap_or(Path::new(""))).map_err(failed)?;
        match DirBuilder::new().mode(0o700).create(path) {
            // Somebody was faster, and it is looked at below.
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
            Ok(()) | Err(_) => {}
        }
        check(path)?;
    }
    umask(Mode::from_bits_retain(OTHERS));
    let device = fs::metadata(path).map_or(0, |entry| entry.dev());
    Ok(Claimed { closed: close_all(path, device) })
}

/// Whether the directory is there, for calls that make none.
///
/// # Errors
/// It is there and cannot be used.
pub fn check(path: &Path) -> Result<bool, StateDirError> {
    let entry = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(StateDirError::Unusable { path: path.to_owned(), error }),
        Ok(entry) => entry,
    };
    let (path, own) = (path.to_owned(), geteuid().as_raw());
    if !entry.is_dir() {
        Err(StateDirError::NoDirectory(path))
    } else if entry.uid() != own {
        Err(StateDirError::Foreign { path, owner: entry.uid(), own })
    } else if entry.mode() & OTHERS != 0 {
        Err(StateDirError::Shared { path, mode: entry.mode() & 0o7777 })
    } else {
        Ok(true)
    }
}

/// Closes a file of ours to others, if it is there and lies open; whether it did. One that cannot be closed stays as it
/// is: what cannot be changed here can be read by us all the same.
pub fn close(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|entry| close_entry(path, &entry))
}

fn close_entry(path: &Path, entry: &Metadata) -> bool {
    let open = entry.mode() & OTHERS != 0 && entry.uid() == geteuid().as_raw();
    // Permissions would be set of what a link leads to.
    open && !entry.is_symlink() && {
        let private = Permissions::from_mode(entry.mode() & 0o7777 & !OTHERS);
        fs::set_permissions(path, private).is_ok()
    }
}

/// Closes everything below `directory` that is ours, on this file system; links are not followed.
fn close_all(directory: &Path, device: u64) -> usize {
    let mut closed = 0;
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(entry) = fs::symlink_metadata(&path) else { continue };
        if entry.dev() == device {
            closed += usize::from(close_entry(&path, &entry));
            if entry.is_dir() {
                closed += close_all(&path, device);
            }
        }
    }
    closed
}

/// `path` as a word of a shell.
fn word(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@%".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_typed_is_one_word_whatever_the_directory_is_called() {
        assert_eq!(word(Path::new("/var/lib/portreeve")), "/var/lib/portreeve");
        assert_eq!(word(Path::new("/a b/it's")), r"'/a b/it'\''s'");
        assert_eq!(word(Path::new("/a;rm")), "'/a;rm'");
    }

    #[test]
    fn one_that_is_not_there_is_no_error_and_none_is_made_to_look() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("state");
        assert!(!check(&path).expect("nothing there"));
        assert!(!path.exists());
        DirBuilder::new().mode(0o700).create(&path).expect("a directory");
        assert!(check(&path).expect("a private directory"));
        let said = check(Path::new("/proc")).expect_err("open to all").to_string();
        assert!(said.contains("`chmod 700 /proc`") || said.contains("belongs to uid 0"), "{said}");
    }
}
