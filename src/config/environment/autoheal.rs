//! The variables of docker-autoheal: its users change the image and nothing else.

use super::Reader;
use crate::desired::{DEFAULT_POLICY, builtin_policy};
use crate::resource::{Duration, Object, Origin, Selector};

/// The policy `default`, if a variable says anything about it.
pub(super) fn policy(read: &mut Reader<'_>) -> Option<Object> {
    let label = read.text("AUTOHEAL_CONTAINER_LABEL");
    let start_period = read.whole("AUTOHEAL_START_PERIOD", 0..=86_400);
    let stop_timeout = read.whole("AUTOHEAL_DEFAULT_STOP_TIMEOUT", 0..=86_400);
    if read.whole("AUTOHEAL_INTERVAL", 0..=86_400).is_some() {
        // Mapping it to `resync` would have a healthy idle system list every few seconds for nothing.
        read.note(
            "AUTOHEAL_INTERVAL has no effect: events replace polling, an unhealthy container is seen at once"
                .to_owned(),
        );
    }
    if read.flag("AUTOHEAL_ONLY_MONITOR_RUNNING") == Some(false) {
        read.note(
            "AUTOHEAL_ONLY_MONITOR_RUNNING=false has no effect: only running containers are healed"
                .to_owned(),
        );
    }
    if read.whole("CURL_TIMEOUT", 0..=86_400).is_some() {
        read.note("CURL_TIMEOUT has no effect: each engine call has a deadline of its own".to_owned());
    }
    if label.is_none() && start_period.is_none() && stop_timeout.is_none() {
        return None;
    }
    let mut spec = builtin_policy();
    match label {
        None => {}
        Some("all") => spec.selector = Selector::everything(),
        Some(label) => spec.selector = Selector::label(label, "true"),
    }
    if let Some(seconds) = start_period {
        spec.start_grace = Duration::from_secs(seconds.into());
    }
    spec.stop_timeout = stop_timeout.map(|seconds| Duration::from_secs(seconds.into()));
    Some(Object::new(DEFAULT_POLICY, Origin::Environment, spec))
}
