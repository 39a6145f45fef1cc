//! The engine's own account of a lab's containers, read beside the program under test: what it is judged by.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::StreamExt;
use tokio::task::JoinHandle;

use super::engine::Engine;
use super::lab::{LABEL, Lab};
use super::wait;

/// One event of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub container: String,
    /// `start`, `die`, `health_status: unhealthy`, …
    pub action: String,
    /// In nanoseconds.
    pub at: i64,
}

/// Everything that happens to the containers of one lab from now on.
pub struct EngineRecord {
    entries: Arc<Mutex<Vec<Entry>>>,
    reading: JoinHandle<()>,
}

impl EngineRecord {
    /// Begins to read; what happens after this returns is recorded, as long as the engine lives.
    pub async fn start(engine: &Engine, lab: &Lab) -> Self {
        let docker = engine.docker();
        // The subscription is made at the first poll; from this time on the engine repeats what was missed.
        let now = docker.info().await.expect("the engine answers").system_time.expect("the engine's time");
        let filters = HashMap::from([
            ("type".to_owned(), vec!["container".to_owned()]),
            ("label".to_owned(), vec![format!("{LABEL}={}", lab.run())]),
        ]);
        let options = EventsOptionsBuilder::default().since(&seconds(&now)).filters(&filters).build();
        let entries = Arc::new(Mutex::new(Vec::new()));
        let reading = tokio::spawn({
            let entries = Arc::clone(&entries);
            async move {
                let mut events = docker.events(Some(options));
                while let Some(Ok(event)) = events.next().await {
                    let container = event.actor.and_then(|actor| actor.id).unwrap_or_default();
                    let (action, at) = (event.action.unwrap_or_default(), event.time_nano.unwrap_or(0));
                    if !action.starts_with("exec_") {
                        let entry = Entry { container, action, at };
                        entries.lock().expect("no panic under this lock").push(entry);
                    }
                }
            }
        });
        Self { entries, reading }
    }

    pub fn all(&self) -> Vec<Entry> {
        self.entries.lock().expect("no panic under this lock").clone()
    }

    /// The times of a container's events with this action, oldest first.
    pub fn times(&self, container: &str, action: &str) -> Vec<i64> {
        let of_it = |entry: &Entry| entry.container == container && entry.action == action;
        self.all().into_iter().filter(of_it).map(|entry| entry.at).collect()
    }

    /// How often this happened to the container.
    pub fn count(&self, container: &str, action: &str) -> usize {
        self.times(container, action).len()
    }

    /// Waits until it has happened to the container so often.
    pub async fn wait(&self, container: &str, action: &str, count: usize) {
        wait::until(&format!("{count} × {action}"), wait::SOON, || async {
            wait::is(self.count(container, action) >= count, self.all())
        })
        .await;
    }
}

impl Drop for EngineRecord {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

/// An engine's RFC 3339 time as its `since` wants it.
fn seconds(time: &str) -> String {
    let at: jiff::Timestamp = time.parse().expect("an RFC 3339 time");
    format!("{}.{:09}", at.as_second(), at.subsec_nanosecond())
}
