//! What headers say about who asks, and for which host.

use std::net::Ipv6Addr;

use axum::http::{HeaderMap, HeaderName, Uri, header};

/// The token of `Authorization: Bearer` or `X-API-Key`. What is brought in another way is a token that nobody knows.
pub(super) fn given(headers: &HeaderMap) -> Option<&str> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let authorization = text("authorization");
    let parts = authorization.and_then(|value| value.split_once(' '));
    let bearer =
        parts.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
    bearer.or_else(|| text("x-api-key")).or(authorization.map(|_| ""))
}

/// Headers by which proxies and content delivery networks say whom they ask for, beside those that speak of what is forwarded
/// or of a client's address by their name.
const PASSED_ON: [&str; 10] = [
    "via",
    "cdn-loop",
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "x-envoy-external-address",
    "x-original-host",
    "x-originating-ip",
    "x-real-ip",
    "x-remote-addr",
    "x-remote-ip",
];

/// Whether a proxy says that it passes the request on: then the other end of the connection is the proxy and not the caller.
pub(super) fn is_passed_on(headers: &HeaderMap) -> bool {
    let passes = |name: &HeaderName| {
        let name = name.as_str();
        PASSED_ON.contains(&name)
            || ["forwarded", "client-ip", "clientip"].iter().any(|part| name.contains(part))
    };
    headers.keys().any(passes)
}

/// Every name that the request asks for: in its line, as proxies and HTTP/2 write it, and in its header. What is no
/// text is no name of this machine.
pub(super) fn hosts<'r>(uri: &'r Uri, headers: &'r HeaderMap) -> Vec<&'r str> {
    let line = uri.authority().map(|authority| authority.as_str());
    let header = headers.get(header::HOST).map(|host| host.to_str().unwrap_or("?"));
    line.into_iter().chain(header).collect()
}

/// A header that decides who asks for what, if it was sent more than once: one of its values would be judged here, and
/// perhaps another by whoever passed the request on.
pub(super) fn repeated(headers: &HeaderMap) -> Option<HeaderName> {
    let once = [
        header::HOST,
        header::ORIGIN,
        header::AUTHORIZATION,
        HeaderName::from_static("x-api-key"),
        header::CONTENT_TYPE,
    ];
    once.into_iter().find(|name| headers.get_all(name).iter().nth(1).is_some())
}

/// `host` without `:port`, and without the brackets of an IPv6 address; `None` if it is written in another way (RFC 9110,
/// 7.2), which somebody else may read as another host.
pub(super) fn without_port(host: &str) -> Option<&str> {
    let (name, rest) = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').filter(|(name, _)| name.parse::<Ipv6Addr>().is_ok())?,
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port)).then_some(name)
}
