//! JSON Schemas of whole documents, for editors and CI: one per kind, generated from the types that read them.

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::{API_VERSION, KindId, Metadata};

/// The schema of a document of `kind` (JSON Schema 2020-12).
///
/// Everything the schema refuses is refused at apply; some of what is refused there, such as a reference to an object
/// that does not exist, no schema can say.
pub fn schema(kind: KindId) -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let metadata = generator.subschema_for::<Metadata>();
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
            "apiVersion": {"const": API_VERSION},
            "kind": {"const": kind.as_str()},
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
