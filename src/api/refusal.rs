//! Refusals of the routes that are not Kubernetes-shaped.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use serde::Serialize;

/// An answer that is a refusal: `{"status":"error","reason":"…"}`, the reference systems' shape.
#[derive(Debug)]
pub(crate) struct Refusal {
    code: StatusCode,
    reason: String,
}

#[derive(Serialize)]
struct RefusalBody<'a> {
    status: &'a str,
    reason: &'a str,
}

impl Refusal {
    pub(super) fn new(code: StatusCode, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }

    pub(super) fn bad_request(reason: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, reason)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = RefusalBody { status: "error", reason: &self.reason };
        (self.code, Json(body)).into_response()
    }
}

impl From<crate::store::StoreError> for Refusal {
    fn from(error: crate::store::StoreError) -> Self {
        tracing::warn!(target: "portreeve::api", "{error}");
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the store cannot be read at the moment; see /health/detailed",
        )
    }
}
