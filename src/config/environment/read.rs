//! Reading one variable, with errors that name it.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// A variable whose value cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} {message}")]
pub struct VariableError {
    /// The variable.
    pub name: &'static str,
    /// What is wrong, to be read after the name.
    pub message: String,
}

pub(super) struct Reader<'a> {
    variables: &'a BTreeMap<String, String>,
    errors: Vec<VariableError>,
    notes: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(variables: &'a BTreeMap<String, String>) -> Self {
        Self { variables, errors: Vec::new(), notes: Vec::new() }
    }

    pub(super) fn finish(self) -> (Vec<String>, Vec<VariableError>) {
        (self.notes, self.errors)
    }

    pub(super) fn refuse(&mut self, name: &'static str, message: impl Into<String>) {
        self.errors.push(VariableError { name, message: message.into() });
    }

    pub(super) fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// The value without blanks around it; `None` when there is nothing left.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.variables.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// A whole number in `range`.
    pub(super) fn whole(&mut self, name: &'static str, range: RangeInclusive<u32>) -> Option<u32> {
        let text = self.text(name)?;
        let number = text.parse().ok().filter(|number| range.contains(number));
        if number.is_none() {
            let message = format!("must be a whole number from {} to {}", range.start(), range.end());
            self.refuse(name, message);
        }
        number
    }

    /// Yes or no.
    pub(super) fn flag(&mut self, name: &'static str) -> Option<bool> {
        let text = self.text(name)?;
        let is = |words: [&str; 4]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
        if is(["true", "1", "yes", "on"]) {
            Some(true)
        } else if is(["false", "0", "no", "off"]) {
            Some(false)
        } else {
            self.refuse(name, "must be true or false");
            None
        }
    }
}
