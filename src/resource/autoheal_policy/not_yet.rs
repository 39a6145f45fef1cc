//! `triggers.notYet`: how long a target may say that it is too early.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::resource::Duration;

/// How long it may be too early to ask: for ever, or for a time, after which a container counts as sick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NotYetTrigger {
    /// For ever.
    #[default]
    Never,
    /// For so long.
    After(Duration),
}

/// Why a text is not such a bound.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is neither \"never\" nor a duration such as \"30m\"")]
pub struct NotYetError {
    text: String,
}

impl NotYetTrigger {
    /// How long; `None`: for ever.
    pub const fn bound(self) -> Option<Duration> {
        match self {
            Self::Never => None,
            Self::After(bound) => Some(bound),
        }
    }
}

impl FromStr for NotYetTrigger {
    type Err = NotYetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "never" {
            return Ok(Self::Never);
        }
        text.parse().map(Self::After).map_err(|_| NotYetError { text: text.chars().take(64).collect() })
    }
}

impl fmt::Display for NotYetTrigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str("never"),
            Self::After(bound) => bound.fmt(f),
        }
    }
}

impl Serialize for NotYetTrigger {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for NotYetTrigger {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for NotYetTrigger {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "NotYetTrigger".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^(never|([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?)$",
            "minLength": 1,
            "examples": ["never", "30m"]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_never_or_a_time_and_reads_back() {
        for (text, trigger) in
            [("never", NotYetTrigger::Never), ("30m", NotYetTrigger::After(Duration::from_secs(1800)))]
        {
            assert_eq!(text.parse(), Ok(trigger));
            assert_eq!(trigger.to_string(), text);
            assert_eq!(serde_json::from_value::<NotYetTrigger>(text.into()).expect(text), trigger);
        }
        for bad in ["", "ever", "30", "-1m", "Never"] {
            let error = bad.parse::<NotYetTrigger>().expect_err(bad).to_string();
            assert!(error.ends_with(r#"is neither "never" nor a duration such as "30m""#), "{error}");
        }
    }
}
