//! `/apis/portreeve/v1/{plural}[/{name}]`: declared objects of every kind.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};

use super::caller::Caller;
use super::label_selector::selector;
use super::noun::Noun;
use super::page::{List, Page};
use super::query::Query;
use super::status::{self, Failure};
use super::watching::ObjectChanges;
use super::{Api, containers, deliveries, events, watching};
use crate::catalogue::{Match, Outcome, Refused, Request, Wish, Written, figures};
use crate::manifest::{json, nearest};
use crate::observed::World;
use crate::resource::{API_VERSION, KindId, Object, ObjectKey, Origin};

/// Parameters of a list.
pub(super) const LIST: &[&str] = &["labelSelector", "limit", "continue", "watch", "timeoutSeconds"];
/// Parameters of a write.
pub(super) const WRITE: &[&str] = &["dryRun"];
/// Parameters of a write of a whole document, and of a deletion.
pub(super) const PUT: &[&str] = &["dryRun", "preview"];

/// Every object of a kind, or their changes.
pub(super) async fn list(
    state: State<Api>,
    Path(plural): Path<String>,
    caller: Caller,
    query: Query,
) -> Result<Response, Failure> {
    let kind = match Noun::parse(&plural)? {
        Noun::Kind(kind) => kind,
        Noun::Containers => {
            return containers::objects(state, caller, query).await;
        }
        Noun::Events => return events::objects(state, caller, query).await,
        Noun::Deliveries => {
            return deliveries::list(state, query).await.map(IntoResponse::into_response);
        }
    };
    let State(api) = state;
    query.only(LIST)?;
    let (selector, page) = (selector(&query)?, Page::of(&query)?);
    let timeout = watching::timeout(&query)?;
    if query.flag("watch")? {
        let place = watching::place(&api, &caller)?;
        let changes = ObjectChanges::new(&api.catalogue, kind, selector);
        return Ok(watching::answer(&api, place, changes, timeout, caller));
    }
    let (revision, mut objects) = api.catalogue.list(kind);
    objects.retain(|object| selector.matches(&object.metadata.labels));
    if kind == KindId::MonitoredService {
        let world = api.view.world();
        objects.iter_mut().for_each(|object| *object = with_figures(&api, object.clone(), &world, &caller));
    }
    let page = List::page(kind.as_str(), objects, &page, |object| object.metadata.name.as_str());
    Ok(Json(page.at(revision)).into_response())
}

/// One object.
pub(super) async fn get(
    state: State<Api>,
    Path((plural, name)): Path<(String, String)>,
    caller: Caller,
) -> Result<Response, Failure> {
    match Noun::parse(&plural)? {
        Noun::Kind(kind) => found(&state.0, kind, &name, &caller),
        Noun::Containers => {
            let container = containers::object(state, Path(name), caller, Query::default()).await;
            container.map(IntoResponse::into_response)
        }
        Noun::Deliveries => deliveries::get(state, Path(name)).await.map(IntoResponse::into_response),
        Noun::Events => Err(Failure::not_found("events have no names: list them")),
    }
}

/// One object, for its status: written by Portreeve alone.
pub(super) async fn status(
    State(api): State<Api>,
    Path((plural, name)): Path<(String, String)>,
    caller: Caller,
) -> Result<Response, Failure> {
    match Noun::parse(&plural)? {
        Noun::Kind(kind) => found(&api, kind, &name, &caller),
        Noun::Containers | Noun::Events | Noun::Deliveries => {
            Err(Failure::not_found("only declared objects have a status of their own"))
        }
    }
}

fn found(api: &Api, kind: KindId, name: &str, caller: &Caller) -> Result<Response, Failure> {
    let key = ObjectKey { kind, name: name.to_owned() };
    match api.catalogue.get(&key) {
        Some(object) => {
            Ok(answer(StatusCode::OK, &with_figures(api, object, &api.view.world(), caller), &[]))
        }
        None => Err(missing(api, &key)),
    }
}

/// A service with its figures as they are now; their changes alone are no news to who watches.
fn with_figures(api: &Api, object: Arc<Object>, world: &World, caller: &Caller) -> Arc<Object> {
    let service = object.spec.kind() == KindId::MonitoredService;
    match api.view.service(&object.metadata.name).filter(|_| service) {
        Some(state) => {
            let mut object = Object::clone(&object);
            object.status.figures = figures(&state, world, crate::clock::now(), caller.outputs());
            Arc::new(object)
        }
        None => object,
    }
}

fn missing(api: &Api, key: &ObjectKey) -> Failure {
    Failure::refused(key, &Refused::NotFound, &hint(api, key, &Refused::NotFound))
}

/// What helps whoever was refused, to be read after the refusal.
fn hint(api: &Api, key: &ObjectKey, refused: &Refused) -> String {
    match refused {
        Refused::NotFound => near(api, key),
        Refused::Foreign(Origin::Directory(file)) => pulled(api, file),
        Refused::Exists
        | Refused::Stale(_)
        | Refused::Foreign(_)
        | Refused::BuiltIn
        | Refused::Mismatch(_)
        | Refused::Invalid(_)
        | Refused::Full
        | Refused::Store => String::new(),
    }
}

/// A file that was pulled is not to be changed where it lies.
fn pulled(api: &Api, file: &str) -> String {
    let pulled = api.pulled.as_ref().map(|pulled| pulled.borrow().clone());
    pulled
        .filter(|pulled| std::path::Path::new(file).starts_with(&pulled.directory))
        .map_or_else(String::new, |pulled| {
            format!(" (it is pulled from {}: change it in that repository)", pulled.address)
        })
}

fn near(api: &Api, key: &ObjectKey) -> String {
    let names = api.catalogue.names(key.kind);
    nearest(&key.name, names.iter().map(String::as_str))
        .map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}

/// The object with its version as `ETag`, and what is wrong with it all the same as `Warning`.
fn answer(code: StatusCode, object: &Object, warnings: &[String]) -> Response {
    let mut response = (code, Json(object)).into_response();
    let headers = response.headers_mut();
    if let Some(version) = &object.metadata.resource_version
        && let Ok(tag) = HeaderValue::from_str(&format!("\"{version}\""))
    {
        headers.insert(header::ETAG, tag);
    }
    for warning in warnings {
        // RFC 7234; Kubernetes' clients show it.
        let plain = |c: char| if matches!(c, ' '..='~') && c != '"' && c != '\\' { c } else { '\'' };
        let text: String = warning.chars().map(plain).take(512).collect();
        if let Ok(text) = HeaderValue::from_str(&format!("299 portreeve \"{text}\"")) {
            headers.append(header::WARNING, text);
        }
    }
    response
}

/// Creates or replaces an object.
pub(super) async fn put(
    State(api): State<Api>,
    Path((plural, name)): Path<(String, String)>,
    query: Query,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Failure> {
    let document = document(&headers, &body, &[])?;
    query.only(PUT)?;
    let request = if query.flag("preview")? { Request::Preview(document) } else { Request::Put(document) };
    write(&api, &plural, name, &query, &caller, &headers, request).await
}

/// Creates an object, which its document names.
pub(super) async fn create(
    State(api): State<Api>,
    Path(plural): Path<String>,
    query: Query,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Failure> {
    query.only(WRITE)?;
    let noun = Noun::parse(&plural)?;
    let document = document(&headers, &body, &[])?;
    let name = document.pointer("/metadata/name").and_then(serde_json::Value::as_str);
    let Some(name) = name.map(str::to_owned) else {
        let why = "metadata.name must be a text: it names the object to create";
        return Err(Failure::new(StatusCode::UNPROCESSABLE_ENTITY, why));
    };
    let place = format!("/apis/{API_VERSION}/{}/{name}", noun.plural());
    let Noun::Kind(kind) = noun else { return Err(read_only()) };
    let wanted = Match { absent: true, ..conditions(&headers)? };
    let request = Request::Put(document);
    let mut response = carry_out(&api, kind, name, &query, &caller, wanted, request).await?;
    if let Ok(place) = HeaderValue::from_str(&place) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

fn read_only() -> Failure {
    Failure::new(StatusCode::METHOD_NOT_ALLOWED, "these can only be read")
}

/// Changes an object by a JSON merge patch (RFC 7386).
pub(super) async fn patch(
    State(api): State<Api>,
    Path((plural, name)): Path<(String, String)>,
    query: Query,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Failure> {
    let patch = document(&headers, &body, &["application/merge-patch+json"])?;
    write(&api, &plural, name, &query, &caller, &headers, Request::Patch(patch)).await
}

/// Removes an object.
pub(super) async fn delete(
    State(api): State<Api>,
    Path((plural, name)): Path<(String, String)>,
    query: Query,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    query.only(PUT)?;
    let request = if query.flag("preview")? { Request::PreviewDelete } else { Request::Delete };
    write(&api, &plural, name, &query, &caller, &headers, request).await
}

async fn write(
    api: &Api,
    plural: &str,
    name: String,
    query: &Query,
    caller: &Caller,
    headers: &HeaderMap,
    request: Request,
) -> Result<Response, Failure> {
    let Noun::Kind(kind) = Noun::parse(plural)? else { return Err(read_only()) };
    if matches!(request, Request::Patch(_)) {
        query.only(WRITE)?;
    }
    carry_out(api, kind, name, query, caller, conditions(headers)?, request).await
}

async fn carry_out(
    api: &Api,
    kind: KindId,
    name: String,
    query: &Query,
    caller: &Caller,
    conditions: Match,
    request: Request,
) -> Result<Response, Failure> {
    let dry_run = query.dry_run()?;
    let key = ObjectKey { kind, name };
    let commit = Arc::new(api.requests.committer().clone());
    let caller = caller.who.to_string();
    let wish = Wish { key: key.clone(), request, conditions, dry_run, caller };
    let written = api.catalogue.write(commit, wish).await;
    let Written { object, outcome, warnings, below } =
        written.map_err(|refused| Failure::refused(&key, &refused, &hint(api, &key, &refused)))?;
    let code = match outcome {
        Outcome::Created => StatusCode::CREATED,
        Outcome::Changed | Outcome::Unchanged => StatusCode::OK,
        Outcome::Deleted => {
            let uid = object.metadata.uid.clone();
            let message = format!("{key} is deleted");
            let gone = status::success(message, kind.as_str(), &key.name, uid).leaving(below.as_ref());
            return Ok(Json(gone).into_response());
        }
    };
    Ok(answer(code, &object, &warnings))
}

/// `If-Match` and `If-None-Match` (RFC 9110).
fn conditions(headers: &HeaderMap) -> Result<Match, Failure> {
    // A list may stand in several headers.
    let tags = |name| -> Vec<&str> {
        let values = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("?"));
        values.flat_map(|value| value.split(',')).map(str::trim).collect()
    };
    let (some, none) = (tags(header::IF_MATCH), tags(header::IF_NONE_MATCH));
    if none.iter().any(|tag| *tag != "*") {
        return Err(Failure::bad_request("If-None-Match must be * or left out; use If-Match for a version"));
    }
    let plain = |tag: &&str| tag.trim_start_matches("W/").trim_matches('"').to_owned();
    let versions = if some.contains(&"*") { Vec::new() } else { some.iter().map(plain).collect() };
    Ok(Match {
        versions: headers.contains_key(header::IF_MATCH).then_some(versions),
        absent: !none.is_empty(),
    })
}

/// The body as JSON. `curl -d` says it sends a form: only types that mean something else are refused.
pub(super) fn document(
    headers: &HeaderMap,
    body: &[u8],
    also: &[&str],
) -> Result<serde_json::Value, Failure> {
    let kind = headers.get(header::CONTENT_TYPE).map_or("", |kind| kind.to_str().unwrap_or("?"));
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let known = ["", "application/json", "application/x-www-form-urlencoded", "text/plain"];
    if !known.contains(&kind.as_str()) && !also.contains(&kind.as_str()) {
        let shown: String = kind.chars().take(64).flat_map(char::escape_debug).collect();
        let expected: Vec<&str> = also.iter().copied().chain(["application/json"]).collect();
        return Err(Failure::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!("a body of the type {shown} is not supported here; send {}", expected.join(" or ")),
        ));
    }
    if body.is_empty() {
        return Err(Failure::bad_request("the body is empty: send the object as JSON"));
    }
    json(body).map_err(|why| Failure::bad_request(format!("the body is not a JSON document: {why}")))
}
