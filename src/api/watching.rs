//! `?watch=true`: what is there and then every change, or what has changed since, one JSON document a line.
//!
//! Whatever is watched, a watch holds a place, ends as soon as whoever opened it may no longer do so (whenever that may have
//! changed, it is asked again), and says every now and then how far it has come. What there is to tell is its [`Source`]'s.

mod lines;
mod objects;
mod places;

use std::future::{Future, pending};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(super) use self::lines::{WatchLines, Word};
pub(super) use self::objects::ObjectChanges;
pub(super) use self::places::{Places, WatchPlace};
use super::Api;
use super::access::Access;
use super::caller::Caller;
use super::query::{Misfit, Query};
use super::status::Failure;

/// Documents, one a line.
pub(super) const MEDIA: &str = "application/x-ndjson";
/// The longest a watch can be asked to last, in seconds.
pub(super) const LONGEST: u32 = 86_400;
/// Between two bookmarks: both ends learn that the other is there.
const BOOKMARK: Duration = Duration::from_secs(30);

/// What is watched, and how much of it was told.
pub(super) trait Source: Send + 'static {
    /// The kind of what is told.
    fn kind(&self) -> &'static str;
    /// Up to where everything is told; `None`: not even what is there is told yet.
    fn id(&self) -> Option<String>;
    /// Waits until there may be more to tell, and tells it; whether there can be any. It may be dropped while it waits, and
    /// loses nothing by that.
    fn more(&mut self, lines: &mut WatchLines) -> impl Future<Output = bool> + Send;
}

struct Watch<S> {
    source: S,
    lines: WatchLines,
    stop: CancellationToken,
    until: Option<Instant>,
    /// When to say next how far it has come, and to ask whether it may go on.
    bookmark: Instant,
    access: Arc<Access>,
    caller: Caller,
    /// Tells when that caller may have lost the role that it was let in by.
    changed: Option<watch::Receiver<()>>,
    /// Whether that has to be asked.
    doubtful: bool,
    _place: WatchPlace,
}

/// A place for a watch of `caller`.
pub(super) fn place(api: &Api, caller: &Caller) -> Result<WatchPlace, Failure> {
    api.watches.take(&caller.claim).map_err(|why| Failure::new(StatusCode::TOO_MANY_REQUESTS, why))
}

/// How long a watch is asked to last.
pub(super) fn timeout(query: &Query) -> Result<Option<Duration>, Misfit> {
    let seconds = query.number("timeoutSeconds", 1..=LONGEST)?;
    Ok(seconds.map(|seconds| Duration::from_secs(u64::from(seconds))))
}

/// A watch cannot go on after `id`.
pub(super) fn gone(id: &str, why: impl std::fmt::Display) -> Failure {
    let id: String = id.chars().take(64).flat_map(char::escape_debug).collect();
    let message = format!("nothing can be told after `{id}`: {why}; list again, or watch without `after`");
    Failure::new(StatusCode::GONE, message)
}

/// The answer: it ends with Portreeve, after `timeout`, with the client, or with the role of `caller`.
pub(super) fn answer(
    api: &Api,
    place: WatchPlace,
    source: impl Source,
    timeout: Option<Duration>,
    caller: Caller,
) -> Response {
    let watch = Watch {
        source,
        lines: WatchLines::default(),
        stop: api.stop.clone(),
        until: timeout.map(|timeout| Instant::now() + timeout),
        bookmark: Instant::now() + BOOKMARK,
        access: api.access.clone(),
        caller,
        changed: api.access.changes(),
        // What has changed since the caller was let in counts, too.
        doubtful: true,
        _place: place,
    };
    let lines = futures_util::stream::unfold(watch, |mut watch| async move {
        let line = watch.next().await?;
        Some((Ok::<_, std::convert::Infallible>(line), watch))
    });
    ([(header::CONTENT_TYPE, MEDIA)], Body::from_stream(lines)).into_response()
}

impl<S: Source> Watch<S> {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if !self.is_permitted() {
                return None;
            }
            if let Some(line) = self.lines.pop() {
                return Some(line);
            }
            let until = self.until;
            let changed = self.changed.as_mut();
            let doubted = async {
                match changed {
                    // Its sender is there as long as the access is.
                    Some(changed) => drop(changed.changed().await),
                    None => pending().await,
                }
            };
            let over = async {
                match until {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                () = self.stop.cancelled() => return None,
                () = over => return None,
                () = doubted => self.doubtful = true,
                // Whatever else happens: what is changed may be nothing that this watch tells of.
                () = tokio::time::sleep_until(self.bookmark) => {
                    self.bookmark = Instant::now() + BOOKMARK;
                    if let Some(id) = self.source.id() {
                        self.lines.bookmark(self.source.kind(), &id);
                    }
                    // Where the system tells of no change, it is found now.
                    self.doubtful = true;
                }
                goes_on = self.source.more(&mut self.lines) => {
                    if !goes_on {
                        return None;
                    }
                }
            }
        }
    }

    /// Whether the caller still has the role by which it was let in; asked again only when that may have changed.
    fn is_permitted(&mut self) -> bool {
        if let Some(changed) = &mut self.changed
            && changed.has_changed().unwrap_or(false)
        {
            changed.mark_unchanged();
            self.doubtful = true;
        }
        !std::mem::take(&mut self.doubtful) || self.access.role(&self.caller.claim) >= self.caller.role
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::caller::{Claim, Peer, Who};
    use crate::config::HttpLimits;

    /// Something changes every second, and never what is watched.
    struct Busy;

    impl Source for Busy {
        fn kind(&self) -> &'static str {
            "Container"
        }

        fn id(&self) -> Option<String> {
            Some("boot.7".to_owned())
        }

        async fn more(&mut self, _: &mut WatchLines) -> bool {
            tokio::time::sleep(Duration::from_secs(1)).await;
            true
        }
    }

    #[tokio::test(start_paused = true)]
    async fn how_far_it_has_come_is_told_also_while_much_happens_that_is_not_told() {
        let claim = Claim::Peer(Some(Peer::Unix { uid: 0 }));
        let place = Arc::new(Places::new(HttpLimits::default())).take(&claim).expect("a place");
        let mut watch = Watch {
            source: Busy,
            lines: WatchLines::default(),
            stop: CancellationToken::new(),
            until: Some(Instant::now() + BOOKMARK * 5 / 2),
            bookmark: Instant::now() + BOOKMARK,
            access: Arc::new(Access::default()),
            caller: Caller { who: Who::Anonymous(None), role: None, claim },
            changed: None,
            doubtful: true,
            _place: place,
        };
        let line = watch.next().await.expect("a bookmark");
        let line: serde_json::Value = serde_json::from_slice(&line).expect("JSON");
        assert_eq!(
            (&line["type"], &line["object"]["metadata"]["resourceVersion"]),
            (&"BOOKMARK".into(), &"boot.7".into())
        );
        assert!(watch.next().await.is_some(), "and again");
        assert!(watch.next().await.is_none(), "until its time is over");
    }
}
