//! Who may ask: tokens compared in constant time, and no requests that a browser was tricked into.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Json, Response};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::{Api, Refusal};

/// What is asked of a request.
#[derive(Debug)]
pub(super) struct Access {
    token: Option<SecretString>,
    open_metrics: bool,
}

impl Access {
    pub(super) fn new(token: Option<SecretString>, open_metrics: bool) -> Self {
        Self { token, open_metrics }
    }

    /// Whether `path` answers anybody.
    fn is_open(&self, path: &str) -> bool {
        path == "/livez" || path == "/readyz" || (path == "/metrics" && self.open_metrics)
    }

    /// Whether the request carries the token, as `Authorization: Bearer` or `X-API-Key`.
    fn is_authorised(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else { return true };
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let bearer = text("authorization").and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
        });
        let given = bearer.or_else(|| text("x-api-key")).unwrap_or_default();
        given.as_bytes().ct_eq(token.expose_secret().as_bytes()).into()
    }

    /// Without a token nothing but a name of this machine may be asked for: a page elsewhere can make its own name
    /// point here (DNS rebinding), but cannot make the browser say another name.
    fn host_is_fit(&self, headers: &HeaderMap) -> bool {
        if self.token.is_some() {
            return true;
        }
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        host.is_none_or(|host| {
            let name = without_port(host);
            name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
        })
    }

    /// A browser says where a request comes from; only this server's own page may ask.
    fn origin_is_fit(headers: &HeaderMap) -> bool {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        match (text(header::ORIGIN), text(header::HOST)) {
            (None, _) => true,
            (Some(origin), Some(host)) => origin.split_once("://").is_some_and(|(_, from)| from == host),
            (Some(_), None) => false,
        }
    }
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
    let (access, headers) = (&api.access, request.headers());
    if !access.is_open(request.uri().path()) && !access.is_authorised(headers) {
        let body = Json(serde_json::json!({"error": "Invalid API key"}));
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], body).into_response();
    }
    if !access.host_is_fit(headers) {
        let reason =
            "this name is not known here: ask for localhost or an address, or start Portreeve with a token";
        return Refusal::new(StatusCode::FORBIDDEN, reason).into_response();
    }
    if !Access::origin_is_fit(headers) {
        return Refusal::new(StatusCode::FORBIDDEN, "requests from pages of other origins are refused")
            .into_response();
    }
    next.run(request).await
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
            assert_eq!(access.is_authorised(&given), expected, "{given:?}");
        }
        assert!(Access::new(None, false).is_authorised(&headers(&[])));
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
        let access = Access::new(None, false);
        for (host, fit) in [
            ("localhost:8000", true),
            ("127.0.0.1:8000", true),
            ("[::1]:8000", true),
            ("evil.example:8000", false),
            ("127.0.0.1.evil.example", false),
        ] {
            assert_eq!(access.host_is_fit(&headers(&[("host", host)])), fit, "{host}");
        }
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        let fit = |origin, host| Access::origin_is_fit(&headers(&[("origin", origin), ("host", host)]));
        assert!(fit("http://localhost:8000", "localhost:8000"));
        assert!(!fit("http://evil.example", "localhost:8000"));
        assert!(!fit("null", "localhost:8000"));
        assert!(Access::origin_is_fit(&headers(&[])));
    }
}
