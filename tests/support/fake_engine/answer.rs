//! What the engine answers to a question.

use std::sync::atomic::Ordering;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::container::NETWORK;
use super::{Exec, Shared};

impl Shared {
    /// A status, and a body.
    pub(super) fn answer(&self, route: &str, path: &str, query: &str) -> (&'static str, String) {
        if let Some((status, body)) = self.act(route, path, query) {
            return (status, body.to_string());
        }
        let id = path.split('/').nth(2).unwrap_or_default();
        let (status, body) = match route {
            "GET /_ping" => return ("200 OK", "OK".to_owned()),
            "GET /containers/json" => return ("200 OK", self.list()),
            "GET /containers/{id}/json" => match self.inspect(id) {
                Ok(text) => return ("200 OK", text),
                Err(refused) => refused,
            },
            "GET /version" => ("200 OK", json!({"ApiVersion": "1.41", "Version": "20.10.0"})),
            "GET /info" => {
                let ahead = jiff::SignedDuration::from_secs(self.ahead.load(Ordering::Relaxed));
                let now = (Timestamp::now() + ahead).to_string();
                ("200 OK", json!({"Name": "fake-host", "ServerVersion": "20.10.0", "SystemTime": now}))
            }
            "GET /networks" => ("200 OK", json!([network()])),
            "GET /networks/{id}" if id == NETWORK => ("200 OK", network()),
            "GET /containers/{id}/stats" => {
                let now = Timestamp::now().to_string();
                let (cpu, memory) = (json!({"cpu_usage": {"total_usage": 5}}), json!({"usage": 7}));
                ("200 OK", json!({"read": now, "cpu_stats": cpu, "memory_stats": memory}))
            }
            "POST /containers/{id}/exec" => ("201 Created", json!({"Id": "e"})),
            "GET /exec/{id}/json" => match *self.exec.lock().unwrap() {
                Some(Exec::Runs(pid)) => {
                    ("200 OK", json!({"ID": "e", "Running": true, "ExitCode": null, "Pid": pid}))
                }
                _ => ("200 OK", json!({"ID": "e", "Running": false, "ExitCode": 3})),
            },
            _ => ("404 Not Found", json!({"message": "page not found"})),
        };
        (status, body.to_string())
    }

    fn list(&self) -> String {
        let containers = self.containers.lock().unwrap();
        let mut text = String::with_capacity(1024 * (containers.len() + 1));
        text.push('[');
        for row in self.odd_rows.lock().unwrap().iter() {
            text.push_str(&row.to_string());
            text.push(',');
        }
        for (id, container) in containers.iter() {
            container.row(id, &mut text);
            text.push(',');
        }
        if text.ends_with(',') {
            text.pop();
        }
        text.push(']');
        text
    }

    fn inspect(&self, id: &str) -> Result<String, (&'static str, Value)> {
        if self.refused.lock().unwrap().contains(id) {
            return Err(("500 Internal Server Error", json!({"message": "layer does not exist"})));
        }
        // Written without the lock: thousands may be asked about.
        let container = self.containers.lock().unwrap().get(id).cloned();
        let none = || ("404 Not Found", json!({"message": format!("No such container: {id}")}));
        Ok(container.ok_or_else(none)?.inspect(id))
    }
}

fn network() -> Value {
    json!({"Id": NETWORK, "Name": "app", "Driver": "bridge", "Created": "2026-01-01T00:00:00Z", "Options": {}})
}
