//! `httpGet`: a request, and an answer that is as expected. As Kubernetes' probes it follows no redirects and takes any
//! certificate: what it asks is whether the server works; `tls` asks about certificates.

mod content;
mod text;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use regex::Regex;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret;
use tokio::time::Instant;

use super::connect::{plain, seen};
use super::steps::shown;
use super::{Cause, Failure, Here, Place, Protocol, Steps, Subject, There, secret};
use crate::outbox::address::Guarded;
use crate::resource::probe::http::{HttpExpect, HttpProbe, Method, Scheme};
use crate::resource::{Header, same};

/// As much as is read of a body.
const LONGEST: usize = 1024 * 1024;
/// As much of an unwanted body is read to use the connection again.
const UNWANTED: usize = 64 * 1024;

#[async_trait]
impl Protocol for HttpProbe {
    fn port(&self) -> Option<u16> {
        Some(self.port.unwrap_or(match self.scheme {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }))
    }

    fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    async fn attempt(&self, subject: &Subject<'_>, steps: &mut Steps) -> Result<(), Failure> {
        let request = request(self, subject.place()?, steps).await?;
        steps.begin("request");
        let began = Instant::now();
        let url = request.url().clone();
        let mut answer = client()?.execute(request).await.map_err(|error| unanswered(&url, &error))?;
        steps.end(format!("{} {url}: {}", method(self.method), answer.status()));
        let status = answer.status().as_u16();
        let expect = &self.expect;
        let wanted =
            expect.body_contains.is_some() || expect.body_matches.is_some() || !expect.json.is_empty();
        // The body of an unexpected answer says what went wrong.
        let accepted = expect.status.iter().any(|range| (range.from..=range.to).contains(&status));
        let most = if wanted || !accepted { LONGEST } else { UNWANTED };
        steps.begin("receive");
        let mut body = Vec::new();
        while body.len() < most {
            match answer.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(error) => return Err(unanswered(&url, &error)),
            }
        }
        let took = began.elapsed();
        steps.end(format!("{} bytes in {} ms", body.len(), took.as_millis()));
        steps.begin("expect");
        let retry_after = answer.headers().contains_key("retry-after");
        judge(expect, (status, retry_after), &String::from_utf8_lossy(&body), took)?;
        steps.end("as expected");
        Ok(())
    }
}

async fn request(probe: &HttpProbe, place: &Place, steps: &mut Steps) -> Result<reqwest::Request, Failure> {
    let scheme = match probe.scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
    };
    let url = format!("{scheme}://{place}{}", probe.path.as_deref().unwrap_or("/"));
    let mut request =
        client()?.request(method(probe.method), url).headers(headers(&probe.http_headers, steps).await?);
    if let Some(body) = &probe.body {
        request = request.body(body.clone());
    }
    request
        .build()
        .map_err(|error| Failure::new(Here::Unsendable, format!("no request can be made of this: {error}")))
}

async fn headers(declared: &[Header], steps: &mut Steps) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    for header in declared {
        let unfit = || Failure::new(Here::Unsendable, format!("the header {} cannot be sent", header.name));
        let value = match (&header.value, &header.value_from) {
            (Some(value), _) => value.clone().into(),
            (None, Some(reference)) => secret(reference, steps).await?,
            (None, None) => return Err(unfit()),
        };
        let name: HeaderName = header.name.parse().map_err(|_| unfit())?;
        headers.append(name, HeaderValue::from_str(value.expose_secret()).map_err(|_| unfit())?);
    }
    Ok(headers)
}

fn method(method: Method) -> reqwest::Method {
    match method {
        Method::Get => reqwest::Method::GET,
        Method::Head => reqwest::Method::HEAD,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Options => reqwest::Method::OPTIONS,
    }
}

/// What is not as expected: what was, and what came.
fn judge(
    expect: &HttpExpect,
    (status, retry_after): (u16, bool),
    body: &str,
    took: Duration,
) -> Result<(), Failure> {
    let unexpected = |reason: String| Failure::new(There::Unexpected, reason);
    if !expect.status.iter().any(|range| (range.from..=range.to).contains(&status)) {
        let wanted: Vec<String> = expect.status.iter().map(ToString::to_string).collect();
        let expected = format!("status {}", wanted.join(" or "));
        return Err(Failure::got(Cause::Http { status, retry_after }, &expected).saying(body));
    }
    if let Some(text) = expect.body_contains.as_ref().filter(|text| !body.contains(text.as_str())) {
        return Err(unexpected(format!("expected a body with {:?}, got another", shown(text))).saying(body));
    }
    if let Some(pattern) = &expect.body_matches {
        // It was checked when it was declared.
        let matches = Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(body));
        if !matches {
            return Err(
                unexpected(format!("expected a body that matches {pattern:?}, got another")).saying(body)
            );
        }
    }
    if !expect.json.is_empty() {
        let document: serde_json::Value = serde_json::from_str(body).map_err(|error| {
            unexpected(format!("expected JSON, got something else ({error})")).saying(body)
        })?;
        for wanted in &expect.json {
            let expected = || format!("expected {} at {}", wanted.equals, wanted.path);
            match wanted.path.find(&document) {
                Ok(found) if same(found, &wanted.equals) => {}
                Ok(found) => {
                    let reason = format!("{}, found something else", expected());
                    return Err(unexpected(reason).saying(found.to_string()));
                }
                Err(astray) => return Err(unexpected(format!("{}, found nothing: {astray}", expected()))),
            }
        }
    }
    match expect.max_latency {
        Some(limit) if took > limit.get() => {
            let reason = format!("expected an answer within {limit}, it took {} ms", took.as_millis());
            Err(Failure::new(There::Slow, reason))
        }
        _ => Ok(()),
    }
}

/// One client for all probes, so that connections are used again.
fn client() -> Result<&'static reqwest::Client, Failure> {
    static CLIENT: OnceLock<reqwest::Client> = OnceLock::new();
    if let Some(client) = CLIENT.get() {
        return Ok(client);
    }
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .dns_resolver(Arc::new(Guarded))
        .user_agent(concat!("portreeve-probe/", env!("CARGO_PKG_VERSION")))
        .tls_danger_accept_invalid_certs(true)
        .pool_idle_timeout(Duration::from_secs(90))
        .pool_max_idle_per_host(1)
        .no_proxy()
        .build()
        .map_err(|error| Failure::new(Here::Trust, format!("no HTTP client can be made: {error}")))?;
    Ok(CLIENT.get_or_init(|| client))
}

/// Why there was no answer, in the words of its innermost cause. The URL was declared and holds no secret.
fn unanswered(url: &reqwest::Url, error: &reqwest::Error) -> Failure {
    let mut innermost: &dyn std::error::Error = error;
    let mut system = None;
    while let Some(source) = innermost.source() {
        innermost = source;
        system = innermost.downcast_ref::<std::io::Error>().or(system);
    }
    let (cause, why) = match system {
        Some(error) => match seen(error) {
            cause @ Cause::There(There::NotTls) => (cause, "the server does not speak TLS there".to_owned()),
            cause => (cause, plain(error)),
        },
        None => (There::Nonsense.into(), innermost.to_string()),
    };
    Failure::new(cause, format!("no answer from {url}: {why}"))
}
