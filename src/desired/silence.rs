//! Whether a silence is in force, and until when.

use jiff::tz::TimeZoneDatabase;
use jiff::{SignedDuration, Timestamp, ToSpan, civil};

use super::Desired;
use crate::observed::Nanos;
use crate::resource::Subject;
use crate::resource::silence::{Day, Schedule, SilenceSpec, Suppress};

impl Desired {
    /// The silence that suppresses `what` for `subject` at `now`, and when it ends: of several the one that lasts longest.
    pub fn silenced(&self, subject: &Subject<'_>, what: Suppress, now: Nanos) -> Option<(&str, Nanos)> {
        let at = Timestamp::from_nanosecond(i128::from(now.0)).ok()?;
        self.silences
            .iter()
            .filter(|(_, silence)| silence.suppress.contains(&what) && silence.selector.matches(subject))
            .filter_map(|(name, silence)| Some((name.as_str(), in_force(silence, at)?)))
            .max_by_key(|(_, until)| *until)
            // The year 2999 is later than what nanoseconds can count.
            .map(|(name, until)| (name, Nanos(i64::try_from(until.as_nanosecond()).unwrap_or(i64::MAX))))
    }
}

/// When a silence that is in force at `now` ends.
fn in_force(silence: &SilenceSpec, now: Timestamp) -> Option<Timestamp> {
    if let Some(schedule) = &silence.schedule {
        return scheduled(schedule, now);
    }
    let begun = silence.starts_at.is_none_or(|start| start <= now);
    silence.ends_at.filter(|end| begun && now < *end)
}

/// Of the days that a schedule's time may have begun on, the one whose time is not over.
fn scheduled(schedule: &Schedule, now: Timestamp) -> Option<Timestamp> {
    let zone = TimeZoneDatabase::bundled().get(&schedule.timezone).ok()?;
    let length = SignedDuration::try_from(schedule.duration.get()).ok()?;
    let today = now.to_zoned(zone.clone()).date();
    let start =
        civil::Time::new(schedule.start.hour.try_into().ok()?, schedule.start.minute.try_into().ok()?, 0, 0)
            .ok()?;
    (0..=8_i64).find_map(|back| {
        let date = today.checked_sub(back.days()).ok()?;
        if !schedule.days.contains(&day(date.weekday())) {
            return None;
        }
        // A time that a change of clocks leaves out is taken as the one after it.
        let from = date.to_datetime(start).to_zoned(zone.clone()).ok()?.timestamp();
        let until = from.checked_add(length).ok()?;
        (from <= now && now < until).then_some(until)
    })
}

const fn day(weekday: civil::Weekday) -> Day {
    match weekday {
        civil::Weekday::Monday => Day::Mon,
        civil::Weekday::Tuesday => Day::Tue,
        civil::Weekday::Wednesday => Day::Wed,
        civil::Weekday::Thursday => Day::Thu,
        civil::Weekday::Friday => Day::Fri,
        civil::Weekday::Saturday => Day::Sat,
        civil::Weekday::Sunday => Day::Sun,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn until(spec: serde_json::Value, now: &str) -> Option<String> {
        let mut spec = spec;
        spec["selector"] = serde_json::json!({"all": true});
        let silence: SilenceSpec = serde_json::from_value(spec).expect("a silence");
        in_force(&silence, now.parse().expect("a time")).map(|end| end.to_string())
    }

    #[test]
    fn once_is_from_its_start_to_its_end() {
        let spec = serde_json::json!({"startsAt": "2025-10-25T10:00:00Z", "endsAt": "2025-10-25T12:00:00Z"});
        let at = |now: &str| until(spec.clone(), now).is_some();
        assert_eq!(
            ["2025-10-25T09:59:59Z", "2025-10-25T10:00:00Z", "2025-10-25T11:59:59Z", "2025-10-25T12:00:00Z"]
                .map(at),
            [false, true, true, false]
        );
        assert!(
            until(serde_json::json!({"endsAt": "2025-10-25T12:00:00Z"}), "1999-01-01T00:00:00Z").is_some()
        );
    }

    #[test]
    fn a_schedule_is_told_by_the_clocks_of_its_place_also_over_midnight_and_a_change_of_clocks() {
        let schedule = serde_json::json!({"schedule": {
            "days": ["sat"], "start": "23:00", "duration": "6h", "timezone": "Europe/Berlin",
        }});
        let at = |now: &str| until(schedule.clone(), now);
        // Clocks go back in this night: 23:00 is 21:00 UTC, and six hours later it is 04:00 there.
        assert_eq!(at("2025-10-25T20:59:59Z"), None);
        assert_eq!(at("2025-10-25T21:00:00Z").as_deref(), Some("2025-10-26T03:00:00Z"));
        assert_eq!(at("2025-10-26T02:59:59Z").as_deref(), Some("2025-10-26T03:00:00Z"));
        assert_eq!(at("2025-10-26T03:00:00Z"), None);
        assert_eq!(at("2025-10-24T21:30:00Z"), None, "a Friday");
        assert_eq!(at("2025-11-01T22:00:00Z").as_deref(), Some("2025-11-02T04:00:00Z"), "winter time");
    }

    #[test]
    fn a_silence_far_into_the_future_is_one_and_of_several_the_last_to_end_counts() {
        let silence = |end: &str, suppress: &str| -> SilenceSpec {
            let spec = serde_json::json!({"selector": {"all": true}, "endsAt": end, "suppress": [suppress]});
            serde_json::from_value(spec).expect("a silence")
        };
        let mut desired = Desired::default();
        desired.silences.insert("short".to_owned(), silence("2100-01-01T00:00:00Z", "healing"));
        desired.silences.insert("long".to_owned(), silence("2999-01-01T00:00:00Z", "healing"));
        desired.silences.insert("other".to_owned(), silence("2999-01-02T00:00:00Z", "notifications"));
        let labels = std::collections::BTreeMap::new();
        let subject = Subject { engine: "local", name: "web", image: "", labels: &labels };
        let now = Nanos(1_760_000_000_000_000_000);
        assert_eq!(desired.silenced(&subject, Suppress::Healing, now), Some(("long", Nanos(i64::MAX))));
    }

    #[test]
    fn a_schedule_of_a_week_never_ends() {
        let week = serde_json::json!({"schedule": {"days": ["mon"], "start": "00:00", "duration": "7d"}});
        for day in 1..=14 {
            assert!(until(week.clone(), &format!("2025-09-{day:02}T13:00:00Z")).is_some(), "{day}");
        }
    }
}
