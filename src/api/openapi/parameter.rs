//! What the parameters of routes mean.

use serde_json::{Value, json};

use crate::api::route::{Route, Verb};
use crate::api::{events, label_selector, objects, page, watching};
use crate::resource::KindId;

/// The token of a page of deliveries: `bill-N` or `cell:REGISTRY:ENGINE:CONTAINER`, each character as two digits.
const DELIVERY_TOKEN: &str =
    "^(62696c6c2d(3[0-9]){1,18}|63656c6c3a([2-7][0-9a-f])*3a([2-7][0-9a-f])*3a([2-7][0-9a-f])*)?$";

/// Every parameter of `route` at `path`: of its path, of its query, of its headers.
pub(super) fn parameters(route: &Route, path: &str, kind: Option<KindId>) -> Vec<Value> {
    let mut parameters = Vec::new();
    if path.contains("{name}") {
        parameters.push(json!({
            "name": "name", "in": "path", "required": true,
            "description": "Name of the object; of a container its name or id.",
            "schema": name(kind),
        }));
    }
    for name in route.parameters {
        let (description, mut schema) = meaning(name, route.parameters.contains(&"continue"));
        if *name == "after" && path.ends_with("/events") {
            schema = json!({"type": "integer", "minimum": 0, "maximum": i64::MAX});
        }
        if *name == "continue" && path.ends_with("/deliveries") {
            schema = json!({"type": "string", "pattern": DELIVERY_TOKEN});
        }
        let required = *name == "target" && route.verb == Verb::Post;
        parameters.push(json!({
            "name": name, "in": "query", "required": required, "description": description, "schema": schema,
        }));
    }
    if path.contains("{name}") && route.parameters.first() == objects::WRITE.first() {
        for (name, description, schema) in [
            (
                "If-Match",
                "Write only if the object is at this version (its `ETag`), or with `*` if it exists.",
                json!({"type": "string"}),
            ),
            (
                "If-None-Match",
                "Write only if there is no such object.",
                json!({"type": "string", "enum": ["*"]}),
            ),
        ] {
            parameters.push(json!({
                "name": name, "in": "header", "required": false, "description": description, "schema": schema,
            }));
        }
    }
    parameters
}

/// Names of declared objects are what their schema says; containers and deliveries are named by others.
fn name(kind: Option<KindId>) -> Value {
    match kind.map(KindId::only) {
        Some(Some(only)) => json!({"type": "string", "enum": [only]}),
        Some(None) => json!({
            "type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]*$", "minLength": 1, "maxLength": 253,
        }),
        None => json!({"type": "string", "minLength": 1}),
    }
}

/// What a parameter is for, and what it may be; `paged` lists have a `limit` of their own.
fn meaning(name: &str, paged: bool) -> (&'static str, Value) {
    let text = || json!({"type": "string"});
    let number = |least: u32, most: u32| json!({"type": "integer", "minimum": least, "maximum": most});
    match name {
        "labelSelector" => (
            "Requirements on labels: `a=b,c!=d,e,!f,g in (h,i),j notin (k)`.",
            json!({"type": "string", "pattern": label_selector::pattern()}),
        ),
        "usage" => ("Also the current usage of running containers, measured for this answer.", flag()),
        "limit" if paged => ("At most this many; 0: all.", number(0, page::MOST)),
        "limit" => ("At most this many.", number(1, events::MOST)),
        "continue" => (
            "The `continue` token of the previous page.",
            json!({"type": "string", "pattern": "^([0-9a-f]{2})*$"}),
        ),
        "watch" => (
            "The current objects and then every change, one JSON document on each line: `{\"type\": \"ADDED\", \
            \"object\": …}`; of events, those that are recorded from then on.",
            flag(),
        ),
        "after" => (
            "With `watch`: only what has changed since, by the `metadata.resourceVersion` of a list or of a line; of \
            events, those with a higher number. If not all of that is kept, the answer is 410.",
            text(),
        ),
        "timeoutSeconds" => {
            ("How long a watch lasts; left out: until the server stops.", number(1, watching::LONGEST))
        }
        "dryRun" => ("`All`: check everything, write nothing.", json!({"type": "string", "enum": ["All"]})),
        "preview" => (
            "Write nothing. For an object that a file of the server's directory declares: show what would be in force \
            with this content.",
            flag(),
        ),
        "type" => ("Only events of this type.", text()),
        "container" => ("Only for the container with this name, id or beginning of an id.", text()),
        "since" => (
            "Only events since this time, or since this long ago: `2025-08-19T07:17:22Z` or `15m`.",
            moment(),
        ),
        "until" => ("Only events before this time, or before this long ago.", moment()),
        "target" => ("Only for this BillingService or DiscoveryRegistry.", text()),
        "state" => (
            "Only in this state.",
            json!({"type": "string", "enum": ["pending", "parked", "delivered", "skipped"]}),
        ),
        _ => ("", text()),
    }
}

/// On or off; with nothing behind it, on.
fn flag() -> Value {
    json!({"enum": [true, false, "", "1", "0"]})
}

fn moment() -> Value {
    let duration = "^(0|([0-9]{1,3}d)?([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,5}s)?([0-9]{1,5}ms)?)$";
    json!({
        "type": "string",
        "anyOf": [{"format": "date-time"}, {"pattern": duration, "minLength": 1}],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::routes::ROUTES;

    #[test]
    fn every_parameter_is_explained() {
        for name in ROUTES.iter().flat_map(|route| route.parameters) {
            assert!(!meaning(name, false).0.is_empty(), "{name}");
        }
    }
}
