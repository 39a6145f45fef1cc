//! The files of a starter directory, made from the containers that are seen.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;

use super::in_force;
use crate::cli::describe::selects;
use crate::cli::text::{plain, scalar};
use crate::resource::{KindId, ObjectKey, Selector};
use crate::terminal::quoted;

/// At most so many services are written down.
const MOST: usize = 50;

const TOLD: &str = "\
# Services that get registrations and bills of the containers. Uncomment to use them.
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
#   auth: {bearer: {env: PORTREEVE_SECRET_BILLING}}   # a secret is never written in a manifest, only a reference
";

/// What a server tells.
#[derive(Clone, Debug, Default)]
pub(super) struct Inventory {
    /// What runs, and what has run.
    pub(super) containers: Vec<Value>,
    /// What is in force.
    pub(super) objects: BTreeMap<ObjectKey, Value>,
}

/// Names and texts of the files.
pub(super) fn files(all: &Inventory) -> Vec<(&'static str, String)> {
    let mut files = vec![
        ("settings.yaml", in_force::settings(&all.objects)),
        ("healing.yaml", format!("{}{}", seen(all), in_force::policies(&all.objects))),
        ("services.yaml", services(all)),
        ("targets.yaml", TOLD.to_owned()),
    ];
    files.extend(in_force::hosts(&all.objects).map(|hosts| ("hosts.yaml", hosts)));
    files
}

/// What is there to be healed, as comments in the order of names.
fn seen(all: &Inventory) -> String {
    let Inventory { containers, objects } = all;
    let mut text = String::new();
    if containers.is_empty() {
        return text;
    }
    text.push_str("# Containers when this was written:\n");
    let mut sorted: Vec<&Value> = containers.iter().collect();
    sorted.sort_by_cached_key(|container| scalar(container, "/name"));
    for container in sorted.into_iter().take(MOST) {
        let field = |pointer: &str| scalar(container, pointer).unwrap_or_default();
        let health = match field("/health") {
            _ if nothing_tells(container, objects) => "no health check".to_owned(),
            health if health.is_empty() => {
                "no health check: only an exit or a probe shows that it is sick".to_owned()
            }
            health => format!("health check says {health}"),
        };
        let wants = match field("/policy") {
            policy if policy.is_empty() => "no policy heals it".to_owned(),
            policy if nothing_tells(container, objects) => {
                format!("not healed: {policy} leaves exited containers alone, and no probe checks it")
            }
            policy => format!("healed by {policy}"),
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

/// Whether a container has a policy and nothing shows that policy that it is sick: no health check, no exit, no probe.
fn nothing_tells(container: &Value, objects: &BTreeMap<ObjectKey, Value>) -> bool {
    let Some(name) = container["policy"].as_str().filter(|_| !container["health"].is_string()) else {
        return false;
    };
    let policy = objects.get(&ObjectKey { kind: KindId::AutohealPolicy, name: name.to_owned() });
    let trigger = |name: &str| policy.and_then(|policy| policy.pointer(&format!("/spec/triggers/{name}")));
    let probed = objects.iter().any(|(key, object)| {
        let selector = object.pointer("/spec/selector").cloned();
        let selector: Option<Selector> = selector.and_then(|selector| serde_json::from_value(selector).ok());
        key.kind == KindId::MonitoredService
            && object["spec"]["probes"].as_array().is_some_and(|probes| !probes.is_empty())
            && selector.is_some_and(|selector| selects(&selector, container))
    });
    let exits = trigger("exited").is_some_and(|word| *word != "never");
    !(exits || probed && trigger("probes") != Some(&Value::Bool(false)))
}

/// One service for each service of Compose, and for each other container.
///
/// A probe is only written down where nothing follows from it: not for what a policy heals, nor where a registry waits for health.
fn services(Inventory { containers, objects }: &Inventory) -> String {
    let mut text = String::from(
        "# Services that are checked: one verdict for all containers of a service.\n\
         # `portreeve explain monitoredservice.spec` describes every field.\n",
    );
    let mut services: BTreeMap<String, (String, Vec<&Value>)> = BTreeMap::new();
    for container in containers.iter().filter(|container| container["status"] == "running") {
        let (name, selector) = identity(container);
        services.entry(name).or_insert((selector, Vec::new())).1.push(container);
    }
    let waits = objects.iter().any(|(key, object)| {
        key.kind == KindId::DiscoveryRegistry && object["spec"]["registerWhen"] == "healthy"
    });
    // What is declared already stays as it is.
    let declared = |name: &String| {
        objects.contains_key(&ObjectKey { kind: KindId::MonitoredService, name: name.clone() })
    };
    let kept: Vec<String> = services.keys().filter(|name| declared(name)).cloned().collect();
    services.retain(|name, _| !declared(name));
    if !kept.is_empty() {
        let _ = writeln!(text, "# Already declared, and not repeated here: {}", kept.join(", "));
    }
    if services.is_empty() {
        if kept.is_empty() {
            text.push_str(EXAMPLE);
        }
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
        text.push_str(&probes(members, waits));
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
fn probes(members: &[&Value], waits: bool) -> String {
    if members.iter().any(|member| member["health"].is_string()) {
        return "  # no probes: Docker's own health check decides\n".to_owned();
    }
    let ports = members.iter().filter_map(|member| member["ports"].as_array()).flatten();
    let port = ports
        .filter(|port| port["protocol"].as_str() == Some("tcp"))
        .filter_map(|port| port["container"].as_u64())
        .min();
    match port {
        Some(port) if waits || members.iter().any(|member| member["policy"].is_string()) => format!(
            "  # To probe its port, remove the `#` below; a container with a policy is then healed also when the port does not answer.\n  \
             # probes:\n  #   - name: port-{port}\n  #     tcpSocket: {{port: {port}}}\n"
        ),
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
            json!({"name": "shop-web-1", "image": "nginx", "status": "running", "health": "healthy", "labels": shop, "ports": [], "policy": "default"}),
            json!({"name": "shop-web-2", "image": "nginx", "status": "running", "health": "healthy", "labels": shop, "ports": [], "policy": "default"}),
            json!({"name": "db", "image": "redis: \"7\"\n#", "status": "running", "health": null, "labels": {},
                   "ports": [{"container": 6379, "protocol": "tcp"}]}),
            json!({"name": "job", "image": "busybox", "status": "exited", "health": null, "labels": {}, "ports": []}),
        ]
    }

    #[test]
    fn what_is_written_is_good_whatever_runs() {
        for containers in [Vec::new(), containers()] {
            for (name, text) in files(&Inventory { containers: containers.clone(), ..Inventory::default() }) {
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
        let text = services(&Inventory { containers: containers(), ..Inventory::default() });
        assert!(text.contains(r#"selector: {compose: {project: "shop", service: "web"}}"#), "{text}");
        assert_eq!(text.matches("kind: MonitoredService").count(), 2);
        assert!(text.contains("tcpSocket: {port: 6379}") && !text.contains("job"), "{text}");
        assert!(
            seen(&Inventory { containers: containers(), ..Inventory::default() })
                .contains("shop-web-1 (nginx): running, health check says healthy, healed by default")
        );
        let seen = seen(&Inventory { containers: containers(), ..Inventory::default() });
        let places =
            ["#   db (", "#   job (", "#   shop-web-1 (", "#   shop-web-2 ("].map(|name| seen.find(name));
        assert!(places.is_sorted() && places.iter().all(Option::is_some), "{seen}");
    }

    #[test]
    fn what_nothing_shows_to_be_sick_is_not_said_to_be_healed() {
        let policy = |exited: &str| {
            object(
                "AutohealPolicy",
                "default",
                "api",
                json!({"selector": {"all": true}, "triggers": {"exited": exited}}),
            )
        };
        let probe = json!({"selector": {"names": ["busy"]}, "probes": [{"name": "p", "icmp": {}}]});
        let service = || object("MonitoredService", "busy", "api", probe.clone());
        let said = |objects: Vec<(ObjectKey, Value)>| {
            let containers = vec![container("busy", "local", json!({}), Some("default"))];
            seen(&Inventory { containers, objects: objects.into_iter().collect() })
        };
        let never = said(vec![policy("never")]);
        let told = "running, no health check, not healed: default leaves exited containers alone, and no probe checks it\n";
        assert!(never.contains(told), "{never}");
        for healed in [vec![policy("onFailure")], vec![policy("never"), service()]] {
            let healed = said(healed);
            assert!(healed.contains("shows that it is sick, healed by default\n"), "{healed}");
        }
    }

    fn object(kind: &str, name: &str, origin: &str, spec: Value) -> (ObjectKey, Value) {
        let key = ObjectKey { kind: KindId::of(kind).expect("a kind"), name: name.to_owned() };
        // As a server tells of it: with every default.
        let document =
            json!({"apiVersion": "portreeve/v1", "kind": kind, "metadata": {"name": name}, "spec": spec});
        let read: crate::resource::Object = serde_json::from_value(document).expect("an object");
        let mut shown = serde_json::to_value(&read).expect("JSON");
        shown["metadata"]["origin"] = origin.into();
        (key, shown)
    }

    fn container(name: &str, engine: &str, labels: Value, policy: Option<&str>) -> Value {
        json!({"id": name, "name": name, "image": "nginx", "engine": engine, "status": "running", "health": null, "labels": labels,
               "ports": [{"container": 80, "protocol": "tcp"}], "policy": policy})
    }

    /// Nobody reads what he applies: it must change nothing, whatever is in force and however it came to be.
    #[test]
    fn whoever_applies_what_is_written_changes_how_no_container_is_treated() {
        let settings = |origin: &str, spec: Value| object("Settings", "portreeve", origin, spec);
        let default = |origin: &str, spec: Value| object("AutohealPolicy", "default", origin, spec);
        let label = |label: &str| json!({"selector": {"labels": {label: "true"}}});
        let local = || object("DockerHost", "local", "built-in", json!({}));
        let cases: Vec<Vec<(ObjectKey, Value)>> = vec![
            vec![settings("built-in", json!({})), default("built-in", label("autoheal")), local()],
            // AUTOHEAL_CONTAINER_LABEL, AUTOHEAL_START_PERIOD, AUTOHEAL_DEFAULT_STOP_TIMEOUT, HEALTH_INTERVAL_SECONDS.
            vec![
                settings("environment", json!({"resync": "30s", "criticalCpu": 70})),
                default(
                    "environment",
                    json!({"selector": {"labels": {"restart.me/please": "true"}}, "startGrace": "30s", "stopTimeout": "20s"}),
                ),
                local(),
            ],
            vec![
                settings("built-in", json!({"observe": true})),
                default("environment", json!({"selector": {"all": true}})),
                local(),
            ],
            // Several engines, several policies, one of them spelled out, and a registry that waits for health.
            vec![
                settings("api", json!({"alerting": false})),
                default(
                    "api",
                    json!({"selector": {"hosts": ["a"], "names": ["web*", "yes", "0x1"]}, "exclude": {"labels": {"k": "no"}},
                    "triggers": {"exited": "onFailure", "notYet": "30m"}, "escalation": ["restart", "recreate"],
                    "backoff": {"initial": "1s", "jitter": 0}, "budget": {"restarts": 2, "per": "1d"}, "breaker": {"unhealthyRatio": 0.25}}),
                ),
                object("AutohealPolicy", "labelled", "api", label("restart.me/please")),
                object(
                    "DockerHost",
                    "a",
                    "api",
                    json!({"endpoint": "tcp://a:2376", "labels": {"on": "off"}, "readOnly": true}),
                ),
                object("DockerHost", "local", "api", json!({})),
                object(
                    "DiscoveryRegistry",
                    "reg",
                    "api",
                    json!({"url": "http://d", "registerWhen": "healthy"}),
                ),
                object(
                    "MonitoredService",
                    "web",
                    "api",
                    json!({"selector": {"names": ["web"]}, "probes": [{"name": "p", "icmp": {}}]}),
                ),
            ],
            // What a directory says already is said there.
            vec![
                settings("directory:/c/s.yaml", json!({})),
                default("directory:/c/p.yaml", label("x")),
                local(),
            ],
        ];
        for objects in cases {
            let objects: BTreeMap<ObjectKey, Value> = objects.into_iter().collect();
            let everything = objects.values().any(|object| object["spec"]["selector"]["all"] == true);
            let containers = vec![
                container("web", "local", json!({"restart.me/please": "true"}), Some("default")),
                container("db", "a", json!({"autoheal": "true"}), Some("default")),
                container("yes", "local", json!({"autoheal": "true", "x": "true"}), Some("default")),
                container("plain", "a", json!({}), everything.then_some("default")),
            ];
            let all = Inventory { containers, objects };
            let mut after = all.objects.clone();
            for (name, text) in files(&all) {
                for loaded in loaded(&text) {
                    let key = loaded.object.key();
                    let before = after.get(&key).cloned().unwrap_or_default();
                    assert!(
                        !before["metadata"]["origin"]
                            .as_str()
                            .is_some_and(|from| from.starts_with("directory")),
                        "{name}: {text}"
                    );
                    let written = crate::cli::files::in_force(&loaded, &before);
                    if !before.is_null() {
                        assert_eq!(crate::cli::fields::changes(&before, &written), [], "{name}: {text}");
                    }
                    after.insert(key, written);
                }
            }
            let preview = crate::cli::effects::Preview::of(&all.objects, &after);
            assert_eq!(preview.effects(&all.containers), []);
        }
    }

    #[test]
    fn any_name_is_made_fit() {
        assert_eq!(fit("_shop web/1"), "shop-web-1");
        assert_eq!(fit("…"), "unnamed");
    }
}
