//! Every route, as a table: the router is built from it, and so is `/openapi.json`.

use std::future::{Ready, ready};

use axum::response::Response;
use axum::routing::{MethodRouter, delete, get, patch, post, put};
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::Value;

use super::deliveries::decide;
use super::page::{Item, List};
use super::route::{Content, Route, Verb};
use super::{
    Api, containers, deliveries, docs, events, health, metrics, noun, objects, openapi, release, status,
    trial,
};

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    generator.subschema_for::<T>().to_value()
}

const fn read(
    path: &'static str,
    summary: &'static str,
    parameters: &'static [&'static str],
    answer: Content,
    handler: fn() -> MethodRouter<Api>,
) -> Route {
    Route { verb: Verb::Get, path, summary, parameters, body: Content::None, answer, handler }
}

const fn change(
    verb: Verb,
    path: &'static str,
    summary: &'static str,
    parameters: &'static [&'static str],
    (body, answer): (Content, Content),
    handler: fn() -> MethodRouter<Api>,
) -> Route {
    Route { verb, path, summary, parameters, body, answer, handler }
}

const STATUS: Content = Content::Json(of::<status::Status>);
const SKIP: Content = Content::Json(of::<decide::Skip>);
const OBJECTS: &str = "/apis/portreeve/v1/{plural}";
const OBJECT: &str = "/apis/portreeve/v1/{plural}/{name}";

/// Every route.
pub(super) const ROUTES: &[Route] = &[
    read("/livez", "Whether the process runs", &[], Content::Text("text/plain"), || get(async || "ok\n")),
    read(
        "/readyz",
        "Whether everything is watched and the store commits",
        &[],
        Content::Text("text/plain"),
        || get(health::ready),
    ),
    read("/metrics", "Metrics for Prometheus", &[], Content::Text("text/plain"), || get(metrics::metrics)),
    read("/health/detailed", "Portreeve's own health", &[], Content::Json(of::<health::Detailed>), || {
        get(health::detailed)
    }),
    read(
        "/api/events",
        "Events, newest first, as a plain array",
        &events::PARAMETERS,
        Content::Json(of::<Vec<events::Event>>),
        || get(events::list),
    ),
    read(
        "/api/config",
        "Which containers are selected, and the settings in force",
        &[],
        Content::Json(of::<containers::Config>),
        || get(containers::config),
    ),
    read(
        "/api/containers",
        "Containers as last seen, as a plain array",
        &[],
        Content::Json(of::<Vec<containers::ContainerRow>>),
        || get(containers::list),
    ),
    read(
        "/openapi.json",
        "This document",
        &[],
        Content::Json(|_| serde_json::json!({"type": "object"})),
        || get(document),
    ),
    read("/", "Links to the other pages", &[], Content::Text("text/html"), || get(docs::front)),
    read("/docs", "This document as a page", &[], Content::Text("text/html"), || get(page)),
    read(
        "/apis/portreeve/v1",
        "Every kind with its names and verbs",
        &[],
        Content::Json(of::<noun::Resources>),
        || get(noun::list),
    ),
    read(OBJECTS, "Every {kind}; with watch also their changes", objects::LIST, Content::Objects, || {
        get(objects::list)
    }),
    change(
        Verb::Post,
        OBJECTS,
        "Create one {kind}; the body gives its name",
        objects::WRITE,
        (Content::Object, Content::Object),
        || post(objects::create),
    ),
    read(OBJECT, "One {kind}", &[], Content::Object, || get(objects::get)),
    change(
        Verb::Put,
        OBJECT,
        "Create or replace one {kind}",
        objects::PUT,
        (Content::Object, Content::Object),
        || put(objects::put),
    ),
    change(
        Verb::Patch,
        OBJECT,
        "Change one {kind} by a JSON merge patch (RFC 7386)",
        objects::WRITE,
        (Content::Patch, Content::Object),
        || patch(objects::patch),
    ),
    change(Verb::Delete, OBJECT, "Delete one {kind}", objects::PUT, (Content::None, STATUS), || {
        delete(objects::delete)
    }),
    read(
        "/apis/portreeve/v1/{plural}/{name}/status",
        "One {kind}, for its status",
        &[],
        Content::Object,
        || get(objects::status),
    ),
    read(
        "/apis/portreeve/v1/containers",
        "Containers as last seen; with watch also their changes",
        containers::LIST,
        Content::Watched(of::<List<Item<containers::ContainerRow>>>),
        || get(containers::objects),
    ),
    read(
        "/apis/portreeve/v1/containers/{name}",
        "One container, by name or id",
        containers::ONE,
        Content::Json(of::<Item<containers::ContainerRow>>),
        || get(containers::object),
    ),
    change(
        Verb::Post,
        "/apis/portreeve/v1/containers/{name}/release",
        "End the quarantine of a container",
        &[],
        (Content::None, STATUS),
        || post(release::release),
    ),
    read(
        "/apis/portreeve/v1/events",
        "Events, newest first; with watch those that are recorded from then on",
        &events::LIST,
        Content::Watched(of::<List<Item<events::Event>>>),
        || get(events::objects),
    ),
    read(
        "/apis/portreeve/v1/deliveries",
        "Registrations to send, then bills, newest first",
        deliveries::LIST,
        Content::Json(of::<List<Item<deliveries::Delivery>>>),
        || get(deliveries::list),
    ),
    read(
        "/apis/portreeve/v1/deliveries/{name}",
        "One delivery",
        &[],
        Content::Json(of::<Item<deliveries::Delivery>>),
        || get(deliveries::get),
    ),
    change(
        Verb::Post,
        "/apis/portreeve/v1/deliveries/{name}/replay",
        "Send a parked delivery again, and those behind it",
        &[],
        (Content::None, STATUS),
        || post(decide::replay),
    ),
    change(
        Verb::Post,
        "/apis/portreeve/v1/deliveries/replay",
        "Send all parked deliveries of a BillingService again",
        decide::TARGET,
        (Content::None, STATUS),
        || post(decide::replay_target),
    ),
    change(
        Verb::Post,
        "/apis/portreeve/v1/deliveries/{name}/retry",
        "Try the waiting deliveries of a container to a target now",
        &[],
        (Content::None, STATUS),
        || post(decide::retry),
    ),
    change(
        Verb::Post,
        "/apis/portreeve/v1/deliveries/retry",
        "Try all waiting deliveries to a target now",
        decide::TARGET,
        (Content::None, STATUS),
        || post(decide::retry_target),
    ),
    change(
        Verb::Post,
        "/apis/portreeve/v1/deliveries/{name}/skip",
        "Skip a parked bill",
        &[],
        (SKIP, STATUS),
        || post(decide::skip),
    ),
    change(
        Verb::Post,
        "/apis/portreeve/v1/deliveries/skip",
        "Skip every parked bill of a BillingService",
        decide::TARGET,
        (SKIP, STATUS),
        || post(decide::skip_target),
    ),
    change(
        Verb::Post,
        "/apis/portreeve/v1/deliveries/discard",
        "Drop the waiting bills of a BillingService that is no longer declared",
        decide::TARGET,
        (Content::None, STATUS),
        || post(decide::discard),
    ),
    change(
        Verb::Post,
        "/apis/portreeve/v1/test/probe",
        "Run a probe once and show each step; the service's health does not change",
        &[],
        (Content::Json(of::<trial::ProbeTest>), Content::Json(of::<trial::ProbeTested>)),
        || post(trial::probe),
    ),
];

/// Not `async`: what such a function gives depends on its body, and this one's names the table.
fn document() -> Ready<Response> {
    ready(openapi::document(ROUTES))
}

fn page() -> Ready<Response> {
    ready(docs::page(ROUTES))
}
