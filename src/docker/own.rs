//! Which container Portreeve itself runs in, so that it is never healed.

use std::collections::BTreeSet;
use std::sync::Arc;

/// Full ids of the containers this process may be in: read from its cgroup and mounts, or none outside a container.
pub fn own_containers() -> BTreeSet<Arc<str>> {
    let mut own = BTreeSet::new();
    for path in ["/proc/self/cgroup", "/proc/self/mountinfo"] {
        if let Ok(text) = std::fs::read_to_string(path) {
            own.extend(ids(&text));
        }
    }
    own
}

/// The ids in `text` that name this container: the last part of a cgroup path (`docker-<id>.scope`, `docker/<id>`; Podman:
/// `libpod-<id>.scope`) or the source of the files the engine mounts into each container (`…/containers/<id>/hostname`;
/// Podman: `…/overlay-containers/<id>/userdata/hostname`).
fn ids(text: &str) -> impl Iterator<Item = Arc<str>> {
    text.lines().filter_map(|line| {
        // The last one: the engine's own directory may lie below another of that name.
        let candidate = match line.rfind("containers/") {
            Some(at) if line.contains("/hostname") || line.contains("/resolv.conf") => {
                line[at + "containers/".len()..].split('/').next()?
            }
            _ => {
                let last = line.split(' ').next()?.rsplit('/').next()?;
                let bare = ["docker-", "libpod-"].iter().find_map(|engine| last.strip_prefix(engine));
                bare.unwrap_or(last).trim_end_matches(".scope")
            }
        };
        let is_id = candidate.len() == 64 && candidate.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_id.then(|| Arc::from(candidate))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_id_is_found_in_cgroups_of_both_versions_and_in_mounts() {
        let id = "0123456789abcdef".repeat(4);
        for text in [
            format!("12:memory:/docker/{id}\n"),
            format!("0::/system.slice/docker-{id}.scope\n"),
            format!("0::/machine.slice/libpod-{id}.scope\n"),
            format!(
                "700 600 0:50 /containers/storage/overlay-containers/{id}/userdata/hostname /etc/hostname rw - tmpfs t rw\n"
            ),
            format!(
                "700 600 8:1 /var/lib/docker/containers/{id}/hostname /etc/hostname rw - ext4 /dev/sda rw\n"
            ),
        ] {
            assert_eq!(ids(&text).collect::<Vec<_>>(), [Arc::from(id.as_str())], "{text}");
        }
        // A host on which the engine itself runs mounts things of other containers.
        let other = format!("700 600 0:50 / /var/lib/docker/containers/{id}/mounts/shm rw - tmpfs shm rw\n");
        assert_eq!(ids(&other).count(), 0);
        assert_eq!(ids("0::/user.slice/session-1.scope\n").count(), 0);
    }
}
