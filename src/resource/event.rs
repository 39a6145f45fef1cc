//! Events: every kind there is ([`EventKind`]), what one is about ([`EventSubject`](subject::EventSubject)), how much it
//! matters ([`Severity`]), and by which names sinks ask for them ([`EventName`]).
//!
//! What happened is built as a `store::NewEvent` from a kind and a subject, and only there.

mod kind;
pub mod subject;

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::check::Check;
use super::{KindId, nearest};

pub use kind::{DEPENDENCY_DOWN, EventKind};

/// How much an event matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// For information.
    Info,
    /// Something is wrong and is being dealt with.
    Warning,
    /// A person has to act.
    Critical,
}

impl Severity {
    /// The word stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    /// The severity of a word.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "info" => Some(Self::Info),
            "warning" => Some(Self::Warning),
            "critical" => Some(Self::Critical),
            _ => None,
        }
    }
}

macro_rules! names {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// The name of an event.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        pub enum EventName {
            $($(#[doc = $doc])+ $name,)+
        }

        impl EventName {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The name as it is written.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }
        }
    };
}

names! {
    /// A service became unhealthy.
    ServiceDown,
    /// A service became healthy again.
    ServiceRecovered,
    /// A service is down because a service it depends on is down.
    DependencyDown,
    /// An alert rule's condition holds.
    AlertFiring,
    /// An alert rule's condition no longer holds.
    AlertResolved,
    /// A container became unhealthy, or it is unhealthy and its policy only reports it.
    Unhealthy,
    /// A container was restarted and a new run was seen.
    Restarted,
    /// A restart failed.
    RestartFailed,
    /// A policy stopped a container.
    Stopped,
    /// A container is healthy again.
    Recovered,
    /// The engine no longer runs a container's health check.
    HealthCheckSilent,
    /// The engine runs a container's health check again.
    HealthCheckHeard,
    /// A container was quarantined, because its restarts did not help: it is not healed until it is released or stays healthy.
    Quarantined,
    /// A quarantine was ended.
    Released,
    /// Many containers are sick at once: healing stopped.
    BreakerOpen,
    /// Healing goes on after a breaker was open.
    BreakerClosed,
    /// An engine does not answer.
    EngineDown,
    /// An engine answers again.
    EngineRecovered,
    /// A delivery was refused permanently. It waits until it is replayed or skipped.
    DeliveryParked,
    /// A manifest has an error. Its last valid version stays in force.
    ManifestInvalid,
    /// A workload was scaled.
    Scaled,
    /// A container was created.
    ContainerCreated,
    /// A run of a container began.
    ContainerStarted,
    /// A run of a container ended.
    ContainerStopped,
    /// A container was removed.
    ContainerRemoved,
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which events are meant: `"*"` or a list of names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum EventFilter {
    /// Every event.
    #[default]
    All,
    /// These.
    Only(Vec<EventName>),
}

impl EventFilter {
    /// Whether `event` is meant.
    pub fn takes(&self, event: EventName) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(&event),
        }
    }

    pub(super) fn validate(&self, key: &str, check: &mut Check) {
        match self {
            Self::All => {}
            Self::Only(names) if names.is_empty() => {
                check.field(key, |check| check.refuse("an empty list takes no event; \"*\" takes every one"));
            }
            Self::Only(names) => check.distinct(key, names),
        }
    }
}

impl Serialize for EventFilter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All => serializer.serialize_str("*"),
            Self::Only(names) => names.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for EventFilter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FilterVisitor)
    }
}

struct FilterVisitor;

impl<'de> serde::de::Visitor<'de> for FilterVisitor {
    type Value = EventFilter;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"*\" or a list of events")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<EventFilter, E> {
        if text == "*" {
            return Ok(EventFilter::All);
        }
        let near = nearest(text, EventName::ALL.iter().map(|name| name.as_str()));
        Err(E::custom(match near {
            Some(near) => format!("is \"*\" or a list such as [{near}]"),
            None => "is \"*\" or a list of events".to_owned(),
        }))
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, items: A) -> Result<EventFilter, A::Error> {
        Vec::deserialize(serde::de::value::SeqAccessDeserializer::new(items)).map(EventFilter::Only)
    }
}

impl JsonSchema for EventFilter {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "EventFilter".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let name = generator.subschema_for::<EventName>();
        json_schema!({
            "anyOf": [
                {"const": "*"},
                {"type": "array", "items": name, "minItems": 1, "uniqueItems": true}
            ]
        })
    }
}

/// A sink that gets these events, besides the sinks whose selector matches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Notify {
    /// Name of a NotificationSink.
    pub sink_ref: String,
    /// Which events it gets; left out: all.
    #[serde(default)]
    pub events: EventFilter,
}

impl Notify {
    pub(super) fn validate(&self, check: &mut Check) {
        check.field("sinkRef", |check| check.refer(KindId::NotificationSink, &self.sink_ref));
        self.events.validate("events", check);
    }
}
