//! Two documents → the fields that differ, of those that people write.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::cli::files::SET;
use crate::resource::{FieldPath, Segment};

/// A field that differs; `null` where the field is absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct FieldChange {
    pub(super) field: String,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
}

/// What differs between two objects in spec, labels and annotations.
pub(super) fn changes(before: &Value, after: &Value) -> Vec<FieldChange> {
    let (before, after) = (leaves(before), leaves(after));
    let mut fields: Vec<&FieldPath> = before.keys().chain(after.keys()).collect();
    fields.sort();
    fields.dedup();
    fields
        .into_iter()
        .filter(|field| before.get(field) != after.get(field))
        .map(|field| FieldChange {
            field: field.to_string(),
            before: before.get(field).cloned(),
            after: after.get(field).cloned(),
        })
        .collect()
}

/// That the object reads as before and is declared only from then on, for people; nothing is done otherwise.
pub(super) fn adopted(before: &Value, after: &Value) -> Option<&'static str> {
    let of = |object: &Value| object.pointer("/metadata/origin").cloned();
    let origin = before.pointer("/metadata/origin")?.as_str()?;
    let moved = of(before) != of(after) && changes(before, after).is_empty();
    moved.then_some(match origin {
        "built-in" => "it was built in and is declared from now on",
        "environment" => "it came from the environment and is declared from now on",
        _ => "it came from elsewhere and is declared from now on",
    })
}

/// Every scalar, every map without fields, and every list without lists or maps in it, by its place.
fn leaves(object: &Value) -> BTreeMap<FieldPath, String> {
    let mut leaves = BTreeMap::new();
    let root = FieldPath::root();
    for part in ["labels", "annotations"] {
        let pairs = object.pointer(&format!("/metadata/{part}")).and_then(Value::as_object);
        for (key, value) in pairs.into_iter().flatten() {
            walk(&root.key("metadata").key(part).key(key), value, &mut leaves);
        }
    }
    if let Some(spec) = object.get("spec") {
        walk(&root.key("spec"), spec, &mut leaves);
    }
    leaves.remove(&root.key("metadata").key("annotations").key(SET));
    leaves
}

fn walk(path: &FieldPath, value: &Value, leaves: &mut BTreeMap<FieldPath, String>) {
    match value {
        // Nothing is in it, and that it is there says something: `icmp: {}`.
        Value::Object(fields) if fields.is_empty() => drop(leaves.insert(path.clone(), "{}".to_owned())),
        Value::Object(fields) => fields.iter().for_each(|(key, value)| walk(&path.key(key), value, leaves)),
        Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
            for (index, item) in items.iter().enumerate() {
                walk(&path.join(Segment::Index(index)), item, leaves);
            }
        }
        Value::String(text) => drop(leaves.insert(path.clone(), text.clone())),
        other => drop(leaves.insert(path.clone(), other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_map_without_fields_is_a_field_and_maps_of_metadata_without_pairs_are_not() {
        let object = |metadata: Value, spec: Value| json!({"metadata": metadata, "spec": spec});
        let docker = object(json!({"labels": {}}), json!({"dockerHealth": {}}));
        let icmp = object(json!({"annotations": {"portreeve/applied-set": "a"}}), json!({"icmp": {}}));
        let fields: Vec<_> = changes(&docker, &icmp).into_iter().map(|change| change.field).collect();
        assert_eq!(fields, ["spec.dockerHealth", "spec.icmp"]);
        assert_eq!(changes(&object(json!({}), json!({})), &object(json!({"labels": {}}), json!({}))), []);
    }

    #[test]
    fn only_what_people_write_counts_and_not_the_mark_of_a_set() {
        let object = |version: &str, spec: Value| {
            json!({
                "metadata": {"name": "a", "resourceVersion": version, "annotations": {"portreeve/applied-set": version, "a.b/c": version}},
                "spec": spec, "status": {"observedGeneration": version},
            })
        };
        let changes = changes(
            &object("1", json!({"names": ["a", "b"], "probes": [{"port": 1}], "same": true})),
            &object("2", json!({"names": ["a"], "probes": [{"port": 2}, {"port": 3}], "same": true})),
        );
        let shown: Vec<_> = changes
            .iter()
            .map(|FieldChange { field, before, after }| {
                format!("{field} {}>{}", before.as_deref().unwrap_or(""), after.as_deref().unwrap_or(""))
            })
            .collect();
        assert_eq!(
            shown,
            [
                r#"metadata.annotations["a.b/c"] 1>2"#,
                r#"spec.names ["a","b"]>["a"]"#,
                "spec.probes[0].port 1>2",
                "spec.probes[1].port >3",
            ]
        );
    }
}
