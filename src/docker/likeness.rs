//! What makes a container like another one.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, EndpointSettings, HostConfig, MountPoint, MountType,
    NetworkingConfig,
};

use super::DockerError;

/// What a container is made from, and the networks it is connected to after that: before API 1.44 (Docker 25) it can be made
/// in one network only.
#[derive(Debug)]
pub(super) struct Likeness {
    pub(super) body: ContainerCreateBody,
    pub(super) networks: Vec<(String, EndpointSettings)>,
}

/// What makes a container like the one `seen`, from `image`, sharing the network of `parent` if there is a new one.
///
/// What the engine made up for the old one (its id as host name and alias, addresses it was not asked for) is left to be
/// made up anew. Volumes without a name of their own are named, so that they are kept.
pub(super) fn likeness(
    seen: &ContainerInspectResponse,
    image: String,
    parent: Option<&str>,
) -> Result<Likeness, DockerError> {
    let id = seen.id.as_deref().ok_or(DockerError::Incomplete("Id"))?;
    let short = id.get(..12).unwrap_or(id);
    let config = seen.config.as_ref().ok_or(DockerError::Incomplete("Config"))?;
    let mut host = seen.host_config.clone().ok_or(DockerError::Incomplete("HostConfig"))?;
    // Both are the same document under the engine's API.
    let same = serde_json::to_value(config).and_then(serde_json::from_value::<ContainerCreateBody>);
    let mut body = same.map_err(|_| DockerError::Incomplete("a Config that can be sent back"))?;
    body.image = Some(image);
    if let Some(parent) = parent {
        host.network_mode = Some(format!("container:{parent}"));
    }
    let mode = host.network_mode.clone().unwrap_or_default();
    let shares = mode.starts_with("container:");
    let own_name = body.hostname.as_deref().is_none_or(|name| name.is_empty() || name == short);
    if own_name || shares || host.uts_mode.as_deref() == Some("host") {
        body.hostname = None;
    }
    if shares {
        // They belong to whose network it is.
        body.exposed_ports = None;
    }
    host.links = host.links.map(|links| links.iter().map(|link| plain_link(link)).collect());
    keep_volumes(&mut host, seen.mounts.as_deref().unwrap_or_default());
    body.host_config = Some(host);
    let mut networks =
        if shares || mode == "host" || mode == "none" { Vec::new() } else { endpoints(seen, short) };
    // The first is that of its network mode; the default bridge goes by two names.
    let is_first =
        |(name, _): &&(String, EndpointSettings)| *name == mode || (name == "bridge" && mode == "default");
    let first = networks.iter().find(is_first).cloned().or_else(|| networks.first().cloned());
    if let Some((name, endpoint)) = first {
        networks.retain(|(other, _)| *other != name);
        body.networking_config =
            Some(NetworkingConfig { endpoints_config: Some(HashMap::from([(name, endpoint)])) });
    }
    Ok(Likeness { body, networks })
}

/// Its networks by name, with what it was asked to have there.
fn endpoints(seen: &ContainerInspectResponse, short: &str) -> Vec<(String, EndpointSettings)> {
    let networks = seen.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
    let mut endpoints: Vec<(String, EndpointSettings)> = networks
        .into_iter()
        .flatten()
        .map(|(name, endpoint)| {
            let mut aliases = endpoint.aliases.clone().unwrap_or_default();
            aliases.retain(|alias| alias != short);
            let asked = EndpointSettings {
                ipam_config: endpoint.ipam_config.clone(),
                links: endpoint.links.clone(),
                aliases: (!aliases.is_empty()).then_some(aliases),
                driver_opts: endpoint.driver_opts.clone(),
                gw_priority: endpoint.gw_priority,
                ..EndpointSettings::default()
            };
            (name.clone(), asked)
        })
        .collect();
    endpoints.sort_by(|(one, _), (other, _)| one.cmp(other));
    endpoints
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

/// Names the volumes that the engine made without being given a name.
fn keep_volumes(host: &mut HostConfig, seen: &[MountPoint]) {
    for point in seen.iter().filter(|point| point.typ.as_deref() == Some("volume")) {
        let (Some(name), Some(target)) = (&point.name, &point.destination) else { continue };
        let mounts = host.mounts.as_deref_mut().unwrap_or_default();
        if let Some(mount) = mounts.iter_mut().find(|mount| mount.target.as_ref() == Some(target)) {
            if mount.typ == Some(MountType::VOLUME) && mount.source.as_ref().is_none_or(String::is_empty) {
                mount.source = Some(name.clone());
            }
            continue;
        }
        let named = |bind: &String| bind.split(':').nth(1) == Some(target.as_str());
        if host.binds.iter().flatten().any(named) {
            continue;
        }
        let read_only = if point.rw == Some(false) { ":ro" } else { "" };
        host.binds.get_or_insert_default().push(format!("{name}:{target}{read_only}"));
    }
}

#[cfg(test)]
mod tests;
