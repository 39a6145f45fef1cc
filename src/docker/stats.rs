//! What a container uses now.

use std::collections::HashMap;
use std::time::Duration;

use bollard::models::{ContainerMemoryStats, ContainerStatsResponse};
use bollard::query_parameters::StatsOptionsBuilder;
use futures_util::TryStreamExt;

use super::{Client, DockerError};
use crate::observed::{Nanos, Usage};

/// How long one measurement may take: somebody waits for it.
const MEASURE: Duration = Duration::from_secs(5);

impl Client {
    /// Measures one container; `None` if it does not run.
    ///
    /// `one-shot` spares the second that the engine otherwise waits for a measurement to compare with.
    pub async fn usage(&self, id: &str) -> Result<Option<Usage>, DockerError> {
        let options = StatsOptionsBuilder::default().stream(false).one_shot(true).build();
        let mut answers = std::pin::pin!(self.docker.stats(id, Some(options)));
        match self.call_within(MEASURE, answers.try_next()).await {
            Ok(answer) => Ok(answer.as_ref().and_then(usage)),
            Err(DockerError::Refused { status: 404 | 409, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Of what does not run the engine answers with the year 1 and without figures.
fn usage(answer: &ContainerStatsResponse) -> Option<Usage> {
    let at = i64::try_from(answer.read?.unix_timestamp_nanos()).ok().filter(|at| *at > 0)?;
    let cpu = answer.cpu_stats.as_ref()?.cpu_usage.as_ref()?.total_usage?;
    let memory = answer.memory_stats.as_ref()?;
    Some(Usage { at: Nanos(at), cpu, memory: in_use(memory)?, memory_limit: memory.limit? })
}

/// As `docker stats` has it: without the cached files that are given back first, by cgroup v1's name or v2's.
fn in_use(memory: &ContainerMemoryStats) -> Option<u64> {
    let usage = memory.usage?;
    let cached = |stats: &HashMap<String, u64>| {
        ["total_inactive_file", "inactive_file"].iter().find_map(|name| stats.get(*name).copied())
    };
    let cached = memory.stats.as_ref().and_then(cached);
    Some(cached.and_then(|cached| usage.checked_sub(cached)).unwrap_or(usage))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(text: &str) -> Option<Usage> {
        usage(&serde_json::from_str(text).expect("an answer of an engine"))
    }

    #[test]
    fn memory_is_counted_as_docker_stats_does_on_both_kinds_of_cgroups() {
        let of = |stats: &str| {
            let text = format!(
                r#"{{"read": "2025-08-19T07:17:22.193Z", "cpu_stats": {{"cpu_usage": {{"total_usage": 5}}}},
                     "memory_stats": {{"usage": 100, "limit": 400, "stats": {stats}}}}}"#
            );
            measured(&text).expect("a measurement").memory
        };
        assert_eq!(of(r#"{"total_inactive_file": 30, "inactive_file": 1}"#), 70);
        assert_eq!(of(r#"{"inactive_file": 40}"#), 60);
        assert_eq!(of(r#"{"inactive_file": 101}"#), 100);
        assert_eq!(of("{}"), 100);
    }

    #[test]
    fn what_does_not_run_uses_nothing_that_could_be_told() {
        let stopped = r#"{"read": "0001-01-01T00:00:00Z", "cpu_stats": {"cpu_usage": {"total_usage": 0}}, "memory_stats": {}}"#;
        assert_eq!(measured(stopped), None);
        assert_eq!(measured("{}"), None);
    }
}
