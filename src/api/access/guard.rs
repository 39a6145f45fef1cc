//! What stands before every route: who may not ask is told why.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Json, Response};

use super::Access;
use super::headers::{given, hosts, repeated};
use crate::api::Api;
use crate::api::caller::{Claim, Peer, Who};
use crate::api::dress::refusal;
use crate::api::noun::Noun;
use crate::api::query::Query;
use crate::api::serve::activity::Activity;
use crate::api::shell::shell;
use crate::config::tokens::Role;

/// Lets a request through, with its [`Caller`], or says why not.
pub(in crate::api) async fn guard(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let (access, headers, path) = (&api.access, request.headers(), request.uri().path());
    let refuse = |code, reason: &str| refusal(path, code, reason);
    if let Some(name) = repeated(headers) {
        return refuse(StatusCode::BAD_REQUEST, &format!("the header {name} is sent more than once"));
    }
    let peer = request.extensions().get::<Peer>().copied();
    let caller = access.caller(peer, headers);
    if let Some(activity) = request.extensions().get::<Arc<Activity>>() {
        activity.known(caller.standing());
    }
    let hosts = hosts(request.uri(), headers);
    let by_token = matches!(caller.who, Who::Token(_) | Who::StartToken);
    // No browser asks over the Unix socket, whose clients name whatever host they like.
    let over_socket = matches!(peer, Some(Peer::Unix { .. }));
    if !by_token && !over_socket && !access.host_is_fit(&hosts) {
        let reason = "this host name is not permitted: use an address, a name without a dot or a name given with \
            --allow-host, or send a token";
        return refuse(StatusCode::FORBIDDEN, reason);
    }
    if !Access::origin_is_fit(headers, &hosts) {
        return refuse(StatusCode::FORBIDDEN, "requests from pages of other origins are refused");
    }
    if !access.is_open(path) {
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        match caller.role {
            Some(Role::Edit) => {}
            Some(Role::View) if reads || changes_nothing(request.uri()) => {}
            Some(Role::View) if by_token => {
                let reason = "this token may only read: changes need a token with the role edit";
                return refuse(StatusCode::FORBIDDEN, reason);
            }
            Some(Role::View) => {
                let socket = access.socket().map_or_else(String::new, |socket| {
                    format!(
                        " Portreeve's socket ({}), as `portreeve` does if the user may open it, or",
                        socket.display()
                    )
                });
                let reason =
                    format!("without a token the API is read-only: use{socket} a token with the role edit");
                return refuse(StatusCode::FORBIDDEN, &reason);
            }
            None => {
                let page = shell(request.method(), path, headers).filter(|_| given(headers).is_none());
                return page.unwrap_or_else(|| unauthorised(path, matches!(caller.claim, Claim::Token(_))));
            }
        }
    }
    request.extensions_mut().insert(caller);
    next.run(request).await
}

/// 401 in the shape of the route; document R3's has words of its own, to which it is added whether there was a key at all.
fn unauthorised(path: &str, sent: bool) -> Response {
    const CHALLENGE: [(header::HeaderName, &str); 1] = [(header::WWW_AUTHENTICATE, "Bearer")];
    let why = if sent {
        "the token is not accepted; see `portreeve token create`"
    } else {
        "a token is needed, as Authorization: Bearer or X-API-Key; see `portreeve token create`"
    };
    if path == "/apis" || path.starts_with("/apis/") {
        return (CHALLENGE, refusal(path, StatusCode::UNAUTHORIZED, why)).into_response();
    }
    let body = Json(serde_json::json!({"error": "Invalid API key", "reason": why}));
    (StatusCode::UNAUTHORIZED, CHALLENGE, body).into_response()
}

/// Whether the request asks what a write of a declared object would come to: whoever may read may know that, a pipeline that looks
/// at a pull request for one.
pub(super) fn changes_nothing(uri: &axum::http::Uri) -> bool {
    let mut parts = uri.path().strip_prefix("/apis/portreeve/v1/").unwrap_or_default().split('/');
    let kind = parts.next().and_then(Noun::find);
    let whole = parts.nth(1).is_none();
    let dry = Query::parse(uri.query().unwrap_or_default()).is_ok_and(|query| query.dry_run() == Ok(true));
    matches!(kind, Some(Noun::Kind(_))) && whole && dry
}
