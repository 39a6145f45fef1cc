//! References to secrets. A manifest never holds a secret itself, only where it is found when it is needed.

use std::fmt;

use schemars::JsonSchema;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::check::Check;

pub mod policy;

use policy::Source;
pub use policy::is_plain;

/// What a secret written out is answered with. It does not repeat the secret.
pub(crate) const LITERAL: &str = "a secret is never written in a manifest: use {env: NAME} or {file: path}";

/// How a reference to a secret is written.
pub(crate) const SECRET_REF: &str = "{env: NAME} or {file: path}";

/// Where a secret is read from: an environment variable of Portreeve, or a file.
///
/// Exactly one of `env` and `file` is given. The value is read each time it is used, so a rotated secret takes effect
/// with the next call. A trailing line break in a file is dropped. The file must be a regular file of at most 64 KiB.
/// Objects from the API, from Git, or from a directory that others may write, may name only variables that begin with
/// `PORTREEVE_SECRET_` and files in a `--secret-dir` (`/run/secrets`, and `secrets` in the state directory).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct SecretRef {
    /// Name of an environment variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// Path of a file that holds the secret and nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// Credentials that are sent with each call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct Auth {
    /// Sent as `Authorization: Bearer <secret>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer: Option<SecretRef>,
    /// Sent as HTTP basic authentication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic: Option<BasicAuth>,
}

/// HTTP basic authentication (RFC 7617).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct BasicAuth {
    /// The user name, which is not a secret.
    pub username: String,
    /// The password.
    pub password: SecretRef,
}

/// A user name and a password, for protocols other than HTTP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Login {
    /// The user name, which is not a secret; left out if the protocol needs only a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The password.
    pub password: SecretRef,
}

/// A signature over the exact bytes sent: `X-Portreeve-Signature: sha256=<hex HMAC-SHA256 of the body>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Signing {
    /// The key of the HMAC.
    pub secret: SecretRef,
}

impl SecretRef {
    /// A secret in an environment variable.
    pub fn env(name: &str) -> Self {
        Self { env: Some(name.to_owned()), file: None }
    }

    /// A secret in a file.
    pub fn file(path: &str) -> Self {
        Self { env: None, file: Some(path.to_owned()) }
    }

    /// Where it is found, if it names one place.
    pub fn source(&self) -> Option<Source> {
        match (&self.env, &self.file) {
            (Some(name), None) => Some(Source::Variable(name.clone())),
            (None, Some(path)) => Some(Source::File(path.clone())),
            _ => None,
        }
    }

    /// Exactly one place, with a name.
    pub(super) fn validate(&self, check: &mut Check) {
        match (&self.env, &self.file) {
            (Some(name), None) => check.field("env", |check| {
                if name.is_empty() || name.contains(['=', '\0']) {
                    check.refuse("is not the name of an environment variable");
                }
                check.names(Source::Variable(name.clone()));
            }),
            (None, Some(path)) => check.file("file", path),
            (Some(_), Some(_)) => check.refuse("give one of env and file, not both"),
            (None, None) => check.refuse("give one of env and file"),
        }
    }
}

impl Auth {
    pub(super) fn validate(&self, check: &mut Check) {
        match (&self.bearer, &self.basic) {
            (Some(bearer), None) => check.field("bearer", |check| bearer.validate(check)),
            (None, Some(basic)) => check.field("basic", |check| {
                if basic.username.is_empty() || basic.username.contains(':') {
                    check.field("username", |check| {
                        check.refuse("must not be empty and must not contain a colon (RFC 7617)")
                    });
                }
                check.field("password", |check| basic.password.validate(check));
            }),
            (Some(_), Some(_)) => check.refuse("give one of bearer and basic, not both"),
            (None, None) => check.refuse("give one of bearer and basic"),
        }
    }
}

impl Login {
    pub(super) fn validate(&self, check: &mut Check) {
        if let Some(username) = &self.username {
            check.filled("username", username);
        }
        check.field("password", |check| self.password.validate(check));
    }
}

/// By hand, because derived code would repeat a literal secret in its error.
impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretVisitor)
    }
}

struct SecretVisitor;

impl<'de> Visitor<'de> for SecretVisitor {
    type Value = SecretRef;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SECRET_REF)
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<SecretRef, E> {
        Err(E::custom(LITERAL))
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<SecretRef, E> {
        Err(E::custom(LITERAL))
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<SecretRef, E> {
        Err(E::custom(LITERAL))
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<SecretRef, E> {
        Err(E::custom(LITERAL))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<SecretRef, E> {
        Err(E::custom(LITERAL))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretRef, A::Error> {
        let mut secret = SecretRef::default();
        while let Some(key) = map.next_key::<SecretPlace>()? {
            match key {
                SecretPlace::Env => secret.env = Some(map.next_value()?),
                SecretPlace::File => secret.file = Some(map.next_value()?),
            }
        }
        Ok(secret)
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum SecretPlace {
    Env,
    File,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_secret_is_refused_and_not_repeated() {
        for literal in [r#""hunter2""#, "4711", "-4711", "47.11", "true", r#"{"value": "hunter2"}"#] {
            let error = serde_json::from_str::<SecretRef>(literal).expect_err(literal).to_string();
            assert!(!error.contains("hunter2") && !error.contains("47"), "{error}");
        }
        let error = serde_json::from_str::<SecretRef>(r#""hunter2""#).expect_err("a literal").to_string();
        assert!(error.contains("{env: NAME} or {file: path}"), "{error}");
        assert_eq!(
            serde_json::from_str::<SecretRef>(r#"{"env":"A"}"#).expect("a reference"),
            SecretRef::env("A")
        );
    }
}
