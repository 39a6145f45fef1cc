//! Documents the API is given, and how they are kept.

use serde_json::{Map, Value, json};

use super::refused::Refused;
use crate::resource::{API_VERSION, KindId, Object, ObjectKey};

/// The document must be about the object that the URL names. What is missing is told by validation.
pub(super) fn about(key: &ObjectKey, document: &Value) -> Result<(), Refused> {
    let text = |field: &str| document.pointer(field).and_then(Value::as_str);
    if document.get("status").is_some_and(|status| !status.is_object()) {
        return Err(Refused::Mismatch("status is a map, which Portreeve writes: leave it out".to_owned()));
    }
    if let Some(kind) = text("/kind").and_then(KindId::of).filter(|kind| *kind != key.kind) {
        return Err(Refused::Mismatch(format!("the document is a {kind}, and the URL names a {}", key.kind)));
    }
    if let Some(name) = text("/metadata/name").filter(|name| *name != key.name) {
        let short: String = name.chars().take(253).flat_map(char::escape_debug).collect();
        return Err(Refused::Mismatch(format!(
            "the document's metadata.name is {short}, and the URL says {}",
            key.name.escape_debug()
        )));
    }
    Ok(())
}

/// What a patch changes of an object that the API has not written: of `Settings` nothing is given yet.
pub(super) fn unwritten(object: &Object) -> Value {
    let spec = match object.spec.kind() {
        KindId::Settings => json!({}),
        _ => serde_json::to_value(&object.spec).unwrap_or_default(),
    };
    normal(object, &json!({ "spec": spec }))
}

/// The document as it is kept: what Portreeve writes itself is left out.
pub(super) fn normal(object: &Object, document: &Value) -> Value {
    let metadata = &object.metadata;
    let mut kept = Map::new();
    kept.insert("name".to_owned(), json!(metadata.name));
    for (field, map) in [("labels", &metadata.labels), ("annotations", &metadata.annotations)] {
        if !map.is_empty() {
            kept.insert(field.to_owned(), json!(map));
        }
    }
    let spec = document.get("spec").cloned().unwrap_or_default();
    json!({"apiVersion": API_VERSION, "kind": object.spec.kind(), "metadata": kept, "spec": spec})
}

/// RFC 7386.
pub(super) fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(fields) = target.as_object_mut() else { return };
    for (name, value) in patch {
        if value.is_null() {
            fields.remove(&name);
        } else {
            merge(fields.entry(name).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 7386, appendix A.
    #[test]
    fn a_merge_patch_does_what_its_rfc_says() {
        for (original, patch, expected) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, "{}"),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
            (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"["a","b"]"#, r#"["c","d"]"#, r#"["c","d"]"#),
            (r#"{"a":"b"}"#, r#"["c"]"#, r#"["c"]"#),
            (r#"{"a":"foo"}"#, "null", "null"),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
            ("[1,2]", r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#),
            ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ] {
            let read = |text| serde_json::from_str::<Value>(text).expect("JSON");
            let mut target = read(original);
            merge(&mut target, read(patch));
            assert_eq!(target, read(expected), "{original} + {patch}");
        }
    }
}
