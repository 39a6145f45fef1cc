//! Paths into JSON, for what a health check looks at: `$.status`, `$.parts[0].state`.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// `$`, then any number of `.key` and `[index]`. Keys hold letters, digits, `_` and `-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonPath(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

/// Why a text is not a path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a JSON path: write $, then .key or [index], such as \"$.parts[0].state\"")]
pub struct JsonPathError {
    text: String,
}

/// How many steps a path may have.
const MOST_STEPS: usize = 32;

impl JsonPath {
    /// The value that the path leads to in `document`, if there is one.
    pub fn find<'v>(&self, document: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(document, |value, step| match step {
            Step::Key(key) => value.get(key),
            Step::Index(index) => value.get(index),
        })
    }
}

impl FromStr for JsonPath {
    type Err = JsonPathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || JsonPathError { text: text.chars().take(64).collect() };
        let mut rest = text.strip_prefix('$').ok_or_else(error)?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, after) = if let Some(inner) = rest.strip_prefix('[') {
                let (index, after) = inner.split_once(']').ok_or_else(error)?;
                let plain = index.bytes().all(|byte| byte.is_ascii_digit());
                (Step::Index(index.parse().ok().filter(|_| plain).ok_or_else(error)?), after)
            } else {
                let inner = rest.strip_prefix('.').ok_or_else(error)?;
                let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
                let (key, after) = inner.split_at(inner.find(|c| !part(c)).unwrap_or(inner.len()));
                if key.is_empty() {
                    return Err(error());
                }
                (Step::Key(key.to_owned()), after)
            };
            steps.push(step);
            rest = after;
            if steps.len() > MOST_STEPS {
                return Err(error());
            }
        }
        Ok(Self(steps))
    }
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("$")?;
        self.0.iter().try_for_each(|step| match step {
            Step::Key(key) => write!(f, ".{key}"),
            Step::Index(index) => write!(f, "[{index}]"),
        })
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
            "pattern": "^\\$(\\.[A-Za-z0-9_-]+|\\[[0-9]+\\])*$",
            "examples": ["$.status", "$.parts[0].state"]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_through_keys_and_indices() {
        let document = serde_json::json!({"status": "up", "parts": [{"a-b": 1}, 2]});
        for (path, expected) in [
            ("$", Some(document.clone())),
            ("$.status", Some("up".into())),
            ("$.parts[0].a-b", Some(1.into())),
            ("$.parts[1]", Some(2.into())),
            ("$.parts[2]", None),
            ("$.status.deeper", None),
            ("$.missing", None),
        ] {
            let parsed: JsonPath = path.parse().expect(path);
            assert_eq!(parsed.find(&document), expected.as_ref(), "{path}");
            assert_eq!(parsed.to_string(), path);
        }
    }

    #[test]
    fn what_is_not_a_path_is_refused() {
        for bad in
            ["", "status", "$status", "$.", "$..a", "$.a[", "$.a[]", "$.a[-1]", "$.a[x]", "$.a b", "$['a']"]
        {
            assert!(bad.parse::<JsonPath>().is_err(), "{bad}");
        }
        assert!(format!("${}", ".a".repeat(33)).parse::<JsonPath>().is_err());
    }
}
