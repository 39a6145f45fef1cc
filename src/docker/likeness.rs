//! What makes a container like another one.
//!
//! The engine's own document of the old one is sent back to it: what is not changed here is kept, also what the client library
//! has no field for, the MAC address and options of engines that are newer than the library.

use bollard::models::{EndpointSettings, NetworkingConfig};
use serde_json::{Map, Value, json};

use super::DockerError;

/// What a container is made from, and the networks it is connected to after that: before API 1.44 (Docker 25) it can be made
/// in one network only.
#[derive(Debug)]
pub(super) struct Likeness {
    /// The body of the request that makes it.
    pub(super) body: Value,
    /// Further networks.
    pub(super) networks: Vec<(String, EndpointSettings)>,
    /// The network that the engine connects it to by itself, and in which it is not to be.
    pub(super) leaves: Option<String>,
}

/// What is known of the old one beside its own document.
#[derive(Debug, Default)]
pub(super) struct Beside<'a> {
    /// The image to make the new one from.
    pub(super) image: String,
    /// Whether that image has an entrypoint.
    pub(super) entrypoint: bool,
    /// Whose network it is to share from now on, if not that of the one that it names.
    pub(super) parent: Option<&'a str>,
    /// Whether a container that it has volumes from (`--volumes-from`) is gone.
    pub(super) sources_gone: bool,
}

/// What makes a container like the one `seen`, which is the engine's document of it.
///
/// What the engine made up for the old one (its id as host name and alias, addresses it was not asked for) is left to be
/// made up anew. Volumes without a name of their own are named, so that they are kept.
pub(super) fn likeness(seen: &Value, beside: &Beside<'_>) -> Result<Likeness, DockerError> {
    let id = seen["Id"].as_str().ok_or(DockerError::Incomplete("Id"))?;
    let short = id.get(..12).unwrap_or(id);
    let mut body = seen["Config"].as_object().cloned().ok_or(DockerError::Incomplete("Config"))?;
    let mut host = seen["HostConfig"].as_object().cloned().ok_or(DockerError::Incomplete("HostConfig"))?;
    body.insert("Image".to_owned(), json!(beside.image));
    if let Some(parent) = beside.parent {
        host.insert("NetworkMode".to_owned(), json!(format!("container:{parent}")));
    }
    let mode = text(&host, "NetworkMode").to_owned();
    let shares = mode.starts_with("container:");
    let own_name = ["", short].contains(&text(&body, "Hostname"));
    if own_name || shares || text(&host, "UTSMode") == "host" {
        body.remove("Hostname");
    }
    if shares {
        // They belong to whose network it is.
        for belongs in ["ExposedPorts", "Domainname", "MacAddress"] {
            body.remove(belongs);
        }
    }
    // An entrypoint that was taken away (`--entrypoint ""`) is shown as none, and none stands for that of the image.
    if beside.entrypoint && list(&body, "Entrypoint").is_empty() {
        body.insert("Entrypoint".to_owned(), json!([""]));
    }
    if let Some(links) = host.get_mut("Links").and_then(Value::as_array_mut) {
        for link in links {
            *link = json!(plain_link(link.as_str().unwrap_or_default()));
        }
    }
    keep_volumes(&mut host, &body, seen["Mounts"].as_array().map_or(&[], Vec::as_slice), beside.sources_gone);
    body.insert("HostConfig".to_owned(), Value::Object(host));
    let alone = shares || mode == "host" || mode == "none";
    let mut networks = if alone { Vec::new() } else { endpoints(seen, short)? };
    // It was disconnected from all of them.
    let leaves = (!alone && networks.is_empty())
        .then(|| if mode == "default" || mode.is_empty() { "bridge".to_owned() } else { mode.clone() });
    // The first is that of its network mode; the default bridge goes by two names.
    let is_first =
        |(name, _): &&(String, EndpointSettings)| *name == mode || (name == "bridge" && mode == "default");
    let first = networks.iter().find(is_first).cloned().or_else(|| networks.first().cloned());
    if let Some((name, endpoint)) = first {
        networks.retain(|(other, _)| *other != name);
        let config = NetworkingConfig { endpoints_config: Some([(name, endpoint)].into()) };
        body.insert("NetworkingConfig".to_owned(), serde_json::to_value(config).unwrap_or_default());
    }
    Ok(Likeness { body: Value::Object(body), networks, leaves })
}

/// A field's text; empty if there is none.
fn text<'a>(object: &'a Map<String, Value>, field: &str) -> &'a str {
    object.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// A field's list; empty if there is none.
fn list<'a>(object: &'a Map<String, Value>, field: &str) -> &'a [Value] {
    object.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Its networks by name, with what it was asked to have there.
fn endpoints(seen: &Value, short: &str) -> Result<Vec<(String, EndpointSettings)>, DockerError> {
    let networks = seen["NetworkSettings"]["Networks"].as_object();
    let asked = |endpoint: &Value| -> Result<EndpointSettings, DockerError> {
        let seen: EndpointSettings = serde_json::from_value(endpoint.clone())
            .map_err(|_| DockerError::Incomplete("networks that can be read"))?;
        let mut aliases = seen.aliases.unwrap_or_default();
        aliases.retain(|alias| alias != short);
        let derived = seen.ip_address.as_deref().and_then(derived_mac);
        Ok(EndpointSettings {
            ipam_config: seen.ipam_config,
            links: seen.links,
            aliases: (!aliases.is_empty()).then_some(aliases),
            driver_opts: seen.driver_opts,
            gw_priority: seen.gw_priority,
            mac_address: seen.mac_address.filter(|mac| !mac.is_empty() && derived.as_ref() != Some(mac)),
            ..EndpointSettings::default()
        })
    };
    let mut endpoints = networks
        .into_iter()
        .flatten()
        .map(|(name, endpoint)| Ok((name.clone(), asked(endpoint)?)))
        .collect::<Result<Vec<_>, DockerError>>()?;
    endpoints.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(endpoints)
}

/// The MAC address that the engine makes of an IPv4 address, until Docker 28: what is made up is made up anew.
fn derived_mac(address: &str) -> Option<String> {
    let [a, b, c, d] = address.parse::<std::net::Ipv4Addr>().ok()?.octets();
    Some(format!("02:42:{a:02x}:{b:02x}:{c:02x}:{d:02x}"))
}

/// `/db:/web/store` as an inspect shows it is `db:store` to whoever asks for it.
fn plain_link(link: &str) -> String {
    match link.split_once(':') {
        Some((from, to)) => {
            let alias = to.rsplit('/').next().unwrap_or(to);
            format!("{}:{alias}", from.trim_start_matches('/'))
        }
        None => link.to_owned(),
    }
}

/// Names the volumes that the engine made without being given a name, and mounts by name or path what came from a container
/// that is gone.
fn keep_volumes(
    host: &mut Map<String, Value>,
    config: &Map<String, Value>,
    seen: &[Value],
    sources_gone: bool,
) {
    let others = !list(host, "VolumesFrom").is_empty();
    if sources_gone {
        host.insert("VolumesFrom".to_owned(), Value::Null);
    }
    let anonymous: Vec<String> = config
        .get("Volumes")
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(Map::keys)
        .map(|path| clean(path))
        .collect();
    for point in seen {
        let field = |name: &str| point[name].as_str().filter(|text| !text.is_empty());
        let (kind, source) = match field("Type") {
            Some("volume") => ("volume", field("Name")),
            Some("bind") => ("bind", field("Source")),
            _ => continue,
        };
        let (Some(source), Some(target)) = (source, field("Destination")) else { continue };
        let is_target = |path: Option<&str>| path.is_some_and(|path| clean(path) == clean(target));
        let mounts = host.get_mut("Mounts").and_then(Value::as_array_mut);
        if let Some(mount) = mounts.into_iter().flatten().find(|mount| is_target(mount["Target"].as_str())) {
            if kind == "volume"
                && mount["Type"] == "volume"
                && mount["Source"].as_str().is_none_or(str::is_empty)
            {
                mount["Source"] = json!(source);
            }
            continue;
        }
        if list(host, "Binds")
            .iter()
            .any(|bind| is_target(bind.as_str().and_then(|bind| bind.split(':').nth(1))))
        {
            continue;
        }
        let its_own = anonymous.contains(&clean(target));
        // What another container has is had from it as long as it is there.
        if others && !sources_gone && !(its_own && kind == "volume") {
            continue;
        }
        if !host.get("Binds").is_some_and(Value::is_array) {
            host.insert("Binds".to_owned(), json!([]));
        }
        let read_only = if point["RW"] == false { ":ro" } else { "" };
        if let Some(binds) = host.get_mut("Binds").and_then(Value::as_array_mut) {
            binds.push(json!(format!("{source}:{target}{read_only}")));
        }
    }
}

/// A path as the engine shows it, however it was written: no `//`, no `.`, no `..`, no slash at the end.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests;
