//! `?watch=true`: the current objects, then every change, one JSON document a line.
//!
//! It ends as soon as whoever opened it may no longer do so: whenever that may have changed, it is asked again.

mod places;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(super) use self::places::Places;
use self::places::WatchPlace;
use super::Api;
use super::access::Access;
use super::caller::Caller;
use super::label_selector::LabelSelector;
use super::status::Failure;
use crate::catalogue::{Catalogue, Change};
use crate::resource::{API_VERSION, KindId, Object};

/// Documents, one a line.
pub(super) const MEDIA: &str = "application/x-ndjson";
/// Between two bookmarks when nothing changes: both ends learn that the other is there.
const BOOKMARK: Duration = Duration::from_secs(30);

/// What a watcher is told, and what it knows.
struct Watch {
    catalogue: Arc<Catalogue>,
    kind: KindId,
    selector: LabelSelector,
    changes: broadcast::Receiver<Change>,
    known: BTreeMap<String, Arc<Object>>,
    revision: u64,
    lines: VecDeque<Bytes>,
    stop: CancellationToken,
    until: Option<Instant>,
    access: Arc<Access>,
    caller: Caller,
    /// Tells when that caller may have lost the role that it was let in by.
    changed: Option<watch::Receiver<()>>,
    /// Whether that has to be asked.
    doubtful: bool,
    _place: WatchPlace,
}

/// The answer: it ends with Portreeve, after `timeout`, with the client, or with the role of `caller`. It holds one of the
/// places for watches.
pub(super) fn watch(
    api: &Api,
    kind: KindId,
    selector: LabelSelector,
    timeout: Option<Duration>,
    caller: Caller,
) -> Result<Response, Failure> {
    let place =
        api.watches.take(&caller.claim).map_err(|why| Failure::new(StatusCode::TOO_MANY_REQUESTS, why))?;
    let (catalogue, stop) = (api.catalogue.clone(), api.stop.clone());
    let (revision, objects, changes) = catalogue.watch(kind);
    let mut watch = Watch {
        _place: place,
        access: api.access.clone(),
        caller,
        changed: api.access.changes(),
        // What has changed since the caller was let in counts, too.
        doubtful: true,
        catalogue,
        kind,
        selector,
        changes,
        known: BTreeMap::new(),
        revision,
        lines: VecDeque::new(),
        stop,
        until: timeout.map(|timeout| Instant::now() + timeout),
    };
    for object in objects {
        watch.see(object, false);
    }
    watch.bookmark();
    let lines = futures_util::stream::unfold(watch, |mut watch| async move {
        let line = watch.next().await?;
        Some((Ok::<_, std::convert::Infallible>(line), watch))
    });
    Ok(([(header::CONTENT_TYPE, MEDIA)], Body::from_stream(lines)).into_response())
}

impl Watch {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if !self.is_permitted() {
                return None;
            }
            if let Some(line) = self.lines.pop_front() {
                return Some(line);
            }
            let until = self.until;
            let changed = self.changed.as_mut();
            let doubted = async {
                match changed {
                    // Its sender is there as long as the access is.
                    Some(changed) => drop(changed.changed().await),
                    None => std::future::pending().await,
                }
            };
            let over = async {
                match until {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.stop.cancelled() => return None,
                () = over => return None,
                () = doubted => self.doubtful = true,
                () = tokio::time::sleep(BOOKMARK) => {
                    self.bookmark();
                    // Where the system tells of no change, it is found now.
                    self.doubtful = true;
                }
                change = self.changes.recv() => match change {
                    Ok(Change { object, gone }) => {
                        if object.spec.kind() == self.kind {
                            self.see(object, gone);
                        }
                    }
                    Err(RecvError::Lagged(_)) => self.compare(),
                    Err(RecvError::Closed) => return None,
                },
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

    /// Takes in one object as it is now, or went.
    fn see(&mut self, object: Arc<Object>, gone: bool) {
        let revision = version(&object);
        self.revision = self.revision.max(revision);
        let name = object.metadata.name.clone();
        let known = self.known.get(&name);
        // After a comparison, changes may still come that it took in already.
        if !gone && known.is_some_and(|known| version(known) >= revision) {
            return;
        }
        let wanted = !gone && self.selector.matches(&object.metadata.labels);
        let word = match (known.is_some(), wanted) {
            (false, true) => "ADDED",
            (true, true) => "MODIFIED",
            (true, false) => "DELETED",
            (false, false) => return,
        };
        self.line(word, &json!(object));
        if wanted {
            self.known.insert(name, object);
        } else {
            self.known.remove(&name);
        }
    }

    /// Too much has changed to be told one by one: finds the difference.
    fn compare(&mut self) {
        let (revision, objects, changes) = self.catalogue.watch(self.kind);
        self.changes = changes;
        let here: BTreeMap<&str, _> =
            objects.iter().map(|object| (object.metadata.name.as_str(), object)).collect();
        let gone: Vec<_> = self
            .known
            .values()
            .filter(|known| !here.contains_key(known.metadata.name.as_str()))
            .cloned()
            .collect();
        for object in gone {
            self.see(object, true);
        }
        for object in objects {
            self.see(object, false);
        }
        self.revision = revision;
    }

    fn bookmark(&mut self) {
        let object = json!({
            "apiVersion": API_VERSION,
            "kind": self.kind,
            "metadata": {"resourceVersion": self.revision.to_string()},
        });
        self.line("BOOKMARK", &object);
    }

    fn line(&mut self, word: &str, object: &Value) {
        self.lines.push_back(Bytes::from(format!("{}\n", json!({"type": word, "object": object}))));
    }
}

fn version(object: &Object) -> u64 {
    object.metadata.resource_version.as_ref().and_then(|version| version.parse().ok()).unwrap_or(0)
}
