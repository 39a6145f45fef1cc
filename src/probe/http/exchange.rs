//! A request and its answer over a connection of their own, which ends with them: what a check asks is whether somebody who
//! comes now is served. A connection that is kept would hold a server that serves one at a time, and would go on being
//! served where nobody else can get in any more (kubernetes/kubernetes#15643).

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};
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

use super::super::duplex::Duplex;
use super::body::values;
use super::dialect::Dialect;
use super::ended::{Ended, Heard};

/// The longest head of an answer; curl takes 300 KiB.
const LONGEST_HEAD: u32 = 384 * 1024;
/// The most headers, as curl.
const MOST_HEADERS: usize = 5000;
/// So much of a head is read at once.
const PIECE: usize = 4096;
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
    heard: Heard,
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
        heard: Heard,
        http2: bool,
        request: Request<Full<Bytes>>,
    ) -> Result<Self, Ended> {
        let ended = |error| Ended::new(error, &heard);
        let dialect = (!http2).then(Dialect::default);
        let asking = Asking { stream, waiting: Some(None), dialect, told: Vec::new(), heard: heard.clone() };
        let (io, tasks) = (TokioIo::new(asking), Tasks::default());
        if http2 {
            let (mut sender, connection) = http2::Builder::new(tasks.clone())
                .max_header_list_size(LONGEST_HEAD)
                .handshake(io)
                .await
                .map_err(ended)?;
            let mut line = Line::new(connection, tasks);
            let answer = line.carry(sender.send_request(request)).await.map_err(ended)?;
            return Ok(Self::of(answer, line, Sender::Http2 { _sender: sender }, heard));
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
            .await
            .map_err(ended)?;
        let mut line = Line::new(connection, tasks);
        let answer = line.carry(sender.send_request(request)).await.map_err(ended)?;
        Ok(Self::of(answer, line, Sender::Http1 { _sender: sender }, heard))
    }

    fn of(answer: http::Response<Incoming>, line: Line, sender: Sender, heard: Heard) -> Self {
        let (head, body) = answer.into_parts();
        let framed = match values(&head.headers, TRANSFER_ENCODING).last() {
            Some(codings) => codings.trim_end().to_ascii_lowercase().ends_with("chunked"),
            None => head.headers.contains_key(CONTENT_LENGTH),
        };
        Self {
            status: head.status,
            version: head.version,
            headers: head.headers,
            until_close: head.version < Version::HTTP_2 && !framed,
            body,
            line,
            heard,
            _sender: sender,
        }
    }

    /// What comes next of the body; `None` at its end.
    pub(super) async fn next(&mut self) -> Option<Result<Bytes, Ended>> {
        loop {
            let frame = self.line.carry(self.body.frame()).await?;
            let frame = match frame.map_err(|error| Ended::new(error, &self.heard)) {
                Ok(frame) => frame,
                // Servers close without a word of TLS more often than not; browsers take that for the end.
                Err(ended) if self.until_close && ended.is_eof() => return None,
                Err(ended) => return Some(Err(ended)),
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
    /// What makes HTTP/1.1 of what comes.
    dialect: Option<Dialect>,
    /// What it has made, until the library takes it.
    told: Vec<u8>,
    heard: Heard,
}

impl<S: Duplex> Asking<S> {
    fn poll_hear(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.told.is_empty()
            && let Some(dialect) = self.dialect.as_mut().filter(|dialect| !dialect.is_past())
        {
            let mut piece = [0; PIECE];
            let mut piece = ReadBuf::new(&mut piece);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut piece))?;
            match piece.filled() {
                [] => dialect.end(&mut self.told),
                piece => dialect.hear(piece, &mut self.told),
            }
            if dialect.is_http() {
                self.heard.http();
            }
        }
        if self.told.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let rest = self.told.split_off(buf.remaining().min(self.told.len()));
        buf.put_slice(&std::mem::replace(&mut self.told, rest));
        Poll::Ready(Ok(()))
    }
}

impl<S: Duplex> AsyncRead for Asking<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match &mut this.waiting {
            Some(waiting) => {
                *waiting = Some(cx.waker().clone());
                Poll::Pending
            }
            None => this.poll_hear(cx, buf),
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
