//! How a schema says that exactly one of several fields is given.

use schemars::Schema;
use serde_json::{Value, json};

/// Makes a schema ask for exactly one of `fields`.
pub(crate) fn exactly_one(fields: &'static [&'static str]) -> impl FnMut(&mut Schema) {
    |schema| drop(schema.insert("oneOf".to_owned(), one_of(fields)))
}

/// What `oneOf` says where exactly one of `fields` is given; `null` counts as left out, as it does when reading.
pub(in crate::resource) fn one_of(fields: &[&str]) -> Value {
    let given =
        |field: &&str| json!({"required": [field], "properties": {*field: {"not": {"type": "null"}}}});
    fields.iter().map(given).collect()
}
