//! What a verb talks to: the streams of the process, or those of a test.

use std::io::{self, IsTerminal, Read, Write};

use clap::ValueEnum;
use serde_json::Value;
use terminal_size::{Height, Width};

use super::table::cut;
use super::text::plain;
use crate::observed::Nanos;
use crate::{clock, terminal};

/// How what a verb has to say is written, where there are no more ways than these two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Where a verb reads and writes; the streams are [`terminal::Screen`]s.
pub(super) struct Face<'a> {
    /// What was asked for, and nothing else.
    pub(super) out: &'a mut dyn Write,
    /// Errors, notes, progress.
    pub(super) err: &'a mut dyn Write,
    /// Standard input.
    pub(super) input: &'a mut dyn Read,
    /// Columns of the terminal; `None` if standard output is none.
    pub(super) width: Option<usize>,
    /// Lines of the terminal; `None` if standard output is none that can be written over.
    pub(super) height: Option<usize>,
    /// Whether somebody watches standard error.
    pub(super) watched: bool,
    /// Whether somebody can be asked and can answer.
    pub(super) asks: bool,
    /// The line of progress that stands there.
    pub(super) in_progress: String,
}

impl Face<'_> {
    /// The time that ages are counted to.
    pub(super) fn now(&self) -> Nanos {
        clock::now()
    }

    /// A remark beside what was asked for.
    pub(super) fn note(&mut self, text: &str) -> io::Result<()> {
        let yellow = anstyle::AnsiColor::Yellow.on_default().bold();
        writeln!(self.err, "{yellow}note{yellow:#}: {}", terminal::lines(text))
    }

    /// Something that somebody should look at, although what was asked for is done.
    pub(super) fn warn(&mut self, text: &str) -> io::Result<()> {
        let yellow = anstyle::AnsiColor::Yellow.on_default().bold();
        writeln!(self.err, "{yellow}warning{yellow:#}: {}", terminal::lines(text))
    }

    /// What is being waited for, on one line that the next call writes over; said to people only.
    pub(super) fn progress(&mut self, text: &str) {
        if self.watched && self.in_progress != text {
            progress(text);
            text.clone_into(&mut self.in_progress);
        }
    }

    /// Empties the screen; where there is none, nothing.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        if self.height.is_none() {
            return Ok(());
        }
        self.out.flush()?;
        // Past what strips colours where they are not wanted: it would take this for one.
        io::stdout().write_all(b"\x1b[H\x1b[J")
    }

    /// A document as indented JSON.
    pub(super) fn json(&mut self, value: &Value) -> io::Result<()> {
        writeln!(self.out, "{}", terminal::json(&format!("{value:#}")))
    }

    /// A document as one line of JSON.
    pub(super) fn json_line(&mut self, value: &Value) -> io::Result<()> {
        writeln!(self.out, "{}", terminal::json(&value.to_string()))
    }

    /// A document as YAML.
    pub(super) fn yaml(&mut self, value: &Value) -> anyhow::Result<()> {
        Ok(self.out.write_all(crate::manifest::yaml(value)?.as_bytes())?)
    }
}

/// Columns and lines of the terminal that standard output is, if it is one; lines only where it can be written over.
pub(super) fn terminal() -> (Option<usize>, Option<usize>) {
    let size = Some(io::stdout()).filter(IsTerminal::is_terminal).and_then(terminal_size::terminal_size_of);
    let (Width(width), Height(height)) = match size {
        Some(size) => size,
        None => return (None, None),
    };
    (Some(width.into()), Some(height.into()).filter(|_| !is_dumb()))
}

/// Whether somebody sits at standard input and sees standard error.
pub(super) fn asks() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Whether standard error is a terminal that can be written over.
pub(super) fn watched() -> bool {
    io::stderr().is_terminal() && !is_dumb()
}

fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term == "dumb")
}

/// Writes over the last line of the terminal that standard error is. What fails here is missed by nobody.
fn progress(text: &str) {
    let width = terminal_size::terminal_size_of(io::stderr()).map_or(80, |(Width(width), _)| width.into());
    // A line that is broken cannot be written over.
    let text = cut(&plain(text), width);
    // Carriage return, erase the line; past what strips colours, which would take this for one.
    let _ = write!(io::stderr(), "\r\u{1b}[K{text}");
}

/// Says what takes long, until it is dropped.
pub(super) struct WaitingNotice;

impl WaitingNotice {
    pub(super) fn shown(text: &str) -> Option<Self> {
        watched().then(|| {
            progress(text);
            Self
        })
    }
}

impl Drop for WaitingNotice {
    fn drop(&mut self) {
        progress("");
    }
}
