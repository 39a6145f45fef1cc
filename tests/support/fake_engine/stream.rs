//! The events of an engine that tells them by itself: its memory of the last, and who listens.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::feed::chunk;

/// As many events as Docker remembers.
const RING: usize = 256;

/// What the engine remembers and who hears what it tells.
#[derive(Default)]
pub(super) struct Stream {
    ring: VecDeque<Told>,
    subscribers: Vec<(Wanted, UnboundedSender<Arc<str>>)>,
    /// The time of the last event: no two have the same.
    last: i64,
    /// How many were told.
    pub told: usize,
}

struct Told {
    at: i64,
    word: String,
    /// A part of a chunked body.
    text: Arc<str>,
}

/// The part of the events that is asked for.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub since: i64,
    /// `None`: all.
    words: Option<BTreeSet<String>>,
}

impl Wanted {
    /// `since=1755587842.193900000&filters={"event":["die"]}`, percent-encoded.
    pub(super) fn of(query: &str) -> Self {
        let mut wanted = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "since" => wanted.since = nanos(&value),
                "filters" => {
                    let filters: Value = serde_json::from_str(&value).expect("filters in JSON");
                    let words = filters["event"].as_array();
                    let words = words.map(|words| words.iter().filter_map(Value::as_str).map(str::to_owned));
                    wanted.words = words.map(Iterator::collect);
                }
                _ => {}
            }
        }
        wanted
    }

    fn takes(&self, word: &str) -> bool {
        let word = word.split(':').next().unwrap_or_default();
        self.words.as_ref().is_none_or(|words| words.contains(word))
    }
}

/// Seconds, with or without nine digits behind a point.
fn nanos(text: &str) -> i64 {
    let (seconds, rest) = text.split_once('.').unwrap_or((text, "0"));
    let seconds: i64 = seconds.parse().expect("seconds");
    seconds * 1_000_000_000 + format!("{rest:0<9}").parse::<i64>().expect("nanoseconds")
}

impl Stream {
    /// Puts an event behind all that is remembered, and nobody hears of it.
    pub(super) fn remember(&mut self, word: &str, at: i64, event: &Value) -> Arc<str> {
        let text: Arc<str> = chunk(&format!("{event}\n")).into();
        self.ring.push_back(Told { at, word: word.to_owned(), text: text.clone() });
        text
    }

    /// Tells an event at `now` or a moment later, since no two are told at one time; gives that.
    pub(super) fn tell(&mut self, word: &str, now: i64, event: impl FnOnce(i64) -> Value) -> i64 {
        let at = now.max(self.last + 1);
        (self.last, self.told) = (at, self.told + 1);
        let text = self.remember(word, at, &event(at));
        if self.ring.len() > RING {
            self.ring.pop_front();
        }
        self.subscribers.retain(|(wanted, hears)| !wanted.takes(word) || hears.send(text.clone()).is_ok());
        at
    }

    /// All that is remembered and wanted, as parts of a body.
    pub(super) fn remembered(&self, wanted: &Wanted) -> String {
        let wanted = |told: &&Told| told.at >= wanted.since && wanted.takes(&told.word);
        self.ring.iter().filter(wanted).map(|told| &*told.text).collect()
    }

    /// What is remembered, and from then on what is told.
    pub(super) fn subscribe(&mut self, wanted: Wanted) -> (String, UnboundedReceiver<Arc<str>>) {
        let remembered = self.remembered(&wanted);
        let (sender, receiver) = unbounded_channel();
        self.subscribers.push((wanted, sender));
        (remembered, receiver)
    }

    /// Ends every subscription.
    pub(super) fn cut(&mut self) {
        self.subscribers.clear();
    }

    pub(super) fn subscribers(&self) -> usize {
        self.subscribers.iter().filter(|(_, hears)| !hears.is_closed()).count()
    }
}
