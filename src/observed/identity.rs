//! Which containers are one and the same over time, and which take the place of others.

use std::collections::BTreeMap;

use super::Container;

impl Container {
    /// Its name before it was set aside for a successor, if it was.
    pub fn set_aside_from(&self) -> Option<&str> {
        self.name.strip_suffix(self.key.short_id())?.strip_suffix(SET_ASIDE)
    }

    /// The first digits of the id of the container whose place it is to take, as long as it has not been given that one's name.
    pub fn successor_of(&self) -> Option<&str> {
        predecessor(&self.name)
    }

    /// Whether it is a task of a Swarm service: Swarm makes another one when it ends, or is unhealthy.
    pub fn is_swarm_task(&self) -> bool {
        self.labels.get("com.docker.swarm.task.id").is_some_and(|id| !id.is_empty())
    }

    /// What stays the same when a container is recreated: its healing memory is kept under this name.
    ///
    /// Label `monitoring.id`, else Compose project, service and number, else Swarm service and slot, else the name; always
    /// with the engine.
    pub fn logical_id(&self) -> String {
        logical_id(&self.key.engine, &self.name, &self.labels)
    }
}

/// The name of a container while its successor takes its place: nobody else's container has its own id in its name.
pub fn set_aside(name: &str, id: &str) -> String {
    format!("{name}{SET_ASIDE}{}", id.get(..12).unwrap_or(id))
}

const SET_ASIDE: &str = ".replaced-";

/// The name of a container while it is being made to take the place of the one with this name and id.
pub fn successor(name: &str, id: &str) -> String {
    format!("{name}{SUCCESSOR}{}", id.get(..12).unwrap_or(id))
}

/// Whose place a container with this name is to take: the first digits of that one's id.
pub fn predecessor(name: &str) -> Option<&str> {
    let (_, id) = name.rsplit_once(SUCCESSOR)?;
    (id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
}

const SUCCESSOR: &str = ".successor-";

/// See [`Container::logical_id`].
pub fn logical_id(engine: &str, name: &str, labels: &BTreeMap<String, String>) -> String {
    let label = |key: &str| labels.get(key).filter(|value| !value.is_empty());
    if let Some(id) = label("monitoring.id") {
        return format!("{engine}/id/{id}");
    }
    let compose = |part: &str| label(&format!("com.docker.compose.{part}"));
    // `compose run` starts containers of their own beside those of the service.
    let one_off = compose("oneoff").is_some_and(|value| value == "True");
    if let Some((service, slot)) = swarm_slot(labels) {
        return format!("{engine}/swarm/{service}/{slot}");
    }
    match (compose("project"), compose("service")) {
        (Some(project), Some(service)) if !one_off => {
            let number = compose("container-number").map_or("1", String::as_str);
            format!("{engine}/compose/{project}/{service}/{number}")
        }
        _ => {
            let own = name.rsplit_once(SET_ASIDE).filter(|(_, id)| id.len() == 12);
            format!("{engine}/name/{}", own.map_or(name, |(name, _)| name))
        }
    }
}

/// Service and slot of a Swarm task: its name is `service.slot.id`. Of a global service, which has one task on each node, the
/// slot is the node's id.
fn swarm_slot(labels: &BTreeMap<String, String>) -> Option<(&str, &str)> {
    let label = |part: &str| labels.get(&format!("com.docker.swarm.{part}")).map(String::as_str);
    let (service, task) = (label("service.name")?, label("task.id").filter(|id| !id.is_empty())?);
    let name = label("task.name")?.strip_suffix(task)?.strip_suffix('.')?;
    let slot = name.strip_prefix(service)?.strip_prefix('.')?;
    (!slot.is_empty()).then_some((service, slot))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swarm_task_is_its_service_and_slot_whatever_its_own_id() {
        let id = |name: &str, task: &str, more: &[(&str, &str)]| {
            let mut labels = BTreeMap::from([
                ("com.docker.swarm.service.name".to_owned(), "shop.web".to_owned()),
                ("com.docker.swarm.task.id".to_owned(), task.to_owned()),
                ("com.docker.swarm.task.name".to_owned(), name.to_owned()),
            ]);
            labels.extend(more.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
            logical_id("local", name, &labels)
        };
        assert_eq!(id("shop.web.2.abc", "abc", &[]), "local/swarm/shop.web/2");
        assert_eq!(id("shop.web.2.xyz", "xyz", &[]), "local/swarm/shop.web/2", "the next task of the slot");
        assert_eq!(id("shop.web.node7.xyz", "xyz", &[]), "local/swarm/shop.web/node7", "of a global service");
        assert_eq!(id("shop.web.2.abc", "abc", &[("monitoring.id", "mine")]), "local/id/mine");
        assert_eq!(id("odd", "abc", &[]), "local/name/odd");
        assert_eq!(id("shop.web..abc", "abc", &[]), "local/name/shop.web..abc");
    }

    #[test]
    fn the_name_of_one_in_the_making_says_whose_place_it_is_to_take() {
        let id = "4f5a6b7c8d9e0000";
        assert_eq!(predecessor(&successor("web", id)), Some("4f5a6b7c8d9e"));
        for name in ["web", "web.successor-", "web.successor-4f5a6b7c8d9", "web.successor-not-hex-at-al"] {
            assert_eq!(predecessor(name), None, "{name}");
        }
    }
}
