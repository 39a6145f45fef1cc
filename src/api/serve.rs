//! Serving connections: of TCP and of the Unix socket alike, each with what is known of its other end, none for longer
//! than it is used.
//!
//! # Guarantees
//! - Whoever sends no request, or sends one slowly, is cut off by time before anything is known of it.
//! - The number of connections is bounded, in all and for one address; at the bound the longest-idle one is closed, since
//!   behind NAT all clients share one address and a refusal would hit the wrong one. Whoever showed no right to anything
//!   goes first.
//! - The Unix socket has a bound of its own: nothing that comes over TCP closes a connection there.
//! - An answer that the client does not take ends, and only requests and answers keep a connection open.
//! - With `stop` nothing new is taken, and answers in hand have a moment to finish.

pub(super) mod activity;
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

use self::activity::{Activity, Counted, Noted, Tracked};
use self::connections::Connections;
use super::caller::Peer;
use super::source::ClientSource;
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
        over_tcp: bounded(limits),
        over_socket: bounded(limits),
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

fn bounded(limits: HttpLimits) -> Arc<Connections> {
    Arc::new(Connections::new(limits.connections, limits.connections_per_address))
}

struct Server {
    router: Router,
    limits: HttpLimits,
    over_tcp: Arc<Connections>,
    over_socket: Arc<Connections>,
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
                    warn!(target: "portreeve::api", "cannot accept connections: {error}; closing the connection \
                        that is idle longest");
                    let _ = self.over_tcp.close_longest_idle() || self.over_socket.close_longest_idle();
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    /// The life of one connection.
    async fn connection(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, peer: Peer) {
        let connections = match peer {
            Peer::Tcp(_) => &self.over_tcp,
            Peer::Unix { .. } => &self.over_socket,
        };
        let place = connections.enter(ClientSource::of(peer));
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
                () = activity.is_stalled(self.limits.body.get()) => return,
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
            let now = Instant::now();
            if due <= now {
                return;
            }
            // A request that begins meanwhile makes it another time.
            tokio::time::sleep_until(due.min(now + self.limits.idle.get())).await;
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
    let in_hand = activity.begin(request.version() == axum::http::Version::HTTP_2);
    let mut request: Request = request.map(|body| Body::new(Noted::new(body, activity.clone())));
    request.extensions_mut().insert(peer);
    request.extensions_mut().insert(activity);
    let response = router.oneshot(request).await?;
    Ok(response.map(|body| Body::new(Counted::new(body, in_hand))))
}

fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
