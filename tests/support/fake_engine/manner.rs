//! How an engine is not well.

use std::sync::Mutex;
use std::time::Duration;

/// What becomes of a call.
#[derive(Clone, Debug)]
pub enum Manner {
    /// It is taken and never answered.
    Hangs,
    /// It is answered with this status and text.
    Refuses(&'static str, String),
    /// It is answered with this in place of JSON, and all is said to be well.
    Says(String),
    /// It is answered after this long.
    Dawdles(Duration),
    /// The connection ends in the middle of the answer.
    BreaksOff,
}

/// Manners by what is asked.
#[derive(Default)]
pub(super) struct Manners(Mutex<Vec<(String, Manner)>>);

impl Manners {
    pub(super) fn set(&self, calls: &str, manner: Manner) {
        self.0.lock().unwrap().push((calls.to_owned(), manner));
    }

    pub(super) fn clear(&self) {
        self.0.lock().unwrap().clear();
    }

    /// The manner that was set last for this route, for this very path, or for all.
    pub(super) fn of(&self, route: &str, path: &str) -> Option<Manner> {
        let set = self.0.lock().unwrap();
        let applies = |calls: &str| calls == "*" || calls == route || calls == path;
        set.iter().rev().find(|(calls, _)| applies(calls)).map(|(_, manner)| manner.clone())
    }
}
