//! How Portreeve itself is: `/readyz` and `/health/detailed`.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use schemars::JsonSchema;
use serde::Serialize;

use super::Api;
use super::manifests::Manifests;
use crate::clock;
use crate::observed::{Engine, Nanos, World};
use crate::resource::KindId;
use crate::store::QueueDepth;

/// 200 once every engine is watched and the store commits; else 503 and what is missing, one a line.
pub(super) async fn ready(State(api): State<Api>) -> Response {
    let missing = missing(&api, &api.view.world());
    if missing.is_empty() {
        return "ok\n".into_response();
    }
    // Anybody may ask: what is missing is named, why is for `/health/detailed`.
    (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", missing.join("\n"))).into_response()
}

fn missing(api: &Api, world: &World) -> Vec<String> {
    let away = world.engines.iter().filter(|(_, engine)| !engine.connected);
    let away = away.map(|(name, _)| format!("engine {name} is not connected"));
    let failing = api.view.store_health().error.map(|_| "the store fails".to_owned());
    away.chain(failing).collect()
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Detailed {
    status: &'static str,
    timestamp: String,
    version: &'static str,
    /// Whether observe mode is on: decisions are reported, and no container is touched.
    observe: bool,
    engines: BTreeMap<String, EngineHealth>,
    store: StoreHealth,
    queue: QueueStatus,
    deliveries: Deliveries,
    manifests: Manifests,
    access: AccessHealth,
    #[serde(skip_serializing_if = "Option::is_none")]
    own_fault: Option<String>,
}

/// Which callers are permitted.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct AccessHealth {
    /// What callers without a token may do over TCP, in the form of `--anonymous`: `view@loopback`, `edit@10.0.0.0/8`.
    anonymous: Vec<String>,
    /// Why this is dangerous.
    warnings: Vec<String>,
    /// The Unix socket, whose callers may change everything.
    socket: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct EngineHealth {
    connected: bool,
    error: Option<String>,
    host: String,
    version: String,
    since: Option<String>,
    last_list: Option<String>,
    containers: usize,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct StoreHealth {
    status: &'static str,
    error: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Queue")]
struct QueueStatus {
    containers: usize,
    events: usize,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Deliveries {
    billing: BTreeMap<String, TargetStatus>,
    discovery: BTreeMap<String, TargetStatus>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "DeliveryTarget")]
struct TargetStatus {
    pending: u64,
    parked: u64,
    /// Whether the target is no longer declared, so that its deliveries are held.
    held: bool,
    /// Whether it is suspended, so that its deliveries are held.
    suspended: bool,
    oldest: Option<String>,
    last_error: Option<String>,
}

/// Connection per engine, store, queues, deliveries, manifests; `degraded` if any of it is not as it should be.
pub(super) async fn detailed(State(api): State<Api>) -> Response {
    let (view, world) = (&api.view, api.view.world());
    let desired = view.desired();
    let missing = missing(&api, &world);
    let depths = view.depths().await;
    let store_error = view.store_health().error.or_else(|| depths.as_ref().err().map(ToString::to_string));
    let depths = depths.unwrap_or_default();
    let of = |kind: KindId| -> BTreeMap<String, QueueDepth> {
        let of_kind = depths.iter().filter(|(target, _)| target.kind == kind);
        of_kind.map(|(target, depth)| (target.name.clone(), depth.clone())).collect()
    };
    let (containers, events) = view.queue_depth();
    let suspended = |kind, name: &str| desired.is_suspended(kind, name);
    let degraded = !missing.is_empty() || store_error.is_some();
    let body = Detailed {
        status: if degraded { "degraded" } else { "healthy" },
        timestamp: clock::now().rfc3339_millis(),
        version: env!("CARGO_PKG_VERSION"),
        observe: desired.settings.observe,
        engines: world
            .engines
            .iter()
            .map(|(name, engine)| (name.to_string(), engine_health(name, engine, &world)))
            .collect(),
        store: StoreHealth {
            status: if store_error.is_some() { "failing" } else { "ok" },
            error: store_error,
        },
        queue: QueueStatus { containers, events },
        deliveries: Deliveries {
            billing: targets(
                of(KindId::BillingService),
                desired.billing.keys(),
                |name| suspended(KindId::BillingService, name),
                |_| true,
            ),
            discovery: targets(
                of(KindId::DiscoveryRegistry),
                desired.registries.keys(),
                |name| suspended(KindId::DiscoveryRegistry, name),
                |name| !view.is_leaving(name),
            ),
        },
        manifests: Manifests::of(&api, &desired),
        access: AccessHealth {
            anonymous: api.access.open(),
            warnings: api.access.warnings(),
            socket: api.access.socket().map(|path| path.display().to_string()),
        },
        own_fault: view.own_fault(),
    };
    Json(body).into_response()
}

fn engine_health(name: &str, engine: &Engine, world: &World) -> EngineHealth {
    let Engine { connected, error, host, version, since, last_list, clock_ahead: _, surroundings: _ } =
        engine;
    EngineHealth {
        connected: *connected,
        error: error.clone(),
        host: host.clone(),
        version: version.clone(),
        since: since.map(Nanos::rfc3339_millis),
        last_list: last_list.map(Nanos::rfc3339_millis),
        containers: world.containers.of_engine(name).count(),
    }
}

fn targets<'a>(
    mut depths: BTreeMap<String, QueueDepth>,
    declared: impl Iterator<Item = &'a String>,
    suspended: impl Fn(&str) -> bool,
    held: impl Fn(&str) -> bool,
) -> BTreeMap<String, TargetStatus> {
    let target = |depth: QueueDepth, held, suspended| TargetStatus {
        pending: depth.pending,
        parked: depth.parked,
        held,
        suspended,
        oldest: depth.oldest.map(Nanos::rfc3339_millis),
        last_error: depth.last_error,
    };
    let mut targets: BTreeMap<_, _> = declared
        .map(|name| (name.clone(), target(depths.remove(name).unwrap_or_default(), false, suspended(name))))
        .collect();
    let rest = depths.into_iter().map(|(name, depth)| {
        let held = held(&name);
        (name, target(depth, held, false))
    });
    targets.extend(rest);
    targets
}
