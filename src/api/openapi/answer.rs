//! What routes answer, and with which codes they refuse.

use serde_json::{Map, Value, json};

use crate::api::route::{Content, Route, Verb};

/// Codes of refusals, and what each says. 500 is none of them: no request may lead to one.
const REFUSALS: [(u16, &str); 10] = [
    (
        400,
        "The request is not valid: an unknown or repeated parameter, a body that is not JSON, another object's \
        document.",
    ),
    (401, "A valid token is needed and was not given."),
    (403, "The token may only read, or the host name or the origin of the page is refused."),
    (404, "It does not exist."),
    (
        409,
        "Its state does not permit this: another version, declared elsewhere, or not in the required state.",
    ),
    (410, "Not all changes after `after` are kept, or it is not known: list again, or watch without it."),
    (413, "The body is too large."),
    (415, "A body of this type is not supported."),
    (422, "The object is not valid; `details.causes` names the fields."),
    (503, "Not now: the store cannot be used, or the answer took too long."),
];

/// Routes that answer whoever asks.
const OPEN: [&str; 2] = ["/livez", "/readyz"];

/// The answers of `route` at `path`: `answer` when all is well, and every refusal.
pub(super) fn responses(route: &Route, path: &str, answer: Value) -> Value {
    let shape = if path.starts_with("/apis") { "Status" } else { "Refusal" };
    let mut responses: Map<String, Value> = REFUSALS
        .iter()
        .filter(|(code, _)| refuses(route, path, *code))
        .map(|(code, _)| (code.to_string(), json!({"$ref": format!("#/components/responses/{shape}{code}")})))
        .collect();
    if matches!(route.body, Content::Object) {
        let mut created = answer.clone();
        created["description"] = json!("Created");
        responses.insert("201".to_owned(), created);
    }
    if !creates(route) {
        responses.insert("200".to_owned(), answer);
    }
    if path == "/readyz" {
        // Not a refusal: what is missing, for people.
        let text = json!({"text/plain": {"schema": {"type": "string"}}});
        responses
            .insert("503".to_owned(), json!({"description": "What is missing, one a line", "content": text}));
    }
    Value::Object(responses)
}

/// Whether something is there afterwards that was not.
fn creates(route: &Route) -> bool {
    route.verb == Verb::Post && matches!(route.body, Content::Object)
}

/// Whether a request to `route` can be refused with `code`.
fn refuses(route: &Route, path: &str, code: u16) -> bool {
    let named = path.contains("{name}");
    let changes = route.verb != Verb::Get;
    match code {
        401 => !OPEN.contains(&path),
        // `POST …/deliveries/replay` names its target in a parameter.
        404 => named || (changes && !creates(route)),
        // The beginning of an id may be that of two containers.
        409 => {
            creates(route)
                || path.ends_with("/discard")
                || (named && (changes || path.contains("/containers/")))
        }
        410 => route.parameters.contains(&"after"),
        415 | 422 => !matches!(route.body, Content::None),
        _ => true,
    }
}

/// The refusals that [`responses`] refers to, in the shape of `/apis` and in that of the reference systems.
pub(super) fn components(status: &Value) -> Value {
    let shapes = [("Status", status.clone()), ("Refusal", json!({"$ref": "#/components/schemas/Refusal"}))];
    let mut components = Map::new();
    for (code, description) in REFUSALS {
        for (shape, schema) in &shapes {
            let content = json!({"application/json": {"schema": schema}});
            components
                .insert(format!("{shape}{code}"), json!({"description": description, "content": content}));
        }
    }
    Value::Object(components)
}

/// The schema of a refusal outside `/apis`.
pub(super) fn refusal() -> Value {
    let text = json!({"type": "string"});
    json!({
        "description": "A refusal in the shape of the reference systems.",
        "type": "object",
        "properties": {"status": text, "reason": text, "error": text},
    })
}
