//! The engine's own record: who called what, and when.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Instant;

/// One request.
#[derive(Clone, Debug)]
pub struct Call {
    pub at: Instant,
    /// The number of its connection, from 0 on.
    pub connection: usize,
    /// As in `GET /containers/{id}/json`.
    pub route: &'static str,
    /// Path and query as sent.
    pub path: String,
}

#[derive(Default)]
pub(super) struct Record {
    calls: Mutex<Vec<Call>>,
    counts: Mutex<BTreeMap<&'static str, usize>>,
}

impl Record {
    pub(super) fn enter(&self, connection: usize, route: &'static str, path: &str) {
        let call = Call { at: Instant::now(), connection, route, path: path.to_owned() };
        self.calls.lock().unwrap().push(call);
        *self.counts.lock().unwrap().entry(route).or_default() += 1;
    }

    pub(super) fn of(&self, route: &str) -> Vec<Call> {
        self.calls.lock().unwrap().iter().filter(|call| call.route == route).cloned().collect()
    }

    pub(super) fn count(&self, route: &str) -> usize {
        self.counts.lock().unwrap().get(route).copied().unwrap_or(0)
    }

    pub(super) fn total(&self) -> usize {
        self.counts.lock().unwrap().values().sum()
    }
}

/// What a request asks, without what it asks about; `until` in a query makes two questions of `/events`.
pub(super) fn route(method: &str, path: &str, query: &str) -> &'static str {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match (method, parts.as_slice()) {
        ("GET" | "HEAD", ["_ping"]) => "GET /_ping",
        ("GET", ["version"]) => "GET /version",
        ("GET", ["info"]) => "GET /info",
        ("GET", ["events"]) if query.contains("until=") => "GET /events?until",
        ("GET", ["events"]) => "GET /events",
        ("GET", ["containers", "json"]) => "GET /containers/json",
        ("GET", ["containers", _, "json"]) => "GET /containers/{id}/json",
        ("GET", ["containers", _, "stats"]) => "GET /containers/{id}/stats",
        ("GET", ["networks"]) => "GET /networks",
        ("GET", ["networks", _]) => "GET /networks/{id}",
        ("POST", ["containers", "create"]) => "POST /containers/create",
        ("POST", ["containers", _, "start"]) => "POST /containers/{id}/start",
        ("POST", ["containers", _, "stop"]) => "POST /containers/{id}/stop",
        ("POST", ["containers", _, "restart"]) => "POST /containers/{id}/restart",
        ("POST", ["containers", _, "kill"]) => "POST /containers/{id}/kill",
        ("POST", ["containers", _, "rename"]) => "POST /containers/{id}/rename",
        ("POST", ["containers", _, "exec"]) => "POST /containers/{id}/exec",
        ("POST", ["exec", _, "start"]) => "POST /exec/{id}/start",
        ("GET", ["exec", _, "json"]) => "GET /exec/{id}/json",
        ("DELETE", ["containers", _]) => "DELETE /containers/{id}",
        _ => "another",
    }
}
