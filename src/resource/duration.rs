//! Durations as people write them: `90s`, `5m`, `1h30m`, `500ms`, `7d`.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A length of time written as a sequence of `<integer><unit>` parts, units `ms`, `s`, `m`, `h`, `d`, largest first.
///
/// `0s` is the canonical zero; a bare `0` is accepted. The longest accepted value is 3650 days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(std::time::Duration);

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a duration: write a whole number and a unit (ms, s, m, h, d), such as \"90s\", \"5m\" or \"1h30m\""
)]
pub struct DurationError {
    text: String,
}

const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
const LONGEST_MS: u64 = 3_650 * 86_400_000;

impl Duration {
    /// No time at all.
    pub const ZERO: Self = Self(std::time::Duration::ZERO);

    /// A duration of whole seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(std::time::Duration::from_secs(seconds))
    }

    /// A duration of whole milliseconds.
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(std::time::Duration::from_millis(milliseconds))
    }

    /// The same length as the standard library's type.
    pub const fn get(self) -> std::time::Duration {
        self.0
    }

    /// The length in nanoseconds, the unit of [`crate::observed::Nanos`].
    pub fn as_nanos(self) -> i64 {
        i64::try_from(self.0.as_nanos()).unwrap_or(i64::MAX)
    }

    /// The same for people: whole seconds, where there is a second at all. Nobody reads the milliseconds of a minute.
    #[must_use]
    pub const fn rounded(self) -> Self {
        let Self(exact) = self;
        if exact.as_secs() == 0 {
            return self;
        }
        let more = if exact.subsec_millis() < 500 { 0 } else { 1 };
        Self::from_secs(exact.as_secs().saturating_add(more))
    }

    /// Whether this is no time at all.
    pub const fn is_zero(self) -> bool {
        self.0.is_zero()
    }
}

impl Duration {
    /// The length that `text` names, however long: one beyond what can be counted is the longest that can.
    ///
    /// # Errors
    /// Where `text` is not a duration.
    pub fn of_any_length(text: &str) -> Result<Self, DurationError> {
        let error = || DurationError { text: text.chars().take(64).collect() };
        if text == "0" {
            return Ok(Self::ZERO);
        }
        let (mut rest, mut total, mut last) = (text, 0u64, usize::MAX);
        if rest.is_empty() {
            return Err(error());
        }
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let letters = rest[digits..].bytes().take_while(u8::is_ascii_alphabetic).count();
            // Nothing but digits: what is wrong can only be that there are too many.
            let number: u64 =
                if digits == 0 { return Err(error()) } else { rest[..digits].parse().unwrap_or(u64::MAX) };
            let unit = &rest[digits..digits + letters];
            let place = UNITS.iter().position(|(name, _)| *name == unit).ok_or_else(error)?;
            if last != usize::MAX && place <= last {
                return Err(error());
            }
            last = place;
            total = total.saturating_add(number.saturating_mul(UNITS[place].1));
            rest = &rest[digits + letters..];
        }
        Ok(Self::from_millis(total))
    }
}

impl FromStr for Duration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let longest = Self::from_millis(LONGEST_MS);
        let error = || DurationError { text: text.chars().take(64).collect() };
        Self::of_any_length(text).and_then(|read| if read <= longest { Ok(read) } else { Err(error()) })
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, size) in UNITS {
            if rest >= size {
                write!(f, "{}{unit}", rest / size)?;
                rest %= size;
            }
        }
        Ok(())
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DurationVisitor)
    }
}

struct DurationVisitor;

impl serde::de::Visitor<'_> for DurationVisitor {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as \"90s\", \"5m\" or \"1h30m\"")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Duration, E> {
        text.parse().map_err(E::custom)
    }

    // A number without a unit gets the same answer as a text without one; only 0 needs no unit.
    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Duration, E> {
        self.visit_str(&number.to_string())
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "integer"],
            "minimum": 0,
            "maximum": 0,
            "pattern": "^(0|([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?)$",
            "minLength": 1,
            "examples": ["90s", "5m", "1h30m"]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_written_duration_reads_back_as_itself() {
        for (text, milliseconds, canonical) in [
            ("0", 0, "0s"),
            ("0s", 0, "0s"),
            ("90s", 90_000, "1m30s"),
            ("1h30m", 5_400_000, "1h30m"),
            ("500ms", 500, "500ms"),
            ("7d", 604_800_000, "7d"),
            ("1m500ms", 60_500, "1m500ms"),
        ] {
            let duration: Duration = text.parse().expect(text);
            assert_eq!(duration, Duration::from_millis(milliseconds), "{text}");
            assert_eq!(duration.to_string(), canonical);
            assert_eq!(canonical.parse(), Ok(duration));
        }
    }

    #[test]
    fn people_are_told_whole_seconds_where_there_is_one() {
        for (milliseconds, told) in
            [(0, "0s"), (999, "999ms"), (3_455, "3s"), (11_678, "12s"), (62_062, "1m2s"), (59_500, "1m")]
        {
            assert_eq!(Duration::from_millis(milliseconds).rounded().to_string(), told);
        }
    }

    #[test]
    fn what_is_not_a_duration_is_refused() {
        for text in
            ["", "5", "s", "-5s", "5 s", "1.5h", "5x", "1s1s", "1m1h", "99999999999999999999s", "4000d", "5é"]
        {
            assert!(text.parse::<Duration>().is_err(), "{text:?}");
        }
    }
}
