//! Lines of a watch that are still to be sent.

use std::collections::VecDeque;

use axum::body::Bytes;
use serde::Serialize;
use serde_json::json;

use crate::resource::API_VERSION;

/// What happened to what a line shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(in crate::api) enum Word {
    Added,
    Modified,
    Deleted,
    Bookmark,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(in crate::api) struct WatchLines(VecDeque<Bytes>);

impl WatchLines {
    pub(in crate::api) fn add(&mut self, word: Word, object: &impl Serialize) {
        self.0.push_back(Bytes::from(format!("{}\n", json!({"type": word, "object": object}))));
    }

    /// Everything up to `id` is told.
    pub(in crate::api) fn bookmark(&mut self, kind: &str, id: &str) {
        let metadata = json!({"resourceVersion": id});
        self.add(Word::Bookmark, &json!({"apiVersion": API_VERSION, "kind": kind, "metadata": metadata}));
    }

    pub(super) fn pop(&mut self) -> Option<Bytes> {
        self.0.pop_front()
    }
}
