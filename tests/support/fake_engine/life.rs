//! What happens to containers: by the hand of a test, at a rate, or because the engine was told to. An engine that is
//! [live](super::FakeEngine::live) tells each of it, with the events and in the order that Docker has.

use std::ops::Range;
use std::time::Duration;

use serde_json::{Value, json};

use super::container::{self, Container};
use super::{FakeEngine, Shared};

/// How many other events lie between the end of a container that flaps and its next start.
const APART: usize = 200;
/// Events at a rate come so often, some at once.
const TICK: Duration = Duration::from_millis(10);

impl FakeEngine {
    /// It has these containers; nothing is told of how they came. Two engines have none of the same id.
    pub fn populate(&self, numbers: Range<usize>, container: impl Fn(usize) -> Container) {
        let mut containers = self.shared.containers.lock().unwrap();
        containers.extend(numbers.map(|n| (super::fleet::id(n), container(n))));
    }

    /// Its run ends with this exit code; the time that is told.
    pub fn die(&self, id: &str, exit_code: i64) -> i64 {
        self.shared.die(id, exit_code)
    }

    /// A run begins; the time that is told.
    pub fn begin(&self, id: &str) -> i64 {
        self.shared.begin(id)
    }

    /// Its run ends, and it is removed.
    pub fn remove(&self, id: &str) {
        self.die(id, 0);
        self.shared.tell(id, "destroy", &[]);
        self.show(id, None);
    }

    /// Its health check says something else now; the time that is told.
    pub fn health(&self, id: &str, health: &'static str) -> i64 {
        self.shared.change(id, |container, _| container.health = Some(health));
        self.shared.tell(id, &format!("health_status: {health}"), &[])
    }

    /// Each of these dies and soon starts again, in turn: so many events a second, or all at once. How many were told.
    pub async fn flap(&self, ids: &[String], per_second: Option<usize>) -> usize {
        let steps = (0..ids.len() + APART).flat_map(|n| {
            let again = n.checked_sub(APART).and_then(|before| ids.get(before));
            ids.get(n).map(|id| (id, false)).into_iter().chain(again.map(|id| (id, true)))
        });
        let mut ticks = tokio::time::interval(TICK);
        let (begin, mut told) = (tokio::time::Instant::now(), 0);
        for (id, starts) in steps {
            while per_second.is_some_and(|rate| told as f64 >= begin.elapsed().as_secs_f64() * rate as f64) {
                ticks.tick().await;
            }
            if starts {
                self.begin(id)
            } else {
                self.die(id, 0)
            };
            told += 1;
        }
        told
    }
}

impl Shared {
    fn change(&self, id: &str, change: impl FnOnce(&mut Container, i64)) {
        let now = self.now();
        if let Some(container) = self.containers.lock().unwrap().get_mut(id) {
            change(container, now);
        }
    }

    fn die(&self, id: &str, exit_code: i64) -> i64 {
        self.change(id, |container, now| {
            (container.running, container.finished, container.exit_code) = (false, now, exit_code);
        });
        self.tell(id, "die", &[("exitCode", exit_code.to_string())])
    }

    fn begin(&self, id: &str) -> i64 {
        self.change(id, |container, now| {
            (container.running, container.started, container.exit_code) = (true, now, 0);
            container.health = container.health.map(|_| "starting");
        });
        self.tell(id, "start", &[])
    }

    /// A hair later than what was changed, as Docker has it.
    fn tell(&self, id: &str, action: &str, more: &[(&str, String)]) -> i64 {
        let attributes = match self.containers.lock().unwrap().get(id) {
            Some(container) => container.attributes(more),
            None => Container::default().attributes(more),
        };
        let event = |at| container::event(id, &attributes, action, at);
        self.stream.lock().unwrap().tell(action, self.now(), event)
    }

    fn kill(&self, id: &str, signal: &str) {
        self.tell(id, "kill", &[("signal", signal.to_owned())]);
    }

    /// Does what a call asks, and answers; `None` if the call asks for no change.
    pub(super) fn act(&self, route: &str, path: &str, query: &str) -> Option<(&'static str, Value)> {
        let parameter = |name: &str| {
            let mut all = url::form_urlencoded::parse(query.as_bytes());
            all.find_map(|(key, value)| (key == name).then(|| value.into_owned())).unwrap_or_default()
        };
        if route == "POST /containers/create" {
            let now = self.now();
            let (id, name) = (format!("{now:064x}"), parameter("name"));
            let container = Container { name, created: now, ..Container::default() };
            self.containers.lock().unwrap().insert(id.clone(), container);
            self.tell(&id, "create", &[]);
            return Some(("201 Created", json!({"Id": id, "Warnings": []})));
        }
        let verb = match route {
            "DELETE /containers/{id}" => "remove",
            _ => route.strip_prefix("POST /containers/{id}/")?,
        };
        let id = path.split('/').nth(2).unwrap_or_default();
        let Some(running) = self.containers.lock().unwrap().get(id).map(|container| container.running) else {
            return Some(("404 Not Found", json!({"message": format!("No such container: {id}")})));
        };
        match verb {
            "start" if running => return Some(("304 Not Modified", Value::Null)),
            "stop" if !running => return Some(("304 Not Modified", Value::Null)),
            "start" => drop(self.begin(id)),
            "stop" => {
                self.kill(id, "15");
                self.die(id, 0);
                self.tell(id, "stop", &[]);
            }
            "restart" => {
                if running {
                    self.kill(id, "15");
                    self.die(id, 0);
                    self.tell(id, "stop", &[]);
                }
                self.begin(id);
                self.tell(id, "restart", &[]);
            }
            "kill" => {
                self.kill(id, "9");
                self.die(id, 137);
            }
            "rename" => {
                let name = parameter("name");
                self.change(id, |container, _| container.name = name);
                self.tell(id, "rename", &[]);
            }
            "remove" if running => {
                return Some(("409 Conflict", json!({"message": "You cannot remove a running container"})));
            }
            "remove" => {
                self.tell(id, "destroy", &[]);
                self.containers.lock().unwrap().remove(id);
            }
            _ => return None,
        }
        Some(("204 No Content", Value::Null))
    }
}
