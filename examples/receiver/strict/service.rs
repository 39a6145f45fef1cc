//! One of the two services on a port of its own: HTTP/1.1 with connections kept open, and a switch that takes it
//! off the network.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use super::Shared;
use super::book::{Call, Which};
use super::connection::Connection;
use super::contract::{self, Request};
use super::faults::{Draws, Fault, Faults};

/// Longer than any caller's time limit.
const HANG: Duration = Duration::from_secs(60);

/// One service; it serves until it is dropped.
pub struct Service {
    address: SocketAddr,
    inner: Arc<Inner>,
    serving: Mutex<Option<JoinHandle<()>>>,
}

struct Inner {
    which: Which,
    shared: Arc<Shared>,
    draws: Mutex<Draws>,
    /// Off the network: connections end by a reset.
    down: Arc<AtomicBool>,
}

impl Service {
    pub(super) async fn listen(which: Which, address: &str, shared: Arc<Shared>) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let inner = Inner { which, shared, draws: Mutex::default(), down: Arc::default() };
        let service =
            Self { address: listener.local_addr()?, inner: Arc::new(inner), serving: Mutex::default() };
        service.serve(listener);
        Ok(service)
    }

    /// As in `http://127.0.0.1:34567`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on calls fail like this; `Faults::default()` ends it.
    pub fn faults(&self, faults: Faults) {
        *lock(&self.inner.draws) = Draws::new(faults);
    }

    /// Takes it off the network: open connections are reset, new ones refused. It forgets nothing.
    pub async fn down(&self) {
        self.inner.down.store(true, Ordering::SeqCst);
        let serving = lock(&self.serving).take();
        if let Some(serving) = serving {
            serving.abort();
            let _ = serving.await;
        }
    }

    /// Puts it back, on the same port.
    pub async fn up(&self) -> io::Result<()> {
        if lock(&self.serving).is_none() {
            let listener = TcpListener::bind(self.address).await?;
            self.inner.down.store(false, Ordering::SeqCst);
            self.serve(listener);
        }
        Ok(())
    }

    fn serve(&self, listener: TcpListener) {
        let inner = Arc::clone(&self.inner);
        let task = tokio::spawn(async move {
            // Dropped with this task, and the connections with it.
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    Ok((stream, _)) = listener.accept() => {
                        let connection = Connection::new(stream, Arc::clone(&inner.down));
                        connections.spawn(connection_loop(Arc::clone(&inner), connection));
                    }
                    Some(_) = connections.join_next() => {}
                    // Out of descriptors, with no connection to end: try again a moment later.
                    else => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        });
        *lock(&self.serving) = Some(task);
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(serving) = lock(&self.serving).take() {
            serving.abort();
        }
    }
}

async fn connection_loop(inner: Arc<Inner>, connection: Connection) {
    let reset = connection.resetter();
    let service = service_fn(|request| {
        let (inner, reset) = (Arc::clone(&inner), Arc::clone(&reset));
        async move {
            match inner.answer(request).await {
                Some(response) => Ok(response),
                None => {
                    // The connection is dropped for this error, and resets because of the flag.
                    reset.store(true, Ordering::SeqCst);
                    Err(io::Error::from(io::ErrorKind::ConnectionReset))
                }
            }
        }
    });
    let _ =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(connection), service).await;
}

impl Inner {
    /// `None`: reset instead of an answer.
    async fn answer(&self, request: hyper::Request<Incoming>) -> Option<hyper::Response<Full<Bytes>>> {
        let header = |name: HeaderName| Some(request.headers().get(name)?.to_str().ok()?.to_owned());
        let mut call = Request {
            method: request.method().to_string(),
            path: request.uri().path_and_query().map(ToString::to_string).unwrap_or_default(),
            content_type: header(CONTENT_TYPE),
            authorization: header(AUTHORIZATION),
            key: header(HeaderName::from_static("idempotency-key")),
            body: String::new(),
        };
        // A caller that leaves in the middle of its request has not called.
        let body = request.into_body().collect().await.ok()?.to_bytes();
        call.body = String::from_utf8_lossy(&body).into_owned();

        let drawn = lock(&self.draws).draw(&call);
        let retry_after = lock(&self.draws).retry_after();
        let call = self.decide(call, drawn);
        self.shared.record(&call);
        if call.fault == Some(Fault::HangAfter) {
            tokio::time::sleep(HANG).await;
        }
        let mut response = hyper::Response::builder().status(call.status?);
        if call.fault == Some(Fault::Busy429) {
            response = response.header(RETRY_AFTER, retry_after);
        }
        response.body(Full::new(Bytes::from(call.violation.unwrap_or_default()))).ok()
    }

    /// Checks the call, does it unless its fault prevents that, and says how it is answered.
    fn decide(&self, request: Request, fault: Option<Fault>) -> Call {
        let at = Instant::now();
        let operation = match self.which {
            Which::Discovery => contract::discovery(&request),
            Which::Billing => contract::billing(&request),
        };
        let mut state = lock(&self.shared.state);
        let checked = operation.and_then(|operation| {
            state.check_key(&operation, &request)?;
            let done = match fault {
                Some(fault) if !fault.commits() => None,
                _ => Some(state.commit(&operation, self.shared.accept_again)?),
            };
            Ok((operation, done))
        });
        let which = self.which;
        match checked {
            // What breaks the contract hears so, whatever was drawn.
            Err(violation) => {
                let (status, violation) = (Some(400), Some(violation));
                Call { at, which, request, operation: None, status, fault: None, violation }
            }
            Ok((operation, done)) => {
                let status = match fault {
                    None => done,
                    Some(Fault::ResetBefore | Fault::ResetAfter | Fault::HangAfter) => None,
                    Some(Fault::Error500) => Some(500),
                    Some(Fault::Conflict409) => Some(409),
                    Some(Fault::Busy429) => Some(429),
                };
                Call { at, which, request, operation: Some(operation), status, fault, violation: None }
            }
        }
    }
}

/// Nothing panics under these locks; if it did, what was recorded still counts.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
