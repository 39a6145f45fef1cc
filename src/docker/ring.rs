//! The engine's memory of its last events, read to its end: proves whether anything was missed.

use futures_util::{Stream, StreamExt, TryStreamExt};
use serde_json::json;
use tracing::{debug, warn};

use super::answer::Message;
use super::client::CALL;
use super::wire::{self, Line};
use super::{Client, DockerError, convert};
use crate::observed::{Anchor, Cursor, EngineEvent, Nanos};

/// What the engine's ring of 256 events holds of the time since a cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ring {
    /// Whether everything since the cursor is in it.
    pub complete: bool,
    /// The last event of a container in it: when a live stream has delivered this one, its replay is over.
    pub last: Option<(Nanos, Anchor)>,
}

/// `1755587842.193900000`, as the engine reads times.
fn seconds(at: Nanos) -> String {
    format!("{}.{:09}", at.0.div_euclid(1_000_000_000), at.0.rem_euclid(1_000_000_000))
}

impl Client {
    /// The live stream from `since` on, inclusive. It ends when the engine does, and may also fall silent and stay open.
    pub(super) async fn events(
        &self,
        since: Nanos,
    ) -> Result<
        impl Stream<Item = Result<Option<EngineEvent>, DockerError>> + Send + Unpin + use<>,
        DockerError,
    > {
        let filters = json!({"type": ["container"], "event": self.dialect.wanted()}).to_string();
        let query = [("since", seconds(since)), ("filters", filters)];
        let messages = self.messages(&query).await?;
        let (name, dialect) = (self.name.clone(), self.dialect);
        Ok(Box::pin(messages.map_ok(move |message| convert::event(&name, dialect, message?))))
    }

    /// Reads all the ring holds up to `until`.
    pub(super) async fn ring(&self, cursor: &Cursor, until: Nanos) -> Result<Ring, DockerError> {
        let query =
            [("since", seconds(self.dialect.memory_since(cursor))), self.dialect.memory_end(seconds(until))];
        let (name, since) = (self.name.clone(), cursor.since());
        let read = async {
            let mut ring = Ring { complete: false, last: None };
            let mut messages = std::pin::pin!(self.messages(&query).await?);
            while let Some(message) = messages.next().await {
                let Some(message) = message? else { continue };
                if message.nanos.is_some_and(|at| Nanos(at) > until) {
                    continue;
                }
                // The ring is one stretch of the stream: an event that was dealt with, or is older than what a
                // replay brings, proves that all since is there.
                ring.complete |= message.nanos.is_some_and(|at| Nanos(at) < since);
                if let Some(event) = convert::event(&name, self.dialect, message) {
                    let event = (event.at, event.anchor());
                    ring.complete |= event.0 == cursor.at && cursor.anchor.as_ref() == Some(&event.1);
                    ring.complete |= cursor.recent.contains(&event);
                    ring.last = Some(event);
                }
            }
            Ok(ring)
        };
        match tokio::time::timeout(CALL, read).await {
            Ok(ring) => ring,
            Err(_) => Err(DockerError::TimedOut(CALL)),
        }
    }

    /// The lines of an answer of `/events`; `None` stands for one that cannot be read. Nobody here knows what it told, so a
    /// list has to. An engine may begin to answer with the first event only.
    async fn messages(
        &self,
        query: &[(&str, String)],
    ) -> Result<impl Stream<Item = Result<Option<Message>, DockerError>> + Send + use<>, DockerError> {
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        let answer = self.wire.open("GET /events", &format!("/events?{query}")).await?;
        let (wire, name) = (self.wire.clone(), self.name.clone());
        Ok(wire::lines(answer.into_body()).map(move |line| match line {
            Ok(line) => Ok(message(&name, line)),
            Err(error) => Err(wire.broken(error.to_string())),
        }))
    }
}

/// What a line says, as far as it is understood.
fn message(engine: &str, line: Line) -> Option<Message> {
    let text = match line {
        Line::Text(text) => text,
        Line::TooLong => {
            warn!(target: "portreeve::engine", engine, "an event is too long and is dropped; the next list makes up for it");
            return None;
        }
    };
    let read = serde_json::from_slice(&text).and_then(|mut value| wire::lenient(&mut value));
    read.inspect_err(|error| {
        debug!(target: "portreeve::engine", engine, "an event cannot be read and is ignored: {error}");
    })
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_with_all_their_nanoseconds() {
        assert_eq!(seconds(Nanos(1_755_587_842_193_900_000)), "1755587842.193900000");
        assert_eq!(seconds(Nanos(5)), "0.000000005");
    }
}
