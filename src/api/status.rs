//! Kubernetes' `Status` object: how the routes below `/apis` say what came of a request.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use schemars::JsonSchema;
use serde::Serialize;

use crate::catalogue::Refused;
use crate::manifest::FieldFault;
use crate::resource::{Object, ObjectKey, Origin};
use crate::store::StoreError;

/// Kubernetes' `Status`, for refusals and for what has no better answer.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    api_version: &'static str,
    kind: &'static str,
    metadata: Empty,
    /// `Success` or `Failure`.
    status: &'static str,
    /// Why, in one word of CamelCase; empty for a success.
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'static str,
    /// The same for people.
    message: String,
    /// The HTTP status.
    code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details>,
}

impl Status {
    /// The same, of an object that is deleted: what is in force under its name from then on.
    pub(super) fn leaving(mut self, below: Option<&Object>) -> Self {
        if let Some(details) = &mut self.details {
            details.in_force = below.and_then(|object| serde_json::to_value(object).ok());
        }
        self
    }
}

#[derive(Debug, Serialize, JsonSchema)]
struct Empty {}

#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Details {
    /// Name of the object meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Its kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    /// Its uid.
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<String>,
    /// What is wrong with which field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    causes: Vec<StatusCause>,
    /// How many things were changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    /// Of a deleted object: the object that is in force under its name from then on, as the environment says or as it is built in.
    #[serde(skip_serializing_if = "Option::is_none")]
    in_force: Option<serde_json::Value>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Cause")]
struct StatusCause {
    /// Path of the field; empty for the document itself.
    field: String,
    message: String,
}

/// A request that cannot be answered as it wishes.
#[derive(Debug)]
pub(super) struct Failure {
    code: StatusCode,
    reason: &'static str,
    message: String,
    /// Boxed, so that what usually succeeds is small.
    details: Box<Details>,
}

impl Failure {
    /// A failure whose reason follows from its code.
    pub(super) fn new(code: StatusCode, message: impl Into<String>) -> Self {
        Self { code, reason: reason(code), message: message.into(), details: Box::default() }
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    /// The same, about an object.
    #[must_use]
    pub(super) fn about(mut self, kind: impl Into<String>, name: impl Into<String>) -> Self {
        self.details.kind = Some(kind.into());
        self.details.name = Some(name.into());
        self
    }

    fn causes(mut self, faults: &[FieldFault]) -> Self {
        let cause = |fault: &FieldFault| StatusCause {
            field: fault.field.to_string(),
            message: fault.message.clone(),
        };
        self.details.causes = faults.iter().map(cause).collect();
        self
    }

    /// Why `key` was not written; `hint` is what helps, to be read after that.
    pub(super) fn refused(key: &ObjectKey, refused: &Refused, hint: &str) -> Self {
        let code = match refused {
            Refused::NotFound => StatusCode::NOT_FOUND,
            Refused::Exists | Refused::Stale(_) | Refused::Foreign(_) | Refused::BuiltIn => {
                StatusCode::CONFLICT
            }
            Refused::Mismatch(_) => StatusCode::BAD_REQUEST,
            Refused::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Refused::Full => StatusCode::FORBIDDEN,
            Refused::Store => StatusCode::SERVICE_UNAVAILABLE,
        };
        let name = key.name.escape_debug();
        let message = match refused {
            Refused::NotFound => format!("there is no {} named `{name}`{hint}", key.kind),
            _ => format!("{}/{name}: {refused}{hint}", key.kind),
        };
        let mut failure = Self::new(code, message).about(key.kind.as_str(), &key.name);
        if *refused == Refused::Exists {
            failure.reason = "AlreadyExists";
        }
        match refused {
            Refused::Invalid(faults) => failure.causes(faults),
            Refused::Foreign(Origin::Directory(file)) => {
                failure.details.causes = vec![StatusCause {
                    field: "metadata.origin".to_owned(),
                    message: format!("directory:{file}"),
                }];
                failure
            }
            _ => failure,
        }
    }
}

/// Something was done, and this is all there is to say.
pub(super) fn success(message: String, kind: &str, name: &str, uid: Option<String>) -> Status {
    let details =
        Details { kind: Some(kind.to_owned()), name: Some(name.to_owned()), uid, ..Details::default() };
    done(message, details)
}

/// So many things were changed of `name`.
pub(super) fn counted(message: String, kind: &str, name: &str, count: u64) -> Status {
    let details = Details {
        kind: Some(kind.to_owned()),
        name: Some(name.to_owned()),
        count: Some(count),
        ..Details::default()
    };
    done(message, details)
}

fn done(message: String, details: Details) -> Status {
    Status {
        api_version: "v1",
        kind: "Status",
        metadata: Empty {},
        status: "Success",
        reason: "",
        message,
        code: 200,
        details: Some(details),
    }
}

/// Kubernetes' word for an HTTP status.
fn reason(code: StatusCode) -> &'static str {
    match code.as_u16() {
        400 => "BadRequest",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        405 => "MethodNotAllowed",
        408 | 504 => "Timeout",
        409 => "Conflict",
        410 => "Expired",
        413 => "RequestEntityTooLarge",
        415 => "UnsupportedMediaType",
        422 => "Invalid",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        code if code < 500 => "BadRequest",
        _ => "InternalError",
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Self { code, reason, message, details } = self;
        let empty = details.name.is_none() && details.kind.is_none() && details.causes.is_empty();
        let status = Status {
            api_version: "v1",
            kind: "Status",
            metadata: Empty {},
            status: "Failure",
            reason,
            message,
            code: code.as_u16(),
            details: (!empty).then_some(*details),
        };
        (code, Json(status)).into_response()
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        tracing::warn!(target: "portreeve::api", "{error}");
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the store cannot be used at the moment; see /health/detailed",
        )
    }
}
