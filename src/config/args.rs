//! The flags of `run` as they were written.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::limits::LimitArgs;

/// Flags of `run`. Each is also an environment variable; the flag wins.
///
/// The variables are not read by clap, which takes an empty one (`${NAME:-}` in a compose file) for a faulty value.
#[derive(Args, Clone, Debug, Default)]
pub struct RunArgs {
    /// Directory of manifests, applied again when it changes; can be repeated [env: PORTREEVE_CONFIG_DIR, several
    /// separated by `:`]
    #[arg(long = "config-dir", value_name = "DIR")]
    pub config_dirs: Vec<PathBuf>,

    /// Git repository to pull manifests from, in addition to --config-dir: https://, ssh://, user@host:path, file:// or
    /// an absolute path; needs the program git [env: PORTREEVE_GIT_URL]
    #[arg(long, value_name = "URL")]
    pub git_url: Option<String>,

    /// Branch, tag or commit to follow; a branch comes before a tag of the same name (refs/heads/NAME or refs/tags/NAME
    /// decides). A rewritten history is refused
    /// [env: PORTREEVE_GIT_REF] [default: HEAD, the repository's default branch]
    #[arg(long, value_name = "REF")]
    pub git_ref: Option<String>,

    /// Directory within the repository [env: PORTREEVE_GIT_PATH] [default: all of it]
    #[arg(long, value_name = "PATH")]
    pub git_path: Option<PathBuf>,

    /// How often the repository is pulled [env: PORTREEVE_GIT_INTERVAL] [default: 1m]
    #[arg(long, value_name = "DURATION")]
    pub git_interval: Option<String>,

    /// How long one pull may take; for the first one, which fetches the whole history: how long without progress
    /// [env: PORTREEVE_GIT_TIMEOUT] [default: 10m]
    #[arg(long, value_name = "DURATION")]
    pub git_timeout: Option<String>,

    /// File with the token for https://, or with user:password; PORTREEVE_GIT_TOKEN is the token itself [env:
    /// PORTREEVE_GIT_TOKEN_FILE]
    #[arg(long, value_name = "FILE")]
    pub git_token_file: Option<PathBuf>,

    /// Confirm that a configuration directory or the repository declares no object any more, and delete what it declared;
    /// without this flag those objects stay in force. A file .portreeveignore in a directory confirms it for that directory
    /// [env: PORTREEVE_ALLOW_EMPTY]
    #[arg(long)]
    pub allow_empty: bool,

    /// Directory for everything that must survive a restart [env: PORTREEVE_STATE_DIR] [default: /var/lib/portreeve for
    /// root, else $XDG_STATE_HOME/portreeve]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,

    /// Address of the HTTP server; HEALTH_SERVICE_PORT sets only the port; callers from other machines need a token
    /// [env: PORTREEVE_LISTEN] [default: 127.0.0.1:8000]
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<String>,

    /// Unix socket on which root, Portreeve's user and the group docker may do everything without a token; `none`: no socket [env:
    /// PORTREEVE_SOCKET] [default: /run/portreeve/PORT.sock for root, else PORT.sock in $RUNTIME_DIRECTORY or the state
    /// directory]
    #[arg(long, value_name = "PATH")]
    pub socket: Option<String>,

    /// What a caller without a token may do over TCP: none, view or edit, from this machine, or with @CIDR from that
    /// network; can be repeated [env: PORTREEVE_ANONYMOUS, several separated by `,`] [default: view, until there is a
    /// token]
    #[arg(long, value_name = "ROLE[@CIDR]")]
    pub anonymous: Vec<String>,

    /// Host name with a dot under which calls without a token are accepted; can be repeated [env: PORTREEVE_ALLOW_HOST,
    /// several separated by `,`]
    #[arg(long, value_name = "NAME")]
    pub allow_host: Vec<String>,

    /// Directory whose files may be used as secrets by objects from the API, from Git and from directories that others
    /// may write; can be repeated [env: PORTREEVE_SECRET_DIR, several separated by `:`] [default: /run/secrets and
    /// secrets in the state directory]
    #[arg(long = "secret-dir", value_name = "DIR")]
    pub secret_dirs: Vec<PathBuf>,

    /// Network that services, probes, engines and Git may reach although it contains link-local or metadata addresses;
    /// can be repeated [env: PORTREEVE_ALLOW_ADDRESS, several separated by `,`]
    #[arg(long, value_name = "CIDR")]
    pub allow_address: Vec<String>,

    /// Engine to watch when no DockerHost is declared
    /// [env: DOCKER_HOST] [default: unix:///var/run/docker.sock]
    #[arg(long, value_name = "URL")]
    pub docker_host: Option<String>,

    /// File with a token with the role edit; once there is a token, calls over TCP need one. PORTREEVE_TOKEN is the token
    /// itself [env: PORTREEVE_TOKEN_FILE]
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// Answer /metrics without a token [env: PORTREEVE_OPEN_METRICS]
    #[arg(long)]
    pub open_metrics: bool,

    /// Decide and report everything but touch no container; Discovery and Billing Services are still called [env:
    /// PORTREEVE_OBSERVE]
    #[arg(long)]
    pub observe: bool,

    /// How log lines are written; LOG_FILE names a file that gets them too
    /// [env: PORTREEVE_LOG_FORMAT] [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,

    /// Which log lines are written: a level, or directives such as `info,portreeve::docker=debug`
    /// [env: PORTREEVE_LOG, else RUST_LOG] [default: info]
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,

    /// What clients may take.
    #[command(flatten)]
    pub limits: LimitArgs,
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
