//! `httpGet`: a request, and an answer that is as expected. As Kubernetes' probes it takes any certificate unless it carries
//! a secret: what it asks is whether the server works; `tls` asks about certificates. Redirects are not followed: whoever
//! answers there is somebody else, and `expect.status` says whether one is well.
//!
//! The measure is what curl and browsers accept from this machine. The verdict comes with the head of the answer where
//! nothing of its body is asked for.

use std::time::Duration;

use async_trait::async_trait;
use http::Version;
use http::header::{LOCATION, RETRY_AFTER};
use tokio::time::{Instant, timeout};

use super::connect::{plain, seen, tcp};
use super::encrypted::{Demand, encrypt};
use super::wire::Duplex;
use super::{Cause, Failure, Here, Place, Protocol, Steps, Subject, There};
use crate::resource::probe::http::{HttpProbe, Scheme};
use body::{Body, ContentError, values};
use exchange::Exchange;
use request::Prepared;

mod body;
mod exchange;
mod expect;
mod request;

/// As much as is read of a body.
const LONGEST: usize = 1024 * 1024;
/// As much as is read, for so long, of the body of an unexpected answer: it may say what is wrong.
const LONGEST_EXCUSE: usize = 16 * 1024;
const PATIENCE: Duration = Duration::from_secs(2);

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

    fn is_clear(&self) -> bool {
        self.scheme == Scheme::Http
    }

    async fn attempt(&self, subject: &Subject<'_>, steps: &mut Steps) -> Result<(), Failure> {
        let place = subject.place()?;
        let prepared = Prepared::of(self, place, steps).await?;
        let began = Instant::now();
        let mut exchange = self.exchange(&prepared, place, steps).await?;
        let retry_after = exchange.headers.contains_key(RETRY_AFTER);
        let judged = expect::status(&self.expect, exchange.status.as_u16(), retry_after);
        let judged = match judged {
            Err(failure) => Err(excuse(failure, &mut exchange, steps).await),
            Ok(()) if expect::wants_body(&self.expect) => self.body(&mut exchange, &prepared, steps).await,
            Ok(()) => Ok(()),
        };
        let took = began.elapsed();
        exchange.end().await;
        judged?;
        steps.begin("expect");
        expect::latency(&self.expect, took)?;
        steps.end("as expected");
        Ok(())
    }
}

impl HttpProbe {
    /// The head of the answer.
    async fn exchange(
        &self,
        prepared: &Prepared,
        place: &Place,
        steps: &mut Steps,
    ) -> Result<Exchange, Failure> {
        let mut alpn = prepared.alpn();
        loop {
            let stream = tcp(place, steps).await?;
            let (stream, http2): (Box<dyn Duplex>, bool) = match self.scheme {
                Scheme::Http => (Box::new(stream), false),
                Scheme::Https => {
                    let demand = Demand { settings: self.tls.as_ref(), secret: prepared.secret, alpn };
                    let stream = encrypt(stream, prepared.server(), &demand, steps).await?;
                    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                    (Box::new(stream), http2)
                }
            };
            steps.begin("request");
            match Exchange::begin(stream, http2, prepared.request(http2)?).await {
                Ok(exchange) => {
                    let version = if exchange.version == Version::HTTP_2 { " over HTTP/2" } else { "" };
                    let (method, url) = (prepared.method(), prepared.url());
                    steps.end(format!("{method} {url}: {}{version}", exchange.status));
                    return Ok(exchange);
                }
                // RFC 9113, 7.
                Err(error) if exchange::http2_code(&error) == Some(h2::Reason::HTTP_1_1_REQUIRED) => {
                    steps.end("the server wants HTTP/1.1");
                    alpn = &[b"http/1.1"];
                }
                Err(error) => return Err(unanswered(prepared.url(), &error)),
            }
        }
    }

    /// What is declared of the body, read as far as that needs.
    async fn body(
        &self,
        exchange: &mut Exchange,
        prepared: &Prepared,
        steps: &mut Steps,
    ) -> Result<(), Failure> {
        steps.begin("receive");
        let began = Instant::now();
        let mut body = Body::of(&exchange.headers, LONGEST).map_err(unread)?;
        let enough = self.expect.body_contains.as_ref().filter(|_| !expect::wants_all(&self.expect));
        while let Some(piece) = exchange.next().await {
            let piece = piece.map_err(|error| broken_off(prepared.url(), body.length(), &error))?;
            body.push(&piece).map_err(unread)?;
            if body.is_full() || enough.is_some_and(|wanted| body.contains(wanted)) {
                break;
            }
        }
        body.end();
        steps.end(format!("{} bytes in {} ms", body.length(), began.elapsed().as_millis()));
        steps.begin("expect");
        expect::body(&self.expect, &body)
    }
}

/// With what the answer says of what is wrong, where that comes soon.
async fn excuse(failure: Failure, exchange: &mut Exchange, steps: &mut Steps) -> Failure {
    let place = values(&exchange.headers, LOCATION).next().filter(|_| exchange.status.is_redirection());
    let place = place.map(|place| format!("Location: {place} "));
    let failure = match place {
        Some(_) => Failure { reason: format!("{}; redirects are not followed", failure.reason), ..failure },
        None => failure,
    };
    let said = place.unwrap_or_default();
    let Ok(mut body) = Body::of(&exchange.headers, LONGEST_EXCUSE) else { return failure.saying(said) };
    // Should the time be over before it has come.
    steps.conclude(failure.clone().saying(said.clone()));
    let read = async {
        while let Some(Ok(piece)) = exchange.next().await
            && body.push(&piece).is_ok()
            && !body.is_full()
        {}
    };
    // What has come by then is told.
    let _ = timeout(PATIENCE, read).await;
    body.end();
    failure.saying(said + body.text())
}

/// Why a body is not read.
fn unread(error: ContentError) -> Failure {
    let cause: Cause = match error {
        ContentError::Unknown(_) => Here::Unsupported.into(),
        ContentError::Broken(_) => There::Nonsense.into(),
    };
    Failure::new(cause, error.to_string())
}

/// Why there was no answer, in the words of its innermost cause. The URL was declared and holds no secret.
fn unanswered(url: &str, error: &hyper::Error) -> Failure {
    let (cause, why) = reason(error);
    Failure::new(cause, format!("no answer from {url}: {why}"))
}

/// Why there was less of an answer than it said.
fn broken_off(url: &str, after: usize, error: &hyper::Error) -> Failure {
    let (cause, why) = match (exchange::io_error(error), exchange::http2_code(error)) {
        (Some(error), _) => (seen(error), plain(error)),
        (None, Some(code)) => (Cause::Http2(code.into()), format!("{code:?}")),
        (None, None) => (There::Broken.into(), "it is cut off, or not what HTTP has there".to_owned()),
    };
    // It has said something.
    let cause = if cause == There::HungUp.into() { There::Broken.into() } else { cause };
    Failure::new(cause, format!("the answer from {url} broke off after {after} bytes: {why}"))
}

fn reason(error: &hyper::Error) -> (Cause, String) {
    if let Some(error) = exchange::io_error(error) {
        return (seen(error), plain(error));
    }
    if let Some(code) = exchange::http2_code(error) {
        let cause = Cause::Http2(code.into());
        let why = cause.to_string();
        return (cause, why);
    }
    if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        return (There::HungUp.into(), "the connection was closed".to_owned());
    }
    if error.is_parse_too_large() {
        return (There::Nonsense.into(), "its head is too long".to_owned());
    }
    if error.is_parse() {
        return (There::Nonsense.into(), "what came is not HTTP".to_owned());
    }
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    (There::Broken.into(), innermost.to_string())
}
