//! From what was written to what it means.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::environment::{Environment, VariableError};
use super::{GitFault, LogConfig, RunArgs, RunConfig, Storage, git, tokens};

/// What the process was given beside flags.
#[derive(Clone, Default)]
pub struct Process {
    /// Environment variables; those that are not text are left out.
    pub variables: BTreeMap<String, String>,
    /// Whether the process runs as root.
    pub superuser: bool,
}

impl Process {
    /// This process.
    pub fn current() -> Self {
        let text = |text: std::ffi::OsString| text.into_string().ok();
        Self {
            variables: std::env::vars_os()
                .filter_map(|(name, value)| Some((text(name)?, text(value)?)))
                .collect(),
            superuser: is_superuser(),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    pub(super) fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from)
    }
}

/// Who owns our entry in /proc is who we are; without /proc we count as an ordinary user.
fn is_superuser() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|entry| entry.uid() == 0)
}

/// Why Portreeve cannot start as it was told to. No variant repeats a secret.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The listen address is none.
    #[error("--listen {0:?} is not an address and a port, such as 127.0.0.1:8000")]
    Listen(String),
    /// Anyone on the network could read, and later change, what runs here.
    #[error(
        "--listen {0} is reachable from outside this machine, and no token is set: give --token-file FILE or \
         PORTREEVE_TOKEN, make one with `portreeve token create`, or listen on 127.0.0.1"
    )]
    OpenListen(SocketAddr),
    /// The token file cannot be used.
    #[error("--token-file {}: {why}", path.display())]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The token cannot be sent in a header.
    #[error("PORTREEVE_TOKEN must be printable ASCII without blanks")]
    Token,
    /// Neither a flag nor a variable says where state belongs.
    #[error("no place for state: give --state-dir DIR (neither XDG_STATE_HOME nor HOME is set)")]
    NoStateDir,
    /// PostgreSQL is not spoken yet.
    #[error(
        "{0} names a PostgreSQL server: PostgreSQL storage is not available in this version yet; use sqlite:///NAME.db"
    )]
    Postgres(&'static str),
    /// The storage URL is none.
    #[error(
        "{0} is not a storage URL: sqlite:///NAME.db is relative to the state directory, sqlite:////PATH absolute"
    )]
    Storage(&'static str),
    /// What is said of a Git repository makes no sense.
    #[error(transparent)]
    Git(#[from] GitFault),
    /// Variables with values that cannot be used.
    #[error("{}", Lines(.0))]
    Variables(Vec<VariableError>),
}

struct Lines<'a>(&'a [VariableError]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, error) in self.0.iter().enumerate() {
            write!(f, "{}{error}", if place == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

pub(super) fn resolve(args: RunArgs, process: &Process) -> Result<RunConfig, ConfigError> {
    // Destructured in full, so that a flag added to RunArgs cannot be forgotten here.
    let RunArgs {
        config_dirs,
        git_url,
        git_ref,
        git_path,
        git_interval,
        git_token_file,
        state_dir,
        listen,
        docker_host,
        token_file,
        open_metrics,
        observe,
        log_format,
        log_level,
    } = args;
    let mut variables = process.variables.clone();
    if let Some(endpoint) = docker_host {
        variables.insert("DOCKER_HOST".to_owned(), endpoint);
    }
    let environment = Environment::read(&variables).map_err(ConfigError::Variables)?;
    let flags = environment.flags;
    let state_dir = self::state_dir(state_dir, process)?;
    let token = token(token_file.or_else(|| process.path("PORTREEVE_TOKEN_FILE")), process)?;
    let listen = listen.as_deref().or_else(|| process.get("PORTREEVE_LISTEN"));
    let listen = listen_address(listen, flags.port)?;
    let kept = tokens::Tokens::read(&tokens::path(&state_dir));
    let closed = token.is_some() || kept.is_ok_and(|kept| !kept.tokens.is_empty());
    if !closed && !listen.ip().is_loopback() {
        return Err(ConfigError::OpenListen(listen));
    }
    let directive =
        log_level.as_deref().or_else(|| process.get("PORTREEVE_LOG")).or_else(|| process.get("RUST_LOG"));
    let written = git::Written {
        url: git_url,
        reference: git_ref,
        path: git_path,
        interval: git_interval,
        token_file: git_token_file,
    };
    Ok(RunConfig {
        config_dirs: config_directories(config_dirs, process),
        git: written.resolve(process)?,
        storage: storage(process, &state_dir)?,
        state_dir,
        listen,
        token,
        open_metrics: open_metrics || flags.open_metrics,
        observe: observe || flags.observe,
        log: LogConfig {
            format: log_format.unwrap_or(flags.log_format),
            filter: directive.unwrap_or("info").to_owned(),
            file: process.path("LOG_FILE"),
        },
        environment,
    })
}

fn config_directories(flags: Vec<PathBuf>, process: &Process) -> Vec<PathBuf> {
    if flags.is_empty() {
        let listed = process.get("PORTREEVE_CONFIG_DIR").unwrap_or_default();
        return listed.split(':').filter(|path| !path.is_empty()).map(PathBuf::from).collect();
    }
    flags
}

/// The state directory: the flag, its variable, or the default of whoever runs this process.
///
/// # Errors
/// Nothing says where state belongs.
pub fn state_dir(flag: Option<PathBuf>, process: &Process) -> Result<PathBuf, ConfigError> {
    flag.or_else(|| process.path("PORTREEVE_STATE_DIR")).map_or_else(|| default_state_dir(process), Ok)
}

fn default_state_dir(process: &Process) -> Result<PathBuf, ConfigError> {
    if process.superuser {
        return Ok(PathBuf::from("/var/lib/portreeve"));
    }
    // The XDG specification has relative paths ignored.
    let absolute = |name: &str| process.path(name).filter(|path| path.is_absolute());
    absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .map(|base| base.join("portreeve"))
        .ok_or(ConfigError::NoStateDir)
}

fn listen_address(listen: Option<&str>, port: Option<u16>) -> Result<SocketAddr, ConfigError> {
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let Some(text) = listen else {
        return Ok(SocketAddr::new(loopback, port.unwrap_or(8000)));
    };
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let named = text.strip_prefix("localhost:").map(|port| (loopback, port));
    let open = || text.strip_prefix(':').map(|port| (IpAddr::V4(Ipv4Addr::UNSPECIFIED), port));
    named
        .or_else(open)
        .and_then(|(ip, port)| Some(SocketAddr::new(ip, port.parse().ok()?)))
        .ok_or_else(|| ConfigError::Listen(text.chars().take(128).collect()))
}

fn token(file: Option<PathBuf>, process: &Process) -> Result<Option<SecretString>, ConfigError> {
    let usable = |token: &str| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    if let Some(path) = file {
        let why = match std::fs::read_to_string(&path) {
            Ok(text) if usable(text.trim()) => return Ok(Some(text.trim().into())),
            Ok(text) if text.trim().is_empty() => "is empty".to_owned(),
            Ok(_) => "must hold printable ASCII without blanks".to_owned(),
            Err(error) => error.to_string(),
        };
        return Err(ConfigError::TokenFile { path, why });
    }
    match process.get("PORTREEVE_TOKEN") {
        None => Ok(None),
        Some(token) if usable(token) => Ok(Some(token.into())),
        Some(_) => Err(ConfigError::Token),
    }
}

/// `POSTGRES_URL` beats `METRICS_STORAGE_URL`; without either the ledger is `portreeve.db` in the state directory.
fn storage(process: &Process, state_dir: &Path) -> Result<Storage, ConfigError> {
    let named = ["POSTGRES_URL", "METRICS_STORAGE_URL"]
        .into_iter()
        .find_map(|name| process.get(name).map(|value| (name, value)));
    let Some((name, url)) = named else {
        return Ok(Storage::Sqlite { path: state_dir.join("portreeve.db") });
    };
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    if scheme == "postgres" || scheme.starts_with("postgresql") {
        return Err(ConfigError::Postgres(name));
    }
    // SQLAlchemy's convention: three slashes, then the path; a fourth slash makes the path absolute.
    match url.strip_prefix("sqlite:///").map(|path| path.split('?').next().unwrap_or_default()) {
        Some(path) if !path.is_empty() && !path.ends_with('/') => {
            Ok(Storage::Sqlite { path: state_dir.join(path) })
        }
        _ => Err(ConfigError::Storage(name)),
    }
}

#[cfg(test)]
mod tests;
