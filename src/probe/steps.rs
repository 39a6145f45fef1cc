//! What an attempt did, step by step: for `portreeve test probe`, and for saying what hung.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use crate::guard::Guard;

/// The longest text shown of what a server said.
const LONGEST: usize = 200;

/// One step that came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// `resolve`, `connect`, `TLS`, `send`, `receive`…
    pub name: &'static str,
    /// What came of it, on one line and bounded.
    pub what: String,
    /// How long it took.
    pub took: Duration,
}

/// The steps of one attempt.
#[derive(Debug)]
pub struct Steps {
    done: Vec<Step>,
    doing: &'static str,
    since: Instant,
    secrets: Vec<SecretString>,
    guard: Guard,
}

impl Default for Steps {
    fn default() -> Self {
        Self::within(Guard::default())
    }
}

impl Steps {
    /// No steps yet, of an attempt that reaches and reads what `guard` lets it.
    pub fn within(guard: Guard) -> Self {
        Self { done: Vec::new(), doing: "start", since: Instant::now(), secrets: Vec::new(), guard }
    }

    /// What the attempt may reach and read.
    pub const fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Begins a step.
    pub fn begin(&mut self, name: &'static str) {
        (self.doing, self.since) = (name, Instant::now());
    }

    /// Ends the step that was begun last.
    pub fn end(&mut self, what: impl AsRef<str>) {
        let what = self.without_secrets(shown(what.as_ref()));
        self.done.push(Step { name: self.doing, what, took: self.since.elapsed() });
    }

    /// From now on nothing that is told of this attempt holds `secret`, whatever a server repeats of what it was sent.
    pub fn conceal(&mut self, secret: &SecretString) {
        if !secret.expose_secret().is_empty() {
            self.secrets.push(secret.clone());
        }
    }

    /// `text` without what must not be told.
    pub fn without_secrets(&self, text: String) -> String {
        self.secrets.iter().fold(text, |text, secret| text.replace(secret.expose_secret(), "***"))
    }

    /// The step that was begun last: when an attempt is given up, what it waited for.
    pub fn doing(&self) -> &'static str {
        self.doing
    }

    /// What is done.
    pub fn done(&self) -> &[Step] {
        &self.done
    }
}

/// As in `1 row` and `2 rows`.
pub(super) fn count(count: impl Into<i128>, noun: &str) -> String {
    let count = count.into();
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{ending}")
}

/// What a stranger said, on one line and bounded.
pub fn shown(text: &str) -> String {
    let mut line = String::new();
    for word in text.split(|letter: char| letter.is_whitespace() || letter.is_control()) {
        if word.is_empty() {
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        // A body of a megabyte need not be walked through.
        if line.len() > LONGEST * 4 {
            break;
        }
    }
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}
