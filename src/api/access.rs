//! Who may ask: tokens compared in constant time, and no requests that a browser was tricked into.

use std::net::IpAddr;
use std::path::PathBuf;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Json, Response};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::Api;
use super::dress::refusal;
use super::kept::Kept;
use crate::config::tokens::{Role, Tokens, digest};

/// What is asked of a request.
#[derive(Debug, Default)]
pub struct Access {
    /// SHA-256 of the token given at start; it permits everything.
    token: Option<[u8; 32]>,
    open_metrics: bool,
    /// Whether nothing is open to strangers, tokens or not: the address can be reached from elsewhere.
    closed: bool,
    kept: Option<Kept>,
}

/// What a request's token permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Permit {
    /// There are no tokens: everybody may do everything.
    Everything,
    Only(Role),
    Nothing,
}

impl Access {
    /// Access by `token`, and to everybody without one.
    pub fn new(token: Option<SecretString>, open_metrics: bool) -> Self {
        let token = token.map(|token| digest(token.expose_secret()));
        Self { token, open_metrics, ..Self::default() }
    }

    /// Access by the tokens of this file too, which is read again when it changes.
    #[must_use]
    pub fn with_tokens(mut self, path: PathBuf) -> Self {
        self.kept = Some(Kept::new(path));
        self
    }

    /// With `closed`, nothing is answered without a token even if there are none.
    #[must_use]
    pub const fn closed(mut self, closed: bool) -> Self {
        self.closed = closed;
        self
    }

    /// Whether `path` answers anybody.
    fn is_open(&self, path: &str) -> bool {
        path == "/livez" || path == "/readyz" || (path == "/metrics" && self.open_metrics)
    }

    /// What the token of `Authorization: Bearer` or `X-API-Key` permits. Hashes are compared, all of them, each in the
    /// same time, so that the time tells neither a token nor its length.
    fn permit(&self, headers: &HeaderMap) -> Permit {
        let kept = self.kept.as_ref().map(Kept::tokens);
        let asked = self.asks(kept.as_deref());
        if !asked {
            return Permit::Everything;
        }
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let bearer = text("authorization").and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
        });
        let given = digest(bearer.or_else(|| text("x-api-key")).unwrap_or_default());
        let own = self.token.is_some_and(|token| token.ct_eq(&given).into());
        let role = kept.as_deref().and_then(Option::as_ref).and_then(|tokens| tokens.role(&given));
        match role.max(own.then_some(Role::Edit)) {
            Some(role) => Permit::Only(role),
            None => Permit::Nothing,
        }
    }

    /// Whether a token is asked for; a file of tokens that cannot be read opens nothing.
    fn asks(&self, kept: Option<&Option<Tokens>>) -> bool {
        let any = match kept {
            None => false,
            Some(None) => true,
            Some(Some(tokens)) => !tokens.tokens.is_empty(),
        };
        self.closed || self.token.is_some() || any
    }

    /// Without a token nothing but a name of this machine may be asked for: a page elsewhere can make its own name
    /// point here (DNS rebinding), but cannot make the browser say another name.
    fn host_is_fit(permit: Permit, hosts: &[&str]) -> bool {
        let is_here = |host: &&str| {
            let name = without_port(host);
            name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
        };
        permit != Permit::Everything || hosts.iter().all(is_here)
    }

    /// A browser says where a request comes from; only this server's own page may ask.
    fn origin_is_fit(headers: &HeaderMap, hosts: &[&str]) -> bool {
        let Some(origin) = headers.get(header::ORIGIN) else { return true };
        let from = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        from.is_some_and(|(_, from)| hosts.contains(&from))
    }
}

/// Every name that the request asks for: in its line, as proxies and HTTP/2 write it, and in its header. What is no
/// text is no name of this machine.
fn hosts<'r>(uri: &'r Uri, headers: &'r HeaderMap) -> Vec<&'r str> {
    let line = uri.authority().map(|authority| authority.as_str());
    let header = headers.get(header::HOST).map(|host| host.to_str().unwrap_or("?"));
    line.into_iter().chain(header).collect()
}

/// A header that decides who asks for what, if it was sent more than once: one of its values would be judged here, and
/// perhaps another by whoever passed the request on.
fn repeated(headers: &HeaderMap) -> Option<HeaderName> {
    let once = [
        header::HOST,
        header::ORIGIN,
        header::AUTHORIZATION,
        HeaderName::from_static("x-api-key"),
        header::CONTENT_TYPE,
    ];
    once.into_iter().find(|name| headers.get_all(name).iter().nth(1).is_some())
}

/// `host` without `:port`, and without the brackets of an IPv6 address.
fn without_port(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    }
}

/// Lets a request through, or says why not.
pub(super) async fn guard(State(api): State<Api>, request: Request, next: Next) -> Response {
    let (access, headers, path) = (&api.access, request.headers(), request.uri().path());
    let permit = access.permit(headers);
    let refuse = |code, reason: &str| refusal(path, code, reason);
    if let Some(name) = repeated(headers) {
        return refuse(StatusCode::BAD_REQUEST, &format!("the header {name} is sent more than once"));
    }
    let hosts = hosts(request.uri(), headers);
    if !access.is_open(path) {
        match permit {
            Permit::Everything | Permit::Only(Role::Edit) => {}
            Permit::Only(Role::View) if matches!(*request.method(), Method::GET | Method::HEAD) => {}
            Permit::Only(Role::View) => {
                return refuse(
                    StatusCode::FORBIDDEN,
                    "this token may only read: changes need one of the role edit",
                );
            }
            Permit::Nothing => return unauthorised(path),
        }
    }
    if !Access::host_is_fit(permit, &hosts) {
        let reason =
            "this name is not known here: ask for localhost or an address, or start Portreeve with a token";
        return refuse(StatusCode::FORBIDDEN, reason);
    }
    if !Access::origin_is_fit(headers, &hosts) {
        return refuse(StatusCode::FORBIDDEN, "requests from pages of other origins are refused");
    }
    next.run(request).await
}

/// 401 in the shape of the route; document R3's has words of its own.
fn unauthorised(path: &str) -> Response {
    const CHALLENGE: [(header::HeaderName, &str); 1] = [(header::WWW_AUTHENTICATE, "Bearer")];
    if path == "/apis" || path.starts_with("/apis/") {
        let why = "a token is needed, as Authorization: Bearer or X-API-Key; see `portreeve token create`";
        return (CHALLENGE, refusal(path, StatusCode::UNAUTHORIZED, why)).into_response();
    }
    let body = Json(serde_json::json!({"error": "Invalid API key"}));
    (StatusCode::UNAUTHORIZED, CHALLENGE, body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")))
            .collect()
    }

    #[test]
    fn a_token_is_taken_from_either_header_and_nothing_else_will_do() {
        let access = Access::new(Some("s3cret".to_owned().into()), false);
        for (given, expected) in [
            (headers(&[("authorization", "Bearer s3cret")]), true),
            (headers(&[("authorization", "bearer s3cret")]), true),
            (headers(&[("x-api-key", "s3cret")]), true),
            (headers(&[("authorization", "Basic s3cret")]), false),
            (headers(&[("x-api-key", "s3cre")]), false),
            (headers(&[("x-api-key", "")]), false),
            (headers(&[]), false),
        ] {
            let expected = if expected { Permit::Only(Role::Edit) } else { Permit::Nothing };
            assert_eq!(access.permit(&given), expected, "{given:?}");
        }
        assert_eq!(Access::new(None, false).permit(&headers(&[])), Permit::Everything);
        assert_eq!(Access::new(None, false).closed(true).permit(&headers(&[])), Permit::Nothing);
    }

    #[test]
    fn only_the_probes_are_open_and_metrics_if_so_set() {
        let closed = Access::new(None, false);
        assert!(closed.is_open("/livez") && closed.is_open("/readyz"));
        assert!(!closed.is_open("/metrics") && !closed.is_open("/api/events"));
        assert!(Access::new(None, true).is_open("/metrics"));
    }

    #[test]
    fn without_a_token_only_names_of_this_machine_are_answered() {
        let fit_for = |permit, host| Access::host_is_fit(permit, &[host]);
        assert!(fit_for(Permit::Only(Role::View), "portreeve.example"));
        for (host, fit) in [
            ("localhost:8000", true),
            ("127.0.0.1:8000", true),
            ("[::1]:8000", true),
            ("evil.example:8000", false),
            ("127.0.0.1.evil.example", false),
        ] {
            assert_eq!(fit_for(Permit::Everything, host), fit, "{host}");
        }
    }

    #[test]
    fn every_name_that_is_asked_for_is_judged() {
        let fit = |uri: &'static str, host| {
            let headers = headers(&[("host", host)]);
            Access::host_is_fit(Permit::Everything, &hosts(&Uri::from_static(uri), &headers))
        };
        assert!(fit("/livez", "localhost"));
        assert!(fit("http://localhost/livez", "localhost"));
        assert!(!fit("http://evil.example/livez", "localhost"));
        assert!(!fit("http://localhost/livez", "evil.example"));
        assert!(!fit("/livez", "l\u{f6}calhost"));
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        let fit = |origin, host| Access::origin_is_fit(&headers(&[("origin", origin)]), &[host]);
        assert!(fit("http://localhost:8000", "localhost:8000"));
        assert!(!fit("http://evil.example", "localhost:8000"));
        assert!(!fit("null", "localhost:8000"));
        assert!(!Access::origin_is_fit(&headers(&[("origin", "http://localhost")]), &[]));
        assert!(Access::origin_is_fit(&headers(&[]), &[]));
    }

    #[test]
    fn what_decides_who_asks_for_what_is_sent_once() {
        for name in ["host", "origin", "authorization", "x-api-key", "content-type"] {
            let mut sent = headers(&[(name, "a")]);
            assert_eq!(repeated(&sent), None);
            sent.append(name, "a".parse().expect("a value"));
            assert_eq!(repeated(&sent).expect("repeated"), name);
        }
        let mut sent = headers(&[("accept", "a")]);
        sent.append("accept", "b".parse().expect("a value"));
        assert_eq!(repeated(&sent), None);
    }
}
