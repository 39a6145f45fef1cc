//! Log lines: text for people, JSON for machines, and a copy into a file where one is wanted.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::sync::Mutex;

use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use crate::config::{LogConfig, LogFormat};

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The log file cannot be opened.
    #[error("cannot open the log file {path}: {error}")]
    File {
        /// Its path.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// The filter makes no sense.
    #[error(
        "the log filter {filter:?} makes no sense: {error}; write for example \"info\" or \"portreeve=debug\""
    )]
    Filter {
        /// What was given.
        filter: String,
        /// Why not.
        error: tracing_subscriber::filter::ParseError,
    },
    /// Somebody else has set it up already.
    #[error("logging is set up already")]
    Twice,
}

/// Sends log lines to standard error and to the file that `config` names.
pub fn install(config: &LogConfig) -> Result<(), TelemetryError> {
    let LogConfig { format, filter, file } = config;
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| TelemetryError::Filter { filter: filter.clone(), error })?;
    let mut layers = vec![layer(*format, BoxMakeWriter::new(io::stderr), io::stderr().is_terminal())];
    if let Some(path) = file {
        let opened = File::options().create(true).append(true).open(path);
        let file =
            opened.map_err(|error| TelemetryError::File { path: path.display().to_string(), error })?;
        layers.push(layer(*format, BoxMakeWriter::new(Mutex::new(file)), false));
    }
    Registry::default()
        .with(layers)
        .with(filter)
        .with(filter_fn(is_discreet))
        .try_init()
        .map_err(|_| TelemetryError::Twice)
}

/// Below INFO `bollard` prints whole answers of the engine, and with them the environments of containers: whatever the
/// filter says, such lines are not written. Nor are `notify`'s warnings: that a directory that is gone cannot be
/// unwatched is news to nobody.
fn is_discreet(line: &Metadata<'_>) -> bool {
    match line.target().split("::").next() {
        Some("bollard") => *line.level() <= Level::INFO,
        Some("notify") => *line.level() <= Level::ERROR,
        _ => true,
    }
}

fn layer(format: LogFormat, writer: BoxMakeWriter, colours: bool) -> Box<dyn Layer<Registry> + Send + Sync> {
    let layer = fmt::layer().with_writer(writer).with_ansi(colours);
    match format {
        LogFormat::Text => layer.boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    }
}
