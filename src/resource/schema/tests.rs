//! The schemas are checked against an independent implementation of JSON Schema, and against what reading accepts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;

use jsonschema::Validator;

use super::*;

fn document(kind: &str, name: &str, spec: Value) -> Value {
    json!({"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec})
}

fn validator(schema: &Value) -> Validator {
    jsonschema::draft202012::new(schema).expect("a schema")
}

/// Whether the kind's schema and the one of any kind take the document; they must agree.
fn takes(document: &Value) -> bool {
    let kind = document["kind"].as_str().and_then(KindId::of).expect("a kind");
    static OWN: LazyLock<BTreeMap<KindId, Validator>> =
        LazyLock::new(|| KindId::ALL.iter().map(|kind| (*kind, validator(&schema(*kind)))).collect());
    static ANY: LazyLock<Validator> = LazyLock::new(|| validator(&any()));
    let own = OWN[&kind].is_valid(document);
    assert_eq!(own, ANY.is_valid(document), "{document:#}");
    own
}

fn reads(document: &Value) -> bool {
    crate::manifest::parse("f", document.to_string().as_bytes()).problems.is_empty()
}

#[test]
fn the_files_in_schemas_are_those_generated_now() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    let mut names = BTreeSet::new();
    for (name, text) in files() {
        let found = std::fs::read_to_string(directory.join(&name)).unwrap_or_default();
        assert!(found == text, "schemas/{name} is out of date: run `portreeve schema --write schemas`");
        names.insert(name);
    }
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let name = entry.expect("an entry").file_name().into_string().expect("text");
        // What commands print has schemas of its own, and a test beside them.
        assert!(names.contains(&name) || name == "output", "schemas/{name} belongs to no kind");
    }
}

#[test]
fn what_is_good_is_taken_by_schema_and_reader_alike() {
    for good in [
        document("Settings", "portreeve", json!({})),
        document("Settings", "portreeve", json!({"resync": "1h30m", "criticalCpu": 100, "observe": true})),
        document("DockerHost", "local", json!({})),
        document(
            "DockerHost",
            "far",
            json!({"endpoint": "tcp://h:2376", "apiVersion": "1.41", "readOnly": true,
            "tls": {"ca": "/a", "cert": "/b", "key": "/c"}, "labels": {"a.b/c": "d"}}),
        ),
        document("DiscoveryRegistry", "d", json!({"url": "http://localhost:7000", "resyncPeriod": 0})),
        document(
            "DiscoveryRegistry",
            "d",
            json!({"url": "https://x", "port": 8000, "registerWhen": "healthy",
            "auth": {"basic": {"username": "a", "password": {"file": "/x"}}}}),
        ),
        document(
            "BillingService",
            "b",
            json!({"url": "http://x", "events": ["created"], "path": "/e",
            "retry": {"initial": "1s", "max": "1s"}, "signing": {"secret": {"env": "K"}}}),
        ),
        document("AutohealPolicy", "p", json!({})),
        document(
            "AutohealPolicy",
            "p",
            json!({"selector": {"names": ["web-*"], "labels": {"a": "*"},
            "images": ["x"], "compose": {"project": "p"}}, "exclude": {"all": true},
            "triggers": {"exited": "onFailure", "notYet": "30m"}, "action": "none", "escalation": ["restart", "recreate"],
            "backoff": {"initial": "0s", "multiplier": 1, "jitter": 0.0}, "stopTimeout": "0s"}),
        ),
    ] {
        assert!(takes(&good), "{good:#}");
        assert!(reads(&good), "{good:#}");
    }
}

#[test]
fn what_is_wrong_is_taken_by_neither() {
    for wrong in [
        document("Settings", "-", json!({})),
        document("Settings", "other", json!({})),
        document("Settings", "portreeve", json!({"resinc": "5m"})),
        document("Settings", "portreeve", json!({"resync": 5})),
        document("Settings", "portreeve", json!({"resync": "5"})),
        document("Settings", "portreeve", json!({"resync": ""})),
        document("Settings", "portreeve", json!({"resync": "1.5h"})),
        document("Settings", "portreeve", json!({"criticalCpu": 101})),
        document("Settings", "portreeve", json!({"alerting": "yes"})),
        document("DockerHost", "d", json!({"endpoint": "/var/run/docker.sock"})),
        document("DockerHost", "d", json!({"apiVersion": 1.41})),
        document("DockerHost", "d", json!({"labels": {"a": 1}})),
        document("DiscoveryRegistry", "d", json!({})),
        document("DiscoveryRegistry", "d", json!({"url": "localhost:7000"})),
        document("DiscoveryRegistry", "d", json!({"url": "http://x", "port": 0})),
        document("DiscoveryRegistry", "d", json!({"url": "http://x", "auth": {}})),
        document("DiscoveryRegistry", "d", json!({"url": "http://x", "auth": {"bearer": "hunter2"}})),
        document("DiscoveryRegistry", "d", json!({"url": "http://x", "auth": {"bearer": {}}})),
        document(
            "DiscoveryRegistry",
            "d",
            json!({"url": "http://x", "auth": {"bearer": {"env": "A", "file": "b"}}}),
        ),
        document("BillingService", "b", json!({"url": "http://x", "events": []})),
        document("BillingService", "b", json!({"url": "http://x", "events": ["paused"]})),
        document("BillingService", "b", json!({"url": "http://x", "path": "events"})),
        document("AutohealPolicy", "p", json!({"backoff": {"multiplier": 0.5}})),
        document("AutohealPolicy", "p", json!({"backoff": {"jitter": 1.5}})),
        document("AutohealPolicy", "p", json!({"budget": {"restarts": 0}})),
        document("AutohealPolicy", "p", json!({"selector": {"compose": {}}})),
        document("AutohealPolicy", "p", json!({"action": "reboot"})),
        document("AutohealPolicy", "p", json!({"triggers": {"notYet": "ever"}})),
        document("AutohealPolicy", "p", json!({"triggers": {"notYet": 30}})),
        document("AutohealPolicy", "p", json!([])),
        document("AutohealPolicy", "p", json!({"pace": [10, "1m"]})),
        document("AutohealPolicy", "p", json!({"pace": null})),
        document("AutohealPolicy", "p", json!({"selector": {"names": {"a": 1}}})),
        json!({"apiVersion": "v1", "kind": "Settings", "metadata": {"name": "portreeve"}, "spec": {}}),
        json!({"apiVersion": API_VERSION, "kind": "Settings", "metadata": {"name": "portreeve"}}),
        json!({"apiVersion": API_VERSION, "kind": "Settings", "metadata": {}, "spec": {}}),
        json!({"apiVersion": API_VERSION, "kind": "Settings", "metadata": {"name": "portreeve"}, "spec": {}, "x": 1}),
    ] {
        assert!(!takes(&wrong), "{wrong:#}");
        assert!(!reads(&wrong), "{wrong:#}");
    }
}

#[test]
fn a_definition_is_the_same_in_every_kind() {
    let mut known = serde_json::Map::new();
    for kind in KindId::ALL {
        for (name, definition) in schema(*kind)["$defs"].as_object().into_iter().flatten() {
            let first = known.entry(name.clone()).or_insert_with(|| definition.clone());
            assert_eq!(first, definition, "two types are called {name}");
        }
    }
}

#[test]
fn every_field_of_a_spec_is_described() {
    for kind in KindId::ALL {
        let schema = schema(*kind);
        let described = |fields: &Value, path: &str| {
            for (name, field) in fields.as_object().into_iter().flatten() {
                assert!(field["description"].is_string(), "{kind}: {path}.{name} has no description");
            }
        };
        described(&schema["properties"]["spec"]["properties"], "spec");
        for (name, definition) in schema["$defs"].as_object().into_iter().flatten() {
            assert_eq!(
                definition["additionalProperties"] == false,
                definition["type"] == "object",
                "{kind}: {name}"
            );
            described(&definition["properties"], name);
        }
    }
}

mod kinds;
