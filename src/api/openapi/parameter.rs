//! What the parameters of routes mean.

use serde_json::{Value, json};

use crate::api::objects;
use crate::api::route::{Route, Verb};

/// Every parameter of `route`: of its path, of its query, of its headers.
pub(super) fn parameters(route: &Route, path: &str) -> Vec<Value> {
    let mut parameters = Vec::new();
    if path.contains("{name}") {
        parameters.push(json!({
            "name": "name", "in": "path", "required": true,
            "description": "Name of the object; of a container its name or id.",
            "schema": {"type": "string"},
        }));
    }
    for name in route.parameters {
        let (description, schema) = meaning(name);
        let required = *name == "target" && route.verb == Verb::Post;
        parameters.push(json!({
            "name": name, "in": "query", "required": required, "description": description, "schema": schema,
        }));
    }
    if route.parameters == objects::WRITE {
        for (name, description) in [
            (
                "If-Match",
                "Write only if the object is at this version (its `ETag`), or with `*` if it exists.",
            ),
            ("If-None-Match", "With `*`: write only if there is no such object."),
        ] {
            parameters.push(json!({
                "name": name, "in": "header", "required": false, "description": description,
                "schema": {"type": "string"},
            }));
        }
    }
    parameters
}

fn meaning(name: &str) -> (&'static str, Value) {
    let text = || json!({"type": "string"});
    match name {
        "labelSelector" => ("Requirements on labels: `a=b,c!=d,e,!f,g in (h,i),j notin (k)`.", text()),
        "usage" => (
            "Also what the containers that run use now; measured for this answer.",
            json!({"type": "boolean"}),
        ),
        "limit" => ("At most so many.", json!({"type": "integer", "minimum": 0})),
        "continue" => ("The token of the page before.", text()),
        "watch" => (
            "The current objects and then every change, one JSON document a line: `{\"type\": \"ADDED\", \"object\": …}`.",
            json!({"type": "boolean"}),
        ),
        "timeoutSeconds" => (
            "How long a watch lasts; left out: until the server stops.",
            json!({"type": "integer", "minimum": 1}),
        ),
        "dryRun" => ("`All`: check everything, write nothing.", json!({"type": "string", "enum": ["All"]})),
        "type" => ("Only events of this type.", text()),
        "container" => ("Only of the container with this name, id or beginning of an id.", text()),
        "since" => ("Not before this time, or this long ago: `2025-08-19T07:17:22Z` or `15m`.", text()),
        "until" => ("Before this time, or this long ago.", text()),
        "target" => ("Only for this BillingService or DiscoveryRegistry.", text()),
        "state" => {
            ("Only in this state.", json!({"type": "string", "enum": ["pending", "parked", "delivered"]}))
        }
        _ => ("", text()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::route::ROUTES;

    #[test]
    fn every_parameter_is_explained() {
        for name in ROUTES.iter().flat_map(|route| route.parameters) {
            assert!(!meaning(name).0.is_empty(), "{name}");
        }
    }
}
