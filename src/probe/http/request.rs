//! What is sent: one request, written down for whichever version of HTTP the server chooses.

use bytes::Bytes;
use http::header::{
    ACCEPT, CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE,
    USER_AGENT,
};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, Request, Uri, Version};
use http_body_util::Full;
use rustls::pki_types::ServerName;
use secrecy::ExposeSecret;

use crate::probe::connect::ascii;
use crate::probe::{Failure, Here, Place, Steps, secret};
use crate::resource::Header;
use crate::resource::probe::http::{HttpProbe, Method, Scheme};

/// What belongs to one connection, and to HTTP/1.1 alone (RFC 9113, 8.2.2).
const OLD: [HeaderName; 5] =
    [CONNECTION, UPGRADE, TRANSFER_ENCODING, TE, HeaderName::from_static("keep-alive")];

/// A request that may be sent more than once.
pub(super) struct Prepared {
    method: http::Method,
    scheme: Scheme,
    /// Who is meant: the `Host` that is declared, else where it is asked.
    authority: Authority,
    path: PathAndQuery,
    headers: HeaderMap,
    body: Bytes,
    /// Where it is asked, for people.
    url: String,
    /// Whom TLS asks for.
    server: String,
    /// Whether a secret is in it.
    pub(super) secret: bool,
}

impl Prepared {
    pub(super) async fn of(probe: &HttpProbe, place: &Place, steps: &mut Steps) -> Result<Self, Failure> {
        let mut headers = HeaderMap::new();
        for header in &probe.http_headers {
            let (name, value) = header_of(header, steps).await?;
            headers.append(name, value);
        }
        // The library counts the body.
        headers.remove(CONTENT_LENGTH);
        let unfit =
            |what: &str| Failure::new(Here::Unsendable, format!("no request can be made of this: {what}"));
        let path = path(probe.path.as_deref().unwrap_or("/")).ok_or_else(|| unfit("the path"))?;
        let (name, default) = match probe.scheme {
            Scheme::Http => ("http", 80),
            Scheme::Https => ("https", 443),
        };
        // An address of IPv6 is bracketed, and the port left out where the scheme says it (RFC 9110, 4.2.1).
        let shown = Place { host: ascii(&place.host).into_owned(), ..place.clone() }.to_string();
        let shown = shown.strip_suffix(&format!(":{default}")).unwrap_or(&shown).to_owned();
        let host = match headers.remove(HOST) {
            Some(host) => host.to_str().map_err(|_| unfit("the Host"))?.to_owned(),
            None => shown.clone(),
        };
        let authority: Authority = host.parse().map_err(|_| unfit("the host"))?;
        let bare = authority.host().trim_matches(['[', ']']);
        // A `Host` that is no name in TLS is none to ask for.
        let server = if ServerName::try_from(bare).is_ok() { bare } else { place.host.as_str() };
        Ok(Self {
            method: method(probe.method),
            scheme: probe.scheme,
            path,
            headers,
            body: probe.body.clone().unwrap_or_default().into(),
            url: format!("{name}://{shown}{}", probe.path.as_deref().unwrap_or("/")),
            server: server.to_owned(),
            authority,
            secret: probe.http_headers.iter().any(|header| header.value_from.is_some()),
        })
    }

    /// What is asked, for people: it holds no secret.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Its method.
    pub(super) fn method(&self) -> &http::Method {
        &self.method
    }

    /// Whom TLS asks for, unless the probe says otherwise.
    pub(super) fn server(&self) -> &str {
        &self.server
    }

    /// What may be spoken, best first.
    pub(super) fn alpn(&self) -> &'static [&'static [u8]] {
        if OLD.iter().any(|name| self.headers.contains_key(name)) {
            &[b"http/1.1"]
        } else {
            &[b"h2", b"http/1.1"]
        }
    }

    /// The request as HTTP/1.1 has it, or HTTP/2.
    pub(super) fn request(&self, http2: bool) -> Result<Request<Full<Bytes>>, Failure> {
        let unfit =
            |error| Failure::new(Here::Unsendable, format!("no request can be made of this: {error}"));
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        let mut headers = HeaderMap::with_capacity(self.headers.len() + 4);
        let target = Uri::builder().path_and_query(self.path.clone());
        let target = if http2 {
            *request.version_mut() = Version::HTTP_2;
            let scheme = if self.scheme == Scheme::Https { "https" } else { "http" };
            // The host is the `:authority`; a `Host` beside it could differ (RFC 9113, 8.3.1).
            target.scheme(scheme).authority(self.authority.clone())
        } else {
            let host = HeaderValue::from_str(self.authority.as_str()).map_err(|error| unfit(error.into()))?;
            headers.insert(HOST, host);
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
            // The library counts no bytes of a body that is not there; some servers insist (RFC 9110, 8.6).
            if self.body.is_empty() && matches!(self.method, http::Method::POST | http::Method::PUT) {
                headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
            }
            target
        };
        *request.uri_mut() = target.build().map_err(unfit)?;
        headers.insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("portreeve-probe/", env!("CARGO_PKG_VERSION"))),
        );
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        for name in self.headers.keys() {
            headers.remove(name);
        }
        headers.extend(self.headers.clone());
        *request.headers_mut() = headers;
        Ok(request)
    }
}

async fn header_of(header: &Header, steps: &mut Steps) -> Result<(HeaderName, HeaderValue), Failure> {
    let unfit = || Failure::new(Here::Unsendable, format!("the header {} cannot be sent", header.name));
    let value = match (&header.value, &header.value_from) {
        (Some(value), _) => value.clone().into(),
        (None, Some(reference)) => secret(reference, steps).await?,
        (None, None) => return Err(unfit()),
    };
    let name: HeaderName = header.name.parse().map_err(|_| unfit())?;
    let mut sent = HeaderValue::from_str(value.expose_secret()).map_err(|_| unfit())?;
    sent.set_sensitive(header.value_from.is_some());
    Ok((name, sent))
}

/// As browsers send it: what cannot stand in a request line is escaped.
fn path(path: &str) -> Option<PathAndQuery> {
    let mut url = url::Url::parse("http://host/").ok()?;
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    url.set_path(path);
    url.set_query(query);
    url[url::Position::BeforePath..].parse().ok()
}

fn method(method: Method) -> http::Method {
    match method {
        Method::Get => http::Method::GET,
        Method::Head => http::Method::HEAD,
        Method::Post => http::Method::POST,
        Method::Put => http::Method::PUT,
        Method::Options => http::Method::OPTIONS,
    }
}
