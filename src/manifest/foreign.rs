//! Whose a document is: Portreeve's, or another tool's that lies in the same directory (a Compose file, a Kubernetes manifest,
//! Helm values). Other tools' documents are passed over; what looks like a slip in one of ours is not, so that no typo
//! makes an object disappear without a word.

use serde_json::{Map, Value};

use super::{Problem, nearest};
use crate::resource::{API_VERSION, KindId};

/// A document that is not Portreeve's.
#[derive(Clone, Debug, PartialEq)]
pub struct Foreign {
    /// What is said to somebody who named its file as a manifest of Portreeve's.
    pub problem: Problem,
    /// Whether it could be read. Of what could not, only the text says whose it is.
    pub legible: bool,
}

/// What begins every version of our API.
const GROUP: &str = "portreeve/";

/// Whether a document belongs to another tool.
pub(super) fn is_foreign(document: &Value) -> bool {
    match document {
        Value::Object(fields) => !is_ours(fields),
        // Other tools have lists; ours in a list are a slip.
        Value::Array(items) => !items.iter().filter_map(Value::as_object).any(is_ours),
        // A few words are no document of any tool.
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn is_ours(fields: &Map<String, Value>) -> bool {
    let version = fields.get("apiVersion").or_else(|| {
        fields.iter().find(|(key, _)| nearest(key, ["apiVersion"]).is_some()).map(|(_, value)| value)
    });
    let version = version.map(|version| version.as_str().unwrap_or_default());
    if version.is_some_and(is_our_version)
        || fields.values().filter_map(Value::as_str).any(|text| text == API_VERSION)
    {
        return true;
    }
    // `monitoring.coreos.com/v1` has a kind `Probe`, too.
    if version.is_some_and(|version| version.split_once('/').is_some_and(|(group, _)| group.contains('.'))) {
        return false;
    }
    let kind =
        fields.iter().find(|(key, _)| key.eq_ignore_ascii_case("kind")).and_then(|(_, kind)| kind.as_str());
    match (kind, version) {
        (Some(kind), Some(version)) if is_another_version(version) => is_our_kind(kind),
        (Some(kind), _) => nearest(kind, KindId::ALL.iter().map(|kind| kind.as_str())).is_some(),
        (None, Some(_)) => false,
        // The form of an object, without its first two lines.
        (None, None) => {
            ["metadata", "spec"].iter().all(|name| fields.get(*name).is_some_and(Value::is_object))
        }
    }
}

/// Whether a version is ours, or a slip of it.
fn is_our_version(version: &str) -> bool {
    version.to_lowercase().starts_with(GROUP) || nearest(version, [API_VERSION]).is_some()
}

/// Whether a version has the form of Kubernetes' own: `v1`, `apps/v1`.
fn is_another_version(version: &str) -> bool {
    let version = version.rsplit_once('/').map_or(version, |(_, version)| version);
    version.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn is_our_kind(kind: &str) -> bool {
    KindId::ALL.iter().any(|ours| ours.as_str().eq_ignore_ascii_case(kind))
}

/// Whether a text that cannot be read as a document names us, or one of our kinds as its kind.
pub(super) fn names_us(text: &str) -> bool {
    let text = text.to_lowercase();
    let kinds: Vec<String> = KindId::ALL.iter().map(|kind| kind.as_str().to_lowercase()).collect();
    text.contains(GROUP.trim_end_matches('/'))
        || text.match_indices("kind").any(|(place, word)| {
            let rest = text[place + word.len()..].trim_start_matches(['"', '\'', ' ', '\t', ':', '=']);
            kinds.iter().any(|kind| rest.starts_with(kind.as_str()))
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_of_other_tools_are_told_from_slips_in_ours() {
        for foreign in [
            json!({"services": {"web": {"image": "nginx"}}}),
            json!({"name": "portreeve", "services": {}}),
            json!({"$schema": "https://docs.renovatebot.com/renovate-schema.json", "extends": ["config:base"]}),
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {}}),
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": {}}),
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {}, "spec": {}}),
            json!({"apiVersion": "monitoring.coreos.com/v1", "kind": "Probe", "metadata": {}, "spec": {}}),
            json!({"apiVersion": "v2", "name": "chart", "version": "1.0.0"}),
            json!({"replicaCount": 1, "image": {"tag": "x"}}),
            json!({"version": 2, "updates": []}),
            json!({}),
            json!([{"hosts": "all", "tasks": []}]),
            json!({"kind": "pipeline", "steps": []}),
        ] {
            assert!(is_foreign(&foreign), "{foreign}");
        }
        for ours in [
            json!({"apiVersion": "portreeve/v1", "kind": "MonitoredServise"}),
            json!({"apiVersion": "portreeve/v2", "kind": "Deployment"}),
            json!({"apiVersion": "portreve/v1", "kind": "Probe"}),
            json!({"apiVersion": "portreeve"}),
            json!({"apiversion": "portreeve/v1"}),
            json!({"version": "portreeve/v1", "kind": "x"}),
            json!({"kind": "Probe", "metadata": {}, "spec": {}}),
            json!({"Kind": "probe"}),
            json!({"kind": "MonitoredServise"}),
            json!({"apiVersion": "v1", "kind": "Probe"}),
            json!({"apiVersion": 1, "kind": "Probe"}),
            json!({"apiVersion": "V1.0", "kind": "Workloat"}),
            json!({"metadata": {"name": "a"}, "spec": {}}),
            json!([{"apiVersion": "portreeve/v1", "kind": "Probe"}]),
            json!("nonsense"),
        ] {
            assert!(!is_foreign(&ours), "{ours}");
        }
    }

    #[test]
    fn a_text_that_cannot_be_read_is_ours_when_it_names_us() {
        for (text, ours) in [
            ("{{- if .Values.on }}\nkind: Deployment\n{{ end }}", false),
            ("apiVersion: portreeve/v1\n\tkind: x", true),
            ("kind: Probe\n  bad", true),
            ("{\"kind\": \"Probe\",,}", true),
            ("kind MonitoredService", true),
            ("mankind: served", false),
        ] {
            assert_eq!(names_us(text), ours, "{text}");
        }
    }
}
