//! What Docker Compose says of a container in its labels.

use super::Container;

/// When a dependency is good enough for those that depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Condition {
    /// It runs, and is neither unhealthy nor starting.
    Up,
    /// It has done its work.
    Completed,
}

impl Container {
    fn compose(&self, part: &str) -> Option<&str> {
        self.labels.get(&format!("com.docker.compose.{part}")).map(String::as_str)
    }

    /// The Compose project it is of.
    pub fn compose_project(&self) -> Option<&str> {
        self.compose("project")
    }

    /// Project and service, unless it is a one-off container (`compose run`) beside those of the service.
    pub fn compose_service(&self) -> Option<(&str, &str)> {
        let (project, service) = (self.compose("project")?, self.compose("service")?);
        (self.compose("oneoff") != Some("True")).then_some((project, service))
    }

    /// The services of its project that it depends on, by the label that Compose sets:
    /// `db:service_healthy:false,cache:service_started:true`.
    pub fn compose_dependencies(&self) -> impl Iterator<Item = (&str, Condition)> {
        let label = self.compose("depends_on").into_iter();
        label.flat_map(|label| label.split(',')).filter_map(|entry| {
            let mut parts = entry.split(':');
            let service = parts.next().filter(|service| !service.is_empty())?;
            let completed = parts.next() == Some("service_completed_successfully");
            Some((service, if completed { Condition::Completed } else { Condition::Up }))
        })
    }

    /// The id, or the name, of the container whose network it shares.
    pub fn network_parent(&self) -> Option<&str> {
        self.network_mode.strip_prefix("container:")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composes_label_names_services_and_what_they_have_to_be() {
        let container: Container = serde_json::from_value(serde_json::json!({
            "key": {"engine": "local", "id": "1"}, "name": "web", "image": "", "state": "running", "created": 0,
            "labels": {"com.docker.compose.depends_on":
                "db:service_healthy:false,seed:service_completed_successfully:false,,cache"},
        }))
        .expect("a container");
        let found: Vec<_> = container.compose_dependencies().collect();
        assert_eq!(found, [("db", Condition::Up), ("seed", Condition::Completed), ("cache", Condition::Up)]);
    }

    #[test]
    fn one_off_containers_are_of_the_project_and_of_no_service() {
        let of = |oneoff: &str| {
            let container: Container = serde_json::from_value(serde_json::json!({
                "key": {"engine": "local", "id": "1"}, "name": "web", "image": "", "state": "running", "created": 0,
                "labels": {"com.docker.compose.project": "shop", "com.docker.compose.service": "web",
                    "com.docker.compose.oneoff": oneoff},
            }))
            .expect("a container");
            container.compose_service().map(|(project, service)| format!("{project}/{service}"))
        };
        assert_eq!((of("False").as_deref(), of("True")), (Some("shop/web"), None));
    }
}
