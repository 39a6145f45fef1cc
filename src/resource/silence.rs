//! `Silence`: when nothing is healed, and, once there are notifications, when nobody is told.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::tz::TimeZoneDatabase;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::check::Check;
use super::{Duration, Kind, Selector, nearest, schema};

/// Suppresses healing of some containers, once, from `startsAt` to `endsAt`, or repeatedly, by `schedule`. With
/// `suppress: [healing]` none of them is restarted, recreated or stopped, also not because of something it depends on;
/// the reason is `Silenced`. `suppress: [notifications]`, the default, has no effect yet: this version sends no
/// notifications.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(transform = schema::exactly_one(&["endsAt", "schedule"]))]
pub struct SilenceSpec {
    /// Which containers, and the services they belong to.
    pub selector: Selector,
    /// When it begins; left out: at once.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "time")]
    pub starts_at: Option<Timestamp>,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "time")]
    pub ends_at: Option<Timestamp>,
    /// When it repeats, and how long it lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// What is suppressed meanwhile. Only `healing` has an effect yet.
    #[serde(default = "notifications")]
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub suppress: Vec<Suppress>,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A time that repeats on some days of the week.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Schedule {
    /// The days it begins on; left out: every day.
    #[serde(default = "every_day")]
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub days: Vec<Day>,
    /// The time of day it begins, such as `"02:00"`.
    pub start: TimeOfDay,
    /// How long it lasts; a week at most.
    pub duration: Duration,
    /// The time zone of `start`, such as `Europe/Berlin`.
    #[serde(default = "utc")]
    pub timezone: String,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Day {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

/// What a silence suppresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Suppress {
    /// No notifications are sent. No effect yet: this version sends no notifications.
    Notifications,
    /// Nothing is restarted, recreated or stopped.
    Healing,
}

/// A time of day in hours and minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeOfDay {
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
}

/// Why a text is not a time of day.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a time of day from \"00:00\" to \"23:59\"")]
pub struct TimeOfDayError {
    text: String,
}

/// A time, in other words than those of its parser where it is none.
fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let unlike = |_| {
        let text: String = text.chars().take(64).collect();
        serde::de::Error::custom(format!("{text:?} is not a time such as 2026-11-22T15:00:00Z"))
    };
    text.parse().map(Some).map_err(unlike)
}

const WEEK: Duration = Duration::from_secs(7 * 86_400);

fn notifications() -> Vec<Suppress> {
    vec![Suppress::Notifications]
}

fn every_day() -> Vec<Day> {
    vec![Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri, Day::Sat, Day::Sun]
}

fn utc() -> String {
    "UTC".to_owned()
}

impl FromStr for TimeOfDay {
    type Err = TimeOfDayError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let part = |text: &str, most: u8| {
            let plain = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<u8>().ok().filter(|number| plain && *number <= most)
        };
        text.split_once(':')
            .and_then(|(hour, minute)| Some(Self { hour: part(hour, 23)?, minute: part(minute, 59)? }))
            .ok_or_else(|| TimeOfDayError { text: text.chars().take(32).collect() })
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.hour, self.minute)
    }
}

impl Serialize for TimeOfDay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TimeOfDay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for TimeOfDay {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TimeOfDay".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$", "examples": ["02:00"]})
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mon => "mon",
            Self::Tue => "tue",
            Self::Wed => "wed",
            Self::Thu => "thu",
            Self::Fri => "fri",
            Self::Sat => "sat",
            Self::Sun => "sun",
        })
    }
}

impl fmt::Display for Suppress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Notifications => "notifications",
            Self::Healing => "healing",
        })
    }
}

impl Kind for SilenceSpec {
    const KIND: &'static str = "Silence";
    const PLURAL: &'static str = "silences";
    const SHORT: &'static [&'static str] = &["sil"];
    const DOC: &'static str =
        "A time in which healing is suppressed. Suppressing notifications has no effect yet.";

    fn validate(&self, check: &mut Check) {
        check.field("selector", |check| self.selector.validate_filled(check));
        let given = [("endsAt", self.ends_at.is_some()), ("schedule", self.schedule.is_some())];
        check.exactly_one("field", &given);
        if self.starts_at.is_some() && self.schedule.is_some() {
            check
                .field("startsAt", |check| check.refuse("is used with endsAt; a schedule has its own start"));
        }
        if let (Some(start), Some(end)) = (self.starts_at, self.ends_at)
            && end <= start
        {
            check.field("endsAt", |check| {
                check.refuse(format!("must be later than startsAt, which is {start}"))
            });
        }
        if let Some(schedule) = &self.schedule {
            check.field("schedule", |check| schedule.validate(check));
        }
        if self.suppress.is_empty() {
            check.field("suppress", |check| check.refuse("must name notifications, healing or both"));
        }
        check.distinct("suppress", &self.suppress);
        if let Some(reason) = &self.reason {
            check.bounded("reason", reason, 1024);
        }
    }
}

impl Schedule {
    fn validate(&self, check: &mut Check) {
        if self.days.is_empty() {
            check.field("days", |check| check.refuse("must name a day; left out: every day"));
        }
        check.distinct("days", &self.days);
        check.positive("duration", self.duration);
        if self.duration > WEEK {
            check.field("duration", |check| check.refuse("must not be longer than 7d"));
        }
        // The database in the program, not the machine's: a manifest that is good here is good everywhere.
        let zones = TimeZoneDatabase::bundled();
        if zones.get(&self.timezone).is_err() {
            let known: Vec<String> = zones.available().map(|name| name.to_string()).collect();
            let hint = nearest(&self.timezone, known.iter().map(String::as_str)).map_or_else(
                || "; a name looks like Europe/Berlin".to_owned(),
                |near| format!("; did you mean `{near}`?"),
            );
            check.field("timezone", |check| check.refuse(format!("there is no such time zone{hint}")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_has_hours_and_minutes() {
        for text in ["00:00", "02:30", "23:59"] {
            assert_eq!(text.parse::<TimeOfDay>().expect(text).to_string(), text);
        }
        for bad in ["", "2:00", "24:00", "00:60", "02:00:00", "0200", "+2:00", "2 am"] {
            assert!(bad.parse::<TimeOfDay>().is_err(), "{bad}");
        }
    }
}
