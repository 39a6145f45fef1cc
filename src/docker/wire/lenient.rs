//! Reading an answer that holds something unknown: it is left out, and the rest is read.

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;

/// As many things as may be left out of one answer.
const MOST: usize = 64;

/// Reads `value`; what does not fit is taken for left out, the smallest part that helps.
///
/// # Errors
/// If nothing helps: it is something else altogether.
pub(in crate::docker) fn lenient<T: DeserializeOwned>(value: &mut Value) -> Result<T, serde_json::Error> {
    for _ in 0..MOST {
        let error = match serde_path_to_error::deserialize::<_, T>(&*value) {
            Ok(read) => return Ok(read),
            Err(error) => error,
        };
        let path: Vec<Segment> = error.path().iter().cloned().collect();
        if !leave_out(value, &path) {
            return Err(error.into_inner());
        }
    }
    T::deserialize(&*value)
}

/// Takes the innermost thing on `path` that is still there for left out; says whether there was one.
fn leave_out(value: &mut Value, path: &[Segment]) -> bool {
    (1..=path.len()).rev().any(|length| match find(value, &path[..length]) {
        Some(found) if !found.is_null() => {
            *found = Value::Null;
            true
        }
        Some(_) | None => false,
    })
}

fn find<'a>(value: &'a mut Value, path: &[Segment]) -> Option<&'a mut Value> {
    path.iter().try_fold(value, |value, segment| match segment {
        Segment::Map { key } => value.get_mut(key),
        Segment::Seq { index } => value.get_mut(index),
        // A variant is the word itself.
        Segment::Enum { .. } | Segment::Unknown => None,
    })
}

#[cfg(test)]
mod tests {
    use bollard::models::ContainerInspectResponse;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_word_that_is_not_known_is_left_out_and_nothing_else() {
        let mut answer = json!({
            "Id": "c1", "Name": "/web",
            "State": {"Status": "hibernating", "Running": true, "Health": {"Status": "feverish", "FailingStreak": 2}},
            "HostConfig": {"NetworkMode": "host", "RestartPolicy": {"Name": "sometimes", "MaximumRetryCount": 3}},
            "Mounts": [{"Type": "wormhole", "Destination": "/data"}],
        });
        let read: ContainerInspectResponse = lenient(&mut answer).expect("the rest of it");
        let state = read.state.expect("a state");
        assert_eq!((read.name.as_deref(), state.status, state.running), (Some("/web"), None, Some(true)));
        let health = state.health.expect("health");
        assert_eq!((health.status, health.failing_streak), (None, Some(2)));
        let host = read.host_config.expect("a host configuration");
        assert_eq!(host.network_mode.as_deref(), Some("host"));
        assert_eq!(host.restart_policy.and_then(|policy| policy.maximum_retry_count), Some(3));
        assert_eq!(read.mounts.expect("mounts")[0].destination.as_deref(), Some("/data"));
    }

    #[test]
    fn a_value_of_another_kind_is_left_out_too_and_what_is_something_else_is_an_error() {
        let read: ContainerInspectResponse =
            lenient(&mut json!({"Id": "c1", "RestartCount": "many", "Created": 7})).expect("the rest of it");
        assert_eq!((read.id.as_deref(), read.restart_count, read.created), (Some("c1"), None, None));
        assert!(lenient::<ContainerInspectResponse>(&mut json!("no such thing")).is_err());
    }
}
