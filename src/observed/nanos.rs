//! Instants.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::resource::Duration;

/// Nanoseconds since the Unix epoch: the resolution the engine reports times in. Keys and comparisons use this
/// integer, never a formatted time (the engine trims trailing zeros).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Nanos(pub i64);

impl Nanos {
    /// `self + duration`, saturating.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.as_nanos()))
    }

    /// Nanoseconds from `earlier` to `self`; negative when `earlier` is later.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// RFC 3339 in UTC with milliseconds, truncated, and a numeric offset: `2025-08-19T07:17:22.193+00:00` (R1).
    pub fn rfc3339_millis_offset(self) -> String {
        format!("{}+00:00", self.millis_text())
    }

    /// RFC 3339 in UTC with milliseconds, truncated: `2025-10-30T12:34:56.789Z` (R4).
    pub fn rfc3339_millis(self) -> String {
        format!("{}Z", self.millis_text())
    }

    fn millis_text(self) -> String {
        let milliseconds = self.0.div_euclid(1_000_000);
        jiff::Timestamp::from_millisecond(milliseconds)
            .unwrap_or_default()
            .strftime("%Y-%m-%dT%H:%M:%S.%3f")
            .to_string()
    }
}

impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339_millis())
    }
}
