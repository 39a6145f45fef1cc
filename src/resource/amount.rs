//! How many of several: a count, or a share in percent.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A count such as `2`, or a share such as `"50%"` (Kubernetes' IntOrString).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// So many.
    Count(u32),
    /// So many of a hundred, 0 to 100.
    Percent(u8),
}

/// Why a text is not an amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an amount: write a whole number such as 2, or a share from \"0%\" to \"100%\"")]
pub struct AmountError {
    text: String,
}

impl Amount {
    /// How many of `total` these are; a share is rounded up, as Kubernetes does for what must be available.
    pub fn of_rounded_up(self, total: u32) -> u32 {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => {
                let share = (u64::from(total) * u64::from(percent)).div_ceil(100);
                u32::try_from(share).unwrap_or(u32::MAX)
            }
        }
    }

    /// Whether none is meant, whatever the total.
    pub const fn is_zero(self) -> bool {
        matches!(self, Self::Count(0) | Self::Percent(0))
    }
}

impl FromStr for Amount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u32>().ok());
        let amount = match text.strip_suffix('%') {
            None => digits(text).flatten().map(Self::Count),
            Some(share) => digits(share)
                .flatten()
                .and_then(|share| u8::try_from(share).ok())
                .filter(|share| *share <= 100)
                .map(Self::Percent),
        };
        amount.ok_or_else(|| AmountError { text: text.chars().take(32).collect() })
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Count(count) => serializer.serialize_u32(*count),
            Self::Percent(_) => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AmountVisitor)
    }
}

struct AmountVisitor;

impl serde::de::Visitor<'_> for AmountVisitor {
    type Value = Amount;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number or a share such as \"50%\"")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Amount, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Amount, E> {
        self.visit_str(&number.to_string())
    }
}

impl JsonSchema for Amount {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Amount".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["integer", "string"],
            "minimum": 0,
            "maximum": u32::MAX,
            "pattern": "^([0-9]{1,9}|0*([0-9]{1,2}|100)%)$",
            "examples": [1, "50%"]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_a_count_or_a_share_and_reads_back() {
        for (text, amount) in [
            ("0", Amount::Count(0)),
            ("12", Amount::Count(12)),
            ("0%", Amount::Percent(0)),
            ("100%", Amount::Percent(100)),
        ] {
            assert_eq!(text.parse(), Ok(amount), "{text}");
            assert_eq!(amount.to_string(), text);
        }
        for bad in ["", "%", "-1", "+1", "1.5", "101%", "50 %", "half", "99999999999"] {
            assert!(bad.parse::<Amount>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_share_is_rounded_up() {
        for (share, total, expected) in [(50, 3, 2), (50, 4, 2), (0, 9, 0), (100, 7, 7), (1, 1, 1)] {
            assert_eq!(Amount::Percent(share).of_rounded_up(total), expected);
        }
        assert_eq!(Amount::Count(5).of_rounded_up(3), 5);
    }
}
