//! Bodies whose progress is noted.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;

use super::{Activity, InHand};

/// A large answer is handed over in parts, so that it is seen whether the client takes it.
const PART: usize = 16 * 1024;

/// The body of an answer, whose request is in hand until it is at its end, or nobody wants it any more.
pub(in crate::api::serve) struct Counted {
    body: Body,
    /// What remains of its last frame.
    rest: Bytes,
    in_hand: InHand,
}

impl Counted {
    pub(in crate::api::serve) fn new(body: Body, in_hand: InHand) -> Self {
        // Nothing of it is asked for before the client has room.
        in_hand.waits();
        Self { body, rest: Bytes::new(), in_hand }
    }
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        // Whoever asks has room; while there is nothing to give, the client is not waited for.
        this.in_hand.goes_on();
        if this.rest.is_empty() {
            match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => this.rest = data,
                    Err(frame) => return Poll::Ready(Some(Ok(frame))),
                },
                end => return Poll::Ready(end),
            }
        }
        this.in_hand.waits();
        let part = this.rest.split_to(PART.min(this.rest.len()));
        Poll::Ready(Some(Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.len() as u64;
        let of_body = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(of_body.lower() + rest);
        if let Some(upper) = of_body.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}

/// The body of a request, every part of which is noted.
pub(in crate::api::serve) struct Noted {
    body: Incoming,
    activity: Arc<Activity>,
}

impl Noted {
    pub(in crate::api::serve) const fn new(body: Incoming, activity: Arc<Activity>) -> Self {
        Self { body, activity }
    }
}

impl http_body::Body for Noted {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        this.activity.moved();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
