//! The Unix socket: by it the users of this machine who may use the engine anyway ask without a token.
//!
//! Whoever may open the file has everything permitted. So it is 0660 and the group `docker`'s where this process may give it
//! to that group, whose members are as good as root by the engine's own socket, and 0600 elsewhere; and it lies in a
//! directory in which nobody else can put another in its place, nor on the way to it.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

use crate::ownership::Ownership;

/// The group whose members may use the engine's socket.
const GROUP: &str = "docker";
/// The longest path of a socket, in bytes (`sun_path` without its end).
const LONGEST: usize = 107;

/// A socket that is listened on.
#[derive(Debug)]
pub struct Socket {
    pub(super) listener: UnixListener,
    pub(super) file: SocketFile,
}

/// The file of a socket, removed when it is dropped unless it has become another's.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Device, inode and time of making: an inode alone is soon another file's.
    identity: (u64, u64, i64, i64),
}

fn identity(entry: &fs::Metadata) -> (u64, u64, i64, i64) {
    (entry.dev(), entry.ino(), entry.mtime(), entry.mtime_nsec())
}

/// Why there is no socket. Portreeve works without it: then a token is needed for changes.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The path is longer than the system takes.
    #[error("{} is longer than the {LONGEST} bytes that the path of a socket may have; give a shorter one by --socket", .0.display())]
    TooLong(PathBuf),
    /// Somebody listens there: another Portreeve, in another network namespace perhaps.
    #[error("{} is in use by another process; give another path by --socket", .0.display())]
    InUse(PathBuf),
    /// There is something else.
    #[error("{} exists and is not a socket; remove it, or give another path by --socket", .0.display())]
    Other(PathBuf),
    /// Others could put a socket of theirs in its place.
    #[error("{why}: others could put their own socket at {}; give another path by --socket", path.display())]
    Shared {
        /// The socket.
        path: PathBuf,
        /// How.
        why: String,
    },
    /// The system refused.
    #[error("{}: {error}", path.display())]
    Io {
        /// What was tried on.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
}

impl Socket {
    /// Listens at `path`, whose directory is made if it is not there.
    ///
    /// # Errors
    /// See [`SocketError`].
    pub fn bind(path: &Path) -> Result<Self, SocketError> {
        let failed = |error| SocketError::Io { path: path.to_owned(), error };
        if path.as_os_str().len() > LONGEST {
            return Err(SocketError::TooLong(path.to_owned()));
        }
        if let Some(directory) = path.parent() {
            prepare(directory, path)?;
        }
        remove_stale(path)?;
        let listener = UnixListener::bind(path).map_err(failed)?;
        let entry = fs::symlink_metadata(path).map_err(failed)?;
        let file = SocketFile { path: path.to_owned(), identity: identity(&entry) };
        fs::set_permissions(path, fs::Permissions::from_mode(mode(path))).map_err(failed)?;
        Ok(Self { listener, file })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.file.path
    }
}

/// Gives the file to the group of the engine's users, and says who may open it then.
fn mode(path: &Path) -> u32 {
    let group = nix::unistd::Group::from_name(GROUP).ok().flatten();
    let given =
        group.is_some_and(|group| std::os::unix::fs::chown(path, None, Some(group.gid.as_raw())).is_ok());
    if given { 0o660 } else { 0o600 }
}

/// The directory, in which nobody but us and root may write, nor in those on the way to it.
fn prepare(directory: &Path, socket: &Path) -> Result<(), SocketError> {
    let failed = |error| SocketError::Io { path: directory.to_owned(), error };
    let refused = |why: Option<String>| match why {
        Some(why) => Err(SocketError::Shared { path: socket.to_owned(), why }),
        None => Ok(()),
    };
    let mut ownership = Ownership::new();
    if !directory.try_exists().map_err(failed)?
        && let Some(above) = directory.parent()
    {
        fs::metadata(above).map_err(|error| SocketError::Io { path: above.to_owned(), error })?;
        refused(ownership.stranger(above))?;
        fs::create_dir(directory).map_err(failed)?;
        // Everybody may pass through: the file's own mode says who comes in.
        fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).map_err(failed)?;
    }
    refused(ownership.stranger_in(directory))
}

/// Removes the file of a process that is gone.
fn remove_stale(path: &Path) -> Result<(), SocketError> {
    let failed = |error| SocketError::Io { path: path.to_owned(), error };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(entry) if !entry.file_type().is_socket() => return Err(SocketError::Other(path.to_owned())),
        Ok(_) => {}
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(failed)
        }
        Ok(_) => Err(SocketError::InUse(path.to_owned())),
        Err(error) => Err(failed(error)),
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|entry| identity(&entry) == self.identity);
        if ours {
            // What remains is found to be stale by whoever comes next.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode_of(path: &Path) -> u32 {
        fs::metadata(path).expect("there").mode() & 0o777
    }

    #[tokio::test]
    async fn a_socket_is_private_is_taken_over_from_the_dead_and_from_nobody_else() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("new/8000.sock");
        let socket = Socket::bind(&path).expect("a socket");
        assert!(matches!(mode_of(&path), 0o600 | 0o660), "{:o}", mode_of(&path));
        assert_eq!(mode_of(&directory.path().join("new")), 0o755);
        assert!(matches!(Socket::bind(&path), Err(SocketError::InUse(_))));
        let Socket { listener, file } = socket;
        drop(listener);
        let again = Socket::bind(&path).expect("a stale one is replaced");
        // The file is another's by now.
        drop(file);
        assert!(path.exists());
        drop(again);
        assert!(!path.exists());
        fs::write(&path, "").expect("a file");
        assert!(matches!(Socket::bind(&path), Err(SocketError::Other(_))));
    }

    #[tokio::test]
    async fn where_others_could_put_another_in_its_place_there_is_none() {
        let directory = tempfile::tempdir().expect("a directory");
        let open = directory.path().join("open");
        fs::create_dir(&open).expect("a directory");
        fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).expect("a mode");
        let refused = |place: &Path| Socket::bind(place).expect_err("shared").to_string();
        let error = refused(&open.join("a.sock"));
        assert!(error.contains("open can be written by everybody") && error.contains("--socket"), "{error}");
        // Whoever may rename a directory on the way may put another in its place.
        assert!(refused(&open.join("in/a.sock")).contains("open can be written by everybody"));
        assert!(!open.join("in").exists());
        fs::create_dir(open.join("in")).expect("a directory");
        assert!(refused(&open.join("in/a.sock")).contains("open can be written by everybody"));
        // With the sticky bit a free name is still anybody's; what is there is its owner's.
        fs::set_permissions(&open, fs::Permissions::from_mode(0o1777)).expect("a mode");
        assert!(refused(&open.join("a.sock")).contains("open can be written by everybody"));
        fs::set_permissions(open.join("in"), fs::Permissions::from_mode(0o755)).expect("a mode");
        drop(Socket::bind(&open.join("in/a.sock")).expect("nobody can replace it there"));
        drop(Socket::bind(&open.join("new/a.sock")).expect("nobody can replace it there"));
        let long = directory.path().join("x".repeat(120));
        assert!(matches!(Socket::bind(&long), Err(SocketError::TooLong(_))));
    }
}
