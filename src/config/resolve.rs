//! From what was written to what it means.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use secrecy::SecretString;

use super::environment::{DOCKER_SOCKET, Environment, VariableError};
use super::{
    Anonymous, GitFault, LimitError, LogConfig, Process, RuleError, RunArgs, RunConfig, SocketPlace, Storage,
    git,
};
use crate::guard::Guard;
use crate::resource::secret::is_plain;

/// Where the Unix sockets of root's Portreeves are.
pub const SOCKETS: &str = "/run/portreeve";

/// Why Portreeve cannot start as it was told to. No variant repeats a secret.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The listen address is none.
    #[error("--listen {0:?} is not an address and a port, such as 127.0.0.1:8000")]
    Listen(String),
    /// A rule of `--anonymous` is none.
    #[error(transparent)]
    Anonymous(#[from] RuleError),
    /// A limit is none.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// What `--allow-host` names is no name of a host.
    #[error("--allow-host {0:?} is not a name such as portreeve.example, without scheme and port")]
    Host(String),
    /// What `--allow-address` names is no network.
    #[error("--allow-address {0:?} is not a network such as 169.254.0.0/16 or an address")]
    Address(String),
    /// The path of a directory of secrets depends on where Portreeve was started.
    #[error("--secret-dir {} must be an absolute path without `..`", .0.display())]
    SecretDir(PathBuf),
    /// The path of the socket depends on where Portreeve was started.
    #[error("--socket {0:?} must be an absolute path, or none")]
    Socket(String),
    /// The token file cannot be used.
    #[error("--token-file {}: {why}", path.display())]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The token cannot be sent in a header.
    #[error("PORTREEVE_TOKEN must be printable ASCII without spaces")]
    Token,
    /// Neither a flag nor a variable says where state belongs.
    #[error("no state directory: give --state-dir DIR (neither XDG_STATE_HOME nor HOME is set)")]
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
        git_timeout,
        git_token_file,
        allow_empty,
        state_dir,
        listen,
        socket,
        anonymous,
        allow_host,
        secret_dirs,
        allow_address,
        docker_host,
        token_file,
        open_metrics,
        observe,
        log_format,
        log_level,
        limits,
    } = args;
    let mut variables = process.variables.clone();
    if let Some(endpoint) = docker_host {
        variables.insert("DOCKER_HOST".to_owned(), endpoint);
    }
    let podman =
        process.podman.as_ref().filter(|_| variables.get("DOCKER_HOST").is_none_or(String::is_empty));
    if let Some(path) = podman {
        variables.insert("DOCKER_HOST".to_owned(), format!("unix://{path}"));
    }
    let mut environment = Environment::read(&variables).map_err(ConfigError::Variables)?;
    environment.notes.extend(podman.map(|path| {
        format!("DOCKER_HOST is not set and there is no {DOCKER_SOCKET}: Podman's socket {path} is used")
    }));
    let flags = environment.flags;
    let state_dir = self::state_dir(state_dir, process)?;
    let token = token(token_file.or_else(|| process.path("PORTREEVE_TOKEN_FILE")), process)?;
    let listen = listen.as_deref().or_else(|| process.get("PORTREEVE_LISTEN"));
    let listen = listen_address(listen, flags.port)?;
    let directive =
        log_level.as_deref().or_else(|| process.get("PORTREEVE_LOG")).or_else(|| process.get("RUST_LOG"));
    let written = git::Written {
        url: git_url,
        reference: git_ref,
        path: git_path,
        interval: git_interval,
        timeout: git_timeout,
        token_file: git_token_file,
    };
    let guard = guard(secret_dirs, &allow_address, &state_dir, process)?;
    Ok(RunConfig {
        config_dirs: config_directories(config_dirs, process),
        git: written.resolve(process)?,
        allow_empty: allow_empty || flags.allow_empty,
        storage: storage(process, &state_dir)?,
        socket: self::socket(socket.as_deref(), &state_dir, process)?,
        anonymous: self::anonymous(&anonymous, process)?,
        allow_host: hosts(allow_host, process)?,
        guard,
        limits: limits.resolve(|name| process.get(name).map(str::to_owned))?,
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

/// The Unix socket: as it was said, or where the default belongs. What is started by systemd has a directory of its own below
/// `/run`, and `RUNTIME_DIRECTORY` names it.
fn socket(written: Option<&str>, state_dir: &Path, process: &Process) -> Result<SocketPlace, ConfigError> {
    match written.or_else(|| process.get("PORTREEVE_SOCKET")) {
        Some("none") => Ok(SocketPlace::None),
        Some(path) if path.starts_with('/') => Ok(SocketPlace::At(path.into())),
        Some(path) => Err(ConfigError::Socket(path.chars().take(128).collect())),
        None => {
            let first = |paths: &str| paths.split(':').next().map(PathBuf::from);
            let unit = process.get("RUNTIME_DIRECTORY").and_then(first).filter(|path| path.is_absolute());
            let own = || if process.superuser { SOCKETS.into() } else { state_dir.to_owned() };
            Ok(SocketPlace::In(unit.unwrap_or_else(own)))
        }
    }
}

/// What was given several times, or in one variable.
fn several(flags: &[String], name: &str, process: &Process) -> Vec<String> {
    if !flags.is_empty() {
        return flags.to_vec();
    }
    let listed = process.get(name).unwrap_or_default();
    listed.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn anonymous(flags: &[String], process: &Process) -> Result<Anonymous, ConfigError> {
    let rules = several(flags, "PORTREEVE_ANONYMOUS", process);
    let rules: Result<_, _> = rules.iter().map(|rule| rule.parse()).collect();
    Ok(Anonymous::new(rules?))
}

fn hosts(flags: Vec<String>, process: &Process) -> Result<Vec<String>, ConfigError> {
    let hosts = several(&flags, "PORTREEVE_ALLOW_HOST", process);
    let fit = |name: &String| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        !name.starts_with('.') && name.len() <= 253 && name.bytes().all(plain)
    };
    match hosts.iter().find(|name| !fit(name)) {
        Some(unfit) => Err(ConfigError::Host(unfit.chars().take(128).collect())),
        None => Ok(hosts),
    }
}

fn guard(
    secret_dirs: Vec<PathBuf>,
    addresses: &[String],
    state_dir: &Path,
    process: &Process,
) -> Result<Guard, ConfigError> {
    let networks = several(addresses, "PORTREEVE_ALLOW_ADDRESS", process);
    let network = |text: &String| {
        super::network::network(text).ok_or_else(|| ConfigError::Address(text.chars().take(64).collect()))
    };
    let networks: Result<Vec<IpNet>, _> = networks.iter().map(network).collect();
    let mut directories = secret_dirs;
    if directories.is_empty() {
        let listed = process.get("PORTREEVE_SECRET_DIR").unwrap_or_default();
        directories = listed.split(':').filter(|path| !path.is_empty()).map(PathBuf::from).collect();
    }
    if let Some(unfit) = directories.iter().find(|path| !is_plain(path)) {
        return Err(ConfigError::SecretDir(unfit.clone()));
    }
    if directories.is_empty() {
        directories = vec![PathBuf::from("/run/secrets"), state_dir.join("secrets")];
    }
    Ok(Guard::new(networks?, directories))
}

fn token(file: Option<PathBuf>, process: &Process) -> Result<Option<SecretString>, ConfigError> {
    let usable = |token: &str| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    if let Some(path) = file {
        // What is not text has letters that no token has.
        let read = crate::guard::file_now(&path.display().to_string());
        let why = match read.map(|text| String::from_utf8_lossy(&text).trim().to_owned()) {
            Ok(text) if usable(&text) => return Ok(Some(text.into())),
            Ok(text) if text.is_empty() => "it is empty".to_owned(),
            Ok(_) => "it must contain printable ASCII without spaces".to_owned(),
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
///
/// # Errors
/// The variable names no storage that there is.
pub fn storage(process: &Process, state_dir: &Path) -> Result<Storage, ConfigError> {
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
