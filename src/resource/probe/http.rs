//! `httpGet`: an HTTP request and what its answer must be.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::host_name::host_name;
use super::tls::{ProbeTls, tls};
use crate::resource::check::{Check, holds_secret, may_hold_secret};
use crate::resource::{Duration, Header, JsonPath, pattern};

/// An HTTP request, over HTTP/1.1, or over HTTP/2 if a server with TLS prefers it. Every check opens a new connection.
/// Redirects are not followed: `expect.status` says whether a redirect is accepted. If `expect` says nothing about the
/// body, the body is not read; otherwise up to 1 MiB of it is read. It may be compressed (gzip, deflate, br), and is
/// decoded in the charset that the answer names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct HttpProbe {
    /// Path, with a query if needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^/"))]
    pub path: Option<String>,
    /// The container's port; left out: 80, or 443 with `https`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,
    /// `http` or `https`.
    pub scheme: Scheme,
    /// TLS settings for `scheme: https`; left out: any certificate is accepted, unless a header is a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ProbeTls>,
    /// The host to connect to; left out: the container's address, or the service's target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Headers to send. `Host` names the site, also for TLS (SNI) and HTTP/2; left out: the host of the connection.
    /// With `Connection` or `Upgrade` the request uses HTTP/1.1.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub http_headers: Vec<Header>,
    /// The method of the request.
    pub method: Method,
    /// The body of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// What the answer must be.
    pub expect: HttpExpect,
}

/// Whether TLS is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// Unencrypted.
    #[default]
    Http,
    /// With TLS.
    Https,
}

/// The method of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Asks for the resource.
    #[default]
    Get,
    /// Asks for its headers only.
    Head,
    /// Sends `body`.
    Post,
    /// Sends `body`.
    Put,
    /// Asks what is allowed.
    Options,
}

/// What the answer must be. Everything given must hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct HttpExpect {
    /// Accepted status codes and ranges, such as `200-299`.
    #[schemars(length(min = 1))]
    pub status: Vec<StatusRange>,
    /// Text that the body must contain. Reading stops when it is found.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub body_contains: Option<String>,
    /// Regular expression that must match somewhere in the body. Reading stops when what follows can no longer change
    /// that.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub body_matches: Option<String>,
    /// Values that a JSON body must contain.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub json: Vec<JsonExpect>,
    /// How long the check may take: connecting, and reading the part of the answer that is needed. If it takes longer
    /// it fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_latency: Option<Duration>,
}

/// What one value in a JSON body must be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct JsonExpect {
    /// Where the value is: `$`, then `.key`, `["any key"]` or `[index]`. A negative index counts from the end.
    pub path: JsonPath,
    /// The value it must have: text, a number, true, false or null. Numbers are compared by value: 1 equals 1.0.
    #[schemars(extend("type" = ["string", "number", "boolean", "null"]))]
    pub equals: Value,
}

/// A status code such as `200`, or a range such as `"200-299"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusRange {
    /// The lowest code.
    pub from: u16,
    /// The highest code.
    pub to: u16,
}

/// Why a text is not a range of status codes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a status code such as 200 or a range such as \"200-299\", within 100 to 599")]
pub struct StatusRangeError {
    text: String,
}

impl Default for HttpExpect {
    /// As Kubernetes: from 200 to 399.
    fn default() -> Self {
        Self {
            status: vec![StatusRange { from: 200, to: 399 }],
            body_contains: None,
            body_matches: None,
            json: Vec::new(),
            max_latency: None,
        }
    }
}

impl FromStr for StatusRange {
    type Err = StatusRangeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let code = |text: &str| {
            let plain = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<u16>().ok().filter(|code| plain && (100..=599).contains(code))
        };
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        match (code(from), code(to)) {
            (Some(from), Some(to)) if from <= to => Ok(Self { from, to }),
            _ => Err(StatusRangeError { text: text.chars().take(32).collect() }),
        }
    }
}

impl fmt::Display for StatusRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.from)?;
        if self.to == self.from { Ok(()) } else { write!(f, "-{}", self.to) }
    }
}

impl Serialize for StatusRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StatusRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StatusVisitor)
    }
}

struct StatusVisitor;

impl serde::de::Visitor<'_> for StatusVisitor {
    type Value = StatusRange;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a status code such as 200 or a range such as \"200-299\"")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<StatusRange, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<StatusRange, E> {
        self.visit_str(&number.to_string())
    }
}

impl JsonSchema for StatusRange {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "StatusRange".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "integer"],
            "minimum": 100,
            "maximum": 599,
            "pattern": "^[1-5][0-9]{2}(-[1-5][0-9]{2})?$",
            "examples": ["200-299", 204]
        })
    }
}

impl HttpProbe {
    pub(super) fn validate(&self, check: &mut Check) {
        if let Some(path) = &self.path
            && (!path.starts_with('/') || path.contains(|c: char| c.is_control() || c == ' ' || c == '#'))
        {
            let why = "must be a path that starts with /, without spaces or #";
            check.field("path", |check| match may_hold_secret(path) {
                true => check.refuse_secret(why),
                false => check.refuse(why),
            });
        }
        if self.path.as_deref().is_some_and(holds_secret) {
            check.field("path", |check| {
                check.refuse_secret(
                    "seems to contain a secret: send it as a header, httpHeaders with valueFrom",
                )
            });
        }
        check.port("port", self.port);
        if let Some(host) = &self.host {
            host_name("host", host, check);
            check.host("host", host);
        }
        tls(self.tls.as_ref(), check);
        if self.tls.is_some() && self.scheme == Scheme::Http {
            check.field("tls", |check| check.refuse("needs `scheme: https`"));
        }
        let hosts =
            self.http_headers.iter().filter(|header| header.name.eq_ignore_ascii_case("host")).count();
        if hosts > 1 {
            check.field("httpHeaders", |check| check.refuse("must contain Host at most once"));
        }
        check.each("httpHeaders", &self.http_headers, |check, header| {
            header.validate(check);
            self.header(header, check);
        });
        if let Some(body) = &self.body {
            check.bounded("body", body, 64 * 1024);
            if matches!(self.method, Method::Get | Method::Head | Method::Options) {
                check.field("body", |check| check.refuse("only POST and PUT send a body"));
            }
        }
        check.field("expect", |check| {
            self.expect.validate(check);
            let fields = [
                ("bodyContains", self.expect.body_contains.is_some()),
                ("bodyMatches", self.expect.body_matches.is_some()),
                ("json", !self.expect.json.is_empty()),
            ];
            for (field, _) in fields.into_iter().filter(|(_, given)| *given && self.method == Method::Head) {
                check.field(field, |check| check.refuse("is not possible: an answer to HEAD has no body"));
            }
        });
    }

    /// What a header says that the request says already.
    fn header(&self, header: &Header, check: &mut Check) {
        let Some(value) = &header.value else { return };
        let length = self.body.as_deref().unwrap_or_default().len();
        if header.name.eq_ignore_ascii_case("content-length") && value.trim().parse() != Ok(length) {
            let why = format!(
                "is not the length of `body`, which has {length} bytes; leave it out, then it is set automatically"
            );
            check.field("value", |check| check.refuse(why));
        }
    }
}

impl HttpExpect {
    fn validate(&self, check: &mut Check) {
        if self.status.is_empty() {
            check.field("status", |check| check.refuse("must name a status code; left out: \"200-399\""));
        }
        if let Some(text) = &self.body_contains {
            check.bounded("bodyContains", text, 4096);
        }
        if let Some(Err(error)) = self.body_matches.as_deref().map(pattern::compile) {
            check.field("bodyMatches", |check| check.refuse(error.to_string()));
        }
        check.each("json", &self.json, |check, json| {
            if json.equals.is_object() || json.equals.is_array() {
                check.field("equals", |check| check.refuse("must be text, a number, true, false or null"));
            }
        });
        if let Some(latency) = self.max_latency {
            check.positive("maxLatency", latency);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_status_is_a_code_or_a_range() {
        for text in ["200", "200-299", "100-599"] {
            assert_eq!(text.parse::<StatusRange>().expect(text).to_string(), text);
        }
        for bad in ["", "2xx", "99", "600", "299-200", "200-", "+200", "0200"] {
            assert!(bad.parse::<StatusRange>().is_err(), "{bad}");
        }
        assert_eq!(serde_json::from_str::<StatusRange>("204").expect("a code").to_string(), "204");
    }

    #[test]
    fn what_contradicts_itself_is_refused_where_it_is_declared() {
        for (probe, violations) in [
            (json!({"scheme": "https", "tls": {"serverName": "a.test"}}), &[][..]),
            (json!({"tls": {}}), &["tls: needs `scheme: https`"]),
            (json!({"path": "/health?verbose=1"}), &[]),
            (
                json!({"path": "/health?access_token=hunter2"}),
                &["path: seems to contain a secret: send it as a header, httpHeaders with valueFrom"],
            ),
            (json!({"httpHeaders": [{"name": "host", "value": "a.test:8443"}]}), &[]),
            (json!({"httpHeaders": [{"name": "Host", "value": "[::1]:80"}]}), &[]),
            (
                json!({"httpHeaders": [{"name": "Host", "value": "http://a.test/"}, {"name": "X", "value": "1"}]}),
                &["httpHeaders[0].value: is not a host such as shop.example or shop.example:8443"],
            ),
            (
                json!({"httpHeaders": [{"name": "Host", "value": "a"}, {"name": "HOST", "value": "b"}]}),
                &["httpHeaders: must contain Host at most once"],
            ),
            (
                json!({"method": "POST", "body": "état", "httpHeaders": [{"name": "content-length", "value": "5"}]}),
                &[],
            ),
            (
                json!({"method": "POST", "body": "état", "httpHeaders": [{"name": "Content-Length", "value": "4"}]}),
                &[
                    "httpHeaders[0].value: is not the length of `body`, which has 5 bytes; leave it out, then it is \
                    set automatically",
                ],
            ),
            (json!({"method": "HEAD", "expect": {"status": [200]}}), &[]),
            (
                json!({"method": "HEAD", "expect": {"bodyContains": "x", "json": [{"path": "$", "equals": 1}]}}),
                &[
                    "expect.bodyContains: is not possible: an answer to HEAD has no body",
                    "expect.json: is not possible: an answer to HEAD has no body",
                ],
            ),
        ] {
            let read: HttpProbe = serde_json::from_value(probe.clone()).expect("a probe");
            let mut check = Check::new();
            read.validate(&mut check);
            let found: Vec<String> = check
                .finish()
                .violations
                .iter()
                .map(|found| format!("{}: {}", found.path, found.message))
                .collect();
            assert_eq!(found, violations, "{probe}");
        }
    }
}
