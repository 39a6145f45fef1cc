//! Log lines: text for people, JSON for machines, and a copy into a file where one is wanted.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;

use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::writer::{BoxMakeWriter, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use crate::config::{LogConfig, LogFormat};
use crate::terminal;

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
        "the log filter {filter:?} is not valid: {error}; write for example \"info\" or \"portreeve=debug\""
    )]
    Filter {
        /// What was given.
        filter: String,
        /// Why not.
        error: tracing_subscriber::filter::ParseError,
    },
    /// Somebody else has set it up already.
    #[error("logging is already set up")]
    Twice,
}

/// Sends log lines to standard error and to the file that `config` names.
pub fn install(config: &LogConfig) -> Result<(), TelemetryError> {
    let LogConfig { format, filter, file } = config;
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| TelemetryError::Filter { filter: filter.clone(), error })?;
    let mut layers = vec![layer(*format, io::stderr().is_terminal(), io::stderr)];
    if let Some(path) = file {
        let opened = File::options().create(true).append(true).open(path);
        let file =
            opened.map_err(|error| TelemetryError::File { path: path.display().to_string(), error })?;
        layers.push(layer(*format, false, Mutex::new(file)));
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

fn layer<M>(format: LogFormat, coloured: bool, writers: M) -> Box<dyn Layer<Registry> + Send + Sync>
where
    M: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let writers = BoxMakeWriter::new(Lines { writers, format, coloured });
    let layer = fmt::layer().with_writer(writers).with_ansi(coloured);
    match format {
        LogFormat::Text => layer.boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    }
}

/// Writers of lines: what strangers wrote into an event neither ends its line nor is obeyed by whatever shows it.
struct Lines<M> {
    writers: M,
    format: LogFormat,
    coloured: bool,
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Lines<M> {
    type Writer = Line<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Line { writer: self.writers.make_writer(), format: self.format, coloured: self.coloured }
    }
}

/// Takes an event as a whole, as the formatter writes it.
struct Line<W> {
    writer: W,
    format: LogFormat,
    coloured: bool,
}

impl<W: Write> Write for Line<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        match self.format {
            LogFormat::Text => self.writer.write_all(terminal::logged(&text, self.coloured).as_bytes())?,
            LogFormat::Json => self.writer.write_all(terminal::json(&text).as_bytes())?,
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}
