//! The HTTP face: reads the store and the observed state, writes what is desired, and never touches an engine.

use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::{RequestBodyTimeoutLayer, TimeoutLayer};

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
mod metrics;
mod noun;
mod objects;
mod openapi;
mod page;
mod query;
mod refusal;
mod release;
mod route;
mod routes;
mod serve;
mod shell;
mod source;
mod state;
mod status;
mod trial;
mod watching;

pub use access::Access;
pub use caller::Peer;
use dress::LARGEST_BODY;
pub(crate) use health::Detailed;
pub(crate) use noun::Noun;
pub(crate) use refusal::Refusal;
pub use serve::{Listeners, Socket, SocketError};
pub use state::Api;
pub(crate) use trial::ProbeTested;

/// A container as these routes show it.
pub(crate) type ContainerItem = page::Item<containers::ContainerRow>;
/// An event as these routes show it.
pub(crate) type EventItem = page::Item<events::Event>;
/// A delivery as these routes show it.
pub(crate) type DeliveryItem = page::Item<deliveries::Delivery>;
/// A list of anything.
pub(crate) type AnyList = page::List<serde_json::Map<String, serde_json::Value>>;

/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(30);

impl Api {
    /// All routes, and what every one of them has in common.
    pub fn router(self) -> Router {
        let routes = routes::ROUTES.iter().fold(Router::new(), |router, route| {
            let handler = (route.handler)();
            let handler = match route.takes_none() {
                true => handler.route_layer(middleware::from_fn(query::none)),
                false => handler,
            };
            router.route(route.path, handler)
        });
        let routes = routes
            .fallback(async || StatusCode::NOT_FOUND)
            .layer(middleware::from_fn_with_state(self.clone(), access::guard::guard))
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
