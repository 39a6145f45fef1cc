//! References to secrets. A manifest never holds a secret itself, only where it is found when it is needed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a secret is found: an environment variable of Portreeve, or a file it can read.
///
/// Exactly one of `env` and `file` is given. The value is read anew each time it is used, so a rotated secret
/// takes effect with the next call; a trailing line break in a file is dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SecretRef {
    /// Name of an environment variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// Path of a file that holds the secret and nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// How a call proves who it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
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
    /// The user's name, not a secret.
    pub username: String,
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
