//! One HTTP call: bounded in time, no redirects followed, connections reused, answers not read beyond their head.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Url};
use secrecy::ExposeSecret;
use sha2::Sha256;

use super::DeliveryError;
use super::credentials::{self, Authorisation};
use crate::guard::Guard;
use crate::resource::{Auth, SecretRef};
use crate::tls;

/// Shared clients, each built with its first call: without certificate authorities the one for HTTPS cannot be built
/// (they may be mounted later), and plain HTTP must not suffer.
#[derive(Clone, Debug, Default)]
pub struct HttpClient(Arc<Clients>);

#[derive(Debug, Default)]
struct Clients {
    guard: Guard,
    plain: OnceLock<reqwest::Client>,
    tls: OnceLock<reqwest::Client>,
}

/// Bytes of an answer that are read, and dropped, to be able to use its connection again.
const LONGEST_ANSWER: usize = 64 * 1024;
/// How long that may take.
const READING: Duration = Duration::from_millis(200);
/// Bytes of a refusal that are looked at, to see whether it is of the port and not of the service.
const LOOKED_AT: usize = 4 * 1024;

/// What is sent.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub method: Method,
    pub url: Url,
    pub body: Option<Vec<u8>>,
    pub headers: Vec<(&'static str, String)>,
    pub timeout: Duration,
    pub auth: Option<&'a Auth>,
    pub signing: Option<&'a SecretRef>,
}

impl HttpClient {
    /// A client for what `guard` lets be reached, with the secrets that it lets be read.
    pub fn new(guard: Guard) -> Self {
        Self(Arc::new(Clients { guard, ..Clients::default() }))
    }

    async fn client(&self, url: &Url) -> Result<&reqwest::Client, String> {
        let plain = url.scheme() == "http";
        let cell = if plain { &self.0.plain } else { &self.0.tls };
        if let Some(client) = cell.get() {
            return Ok(client);
        }
        let builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .dns_resolver(self.0.guard.resolver())
            .user_agent(concat!("portreeve/", env!("CARGO_PKG_VERSION")))
            .pool_idle_timeout(Duration::from_secs(60))
            .no_proxy();
        // Without redirects a plain call never comes to need an authority.
        let builder = if plain {
            builder.tls_certs_only([])
        } else {
            builder.tls_backend_preconfigured(trusting().await?)
        };
        let client = builder.build().map_err(|error| reason(&error, url))?;
        Ok(cell.get_or_init(|| client))
    }

    /// Makes a call; success is any 2xx. Nothing of the answer's body is kept.
    pub(super) async fn send(&self, call: Call<'_>) -> Result<(), DeliveryError> {
        let Call { method, url, body, headers, timeout, auth, signing } = call;
        let guard = &self.0.guard;
        let asked = asked(&method, &url);
        let lost = |why| DeliveryError::Transport { asked: asked.clone(), why };
        let secret = |source| DeliveryError::Secret { asked: asked.clone(), source };
        guard.check(&url).map_err(|error| DeliveryError::Url(format!("is not used: {error}")))?;
        let client = self.client(&url).await.map_err(lost)?;
        let mut request = client.request(method, url.clone()).timeout(timeout);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request = match credentials::authorisation(guard, auth).await.map_err(secret)? {
            Authorisation::None => request,
            Authorisation::Bearer(secret) => request.bearer_auth(secret.expose_secret()),
            Authorisation::Basic(user, password) => request.basic_auth(user, Some(password.expose_secret())),
        };
        if let Some(body) = body {
            if let Some(key) = signing {
                let key = guard.secret(key).await.map_err(secret)?;
                request = request.headers(signature(key.expose_secret().as_bytes(), &body));
            }
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let mut answer = request.send().await.map_err(|error| lost(reason(&error, &url)))?;
        let status = answer.status();
        if status.is_success() {
            // The connection can be used again once the answer has been read; a long one is not worth it.
            let read = async {
                let mut left = LONGEST_ANSWER;
                while let Ok(Some(chunk)) = answer.chunk().await {
                    left = left.saturating_sub(chunk.len());
                    if left == 0 {
                        break;
                    }
                }
            };
            let _ = tokio::time::timeout(READING, read).await;
            return Ok(());
        }
        if status == reqwest::StatusCode::BAD_REQUEST && url.scheme() == "http" {
            // The service did not hear it: it is no refusal.
            if tls::asks_for_tls(&beginning(&mut answer).await) {
                return Err(lost(format!("HTTP {}: {}", status.as_u16(), tls::WITH)));
            }
        }
        let retry_after = retry_after(answer.headers());
        Err(DeliveryError::Status { asked, status: status.as_u16(), retry_after })
    }
}

/// The beginning of an answer's body, as far as it comes at once.
async fn beginning(answer: &mut reqwest::Response) -> String {
    let mut seen = Vec::new();
    let read = async {
        while let Ok(Some(chunk)) = answer.chunk().await {
            seen.extend_from_slice(&chunk[..chunk.len().min(LOOKED_AT - seen.len())]);
            if seen.len() == LOOKED_AT {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(READING, read).await;
    String::from_utf8_lossy(&seen).into_owned()
}

fn signature(key: &[u8], body: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    // HMAC takes keys of any length.
    if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) {
        mac.update(body);
        let value = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static("x-portreeve-signature"), value);
        }
    }
    headers
}

/// `Retry-After` as seconds or as an HTTP date (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_nanosecond();
    let wait = at - i128::from(crate::clock::now().0);
    Some(Duration::from_nanos(u64::try_from(wait).unwrap_or(0)))
}

/// TLS that trusts what everything of ours trusts.
async fn trusting() -> Result<rustls::ClientConfig, String> {
    let client = |trust| tls::client(tls::Verifier::new(trust, tls::Names::Judged), &[b"h2", b"http/1.1"]);
    let client = tls::Trust::system().await.and_then(client);
    client.map_err(|error| error.to_string())
}

/// `POST https://billing:8001/events`: without user, password, query and fragment, which may hold a secret.
fn asked(method: &Method, url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{method} {}://{host}{port}{}", url.scheme(), url.path())
}

/// The innermost cause without the URL, which may hold a token.
fn reason(error: &reqwest::Error, url: &Url) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    if let Some(why) = tls::refused(error, url.host_str().unwrap_or_default()) {
        return why;
    }
    if tls::is_plain(error) {
        return tls::WITHOUT.to_owned();
    }
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    if std::ptr::eq(innermost, error as &dyn std::error::Error) {
        return "the call could not be made".to_owned();
    }
    let why = innermost.to_string();
    if url.scheme() == "http" && tls::is_no_http(&why) {
        return tls::NO_HTTP.to_owned();
    }
    why
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_signed_with_hmac_sha256() {
        // RFC 4231, test case 2.
        let headers = signature(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(
            headers["x-portreeve-signature"],
            "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn what_was_asked_is_told_without_what_may_be_secret() {
        for (url, told) in [
            (
                "http://me:secret@billing:8001/v2/events?token=secret#secret",
                "POST http://billing:8001/v2/events",
            ),
            ("https://[::1]/", "POST https://[::1]/"),
        ] {
            assert_eq!(asked(&Method::POST, &url.parse().expect(url)), told);
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let headers =
            |text: &'static str| HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(text))]);
        assert_eq!(retry_after(&headers("120")), Some(Duration::from_secs(120)));
        assert_eq!(retry_after(&headers("Sun, 06 Nov 1994 08:49:37 GMT")), Some(Duration::ZERO));
        assert_eq!(retry_after(&headers("soon")), None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
