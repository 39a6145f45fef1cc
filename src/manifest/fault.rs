//! What is wrong with a document, by path, in words for people instead of serde's.

use serde_json::Value;

use super::nearest;
use crate::resource::{FieldPath, LITERAL, SECRET_REF, Segment};

/// A position within a document's text, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// Something wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// What is marked.
    pub(super) path: FieldPath,
    /// Whether its key is marked and not its value.
    pub(super) key: bool,
    /// What is wrong, with the path.
    pub(super) message: String,
    /// Whether the value may be a secret.
    pub(super) secret: bool,
}

impl Fault {
    /// The value at `path` is wrong.
    pub(super) fn value(path: FieldPath, message: impl Into<String>) -> Self {
        let message = prefixed(&path, &message.into());
        let secret = in_secret(&path);
        Self { path, key: false, message, secret }
    }

    /// The value of the top-level field `name` is wrong; the message names it.
    pub(super) fn top(name: &str, message: String) -> Self {
        Self { path: FieldPath::root().key(name), key: false, message, secret: false }
    }

    /// Whether the fault is a slip of `name`.
    pub(super) fn suggests(&self, name: &str) -> bool {
        self.message.ends_with(&format!("; did you mean `{name}`?"))
    }

    /// The mapping at `within` lacks the field `name`.
    pub(super) fn missing_field(within: FieldPath, name: &str) -> Self {
        Self { key: true, ..Self::value(within, format!("the field `{name}` is missing")) }
    }

    /// `name` is no field of the mapping at `within`.
    pub(super) fn unknown_field(within: &FieldPath, name: &str, known: &[&str]) -> Self {
        let message = prefixed(within, &format!("unknown field `{}`{}", shown(name), hint(name, known)));
        Self { key: true, message, ..Self::value(within.key(name), "") }
    }
}

fn prefixed(path: &FieldPath, message: &str) -> String {
    if path.segments().is_empty() { message.to_owned() } else { format!("{path}: {message}") }
}

/// Fields below these hold secrets, or were meant to.
fn in_secret(path: &FieldPath) -> bool {
    path.segments().iter().any(|segment| match segment {
        Segment::Key(key) => {
            matches!(
                key.as_str(),
                "auth" | "signing" | "secret" | "password" | "token" | "bearer" | "routingKey" | "valueFrom"
            )
        }
        Segment::Index(_) => false,
    })
}

/// `; did you mean …?`, or what there is.
pub(super) fn hint(text: &str, known: &[&str]) -> String {
    match nearest(text, known.iter().copied()) {
        Some(near) => format!("; did you mean `{near}`?"),
        None if known.is_empty() => String::new(),
        None => format!("; there is {}", known.join(", ")),
    }
}

/// Text from a file as it may stand in a message: short, on one line.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 64;
    let mut shown: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}

/// What serde says of the value at `path`, `found` being what stands there.
pub(super) fn from_serde(path: FieldPath, said: &str, found: Option<&Value>) -> Fault {
    // Fields that hold references to secrets have names of all kinds, a webhook's `url` among them.
    let secret =
        said.contains(LITERAL) || said.ends_with(SECRET_REF) || said.ends_with("expected `env` or `file`");
    let mut fault = from_words(path, said, found);
    fault.secret |= secret;
    fault
}

fn from_words(path: FieldPath, said: &str, found: Option<&Value>) -> Fault {
    let quoted = quoted(said);
    if said.starts_with("unknown field ")
        && let Some((name, known)) = quoted.split_first()
    {
        // The path leads to the unknown field itself.
        let within = path.parent().unwrap_or_default();
        let within =
            if path.segments().last() == Some(&Segment::Key((*name).to_owned())) { within } else { path };
        return Fault::unknown_field(&within, name, known);
    }
    if said.starts_with("unknown variant ")
        && let Some((name, known)) = quoted.split_first()
    {
        let message = match nearest(name, known.iter().copied()) {
            Some(near) => format!("`{}` is not a valid value; did you mean `{near}`?", shown(name)),
            None => format!("`{}` is not one of {}", shown(name), known.join(", ")),
        };
        return Fault::value(path, message);
    }
    if said.starts_with("missing field ")
        && let Some(name) = quoted.first()
    {
        return Fault::missing_field(path, name);
    }
    if said.starts_with("invalid type: ") || said.starts_with("invalid value: ") {
        let expected = said.rsplit_once(", expected ").map_or("something else", |(_, expected)| expected);
        let scalar = found.is_some_and(|found| !found.is_object() && !found.is_array());
        let hint = match found {
            Some(Value::Bool(_) | Value::Number(_)) if expected == "a string" => {
                ": put it in quotes".to_owned()
            }
            _ if scalar && in_secret(&path) => format!("; {LITERAL}"),
            _ => String::new(),
        };
        let found = found.map_or("something else", describe);
        return Fault::value(path, format!("expected {}, found {found}{hint}", plain(expected)));
    }
    Fault::value(path, shown_long(said))
}

fn shown_long(text: &str) -> String {
    text.chars().take(400).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// What stands between backquotes.
fn quoted(said: &str) -> Vec<&str> {
    said.split('`').skip(1).step_by(2).collect()
}

/// serde's words for types, in everyone's.
fn plain(expected: &str) -> &str {
    match expected {
        "a string" => "text",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number from 0",
        "i32" | "i64" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "a mapping",
        other if other.starts_with("struct ") => "a mapping",
        other if other.ends_with("enum") || other.starts_with("enum ") || other.contains("identifier") => {
            "a word"
        }
        other => other,
    }
}

fn describe(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.is_f64() => "a number with a fraction",
        Value::Number(number) if number.is_i64() && !number.is_u64() => "a negative number",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serdes_words_become_plain_ones_without_the_value() {
        let path = || FieldPath::root().key("spec").key("port");
        let message = |said: &str, found: Value| from_serde(path(), said, Some(&found)).message;
        assert_eq!(
            message("invalid type: string \"hunter2\", expected u16", "hunter2".into()),
            "spec.port: expected a whole number from 0 to 65535, found text"
        );
        assert_eq!(
            message("invalid type: boolean `true`, expected a string", true.into()),
            "spec.port: expected text, found true or false: put it in quotes"
        );
        assert_eq!(
            message("unknown variant `restrat`, expected one of `restart`, `stop`", "restrat".into()),
            "spec.port: `restrat` is not a valid value; did you mean `restart`?"
        );
        assert_eq!(message("missing field `url`", Value::Null), "spec.port: the field `url` is missing");
        let fault = from_serde(path().key("ulr"), "unknown field `ulr`, expected `url` or `path`", None);
        assert_eq!((fault.path.to_string(), fault.key), ("spec.port.ulr".to_owned(), true));
        assert_eq!(fault.message, "spec.port: unknown field `ulr`; did you mean `url`?");
    }
}
