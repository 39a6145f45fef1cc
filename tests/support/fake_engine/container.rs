//! A container of the engine made of air: what inspects, lists and events show of it, as large as Docker's are.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::Ipv4Addr;
use std::sync::OnceLock;

use jiff::Timestamp;
use serde_json::{Value, json};

/// The network of all containers that have an address.
pub const NETWORK: &str = "4e657477314e657477314e657477314e657477314e657477314e657477314e65";

/// What an inspect shows; times in nanoseconds, 0 for never.
#[derive(Clone, Debug, Default)]
pub struct Container {
    pub name: String,
    pub created: i64,
    pub started: i64,
    pub finished: i64,
    pub running: bool,
    pub exit_code: i64,
    pub labels: BTreeMap<String, String>,
    /// What its health check says; `None`: it has none.
    pub health: Option<&'static str>,
    /// In [`NETWORK`]; `None`: it is in no network.
    pub address: Option<Ipv4Addr>,
}

impl Container {
    fn state(&self) -> &'static str {
        match self {
            Self { running: true, .. } => "running",
            Self { started: 0, .. } => "created",
            Self { .. } => "exited",
        }
    }

    /// `Up 2 hours (healthy)`
    fn status(&self) -> String {
        match (self.running, self.health) {
            (true, Some("starting")) => "Up 2 hours (health: starting)".to_owned(),
            (true, Some(health)) => format!("Up 2 hours ({health})"),
            (true, None) => "Up 2 hours".to_owned(),
            (false, _) if self.started == 0 => "Created".to_owned(),
            (false, _) => format!("Exited ({}) 2 hours ago", self.exit_code),
        }
    }

    /// The networks as an inspect and a list have them. Docker takes the endpoint away with the end of a run.
    fn networks(&self) -> Value {
        let Some(address) = self.address else { return json!({}) };
        let (address, endpoint) = match self.running {
            true => (address.to_string(), format!("{:064x}", self.started)),
            false => (String::new(), String::new()),
        };
        json!({"app": {
            "IPAMConfig": null, "Links": null, "Aliases": [self.name], "NetworkID": NETWORK, "EndpointID": endpoint,
            "Gateway": "10.64.0.1", "IPAddress": address, "IPPrefixLen": 10, "IPv6Gateway": "",
            "GlobalIPv6Address": "", "GlobalIPv6PrefixLen": 0, "MacAddress": "02:42:0a:40:00:02", "DriverOpts": null,
        }})
    }

    pub(super) fn inspect(&self, id: &str) -> String {
        static LIKE: OnceLock<Value> = OnceLock::new();
        let like = || serde_json::from_str(include_str!("inspect.json")).expect("an inspect");
        let mut shown: Value = LIKE.get_or_init(like).clone();
        shown["Id"] = id.into();
        shown["Name"] = format!("/{}", self.name).into();
        shown["Created"] = time(self.created).into();
        let state = &mut shown["State"];
        state["Status"] = self.state().into();
        state["Running"] = self.running.into();
        state["ExitCode"] = self.exit_code.into();
        state["StartedAt"] = time(self.started).into();
        state["FinishedAt"] = time(self.finished).into();
        if let Some(health) = self.health {
            // As many as it takes by default.
            let streak = 3 * i64::from(health == "unhealthy");
            // It was checked a moment ago, as always.
            let now = Timestamp::now().to_string();
            let check = json!({"Start": now, "End": now, "ExitCode": streak.min(1), "Output": "ok"});
            state["Health"] = json!({"Status": health, "FailingStreak": streak, "Log": [check]});
            shown["Config"]["Healthcheck"] = json!({"Test": ["CMD", "/bin/check"]});
        }
        shown["Config"]["Labels"] = json!(self.labels);
        shown["NetworkSettings"]["Networks"] = self.networks();
        if self.address.is_some() {
            shown["HostConfig"]["NetworkMode"] = "app".into();
        }
        shown.to_string()
    }

    /// Its row of a list, written behind `text`.
    pub(super) fn row(&self, id: &str, text: &mut String) {
        let (labels, networks) = (json!(self.labels), self.networks());
        let name = json!([format!("/{}", self.name)]);
        let mode = if self.address.is_some() { "app" } else { "default" };
        let (state, status, created) = (self.state(), self.status(), self.created / 1_000_000_000);
        write!(
            text,
            r#"{{"Id":"{id}","Names":{name},"Image":"fake:1","ImageID":"sha256:8f2d1c7e4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0","Command":"/docker-entrypoint.sh serve","Created":{created},"Ports":[],"Labels":{labels},"State":"{state}","Status":"{status}","HostConfig":{{"NetworkMode":"{mode}"}},"NetworkSettings":{{"Networks":{networks}}},"Mounts":[{{"Type":"bind","Source":"/srv/app","Destination":"/etc/app","Mode":"ro","RW":false,"Propagation":"rprivate"}}]}}"#
        )
        .expect("a string takes it");
    }

    /// What an event tells of it, with what `more` says.
    pub(super) fn attributes(&self, more: &[(&str, String)]) -> Value {
        let mut attributes = json!(self.labels);
        attributes["image"] = "fake:1".into();
        attributes["name"] = self.name.as_str().into();
        more.iter().for_each(|(name, value)| attributes[*name] = value.as_str().into());
        attributes
    }
}

/// An event as the stream has it.
pub(super) fn event(id: &str, attributes: &Value, action: &str, at: i64) -> Value {
    json!({
        "Type": "container", "Action": action, "status": action, "id": id, "from": "fake:1",
        "Actor": {"ID": id, "Attributes": attributes},
        "scope": "local", "time": at / 1_000_000_000, "timeNano": at,
    })
}

fn time(at: i64) -> String {
    if at == 0 {
        return "0001-01-01T00:00:00Z".to_owned();
    }
    Timestamp::from_nanosecond(at.into()).unwrap().to_string()
}
