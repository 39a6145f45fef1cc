//! Paths into JSON, for what a health check looks at: `$.status`, `$.parts[0].state`, `$["core.db"]`.
//!
//! They are the *singular queries* of JSONPath (RFC 9535, 2.3.5.1): each leads to one value at most. Beyond the RFC a key
//! after a dot may hold `-` and begin with a digit.

use std::borrow::{Borrow, Cow};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Number, Value};

/// `$`, then any number of `.key`, `['any key']`, `["any key"]` and `[index]`; an index below 0 counts from the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonPath {
    /// As it was written.
    text: String,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(i64),
}

/// Why a text is not a path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a JSON path: {why} after {before:?}; write $, then .key, [\"any key\"] or [index], such as \
     \"$.parts[0].state\""
)]
pub struct JsonPathError {
    text: String,
    before: String,
    why: &'static str,
}

/// Where a path leaves a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Astray {
    /// The object there has no such key.
    #[error("{at} has no key {key:?}")]
    NoKey {
        /// The path up to the object.
        at: String,
        /// The key.
        key: String,
    },
    /// The array there is shorter.
    #[error("{at} has {length} element{}", if *length == 1 { "" } else { "s" })]
    TooShort {
        /// The path up to the array.
        at: String,
        /// What it holds.
        length: usize,
    },
    /// What is there has no parts, or not such.
    #[error("{at} is {found}, not {wanted}")]
    Other {
        /// The path up to it.
        at: String,
        /// What it is.
        found: &'static str,
        /// What the path takes it for.
        wanted: &'static str,
    },
}

/// How many steps a path may have.
const MOST_STEPS: usize = 32;
/// How many bytes a path may have.
const LONGEST: usize = 1024;

impl JsonPath {
    /// The value that the path leads to in `document`. What is beside the path is only looked at as far as it must be JSON:
    /// numbers of any size, halves of surrogate pairs and any depth are.
    ///
    /// # Errors
    /// Where the path leaves the document.
    pub fn find<'v>(&self, document: &'v RawValue) -> Result<&'v RawValue, Astray> {
        let mut value = document;
        for (done, step) in self.steps.iter().enumerate() {
            let at = || self.steps.iter().take(done).fold("$".to_owned(), |at, step| format!("{at}{step}"));
            let found = kind(value);
            let other = |wanted| Astray::Other { at: at(), found, wanted };
            value = match step {
                Step::Key(key) => {
                    let object: BTreeMap<Key<'v>, &'v RawValue> =
                        serde_json::from_str(value.get()).map_err(|_| other("an object"))?;
                    let found = object.get(key.as_bytes()).copied();
                    found.ok_or_else(|| Astray::NoKey { at: at(), key: key.clone() })?
                }
                Step::Index(index) => {
                    let array: Vec<&'v RawValue> =
                        serde_json::from_str(value.get()).map_err(|_| other("an array"))?;
                    let place = usize::try_from(index.unsigned_abs()).ok();
                    let place =
                        if *index < 0 { place.and_then(|back| array.len().checked_sub(back)) } else { place };
                    let found = place.and_then(|place| array.get(place)).copied();
                    found.ok_or_else(|| Astray::TooShort { at: at(), length: array.len() })?
                }
            };
        }
        Ok(value)
    }
}

/// A key of an object, as bytes: with half of a surrogate pair in it, it is no text.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key<'a>(Cow<'a, [u8]>);

impl Borrow<[u8]> for Key<'_> {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(KeyVisitor)
    }
}

struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = Key<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_bytes<E>(self, key: &'de [u8]) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Borrowed(key)))
    }

    fn visit_bytes<E>(self, key: &[u8]) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Owned(key.to_owned())))
    }
}

fn kind(value: &RawValue) -> &'static str {
    match value.get().as_bytes().first() {
        Some(b'n') => "null",
        Some(b't' | b'f') => "true or false",
        Some(b'"') => "text",
        Some(b'[') => "an array",
        Some(b'{') => "an object",
        _ => "a number",
    }
}

/// Whether two values are the same, numbers by what they are worth: `1` is `1.0`. Integers of up to 64 bits are compared
/// exactly, also with fractions; what is larger is a double (RFC 8259, 6).
pub fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => worth_the_same(one, other),
        _ => one == other,
    }
}

fn worth_the_same(one: &Number, other: &Number) -> bool {
    match (integer(one), integer(other)) {
        (Some(one), Some(other)) => one == other,
        // Neither has an integer's worth, or one alone has.
        (None, None) => one.as_f64() == other.as_f64(),
        _ => false,
    }
}

/// A number's worth where that is an integer of a size at which a double of that worth is no other integer's too.
fn integer(number: &Number) -> Option<i128> {
    /// 2^100, above all integers of 64 bits.
    const BEYOND: f64 = (1_u128 << 100) as f64;
    if let Some(integer) = number.as_i128() {
        return Some(integer);
    }
    let double = number.as_f64()?;
    // Exact: the double has no fraction and fits.
    #[allow(clippy::cast_possible_truncation)]
    (double.fract() == 0.0 && double.abs() < BEYOND).then_some(double as i128)
}

impl FromStr for JsonPath {
    type Err = JsonPathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut reader = Reader { text, at: 0 };
        let read = if text.len() > LONGEST { Err("it is too long") } else { reader.path() };
        read.map(|steps| Self { text: text.to_owned(), steps }).map_err(|why| {
            let before = text.get(..reader.at).unwrap_or_default();
            JsonPathError { text: text.chars().take(64).collect(), before: before.to_owned(), why }
        })
    }
}

/// Reads a path from front to back; where it stands is where an error is.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest().chars().next()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn take(&mut self, wanted: char) -> bool {
        let there = self.rest().starts_with(wanted);
        self.at += if there { wanted.len_utf8() } else { 0 };
        there
    }

    fn take_while(&mut self, part: impl Fn(char) -> bool) -> &str {
        let length = self.rest().find(|c| !part(c)).unwrap_or(self.rest().len());
        self.at += length;
        self.text.get(self.at - length..self.at).unwrap_or_default()
    }

    fn blanks(&mut self) {
        self.take_while(|c| matches!(c, ' ' | '\t' | '\n' | '\r'));
    }

    fn path(&mut self) -> Result<Vec<Step>, &'static str> {
        if !self.take('$') {
            return Err("a $ is missing");
        }
        let mut steps = Vec::new();
        while !self.rest().is_empty() {
            if steps.len() == MOST_STEPS {
                return Err("there are too many steps");
            }
            let step = if self.take('.') {
                let key =
                    self.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-') || !c.is_ascii());
                if key.is_empty() {
                    return Err("a key is missing");
                }
                Step::Key(key.to_owned())
            } else if self.take('[') {
                self.blanks();
                let step = self.bracketed()?;
                self.blanks();
                if !self.take(']') {
                    return Err("a ] is missing");
                }
                step
            } else {
                return Err("a . or [ is missing");
            };
            steps.push(step);
        }
        Ok(steps)
    }

    fn bracketed(&mut self) -> Result<Step, &'static str> {
        for quote in ['\'', '"'] {
            if self.take(quote) {
                return self.quoted(quote).map(Step::Key);
            }
        }
        let begin = self.at;
        self.take('-');
        let digits = self.take_while(|c| c.is_ascii_digit()).len();
        if digits == 0 {
            self.at = begin;
            return Err("an index or a key in quotes is missing");
        }
        let index = self.text.get(begin..self.at).and_then(|index| index.parse().ok());
        index.map(Step::Index).ok_or("the index is too large")
    }

    /// What is between quotes, with JSON's escapes.
    fn quoted(&mut self, quote: char) -> Result<String, &'static str> {
        let mut key = String::new();
        loop {
            match self.next().ok_or("the closing quote is missing")? {
                c if c == quote => return Ok(key),
                '\\' => key.push(self.escaped(quote)?),
                c if c.is_control() => {
                    return Err("control characters are written as \\u and four digits, not");
                }
                c => key.push(c),
            }
        }
    }

    fn escaped(&mut self, quote: char) -> Result<char, &'static str> {
        Ok(match self.next() {
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => {
                let mut units = vec![self.unit()?];
                // A character beyond the first 65,536 is written as two.
                if (0xd800..0xdc00).contains(&units[0]) && self.take('\\') && self.take('u') {
                    units.push(self.unit()?);
                }
                let mut read = char::decode_utf16(units);
                match (read.next(), read.next()) {
                    (Some(Ok(c)), None) => c,
                    _ => return Err("half of a surrogate pair is no character"),
                }
            }
            Some(c) if c == quote || matches!(c, '\\' | '/') => c,
            _ => return Err("there is no such escape as"),
        })
    }

    fn unit(&mut self) -> Result<u16, &'static str> {
        const WHY: &str = "four hexadecimal digits are missing";
        let digits =
            self.rest().get(..4).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let unit = u16::from_str_radix(digits.ok_or(WHY)?, 16).map_err(|_| WHY)?;
        self.at += 4;
        Ok(unit)
    }
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain =
            |key: &str| key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        match self {
            Self::Key(key) if plain(key) && !key.is_empty() => write!(f, ".{key}"),
            Self::Key(key) => write!(f, "[{key:?}]"),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

impl Serialize for JsonPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for JsonPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for JsonPath {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "JsonPath".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "maxLength": LONGEST,
            "pattern": r#"^\$(\.([A-Za-z0-9_-]|[^\u0000-\u007F])+|\[\s*(-?[0-9]+|'([^'\\]|\\.)*'|"([^"\\]|\\.)*")\s*\])*$"#,
            "examples": ["$.status", "$.parts[0].state", "$[\"core.db\"]"]
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn path(text: &str) -> JsonPath {
        text.parse().expect(text)
    }

    /// What it leads to.
    fn found(text: &str, document: &Value) -> Result<Value, String> {
        let document = serde_json::value::to_raw_value(document).expect("JSON");
        let found = path(text).find(&document).map_err(|astray| astray.to_string())?;
        Ok(serde_json::from_str(found.get()).expect("JSON"))
    }

    #[test]
    fn what_is_beside_the_path_may_be_any_json() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        for beside in [r#""\ud800""#, "1e400", "-1e-400", "123456789012345678901234567890", &deep] {
            for document in [
                format!(r#"{{"a":{beside},"s":"up"}}"#),
                format!(r#" {{ "s" : "up" , "a" : {beside} }} "#),
                format!(r#"{{"\ud800x":{beside},"s":"down","s":"up"}}"#),
                format!(r#"{{"\u0073":"up","t":{beside}}}"#),
            ] {
                let document: &RawValue = serde_json::from_str(&document).expect("JSON");
                assert_eq!(path("$.s").find(document).map(RawValue::get), Ok("\"up\""));
            }
            let document = format!("[{beside},1]");
            let document: &RawValue = serde_json::from_str(&document).expect("JSON");
            assert_eq!(path("$[-1]").find(document).map(RawValue::get), Ok("1"));
            assert_eq!(path("$[0]").find(document).map(RawValue::get), Ok(beside));
        }
    }

    #[test]
    fn a_path_leads_through_keys_and_indices() {
        let document = json!({
            "status": "up", "parts": [{"a-b": 1}, 2], "core.db": "ok", "a b": {"'\"\\/\n": [3]}, "": 4, "é": 5, "🦀": 6,
            "0": 7,
        });
        for (text, expected) in [
            ("$", document.clone()),
            ("$.status", json!("up")),
            ("$.parts[0].a-b", json!(1)),
            ("$.parts[1]", json!(2)),
            ("$.parts[01]", json!(2)),
            ("$.parts[-1]", json!(2)),
            ("$.parts[-2]['a-b']", json!(1)),
            (r#"$["core.db"]"#, json!("ok")),
            ("$['core.db']", json!("ok")),
            ("$[ 'status' ]", json!("up")),
            (r#"$['a b']['\'"\\\/\n'][0]"#, json!(3)),
            (r#"$["a b"]["'\"\\/\u000a"][0]"#, json!(3)),
            ("$['']", json!(4)),
            ("$.é", json!(5)),
            (r"$['\u00e9']", json!(5)),
            (r"$['\ud83e\udd80']", json!(6)),
            ("$.0", json!(7)),
        ] {
            assert_eq!(found(text, &document), Ok(expected), "{text}");
            assert_eq!(path(text).to_string(), text);
        }
    }

    #[test]
    fn a_path_that_leads_nowhere_says_where_it_left() {
        let document = json!({"status": {"db": "up"}, "parts": [1], "none": null, "a.b": [true, 2]});
        for (text, why) in [
            ("$.status.disk", r#"$.status has no key "disk""#),
            ("$.missing.deeper", r#"$ has no key "missing""#),
            ("$.parts[1]", "$.parts has 1 element"),
            ("$.parts[-2]", "$.parts has 1 element"),
            ("$['a.b'][9223372036854775807]", r#"$["a.b"] has 2 elements"#),
            ("$.status.db.name", "$.status.db is text, not an object"),
            ("$.status[0]", "$.status is an object, not an array"),
            ("$.parts.length", "$.parts is an array, not an object"),
            ("$.parts[0][0]", "$.parts[0] is a number, not an array"),
            ("$['a.b'][0].x", r#"$["a.b"][0] is true or false, not an object"#),
            ("$.none.x", "$.none is null, not an object"),
        ] {
            assert_eq!(found(text, &document), Err(why.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_path_is_refused_and_says_where() {
        for (bad, why) in [
            ("", r#"a $ is missing after """#),
            ("status", r#"a $ is missing after """#),
            ("$status", r#"a . or [ is missing after "$""#),
            ("$.", r#"a key is missing after "$.""#),
            ("$..a", r#"a key is missing after "$.""#),
            ("$.a.*", r#"a key is missing after "$.a.""#),
            ("$.a[", r#"an index or a key in quotes is missing after "$.a[""#),
            ("$.a[]", r#"an index or a key in quotes is missing after "$.a[""#),
            ("$.a[-]", r#"an index or a key in quotes is missing after "$.a[""#),
            ("$.a[x]", r#"an index or a key in quotes is missing after "$.a[""#),
            ("$.a[?@.b]", r#"an index or a key in quotes is missing after "$.a[""#),
            ("$.a[1", r#"a ] is missing after "$.a[1""#),
            ("$.a[0:2]", r#"a ] is missing after "$.a[0""#),
            ("$['a','b']", r#"a ] is missing after "$['a'""#),
            ("$.a b", r#"a . or [ is missing after "$.a""#),
            ("$['a]", r#"the closing quote is missing after "$['a]""#),
            (r"$['\x']", r#"there is no such escape as after "$['\\x""#),
            (r"$['\ud83e']", r#"half of a surrogate pair is no character after "$['\\ud83e""#),
            (r"$['\u00g0']", r#"four hexadecimal digits are missing after "$['\\u""#),
            ("$[9223372036854775808]", r#"the index is too large after "$[9223372036854775808""#),
        ] {
            let said = bad.parse::<JsonPath>().expect_err(bad).to_string();
            assert!(
                said.starts_with(&format!("{bad:?} is not a JSON path: {why}; write $")),
                "{bad}: {said}"
            );
        }
        for long in [".a".repeat(33), format!(".{}", "a".repeat(1024))] {
            assert!(format!("${long}").parse::<JsonPath>().is_err(), "{long}");
        }
    }

    #[test]
    fn numbers_are_the_same_by_what_they_are_worth() {
        let read = |text: &str| serde_json::from_str::<Value>(text).expect(text);
        for (one, other, expected) in [
            ("1", "1.0", true),
            ("1", "1e0", true),
            ("100", "1E2", true),
            ("-0.0", "0", true),
            ("0.1", "0.10", true),
            ("1", "1.5", false),
            ("1.5", "1.25", false),
            ("9007199254740993", "9007199254740992.0", false),
            ("9007199254740992", "9007199254740992.0", true),
            ("9007199254740993", "9007199254740992", false),
            ("18446744073709551615", "18446744073709551615", true),
            ("18446744073709551615", "18446744073709551614", false),
            ("18446744073709551615", "-1", false),
            ("18446744073709551615", "18446744073709551616", false),
            ("18446744073709551616", "18446744073709551616.0", true),
            ("1e300", "1e300", true),
            ("1e300", "1", false),
            ("1", "\"1\"", false),
            ("true", "1", false),
            ("null", "0", false),
            ("\"a\"", "\"a\"", true),
        ] {
            assert_eq!(same(&read(one), &read(other)), expected, "{one} {other}");
            assert_eq!(same(&read(other), &read(one)), expected, "{other} {one}");
        }
    }
}
