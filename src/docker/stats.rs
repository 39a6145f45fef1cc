//! What a container uses now.

use std::time::Duration;

use super::answer::{MemoryStats, Stats};
use super::timestamp::time;
use super::{Client, DockerError};
use crate::observed::Usage;

/// How long one measurement may take: somebody waits for it.
const MEASURE: Duration = Duration::from_secs(5);

impl Client {
    /// Measures one container; `None` if it does not run.
    ///
    /// `one-shot` spares the second that the engine otherwise waits for a measurement to compare with.
    pub async fn usage(&self, id: &str) -> Result<Option<Usage>, DockerError> {
        let path = format!("/containers/{id}/stats?stream=false&one-shot=true");
        match self.wire.get("GET /containers/{id}/stats", &path, MEASURE).await {
            Ok(answer) => Ok(usage(&answer.read()?)),
            Err(DockerError::Refused { status: 404 | 409, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Of what does not run the engine answers with the year 1 and without figures.
fn usage(answer: &Stats) -> Option<Usage> {
    let at = answer.read.as_deref().and_then(time)?;
    let cpu = answer.cpu_stats.as_ref().and_then(|cpu| cpu.cpu_usage.as_ref()?.total_usage);
    let memory = answer.memory_stats.as_ref();
    Some(Usage {
        at,
        cpu,
        memory: memory.and_then(in_use),
        // Podman has the host's memory here, Docker too; none is a limit of 0.
        memory_limit: memory.and_then(|memory| memory.limit).filter(|limit| *limit > 0),
    })
}

/// As `docker stats` has it: without the cached files that are given back first, by cgroup v1's name or v2's.
fn in_use(memory: &MemoryStats) -> Option<u64> {
    let usage = memory.usage?;
    let stats = memory.stats.as_ref();
    let cached = |name: &&str| stats?.get(*name).copied().flatten();
    let cached = ["total_inactive_file", "inactive_file"].iter().find_map(cached);
    Some(cached.and_then(|cached| usage.checked_sub(cached)).unwrap_or(usage))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(text: &str) -> Option<Usage> {
        let mut answer = serde_json::from_str(text).expect("an answer of an engine");
        usage(&crate::docker::wire::lenient(&mut answer).expect("what is understood of it"))
    }

    #[test]
    fn memory_is_counted_as_docker_stats_does_on_both_kinds_of_cgroups() {
        let of = |stats: &str| {
            let text = format!(
                r#"{{"read": "2025-08-19T07:17:22.193Z", "cpu_stats": {{"cpu_usage": {{"total_usage": 5}}}},
                     "memory_stats": {{"usage": 100, "limit": 400, "stats": {stats}}}}}"#
            );
            measured(&text).expect("a measurement").memory.expect("memory")
        };
        assert_eq!(of(r#"{"total_inactive_file": 30, "inactive_file": 1}"#), 70);
        assert_eq!(of(r#"{"inactive_file": 40}"#), 60);
        assert_eq!(of(r#"{"inactive_file": 101}"#), 100);
        assert_eq!(of("{}"), 100);
    }

    #[test]
    fn a_figure_that_is_not_given_takes_no_other_with_it() {
        let of = |rest: &str| measured(&format!(r#"{{"read": "2025-08-19T07:17:22.193Z", {rest}}}"#));
        let figures = |rest: &str| of(rest).map(|usage| (usage.cpu, usage.memory, usage.memory_limit));
        let cpu = r#""cpu_stats": {"cpu_usage": {"total_usage": 5}}"#;
        let memory = r#""memory_stats": {"usage": 100, "limit": 400}"#;
        for (rest, expected) in [
            (format!("{cpu}, {memory}"), (Some(5), Some(100), Some(400))),
            (cpu.to_owned(), (Some(5), None, None)),
            (format!(r#"{cpu}, "memory_stats": {{}}"#), (Some(5), None, None)),
            (format!(r#"{cpu}, "memory_stats": {{"usage": 7}}"#), (Some(5), Some(7), None)),
            (format!(r#"{memory}, "cpu_stats": null"#), (None, Some(100), Some(400))),
            (
                format!(r#"{memory}, "cpu_stats": {{"cpu_usage": {{}}, "online_cpus": 2}}"#),
                (None, Some(100), Some(400)),
            ),
            // What is no number is not given either.
            (
                format!(r#"{cpu}, "memory_stats": {{"usage": "much", "limit": 400}}"#),
                (Some(5), None, Some(400)),
            ),
        ] {
            assert_eq!(figures(&rest), Some(expected), "{rest}");
        }
    }

    #[test]
    fn what_does_not_run_uses_nothing_that_could_be_told() {
        let stopped = r#"{"read": "0001-01-01T00:00:00Z", "cpu_stats": {"cpu_usage": {"total_usage": 0}}, "memory_stats": {}}"#;
        assert_eq!(measured(stopped), None);
        assert_eq!(measured("{}"), None);
    }
}
