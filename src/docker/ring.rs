//! The engine's memory of its last events, read to its end: proves whether anything was missed.

use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::StreamExt;
use std::collections::HashMap;

use super::{Client, DockerError, connect, convert};
use crate::observed::{Anchor, Cursor, EngineEvent, Nanos};

/// What the engine's ring of 256 events holds of the time since a cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ring {
    /// Whether everything since the cursor is in it.
    pub complete: bool,
    /// The last event of a container in it: when a live stream has delivered this one, its replay is over.
    pub last: Option<(Nanos, Anchor)>,
}

/// The events worth hearing of. Health checks emit `exec_*` events all the time: those stay in the engine.
const WANTED: [&str; 13] = [
    "create",
    "start",
    "die",
    "kill",
    "stop",
    "restart",
    "pause",
    "unpause",
    "oom",
    "rename",
    "update",
    "health_status",
    "destroy",
];

/// `1755587842.193900000`, as the engine reads times.
fn seconds(at: Nanos) -> String {
    format!("{}.{:09}", at.0.div_euclid(1_000_000_000), at.0.rem_euclid(1_000_000_000))
}

impl Client {
    /// The live stream from `since` on, inclusive. It ends when the engine does, and may also fall silent and stay open.
    pub(super) fn events(
        &self,
        since: Nanos,
    ) -> impl futures_util::Stream<Item = Result<Option<EngineEvent>, DockerError>> + Send + Unpin + 'static
    {
        let filters: HashMap<&str, Vec<&str>> =
            HashMap::from([("type", vec!["container"]), ("event", WANTED.to_vec())]);
        let options = EventsOptionsBuilder::default().since(&seconds(since)).filters(&filters).build();
        let (docker, name, endpoint) = (self.docker.clone(), self.name.clone(), self.endpoint.clone());
        Box::pin(async_stream(docker, options).map(move |message| match message {
            Ok(message) => Ok(convert::event(&name, message)),
            Err(error) => Err(connect::naming("GET /events")(connect::error(&endpoint, error))),
        }))
    }

    /// Reads all the ring holds up to `until`.
    pub(super) async fn ring(&self, cursor: &Cursor, until: Nanos) -> Result<Ring, DockerError> {
        let options = EventsOptionsBuilder::default().since("1.0").until(&seconds(until)).build();
        let (name, since) = (self.name.clone(), cursor.since());
        let read = async {
            let mut ring = Ring { complete: false, last: None };
            let mut events = std::pin::pin!(self.docker.events(Some(options)));
            while let Some(message) = events.next().await {
                let message = message?;
                // The ring is one stretch of the stream: an event that was dealt with, or is older than what a
                // replay brings, proves that all since is there.
                ring.complete |= message.time_nano.is_some_and(|at| Nanos(at) < since);
                if let Some(event) = convert::event(&name, message) {
                    let event = (event.at, event.anchor());
                    ring.complete |= event.0 == cursor.at && cursor.anchor.as_ref() == Some(&event.1);
                    ring.complete |= cursor.recent.contains(&event);
                    ring.last = Some(event);
                }
            }
            Ok(ring)
        };
        self.call(read).await.map_err(connect::naming("GET /events"))
    }
}

fn async_stream(
    docker: bollard::Docker,
    options: bollard::query_parameters::EventsOptions,
) -> impl futures_util::Stream<Item = Result<bollard::models::EventMessage, bollard::errors::Error>> + Send {
    docker.events(Some(options))
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
