//! The engine's answers as plain data. Whatever is missing or odd becomes a default, never a panic.

use std::collections::BTreeMap;
use std::sync::Arc;

use bollard::models::{
    ContainerInspectResponse, ContainerStateStatusEnum, EndpointSettings, HealthConfig, HealthStatusEnum,
    HostConfig, RestartPolicyNameEnum,
};

use super::answer::{Message, Row};
use super::timestamp::time;
use super::{Dialect, DockerError, Fingerprint, Listed, uptime};
use crate::observed::{
    Container, ContainerKey, EngineEvent, EventKind, Health, HealthCheck, Nanos, NetworkEndpoint, Port,
    RestartPolicy, State,
};
use crate::resource::Duration;

/// Longest health check output kept, in bytes.
const OUTPUT: usize = 1024;

pub(super) fn container(
    engine: &Arc<str>,
    answer: ContainerInspectResponse,
) -> Result<Container, DockerError> {
    let id = answer.id.ok_or(DockerError::Incomplete("Id"))?;
    let state = answer.state.unwrap_or_default();
    let config = answer.config.unwrap_or_default();
    let host = answer.host_config.unwrap_or_default();
    let network = answer.network_settings.unwrap_or_default();
    let health = state.health.as_ref();
    let last_check = health.and_then(|health| health.log.as_ref()).and_then(|log| log.last());
    let created = answer.created.map_or(0, |at| i64::try_from(at.unix_timestamp_nanos()).unwrap_or(0));
    Ok(Container {
        key: ContainerKey { engine: engine.clone(), id: id.into() },
        name: answer.name.unwrap_or_default().trim_start_matches('/').to_owned(),
        image: config.image.unwrap_or_default(),
        image_id: answer.image.unwrap_or_default(),
        health_check: config.healthcheck.as_ref().and_then(health_check),
        labels: config.labels.unwrap_or_default().into_iter().collect(),
        state: state.status.map_or(State::Created, status),
        health: health.and_then(|health| health.status).and_then(verdict),
        health_output: last_check
            .and_then(|result| result.output.as_deref())
            .map(|output| bounded(output.trim(), OUTPUT))
            .filter(|output| !output.is_empty()),
        last_check: last_check
            .and_then(|result| i64::try_from(result.end.as_ref()?.unix_timestamp_nanos()).ok())
            .filter(|nanos| *nanos > 0)
            .map(Nanos),
        failing_streak: health
            .and_then(|health| health.failing_streak)
            .and_then(|streak| streak.try_into().ok()),
        created: Nanos(created),
        started: state.started_at.as_deref().and_then(time),
        finished: state.finished_at.as_deref().and_then(time),
        exit_code: state.exit_code.unwrap_or(0),
        error: bounded(&state.error.unwrap_or_default(), OUTPUT),
        restart_count: u32::try_from(answer.restart_count.unwrap_or(0)).unwrap_or(0),
        restart_policy: restart_policy(&host),
        auto_remove: host.auto_remove.unwrap_or(false),
        ports: ports(network.ports.unwrap_or_default(), &config.exposed_ports.unwrap_or_default()),
        nano_cpus: nano_cpus(&host),
        memory: host.memory.filter(|bytes| *bytes > 0),
        network_mode: host.network_mode.unwrap_or_default(),
        networks: network
            .networks
            .unwrap_or_default()
            .into_iter()
            .map(|(name, settings)| (name, endpoint(&settings)))
            .collect(),
        stop_signal: config.stop_signal.filter(|signal| !signal.is_empty()),
        stop_timeout: config.stop_timeout,
    })
}

const fn status(status: ContainerStateStatusEnum) -> State {
    match status {
        ContainerStateStatusEnum::EMPTY | ContainerStateStatusEnum::CREATED => State::Created,
        ContainerStateStatusEnum::RUNNING => State::Running,
        ContainerStateStatusEnum::PAUSED => State::Paused,
        ContainerStateStatusEnum::RESTARTING => State::Restarting,
        ContainerStateStatusEnum::REMOVING => State::Removing,
        ContainerStateStatusEnum::EXITED => State::Exited,
        ContainerStateStatusEnum::DEAD => State::Dead,
        ContainerStateStatusEnum::STOPPING => State::Running,
    }
}

const fn verdict(status: HealthStatusEnum) -> Option<Health> {
    match status {
        HealthStatusEnum::EMPTY | HealthStatusEnum::NONE => None,
        HealthStatusEnum::STARTING => Some(Health::Starting),
        HealthStatusEnum::HEALTHY => Some(Health::Healthy),
        HealthStatusEnum::UNHEALTHY => Some(Health::Unhealthy),
    }
}

/// What is left out, or 0, is as Docker has it. An image's check can be switched off: `NONE`.
fn health_check(check: &HealthConfig) -> Option<HealthCheck> {
    if check.test.as_ref().is_some_and(|test| test.first().is_some_and(|word| word == "NONE")) {
        return None;
    }
    let usual = HealthCheck::default();
    let duration = |nanos: Option<i64>, usual: Duration| {
        let nanos = nanos.and_then(|nanos| u64::try_from(nanos).ok()).filter(|nanos| *nanos > 0);
        nanos.map_or(usual, |nanos| Duration::from_millis(nanos / 1_000_000))
    };
    let retries =
        check.retries.and_then(|retries| u32::try_from(retries).ok()).filter(|retries| *retries > 0);
    Some(HealthCheck {
        interval: duration(check.interval, usual.interval),
        timeout: duration(check.timeout, usual.timeout),
        retries: retries.unwrap_or(usual.retries),
        start_period: duration(check.start_period, usual.start_period),
    })
}

fn endpoint(settings: &EndpointSettings) -> NetworkEndpoint {
    let address = |text: &Option<String>| text.as_ref().and_then(|text| text.parse().ok());
    NetworkEndpoint {
        network: settings.network_id.clone().unwrap_or_default(),
        address: address(&settings.ip_address).or_else(|| address(&settings.global_ipv6_address)),
        gateway: address(&settings.gateway).or_else(|| address(&settings.ipv6_gateway)),
    }
}

fn restart_policy(host: &HostConfig) -> RestartPolicy {
    let Some(policy) = &host.restart_policy else { return RestartPolicy::No };
    match policy.name {
        None | Some(RestartPolicyNameEnum::EMPTY | RestartPolicyNameEnum::NO) => RestartPolicy::No,
        Some(RestartPolicyNameEnum::ALWAYS) => RestartPolicy::Always,
        Some(RestartPolicyNameEnum::UNLESS_STOPPED) => RestartPolicy::UnlessStopped,
        Some(RestartPolicyNameEnum::ON_FAILURE) => RestartPolicy::OnFailure {
            max: policy.maximum_retry_count.and_then(|max| u32::try_from(max).ok()).unwrap_or(0),
        },
    }
}

/// The CPU limit however it was given: `--cpus`, or a quota of a period (100 ms by default).
fn nano_cpus(host: &HostConfig) -> Option<i64> {
    if let Some(limit) = host.nano_cpus.filter(|limit| *limit > 0) {
        return Some(limit);
    }
    let quota = host.cpu_quota.filter(|quota| *quota > 0)?;
    let period = host.cpu_period.filter(|period| *period > 0).unwrap_or(100_000);
    i64::try_from(i128::from(quota) * 1_000_000_000 / i128::from(period)).ok()
}

fn ports(published: bollard::models::PortMap, exposed: &[String]) -> Vec<Port> {
    let mut ports = Vec::new();
    for (name, bindings) in &published {
        let Some((container, protocol)) = port(name) else { continue };
        let bindings = bindings.as_deref().unwrap_or_default();
        for binding in bindings {
            let host = binding.host_port.as_deref().and_then(|port| port.parse().ok());
            ports.push(Port {
                container,
                protocol: protocol.to_owned(),
                host,
                host_ip: binding.host_ip.clone(),
            });
        }
        if bindings.is_empty() {
            ports.push(Port { container, protocol: protocol.to_owned(), host: None, host_ip: None });
        }
    }
    for name in exposed.iter().filter(|name| !published.contains_key(*name)) {
        if let Some((container, protocol)) = port(name) {
            ports.push(Port { container, protocol: protocol.to_owned(), host: None, host_ip: None });
        }
    }
    ports.sort();
    ports
}

/// `80/tcp` in two parts.
fn port(name: &str) -> Option<(u16, &str)> {
    let (number, protocol) = name.split_once('/').unwrap_or((name, "tcp"));
    Some((number.parse().ok()?, protocol))
}

pub(super) fn listed(engine: &Arc<str>, row: &Row) -> Option<Listed> {
    let key = ContainerKey { engine: engine.clone(), id: row.id.as_deref()?.into() };
    let shares_network = row
        .host_config
        .as_ref()
        .and_then(|host| host.network_mode.as_deref())
        .is_some_and(|mode| mode.starts_with("container:"));
    let up_seconds = row.status.as_deref().filter(|_| shares_network).and_then(uptime::bounds);
    Some(Listed { key, fingerprint: Fingerprint::of_summary(row), up_seconds })
}

/// An event of a container; `None` for what is not one or does not matter here.
pub(super) fn event(engine: &Arc<str>, dialect: Dialect, message: Message) -> Option<EngineEvent> {
    // Networks, volumes and images are created and destroyed too.
    if message.kind.as_deref() != Some("container") {
        return None;
    }
    let (word, detail) = dialect.action(&message)?;
    let actor = message.actor?;
    let text = |value: serde_json::Value| match value {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    };
    let attributes = actor.attributes.unwrap_or_default().into_iter();
    let mut attributes: BTreeMap<String, String> =
        attributes.map(|(name, value)| (name, text(value))).collect();
    let number = |key: &str| attributes.get(key).and_then(|text| text.parse::<i64>().ok());
    let exit_code = || dialect.exit_codes().iter().find_map(|name| number(name));
    let kind = match &*word {
        "create" => EventKind::Create,
        "start" => EventKind::Start,
        "die" => EventKind::Die { exit_code: exit_code().unwrap_or(-1) },
        "kill" => EventKind::Kill { signal: i32::try_from(number("signal").unwrap_or(0)).unwrap_or(0) },
        "stop" => EventKind::Stop,
        "restart" => EventKind::Restart,
        "pause" => EventKind::Pause,
        "unpause" => EventKind::Unpause,
        "oom" => EventKind::Oom,
        "rename" => EventKind::Rename,
        "update" => EventKind::Update,
        "destroy" => EventKind::Destroy,
        "health_status" => EventKind::Health(match &*detail {
            "healthy" => Health::Healthy,
            "unhealthy" => Health::Unhealthy,
            _ => Health::Starting,
        }),
        _ => return None,
    };
    let at =
        message.nanos.or_else(|| message.seconds.map(|seconds| seconds.saturating_mul(1_000_000_000)))?;
    let name = attributes.remove("name").unwrap_or_default();
    let image = attributes.remove("image").unwrap_or_default();
    // The engine mixes its own attributes among the labels.
    for own in dialect.own_attributes() {
        attributes.remove(*own);
    }
    Some(EngineEvent {
        key: ContainerKey { engine: engine.clone(), id: actor.id?.into() },
        at: Nanos(at),
        kind,
        name,
        image,
        labels: attributes,
    })
}

/// At most `limit` bytes of `text`, cut at a character.
fn bounded(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let end = (0..=limit).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engines_zero_time_is_no_time_and_trimmed_zeros_are_none_the_less_nanoseconds() {
        assert_eq!(time("0001-01-01T00:00:00Z"), None);
        assert_eq!(time("2025-08-19T07:17:22.1939Z"), Some(Nanos(1_755_587_842_193_900_000)));
        assert_eq!(time("2025-08-19T09:17:22.1939+02:00"), Some(Nanos(1_755_587_842_193_900_000)));
        assert_eq!(time("yesterday"), None);
    }

    #[test]
    fn events_keep_labels_and_lose_the_engines_own_attributes() {
        let message: Message = serde_json::from_value(serde_json::json!({
            "Type": "container", "Action": "health_status: unhealthy", "timeNano": 17, "time": 0,
            "Actor": {"ID": "c1", "Attributes": {"name": "web", "image": "nginx", "autoheal": "true"}}
        }))
        .expect("an event");
        let event = event(&"local".into(), Dialect::Docker, message).expect("an event that matters");
        assert_eq!(event.kind, EventKind::Health(Health::Unhealthy));
        assert_eq!((event.name.as_str(), event.image.as_str(), event.at), ("web", "nginx", Nanos(17)));
        assert_eq!(event.labels, BTreeMap::from([("autoheal".to_owned(), "true".to_owned())]));
    }

    #[test]
    fn every_word_that_is_asked_for_is_understood() {
        for word in EventKind::WORDS {
            let message = serde_json::json!({
                "Type": "container", "Action": word, "timeNano": 17, "Actor": {"ID": "c1", "Attributes": {}}
            });
            let message: Message = serde_json::from_value(message).expect("an event");
            let event = event(&"local".into(), Dialect::Docker, message).expect(word);
            assert_eq!(event.kind.as_str(), word);
        }
    }

    #[test]
    fn what_happens_to_networks_is_not_an_event_of_a_container() {
        let message: Message = serde_json::from_value(serde_json::json!({
            "Type": "network", "Action": "destroy", "timeNano": 17,
            "Actor": {"ID": "n1", "Attributes": {"name": "shop_default", "type": "bridge"}}
        }))
        .expect("an event");
        assert_eq!(event(&"local".into(), Dialect::Docker, message), None);
    }

    #[test]
    fn a_health_check_is_as_configured_and_else_as_docker_has_it() {
        let check = |text: &str| health_check(&serde_json::from_str(text).expect("a health check"));
        assert_eq!(check("{}"), Some(HealthCheck::default()));
        assert_eq!(check(r#"{"Test": ["NONE"], "Interval": 1000000000}"#), None);
        let second = Duration::from_secs(1);
        let own = r#"{"Test": ["CMD", "x"], "Interval": 1000000000, "Timeout": 1000000000, "Retries": 1, "StartPeriod": 1000000000}"#;
        let expected = HealthCheck { interval: second, timeout: second, retries: 1, start_period: second };
        assert_eq!(check(own), Some(expected));
    }

    #[test]
    fn the_last_check_is_the_last_of_the_log() {
        let answer = serde_json::json!({
            "Id": "c1",
            "State": {"Status": "running", "Health": {"Status": "unhealthy", "FailingStreak": 2, "Log": [
                {"Start": "2025-08-19T07:17:00Z", "End": "2025-08-19T07:17:01Z", "ExitCode": 0, "Output": ""},
                {"Start": "2025-08-19T09:17:22+02:00", "End": "2025-08-19T09:17:22.1939+02:00", "ExitCode": 1, "Output": "no\n"},
            ]}},
            "NetworkSettings": {"Networks": {
                "shop": {"NetworkID": "n1", "IPAddress": "172.18.0.2", "Gateway": "172.18.0.1", "GlobalIPv6Address": ""},
                "six": {"NetworkID": "n2", "IPAddress": "", "Gateway": "", "GlobalIPv6Address": "fd00::2", "IPv6Gateway": "fd00::1"},
            }},
        });
        let container = container(&"local".into(), serde_json::from_value(answer).expect("an inspect"));
        let container = container.expect("a container");
        assert_eq!(container.last_check, Some(Nanos(1_755_587_842_193_900_000)));
        assert_eq!((container.failing_streak, container.health_output.as_deref()), (Some(2), Some("no")));
        let endpoint = |network: &str, address: &str, gateway: &str| NetworkEndpoint {
            network: network.to_owned(),
            address: address.parse().ok(),
            gateway: gateway.parse().ok(),
        };
        assert_eq!(container.networks["shop"], endpoint("n1", "172.18.0.2", "172.18.0.1"));
        assert_eq!(container.networks["six"], endpoint("n2", "fd00::2", "fd00::1"));
    }

    #[test]
    fn a_quota_of_a_period_is_a_cpu_limit_too() {
        let host = |nano, quota, period| HostConfig {
            nano_cpus: nano,
            cpu_quota: quota,
            cpu_period: period,
            ..HostConfig::default()
        };
        assert_eq!(nano_cpus(&host(Some(1_500_000_000), None, None)), Some(1_500_000_000));
        assert_eq!(nano_cpus(&host(Some(0), Some(50_000), Some(0))), Some(500_000_000));
        assert_eq!(nano_cpus(&host(None, Some(30_000), Some(20_000))), Some(1_500_000_000));
        assert_eq!(nano_cpus(&host(Some(0), Some(-1), None)), None);
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        assert_eq!(bounded("héllo", 2), "h…");
        assert_eq!(bounded("hello", 5), "hello");
    }
}
