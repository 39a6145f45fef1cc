//! What the two services remember, and the rules between calls: what is registered, what was billed, in which
//! order, under which key.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::contract::{Endpoint, Event, Operation, Request};
use super::faults::Fault;

/// Which of the two services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Which {
    Discovery,
    Billing,
}

/// One call, in order of arrival.
#[derive(Clone, Debug)]
pub struct Call {
    pub at: Instant,
    pub which: Which,
    pub request: Request,
    /// The well-formed call's meaning.
    pub operation: Option<Operation>,
    /// The status answered; `None` where the fault left the caller without an answer.
    pub status: Option<u16>,
    pub fault: Option<Fault>,
    /// What was wrong with it.
    pub violation: Option<String>,
}

/// An entry of the registry.
#[derive(Clone, Debug, PartialEq)]
pub struct Registered {
    pub endpoint: Endpoint,
    pub up: bool,
}

/// A bill that was accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct Billed {
    pub key: String,
    pub event: Event,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct State {
    pub calls: Vec<Call>,
    pub registry: BTreeMap<String, Registered>,
    /// Each accepted bill once, in order of acceptance.
    pub billed: Vec<Billed>,
    pub violations: Vec<String>,
    /// The body first seen under each key, accepted or not.
    bodies: BTreeMap<String, String>,
    /// The keys in `billed`, and where a container's events are there: looked up at every call.
    accepted: BTreeSet<String>,
    places: BTreeMap<String, Vec<usize>>,
}

impl State {
    /// The events accepted for one container, in order.
    pub fn events_of(&self, container_id: &str) -> Vec<&Event> {
        let places = self.places.get(container_id).into_iter().flatten();
        places.map(|place| &self.billed[*place].event).collect()
    }

    /// Their names alone, as in `["started", "stopped"]`.
    pub fn names_of(&self, container_id: &str) -> Vec<&str> {
        self.events_of(container_id).into_iter().map(|event| event.event.as_str()).collect()
    }

    /// The ids registered as up.
    pub fn up(&self) -> BTreeSet<&str> {
        self.registry.iter().filter(|(_, entry)| entry.up).map(|(id, _)| id.as_str()).collect()
    }

    /// Panics with all violations, if there were any.
    pub fn assert_clean(&self) {
        assert!(
            self.violations.is_empty(),
            "the receiver was called wrongly:\n{}",
            self.violations.join("\n")
        );
    }

    /// A key never changes its body, not even after an attempt that failed.
    pub(super) fn check_key(&mut self, operation: &Operation, request: &Request) -> Result<(), String> {
        let Operation::Bill { key, .. } = operation else { return Ok(()) };
        let first = self.bodies.entry(key.clone()).or_insert_with(|| request.body.clone());
        if *first == request.body {
            Ok(())
        } else {
            Err(format!("key {key} came with `{first}`, and now with `{}`", request.body))
        }
    }

    /// Does what the call asks; the status of the answer, or the rule it breaks. `again` accepts a registration
    /// of an id that is registered as down.
    pub(super) fn commit(&mut self, operation: &Operation, again: bool) -> Result<u16, String> {
        match operation {
            Operation::Register(endpoint) => {
                if self.registry.get(&endpoint.id).is_some_and(|entry| entry.up || !again) {
                    return Ok(409);
                }
                let entry = Registered { endpoint: endpoint.clone(), up: true };
                self.registry.insert(endpoint.id.clone(), entry);
                Ok(201)
            }
            Operation::Down { id } => match self.registry.get_mut(id) {
                Some(entry) => {
                    entry.up = false;
                    Ok(200)
                }
                None => Ok(404),
            },
            Operation::Unregister { id } => Ok(if self.registry.remove(id).is_some() { 204 } else { 404 }),
            Operation::Bill { key, event } => self.bill(key, event),
        }
    }

    fn bill(&mut self, key: &str, event: &Event) -> Result<u16, String> {
        if self.accepted.contains(key) {
            return Ok(200);
        }
        let earlier = self.events_of(&event.container_id);
        if earlier.contains(&event) {
            return Err(format!("the same event under a second key, {key}: {event:?}"));
        }
        follows(earlier.last().copied(), event)?;
        self.accepted.insert(key.to_owned());
        self.places.entry(event.container_id.clone()).or_default().push(self.billed.len());
        self.billed.push(Billed { key: key.to_owned(), event: event.clone() });
        Ok(201)
    }
}

/// Whether `event` may come after `last` in the life of one container. Timestamps compare as text, since they
/// are all of one shape.
fn follows(last: Option<&Event>, event: &Event) -> Result<(), String> {
    let allowed = match (last.map(|last| last.event.as_str()), event.event.as_str()) {
        (None | Some("created" | "stopped"), "started" | "removed") | (None, "created") => true,
        (Some("started"), "stopped") => last.is_some_and(|last| last.timestamp <= event.timestamp),
        _ => false,
    };
    if allowed { Ok(()) } else { Err(format!("out of order: {event:?} after {last:?}")) }
}
