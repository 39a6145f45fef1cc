//! Refusals that no handler wrote (no such route, wrong method, too large, too slow) in the shape of their route.

use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::refusal::Refusal;
use super::status::Failure;

/// Largest body accepted, in bytes.
pub(super) const LARGEST_BODY: usize = 1 << 20;
/// How much of a plain refusal is read.
const LONGEST: usize = 4096;

/// An error in the shape that `path` promises: a `Status` below `/apis`, the reference systems' elsewhere.
pub(super) fn refusal(path: &str, code: StatusCode, message: impl Into<String>) -> Response {
    if path == "/apis" || path.starts_with("/apis/") {
        Failure::new(code, message).into_response()
    } else {
        Refusal::new(code, message).into_response()
    }
}

/// Gives plain refusals their shape.
pub(super) async fn dress(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = next.run(request).await;
    let code = response.status();
    let own = |kind: &HeaderValue| kind.as_bytes().starts_with(b"application/json");
    let shaped = response.headers().get(header::CONTENT_TYPE).is_some_and(own) || path == "/readyz";
    if !(code.is_client_error() || code.is_server_error()) || shaped {
        return response;
    }
    let (parts, body) = response.into_parts();
    let text = axum::body::to_bytes(body, LONGEST).await.unwrap_or_default();
    let said = String::from_utf8_lossy(&text);
    let allowed = parts.headers.get(header::ALLOW);
    let message = match code.as_u16() {
        404 => "there is no such route; /openapi.json lists them all".to_owned(),
        405 => {
            let known = allowed.and_then(|methods| methods.to_str().ok()).unwrap_or_default();
            format!("this route does not support {method}; it supports {}", known.replace(',', ", "))
        }
        413 => format!("the body is larger than {} bytes", LARGEST_BODY),
        500 => "something is wrong with Portreeve itself; its log says more".to_owned(),
        503 => "the answer took too long".to_owned(),
        _ if said.is_empty() => code.canonical_reason().unwrap_or("refused").to_owned(),
        _ => said.chars().map(|c| if c.is_control() { ' ' } else { c }).collect(),
    };
    let mut dressed = refusal(&path, code, message);
    if let Some(allowed) = allowed {
        dressed.headers_mut().insert(header::ALLOW, allowed.clone());
    }
    dressed
}
