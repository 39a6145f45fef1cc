//! `/openapi.json`: OpenAPI 3.1, made from the table of routes, the kinds and the types that are sent.

use std::sync::OnceLock;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::route::{Content, Route};
use super::watching::MEDIA as WATCH;
use crate::resource::{KindId, schema};

mod answer;
mod parameter;

/// The document's text, made once.
pub(super) fn document(routes: &[Route]) -> Response {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| openapi(routes).to_string());
    ([(header::CONTENT_TYPE, "application/json")], text.as_str()).into_response()
}

/// What makes schemas of what is taken and of what is given: a field with a default need not be sent, and always is.
struct Generators {
    takes: SchemaGenerator,
    gives: SchemaGenerator,
}

/// The document.
pub(super) fn openapi(routes: &[Route]) -> Value {
    let mut generators = Generators {
        takes: SchemaSettings::draft2020_12().into_generator(),
        gives: SchemaSettings::draft2020_12().for_serialize().into_generator(),
    };
    let mut paths: Map<String, Value> = Map::new();
    let mut tags: Vec<Value> = Vec::new();
    for route in routes {
        let kinds: Vec<Option<KindId>> = if route.path.contains("{plural}") {
            KindId::ALL.iter().copied().map(Some).collect()
        } else {
            vec![None]
        };
        for kind in kinds {
            let path = route.path.replace("{plural}", kind.map_or("", KindId::plural));
            let operation = operation(route, &path, kind, &mut generators);
            let item = paths.entry(path).or_insert_with(|| json!({}));
            if let Some(item) = item.as_object_mut() {
                item.insert(route.verb.as_str().to_owned(), operation);
            }
        }
    }
    let Generators { mut takes, mut gives } = generators;
    let status = gives.subschema_for::<super::status::Status>().to_value();
    let mut schemas = takes.take_definitions(true);
    schemas.extend(gives.take_definitions(true));
    schemas.insert("Refusal".to_owned(), answer::refusal());
    for kind in KindId::ALL {
        tags.push(json!({"name": kind.as_str(), "description": kind.doc()}));
        add_kind(*kind, &mut schemas);
    }
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Portreeve",
            "description": "The operator pattern for plain Docker: declared objects, containers, events and deliveries.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": tags,
        "security": [{}, {"bearer": []}, {"apiKey": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": answer::components(&status),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "`portreeve token create`; the role view reads, the role edit also changes."},
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    });
    repoint(&mut document);
    document
}

/// The schema of a kind's objects and lists; parts that it shares with others are the same everywhere.
fn add_kind(kind: KindId, schemas: &mut Map<String, Value>) {
    let mut object = schema::schema(kind);
    if let Some(fields) = object.as_object_mut() {
        fields.remove("$schema");
        if let Some(Value::Object(parts)) = fields.remove("$defs") {
            schemas.extend(parts);
        }
    }
    schemas.insert(kind.as_str().to_owned(), object);
    let list = json!({
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "items"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"const": format!("{kind}List")},
            "metadata": {"type": "object", "properties": {
                "resourceVersion": {"type": "string"},
                "continue": {"type": "string"},
                "remainingItemCount": {"type": "integer"},
            }},
            "items": {"type": "array", "items": {"$ref": format!("#/$defs/{kind}")}},
        },
    });
    schemas.insert(format!("{kind}List"), list);
}

fn operation(route: &Route, path: &str, kind: Option<KindId>, generators: &mut Generators) -> Value {
    let name = kind.map_or("", KindId::as_str);
    let mut operation = Map::new();
    operation.insert("operationId".to_owned(), json!(id(route.verb.as_str(), path)));
    operation.insert("summary".to_owned(), json!(route.summary.replace("{kind}", name)));
    if let Some(kind) = kind {
        operation.insert("tags".to_owned(), json!([kind.as_str()]));
    }
    let parameters = parameter::parameters(route, path, kind);
    if !parameters.is_empty() {
        operation.insert("parameters".to_owned(), json!(parameters));
    }
    if let Some(content) = content(route.body, kind, &mut generators.takes) {
        operation.insert("requestBody".to_owned(), json!({"required": true, "content": content}));
    }
    let mut answer = json!({"description": "Done"});
    if let Some(content) = content(route.answer, kind, &mut generators.gives) {
        answer["content"] = content;
    }
    operation.insert("responses".to_owned(), answer::responses(route, path, answer));
    Value::Object(operation)
}

/// `get_apis_portreeve_v1_settings_name`
fn id(verb: &str, path: &str) -> String {
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    std::iter::once(verb).chain(words).collect::<Vec<_>>().join("_")
}

fn content(content: Content, kind: Option<KindId>, generator: &mut SchemaGenerator) -> Option<Value> {
    let kind = kind.map_or("", KindId::as_str);
    let json = |schema: Value| json!({"application/json": {"schema": schema}});
    let watched = |schema: Value| {
        let lines = "With `watch`: one `{\"type\", \"object\"}` on each line.";
        json!({
            "application/json": {"schema": schema},
            WATCH: {"schema": {"type": "string", "description": lines}},
        })
    };
    match content {
        Content::None => None,
        Content::Text(media) => Some(json!({media: {"schema": {"type": "string"}}})),
        Content::Json(schema) => Some(json(schema(generator))),
        Content::Object => Some(json(json!({"$ref": format!("#/$defs/{kind}")}))),
        Content::Watched(schema) => Some(watched(schema(generator))),
        Content::Objects => Some(watched(json!({"$ref": format!("#/$defs/{kind}List")}))),
        Content::Patch => Some(json!({
            "application/merge-patch+json": {"schema": {"type": "object"}},
            "application/json": {"schema": {"type": "object"}},
        })),
    }
}

/// Definitions stand elsewhere in OpenAPI than in a schema of its own.
fn repoint(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                match value {
                    Value::String(target) if name == "$ref" => {
                        if let Some(rest) = target.strip_prefix("#/$defs/") {
                            *target = format!("#/components/schemas/{rest}");
                        }
                    }
                    other => repoint(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(repoint),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::api::routes::ROUTES;

    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(name, value)| match value {
                Value::String(target) if name == "$ref" => drop(found.insert(target.clone())),
                other => references(other, found),
            }),
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_operation_has_an_id_of_its_own() {
        let document = openapi(ROUTES);
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        assert!(found.len() > 10);
        for target in found {
            let pointer = target.strip_prefix('#').expect("within the document");
            assert!(document.pointer(pointer).is_some(), "{target} leads nowhere");
        }
        let paths = document["paths"].as_object().expect("paths");
        let ids: Vec<_> = paths
            .values()
            .flat_map(|item| item.as_object().expect("operations").values())
            .map(|operation| operation["operationId"].as_str().expect("an id"))
            .collect();
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
        for kind in KindId::ALL {
            assert!(paths.contains_key(&format!("/apis/portreeve/v1/{}/{{name}}", kind.plural())));
        }
    }
}
