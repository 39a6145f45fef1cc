//! What flags and variables mean together.

use std::net::SocketAddr;
use std::path::PathBuf;

use secrecy::SecretString;

use super::{Anonymous, Environment, HttpLimits, LogFormat};
use crate::guard::Guard;

/// What `portreeve run` works with.
#[derive(Debug)]
pub struct RunConfig {
    /// Directories of manifests, read again whenever they change; none: only environment and labels say what to do.
    pub config_dirs: Vec<PathBuf>,
    /// A repository that one more such directory is pulled from, after the others.
    pub git: Option<crate::manifest::git::GitSource>,
    /// Whether a directory that declares nothing any more is meant to.
    pub allow_empty: bool,
    /// Directory for everything that must survive a restart.
    pub state_dir: PathBuf,
    /// Address of the HTTP server.
    pub listen: SocketAddr,
    /// The Unix socket.
    pub socket: SocketPlace,
    /// A token that permits everything; others are in the state directory.
    pub token: Option<SecretString>,
    /// What whoever brings no token may do.
    pub anonymous: Anonymous,
    /// Names by which the server may be asked without a token, beside addresses and names without a dot.
    pub allow_host: Vec<String>,
    /// What users' words may reach.
    pub guard: Guard,
    /// What clients may take.
    pub limits: HttpLimits,
    /// Whether `/metrics` answers without a token.
    pub open_metrics: bool,
    /// Decide and say, never act: belongs into [`crate::desired::Sources::observe`].
    pub observe: bool,
    /// Where the ledger is.
    pub storage: Storage,
    /// How logs are written.
    pub log: LogConfig,
    /// Objects made from environment variables, and notes about variables to log at start.
    pub environment: Environment,
}

/// Where the Unix socket is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SocketPlace {
    /// There is none.
    None,
    /// Here.
    At(PathBuf),
    /// Named by the port of the server, in this directory.
    In(PathBuf),
}

impl SocketPlace {
    /// The socket of a server that listens on `port`.
    pub fn path(&self, port: u16) -> Option<PathBuf> {
        match self {
            Self::None => None,
            Self::At(path) => Some(path.clone()),
            Self::In(directory) => Some(directory.join(format!("{port}.sock"))),
        }
    }
}

/// Where the ledger is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// One SQLite database file.
    Sqlite {
        /// Its path, absolute if the state directory's is.
        path: PathBuf,
    },
}

/// How logs are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// Text for people or JSON for machines.
    pub format: LogFormat,
    /// Filter directives as in `RUST_LOG`.
    pub filter: String,
    /// A file that gets every line too, opened for appending.
    pub file: Option<PathBuf>,
}
