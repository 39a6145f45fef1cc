//! What changes in a list whenever something worth an inspect has changed.
//!
//! The list has no StartedAt: a container that restarted between two lists shows `running` twice. Its network
//! endpoint ids differ, though, and ephemeral ports may; health is a suffix of `Status`.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use bollard::models::{ContainerInspectResponse, HealthStatusEnum};

use super::answer::Row;
use crate::observed::Health;

/// State, health, names, endpoint ids and published ports, as one number. The same container gives the same number
/// from a list and from an inspect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(u64);

impl Fingerprint {
    pub(super) fn of_summary(row: &Row) -> Self {
        let status = row.status.as_deref().unwrap_or_default();
        let health = match () {
            () if row.health.is_some() => row.health.map_or("", Health::as_str),
            () if status.ends_with("(healthy)") => "healthy",
            () if status.ends_with("(unhealthy)") => "unhealthy",
            () if status.ends_with("(health: starting)") => "starting",
            () => "",
        };
        // The names of linked containers are listed too: `/other/alias`.
        let name = row.names.iter().flatten().find(|name| name.matches('/').count() == 1);
        let networks = row.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
        let endpoints = networks.into_iter().flatten().filter_map(|(_, end)| end.as_ref()?.id.as_deref());
        let ports = row.ports.iter().flatten().filter_map(|port| {
            let protocol = port.protocol.clone().unwrap_or_default();
            Some((port.private_port?, protocol, port.public_port?))
        });
        Self::of(
            row.state.as_deref().unwrap_or_default(),
            health,
            name.map_or("", |name| name),
            endpoints,
            ports,
        )
    }

    pub(super) fn of_inspect(answer: &ContainerInspectResponse) -> Self {
        let state = answer.state.as_ref();
        let status =
            state.and_then(|state| state.status).map(|status| status.to_string()).unwrap_or_default();
        // The list shows health only while the container runs.
        let health = match state.and_then(|state| state.health.as_ref()).and_then(|health| health.status) {
            Some(HealthStatusEnum::HEALTHY) if status == "running" => "healthy",
            Some(HealthStatusEnum::UNHEALTHY) if status == "running" => "unhealthy",
            Some(HealthStatusEnum::STARTING) if status == "running" => "starting",
            _ => "",
        };
        let settings = answer.network_settings.as_ref();
        let networks = settings.and_then(|settings| settings.networks.as_ref());
        let endpoints = networks.into_iter().flatten().filter_map(|(_, end)| end.endpoint_id.as_deref());
        let ports = settings.and_then(|settings| settings.ports.as_ref()).into_iter().flatten();
        let ports = ports.flat_map(|(name, bindings)| {
            let (number, protocol) = name.split_once('/').unwrap_or((name, "tcp"));
            bindings.iter().flatten().filter_map(move |binding| {
                Some((number.parse().ok()?, protocol.to_owned(), binding.host_port.as_ref()?.parse().ok()?))
            })
        });
        Self::of(&status, health, answer.name.as_deref().unwrap_or_default(), endpoints, ports)
    }

    fn of<'a>(
        state: &str,
        health: &str,
        name: &str,
        endpoints: impl Iterator<Item = &'a str>,
        ports: impl Iterator<Item = (u16, String, u16)>,
    ) -> Self {
        let mut endpoints: Vec<&str> = endpoints.filter(|id| !id.is_empty()).collect();
        endpoints.sort_unstable();
        let mut ports: Vec<_> = ports.collect();
        ports.sort_unstable();
        ports.dedup();
        let mut hasher = DefaultHasher::new();
        (state, health, name, endpoints, ports).hash(&mut hasher);
        Self(hasher.finish())
    }
}
