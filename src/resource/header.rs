//! Headers sent with a request.

use http::uri::Authority;
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::check::{Check, is_secret_name};
use super::{LITERAL, SecretRef, schema};

/// One header of a request. A secret goes into `valueFrom`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(transform = schema::exactly_one(&["value", "valueFrom"]), transform = host)]
pub struct Header {
    /// Its name.
    #[schemars(regex(pattern = "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"))]
    pub name: String,
    /// Its value, if that is not a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The secret that holds its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<SecretRef>,
}

/// Headers whose values are secrets, beside those whose names say so.
const SECRET: [&str; 2] = ["proxy-authorization", "cookie"];

/// Nothing else than a host, and perhaps a port.
const HOST: &str = r"^[A-Za-z0-9._~!$&'()*+,;=%:\[\]-]+$";

/// The value of `Host` is one.
fn host(schema: &mut Schema) {
    schema.insert(
        "if".to_owned(),
        json!({"required": ["name"], "properties": {"name": {"pattern": "^[Hh][Oo][Ss][Tt]$"}}}),
    );
    schema.insert("then".to_owned(), json!({"properties": {"value": {"pattern": HOST}}}));
}

impl Header {
    pub(super) fn validate(&self, check: &mut Check) {
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if self.name.is_empty() || !self.name.chars().all(token) {
            check.field("name", |check| check.refuse("is not the name of a header (RFC 9110)"));
        }
        check.exactly_one(
            "field",
            &[("value", self.value.is_some()), ("valueFrom", self.value_from.is_some())],
        );
        if let Some(value) = &self.value {
            if SECRET.iter().any(|name| self.name.eq_ignore_ascii_case(name)) || is_secret_name(&self.name) {
                check.field("value", |check| check.refuse_secret(LITERAL));
            } else if self.name.eq_ignore_ascii_case("host") && !is_host(value) {
                check.field("value", |check| {
                    check.refuse("is not a host such as shop.example or shop.example:8443")
                });
            } else if value.contains(|c: char| c.is_control() && c != '\t') {
                check.field("value", |check| {
                    check.refuse("must not contain line breaks or control characters")
                });
            }
        }
        if let Some(value) = &self.value_from {
            check.field("valueFrom", |check| value.validate(check));
        }
    }
}

fn is_host(value: &str) -> bool {
    !value.contains('@') && value.is_ascii() && value.parse::<Authority>().is_ok()
}
