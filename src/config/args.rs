//! The flags of `run` as they were written.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Flags of `run`. Each is also an environment variable; the flag wins.
#[derive(Args, Clone, Debug, Default)]
pub struct RunArgs {
    /// Directory of manifests, read again when it changes; may be given several times
    #[arg(long = "config-dir", value_name = "DIR", env = "PORTREEVE_CONFIG_DIR", value_delimiter = ':')]
    pub config_dirs: Vec<PathBuf>,

    /// Directory of everything that must survive a restart
    /// [default: /var/lib/portreeve for root, else $XDG_STATE_HOME/portreeve]
    #[arg(long, value_name = "DIR", env = "PORTREEVE_STATE_DIR")]
    pub state_dir: Option<PathBuf>,

    /// Address of the HTTP server; HEALTH_SERVICE_PORT sets the port alone; beyond loopback only with a token
    /// [default: 127.0.0.1:8000]
    #[arg(long, value_name = "ADDR:PORT", env = "PORTREEVE_LISTEN")]
    pub listen: Option<String>,

    /// Engine to watch when no DockerHost is declared [default: unix:///var/run/docker.sock]
    #[arg(long, value_name = "URL", env = "DOCKER_HOST")]
    pub docker_host: Option<String>,

    /// File that holds the token every call must carry; PORTREEVE_TOKEN holds the token itself
    #[arg(long, value_name = "FILE", env = "PORTREEVE_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,

    /// Answer /metrics without a token
    #[arg(long, env = "PORTREEVE_OPEN_METRICS")]
    pub open_metrics: bool,

    /// Decide and say everything, act on nothing
    #[arg(long, env = "PORTREEVE_OBSERVE")]
    pub observe: bool,

    /// How log lines are written
    #[arg(long, value_name = "FORMAT", env = "PORTREEVE_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,

    /// Which log lines are written: a level, or directives such as `info,portreeve::docker=debug`
    /// [default: RUST_LOG, else info]
    #[arg(long, value_name = "LEVEL", env = "PORTREEVE_LOG")]
    pub log_level: Option<String>,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}
