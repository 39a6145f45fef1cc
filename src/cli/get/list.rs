//! Lists as the server returns them.

use serde_json::Value;

use super::columns;
use crate::cli::noun::Noun;

/// A list in the order in which people read: containers by their names, events as they happened.
pub(super) fn arranged(noun: Noun, mut list: Value) -> Value {
    if let Some(items) = list.get_mut("items").and_then(Value::as_array_mut) {
        match noun {
            Noun::Containers => items.sort_by_cached_key(columns::name),
            Noun::Events => items.reverse(),
            Noun::Kind(_) | Noun::Deliveries => {}
        }
    }
    list
}

/// The items of a list.
pub(in crate::cli) fn items(list: &Value) -> &[Value] {
    list.get("items").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
