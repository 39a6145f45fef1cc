//! A server that answers what a script says, and remembers what it was asked with all its headers.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::HeaderMap;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

#[derive(Clone, Debug)]
pub struct Asked {
    /// When it was answered.
    pub at: Instant,
    pub method: String,
    pub path: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl Asked {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// As in `POST /events`.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// Status and headers, without a body.
pub type Answer = (u16, Vec<(&'static str, String)>);

pub fn status(status: u16) -> Answer {
    (status, Vec::new())
}

type Script = Box<dyn Fn(&Asked, usize) -> Answer + Send + Sync>;

struct Inner {
    script: Script,
    asked: Mutex<Vec<Asked>>,
    gate: Semaphore,
    inside: AtomicUsize,
}

pub struct Scripted {
    address: SocketAddr,
    inner: Arc<Inner>,
    _serving: JoinSet<()>,
}

impl Scripted {
    /// `script` is given the call and how many came before it.
    pub async fn start(script: impl Fn(&Asked, usize) -> Answer + Send + Sync + 'static) -> Self {
        let scripted = Self::gated(script).await;
        scripted.open();
        scripted
    }

    /// The same, but no call is answered before [`Self::open`].
    pub async fn gated(script: impl Fn(&Asked, usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let inner = Arc::new(Inner {
            script: Box::new(script),
            asked: Mutex::default(),
            gate: Semaphore::new(0),
            inside: AtomicUsize::new(0),
        });
        let (address, mut serving) = (listener.local_addr().unwrap(), JoinSet::new());
        serving.spawn(serve(listener, inner.clone()));
        Self { address, inner, _serving: serving }
    }

    pub fn open(&self) {
        self.inner.gate.add_permits(1 << 20);
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Calls answered so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.inner.asked.lock().unwrap().clone()
    }

    /// Their first lines.
    pub fn lines(&self) -> Vec<String> {
        self.asked().iter().map(Asked::line).collect()
    }

    /// Calls waiting for an answer.
    pub fn inside(&self) -> usize {
        self.inner.inside.load(Ordering::SeqCst)
    }
}

async fn serve(listener: TcpListener, inner: Arc<Inner>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let inner = inner.clone();
        connections.spawn(async move {
            let service = service_fn(|request| answer(inner.clone(), request));
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(
    inner: Arc<Inner>,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    inner.inside.fetch_add(1, Ordering::SeqCst);
    inner.gate.acquire().await.unwrap().forget();
    inner.inside.fetch_sub(1, Ordering::SeqCst);
    let asked = Asked {
        at: Instant::now(),
        method: head.method.to_string(),
        path: head.uri.to_string(),
        headers: head.headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let mut all = inner.asked.lock().unwrap();
    let (status, headers) = (inner.script)(&asked, all.len());
    all.push(asked);
    let mut response = hyper::Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    Ok(response.body(Full::default()).unwrap())
}
