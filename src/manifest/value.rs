//! The first reading of a document: plain values, bounded, without duplicate keys.
//!
//! Plain values keep what was written: a number is a number, not the text some field would have taken it for. Bounds
//! hold while reading, after aliases are followed, so that neither a deep nest nor an alias bomb grows anything.

use std::cell::Cell;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::fault::At;
use super::slip::slip;
use super::split::lines;

/// How deep values may be nested.
const DEEPEST: usize = 64;
/// How many values a document may hold after aliases are followed.
const MOST_VALUES: usize = 100_000;
/// How many bytes of text those values may hold together.
const MOST_TEXT: usize = 4 << 20;

/// Why a document could not be read, and where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unreadable {
    pub(super) at: At,
    pub(super) message: String,
    /// Whether the words are the parser's own, with positions counted from the document's start.
    pub(super) parsers: bool,
}

/// The value of the one document in `text`.
pub(super) fn read(text: &str) -> Result<Value, Unreadable> {
    let bounds = Bounds { values: Cell::new(MOST_VALUES), text: Cell::new(MOST_TEXT), said: Cell::new(None) };
    let seed = Read { bounds: &bounds, depth: 0 };
    seed.deserialize(serde_yaml::Deserializer::from_str(text)).map_err(|error| {
        let at = error
            .location()
            .map_or(At { line: 1, column: 1 }, |place| At { line: place.line(), column: place.column() });
        if let Some(message) = bounds.said.take() {
            return Unreadable { at, message, parsers: false };
        }
        let said = error.to_string();
        if is_tab(text, at, &said) {
            return Unreadable { at, message: "a tab; YAML indents with spaces".to_owned(), parsers: false };
        }
        match slip(text, at, &said) {
            Some((at, message)) => Unreadable { at, message, parsers: false },
            None => Unreadable { at, message: said, parsers: true },
        }
    })
}

/// Whether the parser stumbled over a tab before anything else of a line: it does not say so.
fn is_tab(text: &str, At { line, column }: At, said: &str) -> bool {
    let before = lines(text).nth(line.saturating_sub(1)).unwrap_or_default().chars().take(column);
    let mut before = before.skip_while(|c| *c == ' ');
    said.contains("tab character") || said.contains("cannot start any token") && before.next() == Some('\t')
}

/// The value of a JSON text, within the same bounds.
pub(super) fn read_json(text: &[u8]) -> Result<Value, Unreadable> {
    let bounds = Bounds { values: Cell::new(MOST_VALUES), text: Cell::new(MOST_TEXT), said: Cell::new(None) };
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = Read { bounds: &bounds, depth: 0 }.deserialize(&mut deserializer);
    value.and_then(|value| deserializer.end().map(|()| value)).map_err(|error| {
        let at = At { line: error.line(), column: error.column() };
        let said = error.to_string();
        // serde_json says where at the end of its message; that is told apart.
        let words = said.rfind(" at line ").map_or(said.as_str(), |end| &said[..end]).to_owned();
        Unreadable { at, message: bounds.said.take().unwrap_or(words), parsers: false }
    })
}

struct Bounds {
    values: Cell<usize>,
    text: Cell<usize>,
    /// Our own words for an error; the parser's would repeat the position.
    said: Cell<Option<String>>,
}

impl Bounds {
    fn refuse<T, E: de::Error>(&self, message: impl Into<String>) -> Result<T, E> {
        let message = message.into();
        let error = E::custom(&message);
        self.said.set(Some(message));
        Err(error)
    }

    fn spend<E: de::Error>(&self, bytes: usize) -> Result<(), E> {
        match (self.values.get().checked_sub(1), self.text.get().checked_sub(bytes)) {
            (Some(values), Some(text)) => {
                self.values.set(values);
                self.text.set(text);
                Ok(())
            }
            (None, _) => self
                .refuse(format!("the document contains more than {MOST_VALUES} values (aliases followed)")),
            (_, None) => self.refuse(format!(
                "the document contains more than {MOST_TEXT} bytes of text (aliases followed)"
            )),
        }
    }
}

#[derive(Clone, Copy)]
struct Read<'b> {
    bounds: &'b Bounds,
    depth: usize,
}

impl Read<'_> {
    fn scalar<E: de::Error>(self, value: impl Into<Value>) -> Result<Value, E> {
        self.bounds.spend(0)?;
        Ok(value.into())
    }

    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        self.bounds.spend(0)?;
        if self.depth >= DEEPEST {
            return self.bounds.refuse(format!("values are nested more than {DEEPEST} levels deep"));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Read<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Read<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        self.scalar(value)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        self.scalar(value)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        self.scalar(value)
    }

    fn visit_i128<E: de::Error>(self, _: i128) -> Result<Value, E> {
        self.bounds.refuse("the number is too small")
    }

    fn visit_u128<E: de::Error>(self, _: u128) -> Result<Value, E> {
        self.bounds.refuse("the number is too large")
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        match Number::from_f64(value) {
            Some(number) => self.scalar(number),
            None => self.bounds.refuse("the number is not finite"),
        }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        self.bounds.spend(text.len())?;
        Ok(text.into())
    }

    fn visit_none<E: de::Error>(self) -> Result<Value, E> {
        self.scalar(Value::Null)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        self.scalar(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut map = Map::new();
        while let Some(key) = entries.next_key_seed(Key { bounds: self.bounds, known: &map })? {
            let value = entries.next_value_seed(inner)?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }

    /// A value with a tag of its own (`!secret x`).
    fn visit_enum<A: de::EnumAccess<'de>>(self, _: A) -> Result<Value, A::Error> {
        self.bounds.refuse("tags (`!name`) are not supported")
    }
}

/// A key: text, and not one that is there already.
struct Key<'b> {
    bounds: &'b Bounds,
    known: &'b Map<String, Value>,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Key<'_> {
    fn not_text<E: de::Error>(&self) -> Result<String, E> {
        self.bounds.refuse("a key must be text: put it in quotes")
    }
}

impl<'de> Visitor<'de> for Key<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<String, E> {
        self.bounds.spend(key.len())?;
        if self.known.contains_key(key) {
            return self.bounds.refuse(format!("`{}` is given twice", super::fault::shown(key)));
        }
        if key == "<<" {
            return self.bounds.refuse("merge keys (`<<`) are not supported: write the fields out");
        }
        Ok(key.to_owned())
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<String, E> {
        self.not_text()
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<String, E> {
        self.not_text()
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<String, E> {
        self.not_text()
    }

    fn visit_i128<E: de::Error>(self, _: i128) -> Result<String, E> {
        self.not_text()
    }

    fn visit_u128<E: de::Error>(self, _: u128) -> Result<String, E> {
        self.not_text()
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<String, E> {
        self.not_text()
    }

    fn visit_unit<E: de::Error>(self) -> Result<String, E> {
        self.not_text()
    }

    fn visit_none<E: de::Error>(self) -> Result<String, E> {
        self.not_text()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<String, A::Error> {
        self.not_text()
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<String, A::Error> {
        self.not_text()
    }

    fn visit_enum<A: de::EnumAccess<'de>>(self, _: A) -> Result<String, A::Error> {
        self.not_text()
    }
}
