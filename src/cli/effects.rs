//! What a change of objects means for each container: the same pure functions that reconcilers ask, asked with what is
//! declared now and with what would be.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::desired::{Desired, PolicyChoice, Service, Sources, not_there};
use crate::manifest::Loaded;
use crate::observed::{Container, ContainerKey, State};
use crate::reconcile::discovery::{self, Registrant, Wanted};
use crate::resource::autoheal_policy::{ExitedTrigger, HealAction};
use crate::resource::{KindId, Object, ObjectKey, Origin};

/// One way in which one container is affected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct Effect {
    /// Its name.
    pub(super) container: String,
    /// What changes for it, for people.
    #[serde(rename = "effect")]
    pub(super) what: String,
}

/// What is in force, and what would be.
pub(super) struct Preview {
    before: Desired,
    after: Desired,
}

impl Preview {
    pub(super) fn of(before: &BTreeMap<ObjectKey, Value>, after: &BTreeMap<ObjectKey, Value>) -> Self {
        Self { before: desired(before), after: desired(after) }
    }

    /// What the object would name that is not there, with the nearest name, a sentence each.
    pub(super) fn unresolved(&self, key: &ObjectKey) -> impl Iterator<Item = &str> {
        self.after.unresolved.iter().filter(move |(of, _)| of == key).map(|(_, why)| why.as_str())
    }

    /// What an apply of the object draws attention to: `said` are the server's words. It judges one object at a time, and so takes
    /// what comes with the object for missing.
    pub(super) fn warnings(&self, key: &ObjectKey, loaded: &Loaded, said: &[String]) -> Vec<String> {
        let judged_here = |warning: &&String| {
            loaded.references.iter().any(|(reference, _)| warning.starts_with(&not_there(reference)))
        };
        let said = said.iter().filter(|warning| !judged_here(warning)).cloned();
        self.unresolved(key).map(str::to_owned).chain(said).collect()
    }

    /// Every effect, in the order of the containers' names.
    pub(super) fn effects(&self, containers: &[Value]) -> Vec<Effect> {
        let (before, after) = (&self.before, &self.after);
        let mut effects = Vec::new();
        for container in &seen(containers) {
            let engine = &*container.key.engine;
            if before.hosts.contains_key(engine) && !after.hosts.contains_key(engine) {
                let what = format!("no longer watched: no DockerHost named {engine} would be declared");
                effects.push(Effect { container: container.name.clone(), what });
                continue;
            }
            let start = started(before, after, container);
            let all = start
                .or_else(|| healed(before, after, container))
                .into_iter()
                .chain(probed(before, after, container))
                .chain(registered(before, after, container))
                .chain(billed(before, after, container))
                .chain(suspended(before, after, container));
            effects.extend(all.map(|what| Effect { container: container.name.clone(), what }));
        }
        effects
    }

    /// Whether a service with probes would be there: then containers may be healed for them.
    pub(super) fn has_probes(&self) -> bool {
        self.after.services.values().any(|service| service.asking().next().is_some())
    }

    /// For which probes containers would be healed from then on, each with the names of these containers.
    pub(super) fn probed(&self, containers: &[Value]) -> BTreeMap<String, Vec<String>> {
        let mut probed: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for container in &seen(containers) {
            for what in added_probes(&self.before, &self.after, container) {
                probed.entry(what).or_default().push(container.name.clone());
            }
        }
        probed
    }
}

fn seen(containers: &[Value]) -> Vec<Container> {
    let mut containers: Vec<Container> = containers.iter().filter_map(container).collect();
    containers.sort_by(|a, b| (&a.name, &a.key).cmp(&(&b.name, &b.key)));
    containers
}

/// What is in force, given the server's objects. One of a later version is left out, and what is built in is there only
/// as long as nothing else is declared.
fn desired(objects: &BTreeMap<ObjectKey, Value>) -> Desired {
    let built_in = Origin::BuiltIn.to_string();
    let declared =
        |object: &&Value| object.pointer("/metadata/origin").is_none_or(|origin| *origin != built_in);
    let objects: Vec<Object> = objects
        .values()
        .filter(declared)
        .filter_map(|object| serde_json::from_value(object.clone()).ok())
        .collect();
    Desired::of(Sources { api: &objects, ..Sources::default() })
}

/// The container, as far as a server tells of it: all that selection looks at.
fn container(row: &Value) -> Option<Container> {
    let text = |field: &str| row.get(field).and_then(Value::as_str);
    let key = ContainerKey::new(text("engine")?, text("id")?);
    serde_json::from_value(serde_json::json!({
        "key": key, "name": text("name")?, "image": text("image")?, "labels": row.get("labels")?,
        "state": text("status")?, "health": row.get("health"), "created": 0, "ports": row.get("ports")?,
        "exit_code": row.get("exit_code").and_then(Value::as_i64).unwrap_or(0),
    }))
    .ok()
}

fn healed(before: &Desired, after: &Desired, container: &Container) -> Option<String> {
    let (was, is) = (before.policy_for(container), after.policy_for(container));
    match (&was, &is) {
        (PolicyChoice::Selected { name: old, spec: a, .. }, PolicyChoice::Selected { name, spec: b, .. }) => {
            if old != name {
                Some(format!("healed by {name}, until now by {old}"))
            } else if a != b {
                Some(format!("healed by {name}, which changes"))
            } else {
                None
            }
        }
        (_, PolicyChoice::Selected { name, .. }) => Some(format!("healed by {name}, until now by no policy")),
        (PolicyChoice::Selected { name, .. }, PolicyChoice::Excluded { why, .. }) => {
            Some(format!("no longer healed by {name}: {why}"))
        }
        (PolicyChoice::Selected { name, .. }, PolicyChoice::NotSelected { .. }) => {
            Some(format!("no longer healed: neither {name} nor another policy selects it"))
        }
        (
            PolicyChoice::Excluded { .. } | PolicyChoice::NotSelected { .. },
            PolicyChoice::Excluded { .. } | PolicyChoice::NotSelected { .. },
        ) => None,
    }
}

/// What would be started at once: it is down, and only from then on a policy covers how it ended.
fn started(before: &Desired, after: &Desired, container: &Container) -> Option<String> {
    let (None, Some(policy)) = (starts(before, container), starts(after, container)) else { return None };
    let code = container.exit_code;
    Some(format!("started at once by {policy}, unless it was stopped by hand: it exited with code {code}"))
}

/// The policy that starts a container which is down.
fn starts(desired: &Desired, container: &Container) -> Option<String> {
    let PolicyChoice::Selected { name, spec, .. } = desired.policy_for(container) else { return None };
    let suspended = desired.healing_suspended(&container.key.engine, &name).is_some();
    let covered = match spec.triggers.exited {
        ExitedTrigger::Never => false,
        ExitedTrigger::OnFailure => container.exit_code != 0,
        ExitedTrigger::Always => true,
    };
    let first = spec.escalation.first().unwrap_or(&spec.action);
    let acts = matches!(first, HealAction::Restart | HealAction::Recreate);
    (container.state == State::Exited && covered && acts && !suspended && !desired.settings.observe)
        .then_some(name)
}

/// The policy that heals a container, and for which probes of which services it does so.
fn heals_for<'d>(desired: &'d Desired, container: &Container) -> (String, BTreeSet<(&'d str, &'d str)>) {
    let PolicyChoice::Selected { name, spec, .. } = desired.policy_for(container) else {
        return Default::default();
    };
    let acts = !matches!(spec.action, HealAction::Notify | HealAction::None) || !spec.escalation.is_empty();
    if !acts || !spec.triggers.probes {
        return Default::default();
    }
    let subject = container.subject();
    let selects = |service: &Service| {
        !service.suspended
            && service.spec.selector.as_ref().is_some_and(|selector| selector.matches(&subject))
    };
    let services = desired.services.iter().filter(|(_, service)| selects(service));
    let probes =
        services.flat_map(|(name, service)| service.asking().map(|(probe, _)| (name.as_str(), probe)));
    (name, probes.collect())
}

/// Probes, by their services, as one sentence each.
fn by_service(
    probes: impl Iterator<Item = (String, String)>,
    sentence: impl Fn(&str, &str) -> String,
) -> Vec<String> {
    let mut services: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (service, probe) in probes {
        services.entry(service).or_default().push(probe);
    }
    services.into_iter().map(|(service, probes)| sentence(&service, &probes.join(", "))).collect()
}

fn owned((service, probe): &(&str, &str)) -> (String, String) {
    ((*service).to_owned(), (*probe).to_owned())
}

/// For which probes the container is healed that it was not healed for before.
fn added_probes(before: &Desired, after: &Desired, container: &Container) -> Vec<String> {
    let ((_, was), (policy, is)) = (heals_for(before, container), heals_for(after, container));
    by_service(is.difference(&was).map(owned), |service, probes| {
        format!("also healed by {policy} when a probe of the service {service} fails: {probes}")
    })
}

fn probed(before: &Desired, after: &Desired, container: &Container) -> Vec<String> {
    let ((_, was), (_, is)) = (heals_for(before, container), heals_for(after, container));
    let gone = by_service(was.difference(&is).map(owned), |service, probes| {
        format!("no longer healed when a probe of the service {service} fails: {probes}")
    });
    added_probes(before, after, container).into_iter().chain(gone).collect()
}

fn registered(before: &Desired, after: &Desired, container: &Container) -> Vec<String> {
    // Hosts are the same before and after, so any will do.
    let seen =
        Registrant { container: Some(container), owner: None, drains: false, services: &[], host: "host" };
    let held = |desired: &Desired| {
        let mut wanted = BTreeMap::new();
        discovery::update(&seen, &desired.registries, &mut wanted);
        wanted
    };
    let (was, mut is) = (held(before), held(before));
    let changed = discovery::update(&seen, &after.registries, &mut is);
    let mut effects: Vec<String> = changed
        .iter()
        .filter_map(|registry| match (was.get(registry), is.get(registry)?) {
            (None, Wanted::Up(_)) => Some(format!("registered with {registry}")),
            (Some(_), Wanted::Up(_)) => Some(format!("registered with {registry} with other values")),
            (_, Wanted::Down) => Some(format!("marked as down in {registry}")),
            (_, Wanted::Absent) => Some(format!("removed from {registry}")),
        })
        .collect();
    let gone = was.keys().filter(|registry| !after.registries.contains_key(*registry));
    effects.extend(gone.map(|registry| format!("no more changes are sent to {registry}")));
    effects
}

fn billed(before: &Desired, after: &Desired, container: &Container) -> Vec<String> {
    let selected = |desired: &Desired, name: &str| {
        desired.billing.get(name).is_some_and(|spec| spec.selector.matches(&container.subject()))
    };
    let mut names: Vec<&String> = before.billing.keys().chain(after.billing.keys()).collect();
    names.sort();
    names.dedup();
    let effect = |name: &String| match (selected(before, name), selected(after, name)) {
        (false, true) if container.state.is_up() => {
            Some(format!("billed by {name} from now on: `started` is sent"))
        }
        (false, true) => Some(format!("billed by {name} from its next start")),
        (true, false) if after.billing.contains_key(name) => {
            Some(format!("no more starts are sent to {name}; the end of a billed run is still sent"))
        }
        (true, false) => Some(format!("no more bills are sent to {name}")),
        (true, true) | (false, false) => None,
    };
    names.into_iter().filter_map(effect).collect()
}

/// What is suspended, or no longer, of what concerns the container.
fn suspended(before: &Desired, after: &Desired, container: &Container) -> Vec<String> {
    let mut effects = Vec::new();
    let heals = |desired: &Desired| match desired.policy_for(container) {
        PolicyChoice::Selected { name, .. } => desired.healing_suspended(&container.key.engine, &name),
        PolicyChoice::Excluded { .. } | PolicyChoice::NotSelected { .. } => None,
    };
    match (heals(before), heals(after)) {
        (None, Some(why)) => effects.push(format!("not healed for now: {why}")),
        (Some(_), None) => effects.push("healed again: no longer suspended".to_owned()),
        (Some(_), Some(_)) | (None, None) => {}
    }
    let subject = container.subject();
    let billing = after.billing.iter().filter(|(_, spec)| spec.selector.matches(&subject));
    let billing = billing.map(|(name, _)| (KindId::BillingService, name));
    let registries = after.registries.iter().filter(|(_, spec)| spec.selects(&subject));
    let registries = registries.map(|(name, _)| (KindId::DiscoveryRegistry, name));
    for (kind, name) in billing.chain(registries) {
        match (before.is_suspended(kind, name), after.is_suspended(kind, name)) {
            (false, true) => effects.push(format!("calls to {name} wait: it is suspended")),
            (true, false) => {
                effects.push(format!("waiting calls to {name} are sent: it is no longer suspended"))
            }
            (true, true) | (false, false) => {}
        }
    }
    effects
}

#[cfg(test)]
mod tests {
    use std::slice;

    use serde_json::json;

    use super::*;
    use crate::resource::KindId;

    fn object(kind: &str, name: &str, spec: Value) -> (ObjectKey, Value) {
        let key = ObjectKey { kind: KindId::of(kind).expect("a kind"), name: name.to_owned() };
        let document = json!({
            "apiVersion": "portreeve/v1", "kind": kind, "metadata": {"name": name, "origin": "api"}, "spec": spec,
        });
        (key, document)
    }

    fn web(labels: Value, status: &str) -> Value {
        json!({"id": "c1", "name": "web", "image": "nginx", "engine": "local", "status": status, "health": null,
               "labels": labels, "ports": []})
    }

    fn told(before: &[(ObjectKey, Value)], after: &[(ObjectKey, Value)], container: Value) -> Vec<String> {
        let map = |objects: &[(ObjectKey, Value)]| objects.iter().cloned().collect();
        let preview = Preview::of(&map(before), &map(after));
        preview.effects(&[container]).into_iter().map(|effect| effect.what).collect()
    }

    #[test]
    fn whoever_declares_another_engine_is_told_that_the_one_not_declared_is_left_alone() {
        let far = || object("DockerHost", "far", json!({"endpoint": "tcp://far:2375"}));
        let local = object("DockerHost", "local", json!({}));
        let container = || web(json!({"autoheal": "true"}), "running");
        let gone = "no longer watched: no DockerHost named local would be declared";
        assert_eq!(told(&[], &[far()], container()), [gone]);
        assert_eq!(told(&[], &[far(), local.clone()], container()), Vec::<String>::new());
        // As a server tells of it.
        let mut built_in = local;
        built_in.1["metadata"]["origin"] = "built-in".into();
        assert_eq!(told(&[built_in.clone()], &[built_in, far()], container()), [gone]);
    }

    #[test]
    fn healing_changes_with_the_policy_that_is_chosen_and_with_what_it_says() {
        let all = |budget: u32| {
            object(
                "AutohealPolicy",
                "all",
                json!({"selector": {"all": true}, "budget": {"restarts": budget}}),
            )
        };
        let labelled = || web(json!({"autoheal": "true"}), "running");
        assert_eq!(told(&[], &[all(5)], labelled()), ["healed by all, until now by default"]);
        assert_eq!(
            told(&[], &[all(5)], web(json!({}), "running")),
            ["healed by all, until now by no policy"]
        );
        assert_eq!(told(&[all(5)], &[all(3)], labelled()), ["healed by all, which changes"]);
        assert_eq!(told(&[all(5)], &[all(5)], labelled()), Vec::<String>::new());
        let gone = told(&[all(5)], &[], web(json!({}), "running"));
        assert!(gone[0].starts_with("no longer healed"), "{gone:?}");
    }

    #[test]
    fn what_is_down_and_would_be_started_is_told_so() {
        let policy = |exited: &str| {
            object(
                "AutohealPolicy",
                "default",
                json!({"selector": {"all": true}, "triggers": {"exited": exited}}),
            )
        };
        let down = |code: i64| {
            let mut row = web(json!({}), "exited");
            row["exit_code"] = code.into();
            row
        };
        let start = |code| {
            format!("started at once by default, unless it was stopped by hand: it exited with code {code}")
        };
        assert_eq!(told(&[policy("never")], &[policy("onFailure")], down(137)), [start(137)]);
        assert_eq!(told(&[policy("onFailure")], &[policy("always")], down(0)), [start(0)]);
        let changes = ["healed by default, which changes"];
        assert_eq!(told(&[policy("never")], &[policy("onFailure")], down(0)), changes);
        assert_eq!(told(&[policy("onFailure")], &[policy("always")], down(137)), changes);
        assert_eq!(told(&[policy("never")], &[policy("always")], web(json!({}), "running")), changes);
    }

    #[test]
    fn what_is_in_force_again_from_the_environment_heals_as_it_says() {
        let policy = |origin: &str, restarts: u32| {
            let spec = json!({"selector": {"labels": {"heal": "true"}}, "budget": {"restarts": restarts}});
            let (key, mut document) = object("AutohealPolicy", "default", spec);
            document["metadata"]["origin"] = origin.into();
            (key, document)
        };
        let web = || web(json!({"heal": "true"}), "running");
        let again = told(&[policy("api", 7)], &[policy("environment", 5)], web());
        assert_eq!(again, ["healed by default, which changes"]);
        assert_eq!(told(&[policy("api", 5)], &[policy("environment", 5)], web()), Vec::<String>::new());
    }

    #[test]
    fn a_container_is_also_healed_for_the_probes_of_a_service_that_selects_it() {
        let service = |probes: Value| {
            object("MonitoredService", "shop", json!({"selector": {"names": ["web"]}, "probes": probes}))
        };
        let page = || json!({"name": "page", "httpGet": {"path": "/", "port": 80}});
        let port = || json!({"name": "port", "tcpSocket": {"port": 80}});
        let labelled = || web(json!({"autoheal": "true"}), "running");
        let both = service(json!([page(), port()]));
        assert_eq!(
            told(&[], slice::from_ref(&both), labelled()),
            ["also healed by default when a probe of the service shop fails: page, port"]
        );
        // Docker's own health check is the policy's business already, and what no policy means is not healed.
        let docker = service(json!([{"name": "own", "dockerHealth": {}}]));
        assert_eq!(told(&[], &[docker], labelled()), Vec::<String>::new());
        assert_eq!(told(&[], slice::from_ref(&both), web(json!({}), "running")), Vec::<String>::new());
        let deaf = |action: &str, probes: bool| {
            object(
                "AutohealPolicy",
                "default",
                json!({"selector": {"all": true}, "action": action, "triggers": {"probes": probes}}),
            )
        };
        for policy in [deaf("restart", false), deaf("notify", true)] {
            let told = told(slice::from_ref(&policy), &[policy.clone(), both.clone()], labelled());
            assert_eq!(told, Vec::<String>::new());
        }
        assert_eq!(
            told(
                slice::from_ref(&both),
                &[service(json!([port(), {"name": "dns", "icmp": {}}]))],
                labelled()
            ),
            [
                "also healed by default when a probe of the service shop fails: dns",
                "no longer healed when a probe of the service shop fails: page",
            ]
        );
        let (key, mut quiet) = both.clone();
        quiet["metadata"]["annotations"] = json!({"portreeve/suspend": "true"});
        assert_eq!(
            told(&[both], &[(key, quiet)], labelled()),
            ["no longer healed when a probe of the service shop fails: page, port"]
        );
    }

    #[test]
    fn what_comes_in_the_same_batch_is_there_and_every_slip_is_told() {
        let service = object(
            "MonitoredService",
            "web",
            json!({"selector": {"all": true}, "dependsOn": ["dbb"], "autoheal": {"policyRef": "defualt"},
                   "notify": [{"sinkRef": "ops", "events": ["ServiceDown"]}], "discovery": {"registryRef": "x"},
                   "probes": [{"probeRef": "prot"}]}),
        );
        let others = [
            object("MonitoredService", "db", json!({"target": {"host": "db", "port": 1}})),
            object("NotificationSink", "ops", json!({"log": {}})),
            object("Probe", "port", json!({"tcpSocket": {"port": 1}})),
        ];
        let key = service.0.clone();
        let after = others.into_iter().chain([service]).collect();
        let preview = Preview::of(&BTreeMap::new(), &after);
        let unresolved: Vec<&str> = preview.unresolved(&key).collect();
        assert_eq!(
            unresolved,
            [
                "spec.probes[0].probeRef: there is no Probe named `prot`; did you mean `port`?",
                "spec.dependsOn[0]: there is no MonitoredService named `dbb`; did you mean `db`?",
                "spec.autoheal.policyRef: there is no AutohealPolicy named `defualt`; did you mean `default`?",
                "spec.discovery.registryRef: there is no DiscoveryRegistry named `x`",
            ]
        );
    }

    #[test]
    fn registration_and_bills_follow_their_selectors() {
        let registry = |name: &str| {
            object("DiscoveryRegistry", "reg", json!({"url": "http://d", "selector": {"names": [name]}}))
        };
        let billing = |name: &str| {
            object("BillingService", "bill", json!({"url": "http://b", "selector": {"names": [name]}}))
        };
        let running = || web(json!({}), "running");
        assert_eq!(told(&[], &[registry("web")], running()), ["registered with reg"]);
        assert_eq!(told(&[registry("web")], &[registry("db")], running()), ["removed from reg"]);
        assert_eq!(told(&[registry("web")], &[], running()), ["no more changes are sent to reg"]);
        assert_eq!(
            told(&[], &[billing("web")], running()),
            ["billed by bill from now on: `started` is sent"]
        );
        let stopped = web(json!({}), "exited");
        assert_eq!(told(&[], &[billing("web")], stopped), ["billed by bill from its next start"]);
        assert!(
            told(&[billing("web")], &[billing("db")], running())[0]
                .starts_with("no more starts are sent to bill")
        );
    }

    #[test]
    fn suspending_is_told_to_whom_it_concerns() {
        let billing = |suspend: &str| {
            let (key, mut document) = object("BillingService", "bill", json!({"url": "http://b"}));
            document["metadata"]["annotations"] = json!({"portreeve/suspend": suspend});
            (key, document)
        };
        let running = || web(json!({}), "running");
        assert_eq!(
            told(&[billing("false")], &[billing("true")], running()),
            ["calls to bill wait: it is suspended"]
        );
        assert_eq!(
            told(&[billing("true")], &[billing("false")], running()),
            ["waiting calls to bill are sent: it is no longer suspended"]
        );
        let (key, mut policy) = object("AutohealPolicy", "all", json!({"selector": {"all": true}}));
        let before = [(key.clone(), policy.clone())];
        policy["metadata"]["annotations"] = json!({"portreeve/suspend": "true"});
        let after = [(key, policy)];
        assert_eq!(told(&before, &after, running()), ["not healed for now: AutohealPolicy/all is suspended"]);
        assert_eq!(told(&after, &before, running()), ["healed again: no longer suspended"]);
    }
}
