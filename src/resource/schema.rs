//! JSON Schemas of whole documents, for editors and CI: one per kind, generated from the types that read them.

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

mod exactly_one;

pub(crate) use self::exactly_one::exactly_one;
pub(super) use self::exactly_one::one_of;
use super::{API_VERSION, KindId, Metadata};

/// The schema of a document of `kind` (JSON Schema 2020-12).
///
/// Everything the schema refuses is refused at apply; some of what is refused there, such as a reference to an object
/// that does not exist, no schema can say.
pub fn schema(kind: KindId) -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let mut metadata = generator.subschema_for::<Metadata>();
    if let Some(only) = kind.only() {
        metadata.insert("properties".to_owned(), json!({"name": {"const": only}}));
    }
    let spec = kind.spec_schema(&mut generator);
    let definitions = generator.take_definitions(true);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": kind.as_str(),
        "description": kind.doc(),
        "type": "object",
        "additionalProperties": false,
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": {"description": "The version of this format.", "const": API_VERSION},
            "kind": {"description": "What kind of object this is.", "const": kind.as_str()},
            "metadata": metadata,
            "spec": spec,
            "status": {"description": "Written by Portreeve; ignored in a file.", "type": "object"},
        },
        "$defs": definitions,
    })
}

/// The name of the file that holds the schema of `kind`.
pub fn file_name(kind: KindId) -> String {
    format!("{}.json", kind.as_str().to_ascii_lowercase())
}

/// The text of that file.
pub fn file_text(kind: KindId) -> String {
    // `{:#}` of a `Value` is indented JSON and cannot fail.
    format!("{:#}\n", schema(kind))
}

/// The schema of a document of any kind.
pub fn any() -> Value {
    let mut definitions = serde_json::Map::new();
    let mut kinds = Vec::new();
    for kind in KindId::ALL {
        let mut schema = schema(*kind);
        if let Some(fields) = schema.as_object_mut() {
            fields.remove("$schema");
            // One type has one definition, whichever kind it was met in.
            if let Some(Value::Object(own)) = fields.remove("$defs") {
                definitions.extend(own);
            }
        }
        kinds.push(schema);
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Portreeve manifest",
        "description": "A document of any kind.",
        "oneOf": kinds,
        "$defs": definitions,
    })
}

/// The text of the file that holds the schema of a document of any kind.
pub fn any_text() -> String {
    format!("{:#}\n", any())
}

/// Every file of `schemas/`: name and text.
pub fn files() -> Vec<(String, String)> {
    let any = ("manifest.json".to_owned(), any_text());
    KindId::ALL.iter().map(|kind| (file_name(*kind), file_text(*kind))).chain([any]).collect()
}

#[cfg(test)]
mod tests;
