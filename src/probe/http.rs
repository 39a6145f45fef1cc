//! `httpGet`: a request, and an answer that is as expected. As Kubernetes' probes it takes any certificate unless it carries
//! a secret: what it asks is whether the server works; `tls` asks about certificates. Redirects are not followed: whoever
//! answers there is somebody else, and `expect.status` says whether one is well.
//!
//! The measure is what curl and browsers accept from this machine. The verdict comes with the head of the answer where
//! nothing of its body is asked for.

use std::time::Duration;

use async_trait::async_trait;
use http::header::{LOCATION, RETRY_AFTER};
use http::{StatusCode, Version};
use tokio::time::{Instant, timeout};

use super::connect::tcp;
use super::duplex::Duplex;
use super::encrypted::{Demand, encrypt};
use super::{Cause, Failure, Here, Place, Protocol, Steps, Subject, There};
use crate::resource::probe::http::{HttpExpect, HttpProbe, Scheme};
use body::{Body, ContentError, values};
use ended::Heard;
use exchange::Exchange;
use expect::Sought;
use request::Prepared;

mod body;
mod dialect;
mod ended;
mod exchange;
mod expect;
mod request;

/// As much as is read of a body.
const LONGEST: usize = 1024 * 1024;
/// As much as is read, for so long, of the body of an unexpected answer: it may say what is wrong.
const LONGEST_EXCUSE: usize = 16 * 1024;
const PATIENCE: Duration = Duration::from_secs(2);
/// What nginx says, with status 400, to whoever has no certificate that it accepts.
const WANTS_CERTIFICATE: [&str; 2] = ["No required SSL certificate was sent", "The SSL certificate error"];
/// After so long without a word a body is looked at as if it were all.
const LULL: Duration = Duration::from_millis(50);

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
            Err(failure) => Err(excuse(failure, &self.expect, &mut exchange, steps).await),
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
            let (stream, http2, heard): (Box<dyn Duplex>, bool, Heard) = match self.scheme {
                Scheme::Http => (Box::new(stream), false, Heard::default()),
                Scheme::Https => {
                    let demand = Demand { settings: self.tls.as_ref(), secret: prepared.secret, alpn };
                    let stream = encrypt(stream, prepared.server(), &demand, steps).await?;
                    let http2 = stream.session().alpn_protocol() == Some(b"h2");
                    let heard = Heard::over(stream.last_word());
                    (Box::new(stream), http2, heard)
                }
            };
            steps.begin("request");
            match Exchange::begin(stream, heard, http2, prepared.request(http2)?).await {
                Ok(exchange) => {
                    let version = if exchange.version == Version::HTTP_2 { " over HTTP/2" } else { "" };
                    let (method, url) = (prepared.method(), prepared.url());
                    steps.end(format!("{method} {url}: {}{version}", exchange.status));
                    return Ok(exchange);
                }
                Err(ended) if ended.wants_http_1() => {
                    steps.end("the server wants HTTP/1.1");
                    alpn = &[b"http/1.1"];
                }
                Err(ended) => return Err(ended.unanswered(prepared.url())),
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
        let mut sought = Sought::of(&self.expect);
        loop {
            let next = match timeout(LULL, exchange.next()).await {
                Ok(next) => next,
                // What has come may be all for a while.
                Err(_) if sought.is_found(&mut body, true) => break,
                Err(_) => exchange.next().await,
            };
            let Some(piece) = next else {
                body.end();
                break;
            };
            let piece = piece.map_err(|ended| ended.broken_off(prepared.url(), body.length()))?;
            body.push(&piece).map_err(unread)?;
            if body.is_full() || sought.is_found(&mut body, false) {
                break;
            }
        }
        steps.end(format!("{} bytes in {} ms", body.length(), began.elapsed().as_millis()));
        steps.begin("expect");
        expect::body(&self.expect, &body)
    }
}

/// With what the answer says of what is wrong, where that comes soon.
async fn excuse(
    failure: Failure,
    expect: &HttpExpect,
    exchange: &mut Exchange,
    steps: &mut Steps,
) -> Failure {
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
    // nginx says its own 495 and 496 so.
    let wants_certificate = || WANTS_CERTIFICATE.iter().any(|words| body.text().contains(words));
    if exchange.status == StatusCode::BAD_REQUEST && wants_certificate() {
        let cause = Cause::from(There::WantsCertificate);
        let reason = format!("{}, got 400: {cause}", expect::expected(expect));
        return Failure::new(cause, reason).saying(body.text());
    }
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
