//! Serving connections: of TCP and of the Unix socket alike, each with what is known of its other end, none for longer
//! than it is used.
//!
//! # Guarantees
//! - Whoever sends no request, or sends one slowly, is cut off by time before anything is known of it.
//! - The number of connections is bounded, in all and for one address; at the bound the longest-idle one is closed, since
//!   behind NAT all clients share one address and a refusal would hit the wrong one.
//! - With `stop` nothing new is taken, and answers in hand have a moment to finish.

mod activity;
mod connections;
mod socket;

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;
use tracing::warn;

use self::activity::{Activity, Counted, Tracked};
use self::connections::{Connections, Source};
use super::caller::Peer;
use crate::config::HttpLimits;

pub use self::socket::{Socket, SocketError};

/// How long answers in hand may take once everything stops.
const LAST_ANSWERS: Duration = Duration::from_secs(3);
/// Streams that one HTTP/2 connection may have open, and the largest headers of a request on one, in bytes.
const STREAMS: u32 = 64;
const HEADERS: u32 = 64 * 1024;
/// The largest headers of an HTTP/1 request, in bytes.
const BUFFER: usize = 192 * 1024;
/// Between two tries to take a connection when the system has no room for one.
const AGAIN: Duration = Duration::from_millis(100);

/// What is listened on.
#[derive(Debug)]
pub struct Listeners {
    /// TCP.
    pub tcp: TcpListener,
    /// The Unix socket, where there is one.
    pub socket: Option<Socket>,
}

/// Takes connections from somewhere.
trait Accept: Send + Sync + 'static {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, Peer)>> + Send;
}

impl Accept for TcpListener {
    type Stream = tokio::net::TcpStream;

    async fn accept(&self) -> io::Result<(Self::Stream, Peer)> {
        let (stream, peer) = Self::accept(self).await?;
        // Small answers are not to wait for others.
        let _ = stream.set_nodelay(true);
        Ok((stream, Peer::Tcp(peer)))
    }
}

impl Accept for UnixListener {
    type Stream = tokio::net::UnixStream;

    async fn accept(&self) -> io::Result<(Self::Stream, Peer)> {
        let (stream, _) = Self::accept(self).await?;
        let uid = stream.peer_cred()?.uid();
        Ok((stream, Peer::Unix { uid }))
    }
}

/// Serves `router` on all of `listeners` until `stop`, and then finishes what is in hand for a moment.
pub(super) async fn serve(router: Router, listeners: Listeners, limits: HttpLimits, stop: CancellationToken) {
    let Listeners { tcp, socket } = listeners;
    let server = Arc::new(Server {
        router,
        limits,
        connections: Arc::new(Connections::new(limits.connections, limits.connections_per_address)),
        stop,
        tasks: TaskTracker::new(),
    });
    let over_socket = async {
        if let Some(Socket { listener, file }) = socket {
            server.take(&listener).await;
            // While it is listened on nobody else takes the file for stale, and it is surely ours.
            drop(file);
        }
    };
    tokio::join!(server.take(&tcp), over_socket);
    server.tasks.close();
    // Those that do not end are let go with the process.
    let _ = tokio::time::timeout(LAST_ANSWERS, server.tasks.wait()).await;
}

struct Server {
    router: Router,
    limits: HttpLimits,
    connections: Arc<Connections>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Server {
    /// Takes connections until all stops.
    async fn take<L: Accept>(self: &Arc<Self>, listener: &L) {
        loop {
            let accepted = tokio::select! {
                () = self.stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let server = self.clone();
                    self.tasks.spawn(async move { server.connection(stream, peer).await });
                }
                // It was gone before it was taken.
                Err(error) if is_the_clients(&error) => {}
                Err(error) => {
                    // No descriptors, most likely: room is made as at a bound of our own.
                    warn!(target: "portreeve::api", "no connection can be taken: {error}; the longest-idle one is closed");
                    self.connections.close_longest_idle();
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    /// The life of one connection.
    async fn connection(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, peer: Peer) {
        let place = self.connections.enter(Source::of(peer));
        let activity = place.activity().clone();
        let (router, of_requests) = (self.router.clone(), activity.clone());
        let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
            answer(router.clone(), request, peer, of_requests.clone())
        });
        let builder = self.builder();
        let io = TokioIo::new(Tracked::new(stream, activity.clone()));
        let mut serving = pin!(builder.serve_connection(io, service));
        let mut stopping = false;
        loop {
            tokio::select! {
                // How it ended is for the client to know.
                _ = serving.as_mut() => return,
                () = place.closed() => return,
                () = self.is_silent(&activity) => return,
                () = self.stop.cancelled(), if !stopping => {
                    stopping = true;
                    serving.as_mut().graceful_shutdown();
                }
            }
        }
    }

    /// Ends when nothing has come or gone for too long.
    async fn is_silent(&self, activity: &Activity) {
        let first = Instant::now() + self.limits.header.get();
        loop {
            // A first request must be there in time, however its bytes trickle in; after that HTTP/1 has a timer of its own.
            let due = match activity.requests() {
                0 => first,
                _ => activity.last() + self.limits.idle.get(),
            };
            if due <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(due).await;
        }
    }

    fn builder(&self) -> Builder<TokioExecutor> {
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header.get())
            .max_buf_size(BUFFER);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(HEADERS)
            .keep_alive_interval(self.limits.idle.get() / 3)
            .keep_alive_timeout(self.limits.idle.get() / 3);
        builder
    }
}

async fn answer(
    router: Router,
    request: hyper::Request<Incoming>,
    peer: Peer,
    activity: Arc<Activity>,
) -> Result<Response, Infallible> {
    let in_hand = activity.begin();
    let mut request: Request = request.map(Body::new);
    request.extensions_mut().insert(peer);
    let response = router.oneshot(request).await?;
    Ok(response.map(|body| Body::new(Counted::new(body, in_hand))))
}

fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
