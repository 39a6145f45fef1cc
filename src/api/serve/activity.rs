//! When something last came or went on a connection, whether a request is in hand, and whether its answer waits for the client.
//!
//! Over HTTP/1 every byte is something. Over HTTP/2 only requests and answers are: its other frames, such as PINGs and their
//! acknowledgements, go on by themselves.

mod bodies;

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::Instant;

pub(super) use self::bodies::{Counted, Noted};
use crate::api::caller::CallerStanding;

/// What one connection does.
#[derive(Debug)]
pub(in crate::api) struct Activity {
    since: Instant,
    /// Milliseconds from `since` to the last byte that came or went.
    last: AtomicU64,
    requests: AtomicU64,
    in_hand: AtomicUsize,
    /// Whether only messages count, and not bytes.
    frames: AtomicBool,
    standing: AtomicU8,
    waiting: Mutex<Waiting>,
    /// An answer begins to wait.
    waits: Notify,
}

/// Answers of which the client has to take a part before they go on, and since when.
#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    since: BTreeMap<u64, Instant>,
}

/// A request in hand, until it is dropped.
#[derive(Debug)]
pub(super) struct InHand {
    activity: Arc<Activity>,
    id: u64,
}

impl Activity {
    pub(super) fn new() -> Self {
        Self {
            since: Instant::now(),
            last: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            in_hand: AtomicUsize::new(0),
            frames: AtomicBool::new(false),
            standing: AtomicU8::new(CallerStanding::Nobody as u8),
            waiting: Mutex::default(),
            waits: Notify::new(),
        }
    }

    /// When something last came or went.
    pub(super) fn last(&self) -> Instant {
        self.since + Duration::from_millis(self.last.load(Ordering::Relaxed))
    }

    /// How many requests have begun.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Whether a request has begun whose answer is not at its end, and does not wait for the client.
    pub(super) fn is_in_hand(&self) -> bool {
        self.in_hand.load(Ordering::Relaxed) > self.waiting().since.len()
    }

    /// A request on this connection came from somebody of this standing.
    pub(in crate::api) fn known(&self, standing: CallerStanding) {
        self.standing.fetch_max(standing as u8, Ordering::Relaxed);
    }

    /// The best standing that was shown on this connection.
    pub(super) fn standing(&self) -> u8 {
        self.standing.load(Ordering::Relaxed)
    }

    /// A request begins, over HTTP/2 if `frames`.
    pub(super) fn begin(self: &Arc<Self>, frames: bool) -> InHand {
        if frames {
            self.frames.store(true, Ordering::Relaxed);
        }
        self.moved();
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.in_hand.fetch_add(1, Ordering::Relaxed);
        let mut waiting = self.waiting();
        let id = waiting.next;
        waiting.next += 1;
        drop(waiting);
        InHand { activity: self.clone(), id }
    }

    /// Ends when an answer has waited for the client for `longest`.
    pub(super) async fn is_stalled(&self, longest: Duration) {
        loop {
            let begun = self.waits.notified();
            let first = self.waiting().since.values().min().copied();
            match first {
                None => begun.await,
                Some(since) if since + longest <= Instant::now() => return,
                Some(since) => tokio::time::sleep_until(since + longest).await,
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn moved(&self) {
        let millis = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(millis, Ordering::Relaxed);
    }

    fn bytes_moved(&self) {
        if !self.frames.load(Ordering::Relaxed) {
            self.moved();
        }
    }
}

impl InHand {
    /// The client has to take what it was given.
    fn waits(&self) {
        self.activity.moved();
        let mut waiting = self.activity.waiting();
        let first = waiting.since.is_empty();
        waiting.since.insert(self.id, Instant::now());
        drop(waiting);
        if first {
            self.activity.waits.notify_one();
        }
    }

    /// The client has taken it.
    fn goes_on(&self) {
        self.activity.waiting().since.remove(&self.id);
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        self.goes_on();
        self.activity.in_hand.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A stream whose every byte is noted.
pub(super) struct Tracked<S> {
    stream: S,
    activity: Arc<Activity>,
}

impl<S> Tracked<S> {
    pub(super) const fn new(stream: S, activity: Arc<Activity>) -> Self {
        Self { stream, activity }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tracked<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        this.activity.bytes_moved();
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tracked<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.stream).poll_write(cx, bytes))?;
        this.activity.bytes_moved();
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.stream).poll_write_vectored(cx, slices))?;
        this.activity.bytes_moved();
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
