//! Two documents → the JSON merge patch (RFC 7386) that makes one of the other.

use serde_json::{Map, Value};

/// The fields of `after` that differ from `before`, and `null` for those that are gone; `None` if nothing differs.
///
/// A patch and not the whole document: what nobody touched stays as little said as it was, and follows its default.
pub(super) fn patch(before: &Map<String, Value>, after: &Map<String, Value>) -> Option<Value> {
    let gone =
        before.keys().filter(|name| !after.contains_key(*name)).map(|name| (name.clone(), Value::Null));
    let mut patch: Map<String, Value> = gone.collect();
    for (name, after) in after {
        let change = match (before.get(name), after) {
            (Some(before), after) if before == after => None,
            (Some(Value::Object(before)), Value::Object(after)) => self::patch(before, after),
            (_, after) => Some(after.clone()),
        };
        patch.extend(change.map(|change| (name.clone(), change)));
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_is_said() {
        for (before, after, expected) in [
            (json!({"a": 1, "b": 2}), json!({"a": 1, "b": 2}), None),
            (json!({"a": 1, "b": 2}), json!({"a": 1, "b": 3}), Some(json!({"b": 3}))),
            (json!({"a": 1, "b": 2}), json!({"a": 1}), Some(json!({"b": null}))),
            (json!({"a": {"b": 1, "c": 2}}), json!({"a": {"b": 1, "c": 3}}), Some(json!({"a": {"c": 3}}))),
            (json!({"a": [1, 2]}), json!({"a": [1]}), Some(json!({"a": [1]}))),
            (json!({"a": {"b": 1}}), json!({"a": "text", "d": {}}), Some(json!({"a": "text", "d": {}}))),
        ] {
            let fields = |value: &Value| value.as_object().cloned().expect("a map");
            assert_eq!(patch(&fields(&before), &fields(&after)), expected, "{before} > {after}");
        }
    }
}
