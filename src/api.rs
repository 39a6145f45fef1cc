//! The HTTP face: reads the store and the observed state, writes what is desired, and never touches an engine.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Json, Response};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::{RequestBodyTimeoutLayer, TimeoutLayer};

use crate::config::HttpLimits;
use crate::controller::{Catalogue, Shared};
use crate::manifest::directory::DirectoryState;
use crate::manifest::git::Pulled;

mod access;
mod audit;
mod caller;
mod containers;
mod deliveries;
mod docs;
mod dress;
mod events;
mod health;
mod kept;
mod label_selector;
mod manifests;
mod noun;
mod objects;
mod openapi;
mod page;
mod query;
mod release;
mod route;
mod serve;
mod shell;
mod source;
mod status;
mod trial;
mod watching;

pub use access::Access;
pub use caller::Peer;
pub(crate) use health::Detailed;
pub(crate) use noun::Noun;
pub use serve::{Listeners, Socket, SocketError};
pub(crate) use trial::ProbeTested;

/// A container as these routes show it.
pub(crate) type ContainerItem = page::Item<containers::Row>;
/// An event as these routes show it.
pub(crate) type EventItem = page::Item<events::Event>;
/// A delivery as these routes show it.
pub(crate) type DeliveryItem = page::Item<deliveries::Delivery>;
/// A list of anything.
pub(crate) type AnyList = page::List<serde_json::Map<String, serde_json::Value>>;

/// Largest body accepted, in bytes.
const LARGEST_BODY: usize = 1 << 20;
/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(30);

/// What handlers read, and the way by which they write.
#[derive(Clone, Debug)]
pub struct Api {
    shared: Arc<Shared>,
    catalogue: Arc<Catalogue>,
    metrics: PrometheusHandle,
    access: Arc<Access>,
    /// How the configuration directories stand, and the pulling of one of them.
    directories: Option<watch::Receiver<Vec<DirectoryState>>>,
    pulled: Option<watch::Receiver<Pulled>>,
    limits: HttpLimits,
    /// Places for watches.
    watches: Arc<watching::Places>,
    /// Ends answers that would go on for ever.
    stop: CancellationToken,
}

impl Api {
    /// An API over `shared` and `catalogue` for those whom `access` lets in.
    pub fn new(
        shared: Arc<Shared>,
        catalogue: Arc<Catalogue>,
        metrics: PrometheusHandle,
        access: Access,
    ) -> Self {
        Self {
            shared,
            catalogue,
            metrics,
            access: Arc::new(access),
            directories: None,
            pulled: None,
            limits: HttpLimits::default(),
            watches: Arc::new(watching::Places::new(HttpLimits::default())),
            stop: CancellationToken::new(),
        }
    }

    /// Lets clients take no more than this.
    #[must_use]
    pub fn limited(mut self, limits: HttpLimits) -> Self {
        (self.limits, self.watches) = (limits, Arc::new(watching::Places::new(limits)));
        self
    }

    /// Shows how the configuration directories stand, and the pulling of the one that is pulled.
    #[must_use]
    pub fn showing(
        mut self,
        directories: watch::Receiver<Vec<DirectoryState>>,
        pulled: Option<watch::Receiver<Pulled>>,
    ) -> Self {
        (self.directories, self.pulled) = (Some(directories), pulled);
        self
    }

    /// Ends watches with `stop`.
    #[must_use]
    pub fn until(mut self, stop: CancellationToken) -> Self {
        self.stop = stop;
        self
    }

    /// All routes, and what every one of them has in common.
    pub fn router(self) -> Router {
        let routes = route::ROUTES.iter().fold(Router::new(), |router, route| {
            let handler = (route.handler)();
            let handler = match route.takes_none() {
                true => handler.route_layer(middleware::from_fn(query::none)),
                false => handler,
            };
            router.route(route.path, handler)
        });
        let routes = routes
            .fallback(async || StatusCode::NOT_FOUND)
            .layer(middleware::from_fn_with_state(self.clone(), access::guard))
            .layer(RequestBodyLimitLayer::new(LARGEST_BODY))
            .layer(RequestBodyTimeoutLayer::new(self.limits.body.get()))
            .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, ANSWER))
            .layer(CatchPanicLayer::new())
            .with_state::<()>(self);
        // Around the router as a whole: it says which methods a route knows only once all layers are done.
        Router::new().fallback_service(routes).layer(middleware::from_fn(dress::dress))
    }

    /// Serves on `listeners` until `stop`, and then finishes what is in hand for a moment.
    pub async fn serve(self, listeners: Listeners, stop: CancellationToken) {
        let limits = self.limits;
        serve::serve(self.until(stop.clone()).router(), listeners, limits, stop).await;
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
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the store cannot be read at the moment; see /health/detailed",
        )
    }
}
