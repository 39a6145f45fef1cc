//! Why the process could not start or go on.

use crate::manifest::git::GitError;
use crate::store::StoreError;
use crate::telemetry::TelemetryError;

/// Why Portreeve could not start, or ended otherwise than by a signal.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Logging cannot be set up.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A repository is to be pulled, and that cannot be done here.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}; {}", unheard(*address, error))]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// Why not.
        error: std::io::Error,
    },
    /// Signals cannot be heard, or the HTTP server failed.
    #[error("the process cannot continue: {0}")]
    Io(#[from] std::io::Error),
    /// A part without which nothing goes on panicked: a fault of Portreeve's own. Exit code 70.
    #[error("{0}; a fault of Portreeve's own, and nothing committed is lost: it continues at the next start")]
    Panicked(String),
}

/// What to do about an address that cannot be listened on.
fn unheard(address: std::net::SocketAddr, error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::PermissionDenied if address.port() < 1024 => {
            "ports below 1024 need root or CAP_NET_BIND_SERVICE (systemd: AmbientCapabilities=CAP_NET_BIND_SERVICE): \
             choose a higher one with --listen"
        }
        std::io::ErrorKind::AddrInUse => "another program uses the port: choose one with --listen",
        std::io::ErrorKind::AddrNotAvailable => "this machine has no such address: choose one with --listen",
        _ => "choose another with --listen",
    }
}
