//! One plain HTTP request at a time, for looking at what a server answers.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::HOST;
use hyper::{HeaderMap, Method, Request};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Response {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("not JSON ({e}): {}", self.body))
    }
}

/// An answer, or why there is none (`refused`, `reset`, a time-out), as text: a server that is just coming up
/// is a normal sight.
pub async fn request(
    method: Method,
    url: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Response, String> {
    within(url, exchange(method, url, headers, body)).await
}

/// The same over a Unix socket.
pub async fn request_over(
    socket: &Path,
    method: Method,
    url: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Response, String> {
    within(url, async {
        let stream = UnixStream::connect(socket).await;
        let stream = stream.map_err(|e| format!("{}: {e}", socket.display()))?;
        exchange_on(stream, method, url, headers, body).await
    })
    .await
}

/// A plain request on a connection that is there.
pub async fn request_on(stream: TcpStream, method: Method, url: &str) -> Result<Response, String> {
    within(url, exchange_on(stream, method, url, &[], "")).await
}

async fn within(
    url: &str,
    exchange: impl Future<Output = Result<Response, String>>,
) -> Result<Response, String> {
    tokio::time::timeout(Duration::from_secs(20), exchange)
        .await
        .map_err(|_| format!("{url}: no answer in 20 s"))?
}

pub async fn get(url: &str) -> Result<Response, String> {
    request(Method::GET, url, &[], "").await
}

async fn exchange(
    method: Method,
    url: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Response, String> {
    let (authority, _) = parts(url)?;
    let stream = TcpStream::connect(authority).await.map_err(|e| format!("{url}: {e}"))?;
    exchange_on(stream, method, url, headers, body).await
}

/// Authority and path.
fn parts(url: &str) -> Result<(&str, &str), String> {
    let rest = url.strip_prefix("http://").ok_or_else(|| format!("{url}: only http:// here"))?;
    Ok(rest.find('/').map_or((rest, "/"), |at| rest.split_at(at)))
}

async fn exchange_on(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    method: Method,
    url: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Response, String> {
    let failed = |e: &dyn std::fmt::Display| format!("{url}: {e}");
    let (authority, path) = parts(url)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| failed(&e))?;
    let driver = tokio::spawn(connection);

    let mut request = Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        request = request.header(HOST, authority);
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::from(body.to_owned()))).map_err(|e| failed(&e))?;
    let answer = sender.send_request(request).await.map_err(|e| failed(&e))?;
    let (head, body) = answer.into_parts();
    let body = body.collect().await.map_err(|e| failed(&e))?.to_bytes();
    driver.abort();
    Ok(Response {
        status: head.status.as_u16(),
        headers: head.headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}
