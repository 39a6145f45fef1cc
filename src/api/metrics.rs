//! `GET /metrics`.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::Api;

pub(super) async fn metrics(State(api): State<Api>) -> Response {
    let text = crate::metrics::render(&api.metrics, &api.view).await;
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}
