//! The HTTP face: reads the store and the observed state, and never touches an engine.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::SecretString;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;

use crate::controller::Shared;

mod access;
mod containers;
mod events;
mod health;

/// Largest body accepted, in bytes.
const LARGEST_BODY: usize = 1 << 20;
/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(30);
/// How long answers in hand may take once everything stops.
const LAST_ANSWERS: Duration = Duration::from_secs(3);

/// What handlers read.
#[derive(Clone, Debug)]
pub struct Api {
    shared: Arc<Shared>,
    metrics: PrometheusHandle,
    access: Arc<access::Access>,
}

impl Api {
    /// An API over `shared`; with `token`, every route but the open ones asks for it.
    pub fn new(
        shared: Arc<Shared>,
        metrics: PrometheusHandle,
        token: Option<SecretString>,
        open_metrics: bool,
    ) -> Self {
        Self { shared, metrics, access: Arc::new(access::Access::new(token, open_metrics)) }
    }

    /// The routes, as a table.
    pub fn router(self) -> Router {
        Router::new()
            .route("/livez", get(async || "ok\n"))
            .route("/readyz", get(health::ready))
            .route("/metrics", get(metrics))
            .route("/health/detailed", get(health::detailed))
            .route("/api/events", get(events::list))
            .route("/api/config", get(containers::config))
            .route("/api/containers", get(containers::list))
            .fallback(async || Refusal::not_found("there is no such route"))
            .method_not_allowed_fallback(async || {
                Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "this route does not know this method")
            })
            .layer(middleware::from_fn_with_state(self.clone(), access::guard))
            .layer(RequestBodyLimitLayer::new(LARGEST_BODY))
            .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, ANSWER))
            .layer(CatchPanicLayer::new())
            .with_state(self)
    }

    /// Serves on `listener` until `stop`, and then finishes what is in hand for a moment.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) -> std::io::Result<()> {
        let stopped = stop.clone();
        let serving =
            axum::serve(listener, self.router().into_make_service_with_connect_info::<SocketAddr>())
                .with_graceful_shutdown(async move { stopped.cancelled().await });
        let deadline = async {
            stop.cancelled().await;
            tokio::time::sleep(LAST_ANSWERS).await;
        };
        tokio::select! {
            served = serving => served,
            () = deadline => Ok(()),
        }
    }
}

async fn metrics(State(api): State<Api>) -> Response {
    let text = crate::metrics::render(&api.metrics, &api.shared).await;
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

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
    fn new(code: StatusCode, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }

    fn not_found(reason: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, reason)
    }

    fn bad_request(reason: impl Into<String>) -> Self {
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
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "the store cannot be read now; see /health/detailed")
    }
}
