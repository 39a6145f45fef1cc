//! A request and its answer over a connection of their own, which ends with them: what a check asks is whether somebody who
//! comes now is served. A connection that is kept would hold a server that serves one at a time, and would go on being
//! served where nobody else can get in any more (kubernetes/kubernetes#15643).

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, Request, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::rt::Executor;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::JoinSet;

use super::super::wire::Duplex;

/// The longest head of an answer; curl takes 300 KiB.
const LONGEST_HEAD: u32 = 384 * 1024;
/// The most headers; curl takes 5,000, and no server sends as many.
const MOST_HEADERS: usize = 1000;
/// So much of what is still coming is taken, for so long, after the verdict: most servers would log a client that leaves in
/// the middle.
const REST: usize = 64 * 1024;
const LINGER: Duration = Duration::from_millis(200);

/// An answer whose head has come.
pub(super) struct Exchange {
    pub(super) status: StatusCode,
    pub(super) version: Version,
    pub(super) headers: HeaderMap,
    body: Incoming,
    /// Its body ends where the connection does.
    until_close: bool,
    line: Line,
    /// The connection ends when nobody can ask on it any more.
    _sender: Sender,
}

enum Sender {
    Http1 { _sender: http1::SendRequest<Full<Bytes>> },
    Http2 { _sender: http2::SendRequest<Full<Bytes>> },
}

/// What carries the bytes; it gets on while somebody waits for what it carries.
struct Line {
    /// `None`: it has come to its end.
    connection: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    tasks: Tasks,
}

impl Exchange {
    /// Sends `request` over `stream`, in the version that was agreed on, and waits for the head of the answer.
    pub(super) async fn begin<S: Duplex + 'static>(
        stream: S,
        http2: bool,
        request: Request<Full<Bytes>>,
    ) -> Result<Self, hyper::Error> {
        let (io, tasks) = (TokioIo::new(Asking { stream, waiting: Some(None) }), Tasks::default());
        if http2 {
            let (mut sender, connection) =
                http2::Builder::new(tasks.clone()).max_header_list_size(LONGEST_HEAD).handshake(io).await?;
            let mut line = Line::new(connection, tasks);
            let answer = line.carry(sender.send_request(request)).await?;
            return Ok(Self::of(answer, line, Sender::Http2 { _sender: sender }));
        }
        let (mut sender, connection) = http1::Builder::new()
            .title_case_headers(true)
            .max_headers(MOST_HEADERS)
            .max_buf_size(LONGEST_HEAD as usize)
            // As curl does.
            .allow_obsolete_multiline_headers_in_responses(true)
            .allow_spaces_after_header_name_in_responses(true)
            .ignore_invalid_headers_in_responses(true)
            .handshake(io)
            .await?;
        let mut line = Line::new(connection, tasks);
        let answer = line.carry(sender.send_request(request)).await?;
        Ok(Self::of(answer, line, Sender::Http1 { _sender: sender }))
    }

    fn of(answer: http::Response<Incoming>, line: Line, sender: Sender) -> Self {
        let (head, body) = answer.into_parts();
        let framed = [CONTENT_LENGTH, TRANSFER_ENCODING].iter().any(|name| head.headers.contains_key(name));
        Self {
            status: head.status,
            version: head.version,
            headers: head.headers,
            until_close: head.version < Version::HTTP_2 && !framed,
            body,
            line,
            _sender: sender,
        }
    }

    /// What comes next of the body; `None` at its end.
    pub(super) async fn next(&mut self) -> Option<Result<Bytes, hyper::Error>> {
        loop {
            let frame = match self.line.carry(self.body.frame()).await? {
                Ok(frame) => frame,
                // Servers close without a word of TLS more often than not; browsers take that for the end.
                Err(error) if self.until_close && is_eof(&error) => return None,
                Err(error) => return Some(Err(error)),
            };
            // What is no data is a trailer.
            if let Ok(data) = frame.into_data() {
                return Some(Ok(data));
            }
        }
    }

    /// Hangs up; politely where that takes no time of the check's.
    pub(super) async fn end(self) {
        let mut ending = Box::pin(self.rest());
        let over = poll_fn(|cx| Poll::Ready(ending.as_mut().poll(cx).is_ready())).await;
        if !over {
            tokio::spawn(tokio::time::timeout(LINGER, ending));
        }
    }

    async fn rest(mut self) {
        let mut left = REST;
        while !self.body.is_end_stream() {
            let Some(Ok(data)) = self.next().await else { break };
            left = left.saturating_sub(data.len());
            if left == 0 {
                return;
            }
        }
        let Self { body, mut line, _sender, .. } = self;
        drop((body, _sender));
        line.carried().await;
    }
}

fn is_eof(error: &hyper::Error) -> bool {
    io_error(error).is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof)
}

/// The error of the network below an error of HTTP.
pub(super) fn io_error(error: &hyper::Error) -> Option<&io::Error> {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if let Some(found) = error.downcast_ref::<io::Error>() {
            return Some(found);
        }
        if let Some(found) = error.downcast_ref::<h2::Error>().and_then(h2::Error::get_io) {
            return Some(found);
        }
        source = error.source();
    }
    None
}

/// The code with which the other side ended it, in HTTP/2.
pub(super) fn http2_code(error: &hyper::Error) -> Option<h2::Reason> {
    let source = std::error::Error::source(error)?.downcast_ref::<h2::Error>()?;
    source.reason().filter(|_| source.is_remote())
}

impl Line {
    fn new(
        connection: impl Future<Output = Result<(), hyper::Error>> + Send + 'static,
        tasks: Tasks,
    ) -> Self {
        // Whoever waits for what it carries hears of its errors.
        let connection = Box::pin(async { drop(connection.await) });
        Self { connection: Some(connection), tasks }
    }

    /// `work` while the connection gets on.
    async fn carry<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        poll_fn(|cx| {
            if let Some(connection) = &mut self.connection
                && connection.as_mut().poll(cx).is_ready()
            {
                self.connection = None;
            }
            work.as_mut().poll(cx)
        })
        .await
    }

    /// The connection, until it has said goodbye.
    async fn carried(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.await;
        }
        let tasks = std::mem::take(&mut *self.tasks.0.lock().unwrap_or_else(PoisonError::into_inner));
        tasks.join_all().await;
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // A task may hold what would hold it.
        self.tasks.0.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }
}

/// Hears nothing before it has said something. A server that answers before it is asked, as `nc` with a file does, is
/// understood by curl; the library would take it for one that speaks out of turn.
struct Asking<S> {
    stream: S,
    /// Until it has been asked: whoever waits to hear something.
    waiting: Option<Option<Waker>>,
}

impl<S: Duplex> AsyncRead for Asking<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match &mut this.waiting {
            Some(waiting) => {
                *waiting = Some(cx.waker().clone());
                Poll::Pending
            }
            None => Pin::new(&mut this.stream).poll_read(cx, buf),
        }
    }
}

impl<S: Duplex> AsyncWrite for Asking<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        if written.is_ready()
            && let Some(waiting) = this.waiting.take().flatten()
        {
            waiting.wake();
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

/// What HTTP/2 does beside; it ends with the connection, also in the middle.
#[derive(Clone, Default)]
struct Tasks(Arc<Mutex<JoinSet<()>>>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Tasks {
    fn execute(&self, task: F) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).spawn(task);
    }
}
