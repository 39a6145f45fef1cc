//! The Unix socket of a Portreeve on this machine: whoever may open it needs no token.
//!
//! Whoever listens there is told what this user may do, and learns what this user sends. So a socket is asked only where
//! nobody else could have put it ([`trusted`]).

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use reqwest::Url;

use super::ClientError;
use crate::config::{Process, SOCKETS, state_dir};
use crate::ownership::{Ownership, user};

/// How many links a path may lead over, as by the system.
const MOST_LINKS: usize = 40;

/// How a Portreeve on this machine is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Local {
    /// By this socket.
    pub(super) socket: Option<PathBuf>,
    /// Why not by one that is there, for people.
    pub(super) passed_over: Option<String>,
}

/// The socket that `PORTREEVE_SOCKET` names, if nothing else says which Portreeve is meant (`is_default`), or that is named
/// by the port of `server`, if that is this machine. A file that nobody listens at is passed over: TCP says whether
/// Portreeve runs.
///
/// # Errors
/// A stranger may be behind the one that `PORTREEVE_SOCKET` names.
pub(super) fn find(server: &Url, is_default: bool, process: &Process) -> Result<Local, ClientError> {
    match process.path("PORTREEVE_SOCKET").filter(|_| is_default) {
        Some(none) if none.as_os_str() == "none" => return Ok(Local::default()),
        // `run` takes no other either.
        Some(named) if named.is_absolute() => {
            let asked = look(&named);
            return match asked {
                Look::Strange(why) => Err(ClientError::Untrusted { path: named, why }),
                asked => Ok(choose([(named, asked)])),
            };
        }
        Some(_) | None => {}
    }
    let here = match server.host() {
        Some(url::Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    let plain = server.scheme() == "http" && server.path() == "/";
    let Some(port) = server.port_or_known_default().filter(|_| here && plain) else {
        return Ok(Local::default());
    };
    let places = [Some(PathBuf::from(SOCKETS)), state_dir(None, process).ok()];
    let usual = places.into_iter().flatten().map(|place| place.join(format!("{port}.sock")));
    Ok(choose(usual.map(|path| {
        let asked = look(&path);
        (path, asked)
    })))
}

/// The socket at `path`, which was given for an address.
///
/// # Errors
/// A stranger may be behind it.
pub(super) fn named(path: PathBuf) -> Result<Local, ClientError> {
    match look(&path) {
        Look::Strange(why) => Err(ClientError::Untrusted { path, why }),
        // Asking says what is wrong with it.
        Look::Fit | Look::Locked | Look::Nobody => Ok(Local { socket: Some(path), passed_over: None }),
    }
}

/// What is at a path.
enum Look {
    /// A Portreeve of root's, of this user's, or of the owner of its directory.
    Fit,
    /// A socket that this user may not open.
    Locked,
    /// Somebody else's, or one that somebody else may put there.
    Strange(String),
    /// Nobody listens.
    Nobody,
}

fn choose(paths: impl IntoIterator<Item = (PathBuf, Look)>) -> Local {
    let mut local = Local::default();
    for (path, look) in paths {
        let why = match look {
            Look::Fit => return Local { socket: Some(path), passed_over: None },
            Look::Locked => format!(
                "{} needs no token, but this user may not open it: only root, Portreeve's user and the group docker may",
                path.display()
            ),
            Look::Strange(why) => format!("{} is not used: {why}", path.display()),
            Look::Nobody => continue,
        };
        local.passed_over = local.passed_over.or(Some(why));
    }
    local
}

fn look(path: &Path) -> Look {
    // Below a directory that this user may not enter nothing is known.
    let Ok(entry) = fs::metadata(path) else { return Look::Nobody };
    if !entry.file_type().is_socket() {
        return Look::Nobody;
    }
    let connected = trusted(path, &entry).map(|owner| (UnixStream::connect(path), owner));
    match connected {
        Err(why) => Look::Strange(why),
        Ok((Err(error), _)) if error.kind() == ErrorKind::PermissionDenied => Look::Locked,
        Ok((Err(_), _)) => Look::Nobody,
        Ok((Ok(stream), owner)) => match getsockopt(&stream, PeerCredentials) {
            Ok(peer) if is_fit(peer.uid(), owner) => Look::Fit,
            Ok(peer) => Look::Strange(format!(
                "uid {} ({}) listens there, which is neither root nor this user nor the owner of its directory",
                peer.uid(),
                user(peer.uid())
            )),
            Err(error) => Look::Strange(format!("it is not known which user listens there: {error}")),
        },
    }
}

fn is_fit(listener: u32, owner: u32) -> bool {
    [0, rustix::process::geteuid().as_raw(), owner].contains(&listener)
}

/// The owner of the directory that the socket at `path` is in, if nobody but root, this user and that owner can have put it
/// there, or can put another in its place while it is asked; else why not. Asked before anything is sent there.
fn trusted(path: &Path, entry: &fs::Metadata) -> Result<u32, String> {
    let failed = |error: io::Error| format!("it cannot be examined: {error}");
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let directory = path.parent().ok_or("it is in no directory")?.to_owned();
        let owner = fs::metadata(&directory).map_err(failed)?.uid();
        if let Some(why) = Ownership::with(owner).stranger_in(&directory) {
            return Err(format!("it belongs to uid {} ({}), and {why}", entry.uid(), user(entry.uid())));
        }
        match fs::read_link(&path) {
            Ok(target) => path = directory.join(target),
            Err(error) if error.kind() == ErrorKind::InvalidInput => return Ok(owner),
            Err(error) => return Err(failed(error)),
        }
    }
    Err("too many links lead to it".to_owned())
}

#[cfg(test)]
mod tests;
