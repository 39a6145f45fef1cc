//! The Unix socket of a Portreeve on this machine: whoever may open it needs no token.

use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use reqwest::Url;

use crate::config::{Process, SOCKETS, state_dir};

/// How a Portreeve on this machine is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Local {
    /// By this socket.
    pub(super) socket: Option<PathBuf>,
    /// There is a socket that this user may not open.
    pub(super) locked: Option<PathBuf>,
}

/// The socket that `PORTREEVE_SOCKET` names, or that is named by the port of `server`, if that is this machine. A file that nobody listens at is passed over: TCP says
/// whether Portreeve runs.
pub(super) fn find(server: &Url, process: &Process) -> Local {
    let here = match server.host() {
        Some(url::Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    let plain = server.scheme() == "http" && server.path() == "/";
    let Some(port) = server.port_or_known_default().filter(|_| here && plain) else {
        return Local::default();
    };
    let named = process.path("PORTREEVE_SOCKET");
    let places = [Some(PathBuf::from(SOCKETS)), state_dir(None, process).ok()];
    let usual = places.into_iter().flatten().map(|place| place.join(format!("{port}.sock")));
    choose(named.into_iter().chain(usual))
}

fn choose(paths: impl IntoIterator<Item = PathBuf>) -> Local {
    let mut local = Local::default();
    for path in paths {
        match UnixStream::connect(&path) {
            Ok(_) => return Local { socket: Some(path), locked: None },
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                local.locked = local.locked.or_else(|| is_there(&path).then_some(path));
            }
            Err(_) => {}
        }
    }
    local
}

/// Below a directory that this user may not enter nothing is known.
fn is_there(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_socket_that_is_listened_at_is_taken_and_a_stale_one_is_not() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        drop(UnixListener::bind(at("stale")).expect("a socket"));
        let _listener = UnixListener::bind(at("live")).expect("a socket");
        let found = choose(["none", "stale", "live"].map(at));
        assert_eq!(found, Local { socket: Some(at("live")), locked: None });
        assert_eq!(choose(["none", "stale"].map(at)), Local::default());
    }

    #[test]
    fn a_server_elsewhere_or_behind_something_is_not_asked_by_a_socket_of_this_machine() {
        let directory = tempfile::tempdir().expect("a directory");
        let _listener = UnixListener::bind(directory.path().join("8123.sock")).expect("a socket");
        let state = directory.path().display().to_string();
        let variables = [("PORTREEVE_STATE_DIR".to_owned(), state)].into();
        let process = Process { variables, superuser: false };
        let found = |url: &str| find(&url.parse().expect(url), &process).socket.is_some();
        for here in ["http://127.0.0.1:8123", "http://localhost:8123/", "http://[::1]:8123"] {
            assert!(found(here), "{here}");
        }
        for not in [
            "https://127.0.0.1:8123",
            "http://10.0.0.1:8123",
            "http://localhost:8123/base",
            "http://localhost:8124",
        ] {
            assert!(!found(not), "{not}");
        }
    }
}
