//! The files of a starter directory, made from the containers that are seen.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;

use crate::cli::text::{plain, scalar};
use crate::terminal::quoted;

/// At most so many services are written down.
const MOST: usize = 50;

const SETTINGS: &str = "\
# How Portreeve itself works. What is left out keeps its default, which is what stands here.
# `portreeve explain settings.spec` describes every field.
apiVersion: portreeve/v1
kind: Settings
metadata: {name: portreeve}
spec:
  resync: 60s                # everything is listed again this often, beside the event stream
  # observe: true            # touch no container, say what would be done: good for a first day
  # metricsRetentionDays: 30
";

const TOLD: &str = "\
# Services that are told what runs. Take away the marks in front to use them.
# `portreeve explain discoveryregistry.spec` and `portreeve explain billingservice.spec` describe every field.

# apiVersion: portreeve/v1
# kind: DiscoveryRegistry
# metadata: {name: discovery}
# spec:
#   url: http://localhost:7000        # POST, PUT and DELETE on /registry/endpoints
#   registerWhen: healthy             # or `running`
# ---
# apiVersion: portreeve/v1
# kind: BillingService
# metadata: {name: billing}
# spec:
#   url: http://localhost:8001        # events are POSTed to /events
#   auth: {bearer: {env: PORTREEVE_SECRET_BILLING}}   # a secret is never written down, only where it is found
";

const HEALING: &str = "\
# Which containers are restarted when they are sick, how often, and when to stop trying.
# `portreeve explain autohealpolicy.spec` describes every field; `portreeve get containers` shows what is not done and why.
apiVersion: portreeve/v1
kind: AutohealPolicy
metadata: {name: default}                 # the policy of this name replaces the built-in one
spec:
  selector: {labels: {autoheal: \"true\"}}  # or: {names: [\"web-*\"]}, {compose: {project: shop}}, {all: true}
  # exclude: {names: [db]}
  triggers:
    unhealthy: true                       # Docker's own health check
    exited: never                         # onFailure: crashes are healed too; a stop by hand never is
  backoff: {initial: 10s, max: 5m}        # the first restart at once, then these waits
  budget: {restarts: 5, per: 1h}          # spent: quarantine, until `portreeve release`
";

/// Names and texts of the files.
pub(super) fn files(containers: &[Value]) -> Vec<(&'static str, String)> {
    vec![
        ("settings.yaml", SETTINGS.to_owned()),
        ("healing.yaml", format!("{}{HEALING}", seen(containers))),
        ("services.yaml", services(containers)),
        ("told.yaml", TOLD.to_owned()),
    ]
}

/// What is there to be healed, as comments in the order of names.
fn seen(containers: &[Value]) -> String {
    let mut text = String::new();
    if containers.is_empty() {
        return text;
    }
    text.push_str("# Seen when this was written:\n");
    let mut sorted: Vec<&Value> = containers.iter().collect();
    sorted.sort_by_cached_key(|container| scalar(container, "/name"));
    for container in sorted.into_iter().take(MOST) {
        let field = |pointer: &str| scalar(container, pointer).unwrap_or_default();
        let health = match field("/health") {
            health if health.is_empty() => {
                "no health check, so only `exited` can tell that it is sick".to_owned()
            }
            health => format!("health check says {health}"),
        };
        let wants = match field("/labels/autoheal") {
            value if value.is_empty() => "not labelled".to_owned(),
            value => format!("label autoheal={value}"),
        };
        let _ = writeln!(
            text,
            "#   {} ({}): {}, {health}, {wants}",
            field("/name"),
            field("/image"),
            field("/status")
        );
    }
    if containers.len() > MOST {
        let _ = writeln!(text, "#   and {} more", containers.len() - MOST);
    }
    text.push('\n');
    text
}

/// One service for each service of Compose, and for each other container.
fn services(containers: &[Value]) -> String {
    let mut text = String::from(
        "# What is watched as a whole: one verdict over the containers of a service.\n\
         # `portreeve explain monitoredservice.spec` describes every field.\n",
    );
    let mut services: BTreeMap<String, (String, Vec<&Value>)> = BTreeMap::new();
    for container in containers.iter().filter(|container| container["status"] == "running") {
        let (name, selector) = identity(container);
        services.entry(name).or_insert((selector, Vec::new())).1.push(container);
    }
    if services.is_empty() {
        text.push_str(EXAMPLE);
        return text;
    }
    for (place, (name, (selector, members))) in services.iter().take(MOST).enumerate() {
        let mut images: Vec<_> = members.iter().filter_map(|member| scalar(member, "/image")).collect();
        images.dedup();
        let separator = if place == 0 { "" } else { "---\n" };
        let _ = write!(
            text,
            "{separator}apiVersion: portreeve/v1\nkind: MonitoredService\nmetadata: {{name: {}}}\nspec:\n  selector: {selector}      # {}\n",
            quoted(name),
            plain(&images.join(", ")),
        );
        text.push_str(&probes(members));
    }
    if services.len() > MOST {
        let _ = writeln!(text, "# {} more were running.", services.len() - MOST);
    }
    text
}

const EXAMPLE: &str = "\
# Nothing was running when this was written. An example:
#
# apiVersion: portreeve/v1
# kind: MonitoredService
# metadata: {name: web}
# spec:
#   selector: {names: [\"web-*\"]}
#   probes:
#     - name: answers
#       httpGet: {path: /health, port: 8080}
#   dependsOn: [db]
";

/// A service's name, and the selector that finds its containers again.
fn identity(container: &Value) -> (String, String) {
    let label = |key: &str| container.pointer("/labels")?.get(format!("com.docker.compose.{key}"))?.as_str();
    match (label("project"), label("service")) {
        (Some(project), Some(service)) => (
            fit(&format!("{project}-{service}")),
            format!("{{compose: {{project: {}, service: {}}}}}", quoted(project), quoted(service)),
        ),
        _ => {
            let name = container["name"].as_str().unwrap_or_default();
            (fit(name), format!("{{names: [{}]}}", quoted(name)))
        }
    }
}

/// A probe for what the containers have: their health check, else a port of theirs.
fn probes(members: &[&Value]) -> String {
    if members.iter().any(|member| member["health"].is_string()) {
        return "  # no probes: Docker's own health check decides\n".to_owned();
    }
    let ports = members.iter().filter_map(|member| member["ports"].as_array()).flatten();
    let port = ports
        .filter(|port| port["protocol"].as_str() == Some("tcp"))
        .filter_map(|port| port["container"].as_u64())
        .min();
    match port {
        Some(port) => format!(
            "  probes:\n    - name: port-{port}\n      tcpSocket: {{port: {port}}}\n      # better, if it speaks HTTP: httpGet: {{path: /health, port: {port}}}\n"
        ),
        None => "  # no health check and no port: healthy as long as it runs\n".to_owned(),
    }
}

/// `text` as the name of an object.
fn fit(text: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let name: String = text.chars().map(|c| if fits(c) { c } else { '-' }).take(253).collect();
    let name = name.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    if name.is_empty() { "unnamed".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::files::tests::loaded;

    fn containers() -> Vec<Value> {
        let shop = json!({"com.docker.compose.project": "shop", "com.docker.compose.service": "web", "autoheal": "true"});
        vec![
            json!({"name": "shop-web-1", "image": "nginx", "status": "running", "health": "healthy", "labels": shop, "ports": []}),
            json!({"name": "shop-web-2", "image": "nginx", "status": "running", "health": "healthy", "labels": shop, "ports": []}),
            json!({"name": "db", "image": "redis: \"7\"\n#", "status": "running", "health": null, "labels": {},
                   "ports": [{"container": 6379, "protocol": "tcp"}]}),
            json!({"name": "job", "image": "busybox", "status": "exited", "health": null, "labels": {}, "ports": []}),
        ]
    }

    #[test]
    fn what_is_written_is_good_whatever_runs() {
        for containers in [Vec::new(), containers()] {
            for (name, text) in files(&containers) {
                let objects = loaded(&text);
                let expected = match (name, containers.len()) {
                    ("settings.yaml" | "healing.yaml", _) => 1,
                    ("services.yaml", 4) => 2,
                    _ => 0,
                };
                assert_eq!(objects.len(), expected, "{name}: {text}");
                assert!(objects.iter().all(|loaded| loaded.warnings.is_empty()), "{name}: {text}");
            }
        }
    }

    #[test]
    fn what_is_commented_out_is_good_too() {
        let live: String =
            TOLD.lines().skip(3).map(|line| format!("{}\n", line.trim_start_matches("# "))).collect();
        assert_eq!(loaded(&live).len(), 2);
        let example: String = EXAMPLE
            .lines()
            .skip(2)
            .map(|line| format!("{}\n", line.strip_prefix("# ").unwrap_or(line)))
            .collect();
        assert_eq!(loaded(&example).len(), 1);
    }

    #[test]
    fn a_service_of_compose_is_one_and_its_health_check_or_port_is_its_probe() {
        let text = services(&containers());
        assert!(text.contains(r#"selector: {compose: {project: "shop", service: "web"}}"#), "{text}");
        assert_eq!(text.matches("kind: MonitoredService").count(), 2);
        assert!(text.contains("tcpSocket: {port: 6379}") && !text.contains("job"), "{text}");
        assert!(
            seen(&containers())
                .contains("shop-web-1 (nginx): running, health check says healthy, label autoheal=true")
        );
        let seen = seen(&containers());
        let places =
            ["#   db (", "#   job (", "#   shop-web-1 (", "#   shop-web-2 ("].map(|name| seen.find(name));
        assert!(places.is_sorted() && places.iter().all(Option::is_some), "{seen}");
    }

    #[test]
    fn any_name_is_made_fit() {
        assert_eq!(fit("_shop web/1"), "shop-web-1");
        assert_eq!(fit("…"), "unnamed");
    }
}
