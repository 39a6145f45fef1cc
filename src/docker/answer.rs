//! What is read of an engine's answers: only what is used, every part of it optional.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

use crate::observed::{Health, Nanos};

/// `GET /version`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Version {
    pub api_version: Option<String>,
    pub version: Option<String>,
    pub kernel_version: Option<String>,
    pub components: Option<Vec<Component>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Component {
    pub name: Option<String>,
}

/// `GET /info`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Info {
    pub name: Option<String>,
    pub server_version: Option<String>,
    pub system_time: Option<String>,
    pub kernel_version: Option<String>,
    pub containers: Option<u64>,
    pub security_options: Option<Vec<String>>,
}

/// A row of `GET /containers/json`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Row {
    pub id: Option<String>,
    pub names: Option<Vec<String>>,
    pub state: Option<String>,
    pub status: Option<String>,
    pub ports: Option<Vec<RowPort>>,
    pub host_config: Option<RowHost>,
    pub network_settings: Option<RowNetworks>,
    /// Its health, where a list has to be asked for that; else `status` ends with it.
    #[serde(skip)]
    pub health: Option<Health>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct RowPort {
    pub private_port: Option<u16>,
    pub public_port: Option<u16>,
    #[serde(rename = "Type")]
    pub protocol: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct RowHost {
    pub network_mode: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct RowNetworks {
    pub networks: Option<HashMap<String, Option<RowEndpoint>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RowEndpoint {
    #[serde(rename = "EndpointID")]
    pub id: Option<String>,
}

/// A network, of `GET /networks` or alone.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Network {
    pub id: Option<String>,
    pub driver: Option<String>,
    pub created: Option<String>,
    pub options: Option<HashMap<String, String>>,
}

impl Network {
    /// When the engine started, if this is its default bridge, which it makes anew at every start. With `live-restore` it keeps
    /// it; then its containers outlive it, and no end of theirs is its doing.
    pub(super) fn engine_started(&self) -> Option<Nanos> {
        let default = self.options.as_ref()?.get("com.docker.network.bridge.default_bridge")?;
        super::timestamp::time(self.created.as_deref().filter(|_| default == "true")?)
    }
}

/// `GET /containers/{id}/stats`, of one moment.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Stats {
    pub read: Option<String>,
    pub cpu_stats: Option<CpuStats>,
    pub memory_stats: Option<MemoryStats>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CpuStats {
    pub cpu_usage: Option<CpuUsage>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CpuUsage {
    pub total_usage: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct MemoryStats {
    pub usage: Option<u64>,
    pub limit: Option<u64>,
    pub stats: Option<HashMap<String, Option<u64>>>,
}

/// A line of `GET /events`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Message {
    #[serde(rename = "Type")]
    pub kind: Option<String>,
    pub action: Option<String>,
    pub actor: Option<Actor>,
    #[serde(rename = "time")]
    pub seconds: Option<i64>,
    #[serde(rename = "timeNano")]
    pub nanos: Option<i64>,
    /// Podman's.
    pub health_status: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Actor {
    #[serde(rename = "ID")]
    pub id: Option<String>,
    pub attributes: Option<HashMap<String, Value>>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_default_bridge_alone_tells_when_the_engine_started() {
        let started = |options: Value, created: Value| {
            let network = json!({"Id": "1", "Driver": "bridge", "Created": created, "Options": options});
            serde_json::from_value::<Network>(network).expect("a network").engine_started()
        };
        let default = json!({"com.docker.network.bridge.default_bridge": "true"});
        let at = json!("2026-11-28T10:38:15.241170499Z");
        assert_eq!(started(default.clone(), at.clone()), Some(Nanos(1_795_862_295_241_170_499)));
        assert_eq!(started(json!({"com.docker.network.bridge.default_bridge": "false"}), at.clone()), None);
        assert_eq!(started(json!({}), at.clone()), None, "a network of a user's");
        assert_eq!(started(Value::Null, at), None);
        assert_eq!(started(default.clone(), Value::Null), None);
        assert_eq!(started(default, json!("yesterday")), None);
    }
}
