//! Events: as they are built, as they are stored, and how far they are read.

use std::collections::BTreeMap;

use crate::observed::{Nanos, Shard};
use crate::resource::KindId;
use crate::resource::event::subject::EventSubject;
use crate::resource::event::{EventKind, EventName, Severity};

/// Something that happened or was decided, to be stored. This is where events are built, and nowhere else.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEvent {
    kind: EventKind,
    subject: EventSubject,
    at: Nanos,
    reason: &'static str,
    status: String,
    message: String,
    severity: Severity,
    restart_count: u32,
    caller: String,
    output: String,
}

impl NewEvent {
    /// What happened, to what, and when. It matters as its kind does.
    pub fn new(kind: EventKind, subject: impl Into<EventSubject>, at: Nanos) -> Self {
        Self {
            kind,
            subject: subject.into(),
            at,
            reason: "",
            status: String::new(),
            message: String::new(),
            severity: kind.severity(),
            restart_count: 0,
            caller: String::new(),
            output: String::new(),
        }
    }

    /// CamelCase reason, for decisions.
    #[must_use]
    pub fn because(self, reason: &'static str) -> Self {
        Self { reason, ..self }
    }

    /// Short state word, such as `enabled`.
    #[must_use]
    pub fn status(self, status: impl Into<String>) -> Self {
        Self { status: status.into(), ..self }
    }

    /// One sentence for people.
    #[must_use]
    pub fn saying(self, message: impl Into<String>) -> Self {
        Self { message: message.into(), ..self }
    }

    /// How much it matters, where that is not as usual for its kind.
    #[must_use]
    pub fn weighing(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }

    /// How often Portreeve restarted the container so far.
    #[must_use]
    pub fn after_restarts(self, restart_count: u32) -> Self {
        Self { restart_count, ..self }
    }

    /// Who asked for it, such as `token ci`.
    #[must_use]
    pub fn asked_by(self, caller: impl Into<String>) -> Self {
        Self { caller: caller.into(), ..self }
    }

    /// What a check printed, for those only who may see what containers print.
    #[must_use]
    pub fn with_output(self, output: impl Into<String>) -> Self {
        Self { output: output.into(), ..self }
    }

    /// When it happened.
    pub const fn at(&self) -> Nanos {
        self.at
    }

    /// Its sentence for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// How much it matters.
    pub const fn severity(&self) -> Severity {
        self.severity
    }

    /// The shard in which it is numbered.
    pub fn shard(&self) -> Shard {
        Shard::of(self.subject.engine())
    }

    /// As it is stored.
    pub fn stored(&self) -> StoredEvent {
        let Self { kind, subject, at, reason, status, message, severity, restart_count, caller, output } =
            self.clone();
        let object = subject.object().unwrap_or_default();
        let engine = subject.engine().unwrap_or_default().to_owned();
        let (container_id, container_name, image, host, ports) = match subject {
            EventSubject::Container { engine: _, id, name, image, host, ports } => {
                (id, name, image, host, ports)
            }
            EventSubject::Service(name) => {
                (String::new(), name, String::new(), String::new(), BTreeMap::new())
            }
            EventSubject::Policy { engine: _, host, policy: _ } => {
                (String::new(), String::new(), String::new(), host, BTreeMap::new())
            }
            EventSubject::Portreeve | EventSubject::Engine(_) | EventSubject::Object { .. } => {
                Default::default()
            }
        };
        StoredEvent {
            at,
            engine,
            container_id,
            container_name,
            image,
            host,
            ports,
            object,
            event_type: kind.as_str().to_owned(),
            reason: reason.to_owned(),
            status,
            message,
            severity,
            restart_count,
            caller,
            output,
        }
    }
}

/// An event as the store holds it. Words stay as they were written, also those of other versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// When.
    pub at: Nanos,
    /// Engine it belongs to; empty for Portreeve itself.
    pub engine: String,
    /// Full container id; empty if it is about no container.
    pub container_id: String,
    /// Container name, or that of the service it is about; else empty.
    pub container_name: String,
    /// The container's image.
    pub image: String,
    /// The engine's name for its host.
    pub host: String,
    /// The container's published ports at the time, such as `80/tcp` and the host's; empty if it had none, or none was known.
    pub ports: BTreeMap<String, u16>,
    /// The object or policy it is about, as `KIND/NAME`; empty if it is about none, or was stored before this was.
    pub object: String,
    /// Word of its kind, such as `auto_monitor`, `start`, `Restarted`, `gap`.
    pub event_type: String,
    /// CamelCase reason, for decisions.
    pub reason: String,
    /// Short state word, such as `enabled`.
    pub status: String,
    /// One sentence for people.
    pub message: String,
    /// How much it matters.
    pub severity: Severity,
    /// Restarts by Portreeve so far.
    pub restart_count: u32,
    /// Who asked for it, such as `token ci`; empty where nobody did.
    pub caller: String,
    /// What a check printed, for those only who may see what containers print; empty where none did.
    pub output: String,
}

impl StoredEvent {
    /// What kind of event it is. `None`: one that this version does not know.
    pub fn kind(&self) -> Option<EventKind> {
        EventKind::parse(&self.event_type)
    }

    /// The name under which a sink can ask for it, if one can.
    pub fn name(&self) -> Option<EventName> {
        self.kind()?.name(&self.reason)
    }

    /// What it is about.
    pub fn subject(&self) -> EventSubject {
        let Self { engine, container_id, container_name, image, host, ports, object, .. } = self;
        if !container_id.is_empty() {
            return EventSubject::Container {
                engine: engine.clone(),
                id: container_id.clone(),
                name: container_name.clone(),
                image: image.clone(),
                host: host.clone(),
                ports: ports.clone(),
            };
        }
        let object = object.split_once('/').and_then(|(kind, name)| Some((KindId::of(kind)?, name)));
        match (object, container_name.is_empty(), engine.is_empty()) {
            (Some((KindId::AutohealPolicy, name)), _, false) => {
                EventSubject::Policy { engine: engine.clone(), host: host.clone(), policy: name.to_owned() }
            }
            (Some((kind, name)), ..) => EventSubject::Object { kind, name: name.to_owned() },
            (None, false, _) => EventSubject::Service(container_name.clone()),
            (None, true, false) => EventSubject::Engine(engine.clone()),
            (None, true, true) => EventSubject::Portreeve,
        }
    }
}

/// An event and its places in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// Its number in the whole log, by which people and the API name it. Rises with time of recording.
    pub id: i64,
    /// The shard that it belongs to.
    pub shard: Shard,
    /// Its number in its shard: one more than that of the shard's event recorded before it. The first is 1.
    pub seq: i64,
    /// The event.
    pub event: StoredEvent,
}

/// How far a reader has come in a shard.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventCursor {
    /// Name of the reader.
    pub reader: String,
    /// The shard.
    pub shard: Shard,
    /// The last event of it that the reader is done with; 0 before the first.
    pub seq: i64,
}

/// Which events are asked for; newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Only of this type.
    pub event_type: Option<String>,
    /// Only for the container with this name, id or beginning of an id.
    pub container: Option<String>,
    /// Not before.
    pub since: Option<Nanos>,
    /// Before.
    pub until: Option<Nanos>,
    /// At most so many.
    pub limit: u32,
}

/// What a container may be named by the beginning of its id with, at least.
const SHORTEST_ID: usize = 6;

impl EventFilter {
    /// Whether a container is found by this beginning of its id, too.
    pub(super) fn names_ids(asked: &str) -> bool {
        asked.chars().count() >= SHORTEST_ID
    }

    /// Whether an event is one of those asked for, however many that are: as every store judges.
    pub fn admits(&self, event: &StoredEvent) -> bool {
        let Self { event_type, container, since, until, limit: _ } = self;
        let named = |asked: &String| {
            let id = Self::names_ids(asked) && event.container_id.starts_with(asked.as_str());
            event.container_name == *asked || id
        };
        event_type.as_ref().is_none_or(|asked| event.event_type == *asked)
            && container.as_ref().is_none_or(named)
            && since.is_none_or(|since| event.at >= since)
            && until.is_none_or(|until| event.at < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_event_is_about_is_read_as_it_was_written() {
        let text = str::to_owned;
        let container = |name, image, host| EventSubject::Container {
            engine: text("local"),
            id: text("c1"),
            name: text(name),
            image: text(image),
            host: text(host),
            ports: [("80/tcp".to_owned(), 8080)].into(),
        };
        for subject in [
            EventSubject::Portreeve,
            container("web", "nginx:alpine", "h"),
            container("", "", ""),
            EventSubject::Service(text("shop")),
            EventSubject::Engine(text("local")),
            EventSubject::Policy { engine: text("local"), host: text("h"), policy: text("default") },
            EventSubject::Object { kind: KindId::AutohealPolicy, name: text("default") },
            EventSubject::Object { kind: KindId::BillingService, name: text("billing") },
        ] {
            let event = NewEvent::new(EventKind::Gap, subject.clone(), Nanos(1));
            assert_eq!(event.stored().subject(), subject);
        }
    }

    #[test]
    fn what_is_of_an_engine_is_numbered_there_and_the_rest_in_the_fleet() {
        let shard = |subject| NewEvent::new(EventKind::Gap, subject, Nanos(1)).shard();
        assert_eq!(shard(EventSubject::Engine("fleet".to_owned())), Shard::Engine("fleet".into()));
        assert_eq!(shard(EventSubject::Service("local".to_owned())), Shard::Fleet);
        assert_eq!(shard(EventSubject::Portreeve), Shard::Fleet);
    }

    #[test]
    fn a_word_of_another_version_stays_and_has_no_kind() {
        let event = NewEvent::new(EventKind::Gap, EventSubject::Portreeve, Nanos(1)).stored();
        assert_eq!(event.kind(), Some(EventKind::Gap));
        let event = StoredEvent { event_type: "Exploded".to_owned(), ..event };
        assert_eq!((event.kind(), event.name()), (None, None));
    }
}
