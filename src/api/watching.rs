//! `?watch=true`: the current objects, then every change, one JSON document a line.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Api;
use super::label_selector::LabelSelector;
use super::status::Failure;
use crate::controller::{Catalogue, Change};
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
    _place: OwnedSemaphorePermit,
}

/// The answer: it ends with Portreeve, after `timeout`, or with the client. It holds one of the places for watches.
pub(super) fn watch(
    api: &Api,
    kind: KindId,
    selector: LabelSelector,
    timeout: Option<Duration>,
) -> Result<Response, Failure> {
    let Ok(place) = api.watches.clone().try_acquire_owned() else {
        let message = format!("{} watches are open, which is the limit (--max-watches)", api.limits.watches);
        return Err(Failure::new(StatusCode::TOO_MANY_REQUESTS, message));
    };
    let (catalogue, stop) = (api.catalogue.clone(), api.stop.clone());
    let (revision, objects, changes) = catalogue.watch(kind);
    let mut watch = Watch {
        _place: place,
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
            if let Some(line) = self.lines.pop_front() {
                return Some(line);
            }
            let until = self.until;
            let over = async {
                match until {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.stop.cancelled() => return None,
                () = over => return None,
                () = tokio::time::sleep(BOOKMARK) => self.bookmark(),
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
