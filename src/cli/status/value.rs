//! What is read of documents.

use serde_json::{Map, Value};

use crate::cli::text::scalar;

pub(super) fn text(value: &Value, pointer: &str) -> String {
    scalar(value, pointer).unwrap_or_default()
}

pub(super) fn number(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

pub(super) fn map<'v>(value: &'v Value, pointer: &str) -> impl Iterator<Item = (&'v String, &'v Value)> {
    value.pointer(pointer).and_then(Value::as_object).into_iter().flat_map(Map::iter)
}

/// Whether what waits for a target is kept and not sent, because its object is suspended or deleted.
pub(super) fn is_kept(target: &Value) -> bool {
    target["held"] == Value::Bool(true) || target["suspended"] == Value::Bool(true)
}
