//! Objects → YAML text.

use serde_json::{Map, Value};

use crate::resource::Object;
use crate::terminal::{is_hidden, quoted};

/// An object that cannot be written as YAML; no object that was read is one.
#[derive(Debug, thiserror::Error)]
#[error("cannot be written as YAML: {0}")]
pub struct WriteError(#[from] serde_yaml::Error);

/// `objects` as the documents of one file.
///
/// # Errors
/// [`WriteError`], which does not happen for objects that were read.
pub fn write<'a>(objects: impl IntoIterator<Item = &'a Object>) -> Result<String, WriteError> {
    let mut text = String::new();
    for object in objects {
        if !text.is_empty() {
            text.push_str("---\n");
        }
        text.push_str(&serde_yaml::to_string(object)?);
    }
    Ok(text)
}

/// Any document as YAML, with nothing in it that a terminal would obey or hide.
///
/// # Errors
/// [`WriteError`], which does not happen for what JSON can say.
pub fn yaml(document: &Value) -> Result<String, WriteError> {
    let mut stand_ins = StandIns::of(document);
    let shown = stand_ins.replace(document);
    let mut text = serde_yaml::to_string(&shown)?;
    for (stand_in, quoted) in stand_ins.made {
        text = text.replacen(&stand_in, &quoted, 1);
    }
    Ok(text)
}

/// Words that stand for strings with something hidden in them until the text is made: the library writes what changes
/// the direction of text as it is, and cannot be asked for quotes.
struct StandIns {
    /// What each begins with, and nothing else in the document does.
    mark: String,
    /// Each with what it stands for, in quotes.
    made: Vec<(String, String)>,
}

impl StandIns {
    fn of(document: &Value) -> Self {
        let (text, mut mark) = (document.to_string(), "hidden".to_owned());
        while text.contains(&mark) {
            mark.push('_');
        }
        Self { mark, made: Vec::new() }
    }

    fn replace(&mut self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.word(text)),
            Value::Array(items) => items.iter().map(|item| self.replace(item)).collect(),
            Value::Object(fields) => {
                let field = |(key, value): (&String, &Value)| (self.word(key), self.replace(value));
                Value::Object(fields.iter().map(field).collect::<Map<_, _>>())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }

    /// `text`, or a word as long as `text` in quotes: a long key is written in another way than a short one.
    fn word(&mut self, text: &str) -> String {
        if !text.contains(|c| is_hidden(c) && !matches!(c, '\n' | '\t')) {
            return text.to_owned();
        }
        let (quoted, number) = (quoted(text), self.made.len());
        let rest = quoted.chars().count().saturating_sub(self.mark.len() + 1);
        let word = format!("{}{number:0>rest$}z", self.mark);
        self.made.push((word.clone(), quoted));
        word
    }
}

#[cfg(test)]
mod tests {
    use serde::de::Deserialize;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_hidden_is_written_out_and_read_as_it_was() {
        let hostile = "\u{1b}[35m\u{9b}31m\r\"\\\u{7f}\u{202e}\u{200b}\u{e0041}é\n";
        let long = hostile.repeat(200);
        let document = json!({
            "labels": {hostile: "hidden", "plain": "a\nb", &*long: [hostile, "hidden0z", &*long]},
            "many": (0..12).map(|n| format!("{n}\u{9b}")).collect::<Vec<_>>(),
        });
        let text = yaml(&document).expect("YAML");
        assert!(!text.contains(|c| is_hidden(c) && c != '\n'), "{text:?}");
        let read = Value::deserialize(serde_yaml::Deserializer::from_str(&text)).expect("YAML");
        assert_eq!(read, document);
    }

    #[test]
    fn everything_else_is_written_as_ever() {
        let document = json!({"spec": {"url": "http://b:1", "hidden": "é\ttab", "text": "a\nb\n"}});
        assert_eq!(yaml(&document).expect("YAML"), serde_yaml::to_string(&document).expect("YAML"));
    }
}
