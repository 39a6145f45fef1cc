//! What a verb talks to: the streams of the process, or those of a test.

use std::io::{self, IsTerminal, Read, Write};

use serde_json::Value;

use crate::clock;
use crate::observed::Nanos;

/// Where a verb reads and writes.
pub(super) struct Face<'a> {
    /// What was asked for, and nothing else.
    pub(super) out: &'a mut dyn Write,
    /// Errors, notes, progress.
    pub(super) err: &'a mut dyn Write,
    /// Standard input.
    pub(super) input: &'a mut dyn Read,
    /// Columns of the terminal; `None` if standard output is none.
    pub(super) width: Option<usize>,
    /// Whether somebody watches standard error.
    pub(super) watched: bool,
}

impl Face<'_> {
    /// The time that ages are counted to.
    pub(super) fn now(&self) -> Nanos {
        clock::now()
    }

    /// A remark beside what was asked for.
    pub(super) fn note(&mut self, text: &str) -> io::Result<()> {
        let yellow = anstyle::AnsiColor::Yellow.on_default().bold();
        writeln!(self.err, "{yellow}note{yellow:#}: {text}")
    }

    /// Something that somebody should look at, although what was asked for is done.
    pub(super) fn warn(&mut self, text: &str) -> io::Result<()> {
        let yellow = anstyle::AnsiColor::Yellow.on_default().bold();
        writeln!(self.err, "{yellow}warning{yellow:#}: {text}")
    }

    /// What is being waited for, on one line that the next call writes over; said to people only.
    pub(super) fn progress(&mut self, text: &str) -> io::Result<()> {
        if !self.watched {
            return Ok(());
        }
        // Carriage return, erase the line.
        write!(self.err, "\r\u{1b}[K{text}")?;
        self.err.flush()
    }

    /// A document as indented JSON.
    pub(super) fn json(&mut self, value: &Value) -> io::Result<()> {
        writeln!(self.out, "{value:#}")
    }

    /// A document as YAML.
    pub(super) fn yaml(&mut self, value: &Value) -> anyhow::Result<()> {
        Ok(self.out.write_all(crate::manifest::yaml(value)?.as_bytes())?)
    }
}

/// Columns of the terminal that standard output is, if it is one.
pub(super) fn terminal_width() -> Option<usize> {
    if !io::stdout().is_terminal() {
        return None;
    }
    terminal_size::terminal_size().map(|(terminal_size::Width(width), _)| usize::from(width))
}
