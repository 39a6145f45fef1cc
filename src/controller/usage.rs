//! What containers use, measured when somebody asks (`portreeve top`, a scrape of the metrics) and never else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tracing::debug;

use super::attachments::Attachments;
use super::door::EngineRead;
use crate::docker::Client;
use crate::locked::locked;
use crate::observed::{ContainerKey, Usage};

/// How long all of them may take together. What is not measured by then is left out.
const ALL: Duration = Duration::from_secs(20);

/// How long a scrape may be kept waiting. What is not measured by then is told as it was measured last, and comes first the
/// next time.
const SCRAPE: Duration = Duration::from_millis(150);

/// A measurement and what the one before it adds.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// What was measured last.
    pub usage: Usage,
    /// CPU time per time since the measurement before, in percent of one core.
    pub cpu_percent: Option<f64>,
}

/// What the last scrape measured.
#[derive(Debug, Default)]
pub(super) struct Loads(Mutex<BTreeMap<ContainerKey, Load>>);

impl Loads {
    /// What these containers use, for a scrape.
    pub(super) async fn measure(
        &self,
        engines: &Attachments,
        containers: Vec<ContainerKey>,
    ) -> BTreeMap<ContainerKey, Load> {
        let mut known = locked(&self.0).clone();
        let mut due = containers;
        let running: BTreeSet<&ContainerKey> = due.iter().collect();
        known.retain(|key, _| running.contains(key));
        due.sort_by_key(|key| known.get(key).map(|load| load.usage.at));
        for (key, usage) in usage_within(engines, due, SCRAPE).await {
            let cpu_percent = known.get(&key).and_then(|before| cpu_percent(before.usage, usage));
            known.insert(key, Load { usage, cpu_percent });
        }
        locked(&self.0).clone_from(&known);
        known
    }
}

/// What each of these containers uses. Those that do not run or cannot be measured are left out.
pub(super) async fn usage(
    engines: &Attachments,
    containers: Vec<ContainerKey>,
) -> BTreeMap<ContainerKey, Usage> {
    usage_within(engines, containers, ALL).await
}

async fn usage_within(
    engines: &Attachments,
    containers: Vec<ContainerKey>,
    limit: Duration,
) -> BTreeMap<ContainerKey, Usage> {
    // Each engine for itself: one that hangs takes nothing from the others.
    let mut by_engine: BTreeMap<Arc<str>, Vec<ContainerKey>> = BTreeMap::new();
    for key in containers {
        by_engine.entry(key.engine.clone()).or_default().push(key);
    }
    let of_one = |keys: Vec<ContainerKey>| {
        stream::iter(keys)
            .map(|key| async move { measure(engines, &key).await.map(|usage| (key, usage)) })
            .buffer_unordered(EngineRead::Stats.at_once())
            .boxed()
    };
    let measured = stream::select_all(by_engine.into_values().map(of_one));
    measured.take_until(tokio::time::sleep(limit)).filter_map(std::future::ready).collect().await
}

async fn measure(engines: &Attachments, key: &ContainerKey) -> Option<Usage> {
    let read = |client: Client| async move { client.usage(&key.id).await };
    let failed = |error: &dyn std::fmt::Display| {
        debug!(target: "portreeve::engine", container = %key, "it cannot be measured: {error}");
        None
    };
    match engines.read(&key.engine, EngineRead::Stats, read).await {
        Ok(Ok(usage)) => usage,
        Ok(Err(error)) => failed(&error),
        Err(error) => failed(&error),
    }
}

/// `None` if no time has passed or another run has begun, whose count starts anew.
fn cpu_percent(before: Usage, after: Usage) -> Option<f64> {
    let nanos = u64::try_from(after.at.since(before.at)).ok().filter(|nanos| *nanos > 0)?;
    let used = after.cpu?.checked_sub(before.cpu?)?;
    Some(Duration::from_nanos(used).as_secs_f64() / Duration::from_nanos(nanos).as_secs_f64() * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observed::Nanos;

    #[test]
    fn cpu_is_what_was_used_between_two_measurements() {
        let at = |seconds: i64, millis: u64| Usage {
            at: Nanos(seconds * 1_000_000_000),
            cpu: Some(millis * 1_000_000),
            memory: None,
            memory_limit: None,
        };
        assert_eq!(cpu_percent(at(10, 500), at(12, 1500)), Some(50.0));
        assert_eq!(cpu_percent(at(10, 500), at(10, 500)), None, "no time has passed");
        assert_eq!(cpu_percent(at(10, 500), at(12, 20)), None, "another run");
        assert_eq!(cpu_percent(at(12, 500), at(10, 600)), None, "the clock stepped back");
    }
}
