//! What an attempt did, step by step: for `portreeve test probe`, and for saying what hung.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use super::failure::Failure;
use super::verdict::{Cause, There};
use crate::guard::Guard;

/// The longest text shown of what a server said at a step.
const LONGEST: usize = 200;
/// The longest shown of what it said at the end.
const LONGEST_OUTPUT: usize = 1000;

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
    concluded: Option<Failure>,
}

impl Steps {
    /// No steps yet, of an attempt that reaches and reads what `guard` lets it.
    pub fn within(guard: Guard) -> Self {
        Self {
            done: Vec::new(),
            doing: "start",
            since: Instant::now(),
            secrets: Vec::new(),
            guard,
            concluded: None,
        }
    }

    /// Those of another look at the same target: nothing is done yet, and what bounds this attempt bounds that one.
    #[must_use]
    pub fn afresh(&self) -> Self {
        Self { secrets: self.secrets.clone(), ..Self::within(self.guard.clone()) }
    }

    /// What the attempt may reach and read.
    pub const fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Begins a step.
    pub fn begin(&mut self, name: &'static str) {
        (self.doing, self.since) = (name, Instant::now());
    }

    /// What the step that was begun last waits for now, by another name.
    pub(super) fn wait_at(&mut self, name: &'static str) {
        self.doing = name;
    }

    /// Ends the step that was begun last.
    pub fn end(&mut self, what: impl AsRef<str>) {
        // Secrets first: one that is cut in two is not found any more.
        let what = shown(&self.without_secrets(what.as_ref().to_owned()));
        self.done.push(Step { name: self.doing, what, took: self.since.elapsed() });
    }

    /// However the attempt ends from here, this is what came of it: what it still waits for only explains that.
    pub(super) fn conclude(&mut self, failure: Failure) {
        self.concluded = Some(failure);
    }

    /// What came of the attempt before its time was over.
    pub(super) fn concluded(&mut self) -> Option<Failure> {
        self.concluded.take()
    }

    /// From now on nothing that is told of this attempt holds `secret`, whatever a server repeats of what it was sent.
    pub fn conceal(&mut self, secret: &SecretString) {
        if !secret.expose_secret().is_empty() {
            self.secrets.push(secret.clone());
        }
    }

    /// `text` without what must not be told.
    pub fn without_secrets(&self, text: String) -> String {
        self.secrets.iter().fold(text, |text, secret| {
            let secret = secret.expose_secret();
            // Also as the numbers of its bytes, which is how a server is quoted that answers no text.
            let numbers: Vec<String> = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
            text.replace(secret, "***").replace(&numbers.join(" "), "***")
        })
    }

    /// The step that was begun last: when an attempt is given up, what it waited for.
    pub fn doing(&self) -> &'static str {
        self.doing
    }

    /// Whether an attempt that ended for `cause` has heard no word of its protocol from the other side.
    pub(super) fn heard_nothing(&self, cause: &Cause) -> bool {
        let connected = || self.done.last().is_some_and(|step| step.name == "connect");
        match cause {
            // HTTP servers say 400 on a port for TLS, if they say anything.
            Cause::There(There::HungUp | There::Nonsense) | Cause::Http { status: 400, .. } => true,
            Cause::There(There::Hangs) => connected(),
            _ => false,
        }
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
    line(text, LONGEST)
}

/// The same, with room for a page that says what is wrong.
pub(super) fn quoted(text: &str) -> String {
    line(text, LONGEST_OUTPUT)
}

fn line(text: &str, longest: usize) -> String {
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
        if line.len() > longest * 4 {
            break;
        }
    }
    match line.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}
