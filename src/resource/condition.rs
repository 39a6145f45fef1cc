//! Conditions: what is true of an object right now, why, and since when (Kubernetes' conventions).

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Not known yet, or no longer.
    Unknown,
}

impl From<bool> for ConditionStatus {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// One statement about an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Condition {
    /// What is stated, such as `Accepted`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// One word in CamelCase that a program can compare.
    pub reason: String,
    /// The same for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When `status` last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<Timestamp>,
    /// The generation of the spec this was said of.
    #[serde(default)]
    pub observed_generation: u64,
}

impl Condition {
    /// A condition without a time: it gets one when it is recorded with [`record`].
    pub fn new(kind: &str, status: impl Into<ConditionStatus>, reason: &str, message: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            status: status.into(),
            reason: reason.to_owned(),
            message: message.to_owned(),
            last_transition_time: None,
            observed_generation: 0,
        }
    }
}

/// Puts `condition` among `conditions`, in the place of the one of its type.
///
/// The time of transition is `now` only if the status changed. Returns whether anything a reader would care for
/// changed.
pub fn record(conditions: &mut Vec<Condition>, mut condition: Condition, now: Timestamp) -> bool {
    match conditions.iter_mut().find(|known| known.kind == condition.kind) {
        None => {
            condition.last_transition_time = Some(now);
            conditions.push(condition);
            conditions.sort_by(|a, b| a.kind.cmp(&b.kind));
            true
        }
        Some(known) => {
            let same = known.status == condition.status;
            condition.last_transition_time = if same { known.last_transition_time } else { Some(now) };
            let changed = *known != condition;
            *known = condition;
            changed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_transition_moves_only_with_the_status() {
        let at = |second| Timestamp::from_second(second).expect("a time");
        let mut conditions = Vec::new();
        assert!(record(&mut conditions, Condition::new("Accepted", true, "Valid", ""), at(1)));
        assert!(!record(&mut conditions, Condition::new("Accepted", true, "Valid", ""), at(2)));
        assert!(record(&mut conditions, Condition::new("Accepted", true, "Valid", "other words"), at(3)));
        assert_eq!(conditions[0].last_transition_time, Some(at(1)));
        assert!(record(&mut conditions, Condition::new("Accepted", false, "Invalid", ""), at(4)));
        assert_eq!(conditions[0].last_transition_time, Some(at(4)));
        assert_eq!(conditions.len(), 1);
    }
}
