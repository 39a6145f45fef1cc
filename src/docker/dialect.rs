//! What differs between the engines that speak Docker's API. All of it is here; the rest of the house knows one engine.
//!
//! Podman (4.3.1 and later): the ends of runs and removals have other names in its events; an end seldom says who caused it,
//! since a `stop` is told only where Podman notices the end before its own cleanup does, and a `kill` has no signal;
//! `health_status` comes with every check, and says what was so before it; its lists say nothing of health, but can be asked
//! for those of one health.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::answer::{Message, Version};
use crate::observed::{Cursor, EngineEvent, EventKind, Health, Nanos};

/// Whose engine it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Docker's.
    #[default]
    Docker,
    /// Podman's.
    Podman,
}

/// What Podman calls some of them where it filters.
const WANTED_OF_PODMAN: [&str; 2] = ["died", "remove"];

/// What `health_status` comes with in Podman's events, by version.
const HEALTH: [&str; 2] = ["health_status", "healthStatus"];

/// What an engine puts among the labels in an event's attributes.
const OWN: [&str; 5] = ["exitCode", "signal", "execID", "oldName", "execDuration"];
const OWN_OF_PODMAN: [&str; 5] = ["containerExitCode", "exitCode", "podId", "health_status", "healthStatus"];

impl Dialect {
    pub(super) fn of(version: &Version) -> Self {
        let components = version.components.iter().flatten();
        let mut names = components.filter_map(|component| component.name.as_deref());
        if names.any(|name| name.starts_with("Podman")) { Self::Podman } else { Self::Docker }
    }

    /// The actions to ask the event stream for.
    pub(super) fn wanted(self) -> Vec<&'static str> {
        match self {
            Self::Docker => EventKind::WORDS.to_vec(),
            Self::Podman => EventKind::WORDS.into_iter().chain(WANTED_OF_PODMAN).collect(),
        }
    }

    /// Docker's word for an event's action, and the text behind it: `health_status: healthy`.
    pub(super) fn action(self, message: &Message) -> Option<(String, String)> {
        let action = message.action.as_deref()?;
        let (word, detail) = action.split_once(':').unwrap_or((action, ""));
        let word = match (self, word) {
            (Self::Podman, "died") => "die",
            (Self::Podman, "remove") => "destroy",
            (Self::Docker | Self::Podman, word) => word,
        };
        let mut detail = detail.trim().to_owned();
        if self == Self::Podman && word == "health_status" && detail.is_empty() {
            let attributes = message.actor.as_ref().and_then(|actor| actor.attributes.as_ref());
            let told = |name: &&str| attributes?.get(*name)?.as_str();
            let told = message.health_status.as_deref().or_else(|| HEALTH.iter().find_map(told));
            told.unwrap_or_default().clone_into(&mut detail);
        }
        Some((word.to_owned(), detail))
    }

    /// The attribute that holds an exit code.
    pub(super) const fn exit_codes(self) -> &'static [&'static str] {
        match self {
            Self::Docker => &["exitCode"],
            Self::Podman => &["exitCode", "containerExitCode"],
        }
    }

    /// Attributes of an event that are not labels.
    pub(super) const fn own_attributes(self) -> &'static [&'static str] {
        match self {
            Self::Docker => &OWN,
            Self::Podman => &OWN_OF_PODMAN,
        }
    }

    /// Whether the end of a run comes with who caused it. Where it does not, no end is taken for a crash.
    pub(crate) const fn tells_who_stopped(self) -> bool {
        matches!(self, Self::Docker)
    }

    /// Whether `health_status` comes with each check, and before its result is there.
    pub(crate) const fn tells_every_check(self) -> bool {
        matches!(self, Self::Podman)
    }

    /// The healths that have to be asked for, each by a list of its own; a list that says them needs none.
    pub(super) const fn healths_to_ask(self) -> &'static [Health] {
        match self {
            Self::Docker => &[],
            Self::Podman => &[Health::Healthy, Health::Unhealthy],
        }
    }

    /// From when on an engine's memory of events is read, to see whether it reaches back to `cursor`: all of it, or of a log
    /// without an end enough to hold something older.
    pub(super) fn memory_since(self, cursor: &Cursor) -> Nanos {
        const BEGINNING: Nanos = Nanos(1_000_000_000);
        const HOUR: i64 = 3_600_000_000_000;
        match self {
            Self::Docker => BEGINNING,
            Self::Podman => Nanos(cursor.since().0.saturating_sub(HOUR)).max(BEGINNING),
        }
    }

    /// The parameter that ends an answer at `now`. Podman's `until` is when it stops reading: of the past it reads nothing.
    pub(super) fn memory_end(self, now: String) -> (&'static str, String) {
        match self {
            Self::Docker => ("until", now),
            Self::Podman => ("stream", "false".to_owned()),
        }
    }

    /// Brings an inspect's words into Docker's. A state that has no word there is what its flags say.
    pub(super) fn inspect(self, answer: &mut Value) {
        const KNOWN: [&str; 7] = ["created", "running", "paused", "restarting", "removing", "exited", "dead"];
        let Some(state) = answer.get_mut("State").filter(|state| state.is_object()) else { return };
        let word = state.get("Status").and_then(Value::as_str).unwrap_or_default();
        if !KNOWN.contains(&word) {
            let flag = |name: &str| state.get(name).and_then(Value::as_bool).unwrap_or(false);
            let never = |time: &str| time.is_empty() || time.starts_with("0001-");
            let started = !never(state.get("StartedAt").and_then(Value::as_str).unwrap_or_default());
            let flags = [
                ("Paused", "paused"),
                ("Restarting", "restarting"),
                ("Running", "running"),
                ("Dead", "dead"),
            ];
            let flagged = flags.into_iter().find_map(|(name, word)| flag(name).then_some(word));
            let word = flagged.unwrap_or(if started { "exited" } else { "created" });
            state["Status"] = json!(word);
        }
    }
}

/// What a stream said of containers' health. Where it says so with every check, what is said again is no news.
#[derive(Debug, Default)]
pub(super) struct Healths(HashMap<Arc<str>, Health>);

impl Healths {
    /// Whether an event tells something that was not told before.
    pub(super) fn is_news(&mut self, dialect: Dialect, event: &EngineEvent) -> bool {
        if let EventKind::Start | EventKind::Destroy = event.kind {
            self.0.remove(&event.key.id);
        }
        let EventKind::Health(health) = event.kind else { return true };
        !dialect.tells_every_check() || self.0.insert(event.key.id.clone(), health) != Some(health)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observed::ContainerKey;

    fn message(value: Value) -> Message {
        serde_json::from_value(value).expect("a message")
    }

    #[test]
    fn podmans_words_become_dockers() {
        let action = |value| Dialect::Podman.action(&message(value)).expect("an action");
        let of = |word: &str| action(json!({"Type": "container", "Action": word})).0;
        assert_eq!([of("died"), of("remove"), of("start"), of("die")], ["die", "destroy", "start", "die"]);
        // 4.3 has it beside the attributes, others among them, and some as Docker does.
        for told in [
            json!({"Action": "health_status", "HealthStatus": "unhealthy"}),
            json!({"Action": "health_status", "Actor": {"Attributes": {"health_status": "unhealthy"}}}),
            json!({"Action": "health_status", "Actor": {"Attributes": {"healthStatus": "unhealthy"}}}),
            json!({"Action": "health_status: unhealthy"}),
        ] {
            assert_eq!(action(told), ("health_status".to_owned(), "unhealthy".to_owned()));
        }
        // A container of Docker's may well be called so.
        let docker = Dialect::Docker.action(&message(json!({"Action": "remove"})));
        assert_eq!(docker, Some(("remove".to_owned(), String::new())));
    }

    #[test]
    fn what_is_said_of_health_with_every_check_is_news_once() {
        let event = |kind: EventKind| EngineEvent {
            key: ContainerKey::new("local", "c1"),
            at: Nanos(1),
            kind,
            name: String::new(),
            image: String::new(),
            labels: std::collections::BTreeMap::new(),
        };
        let mut healths = Healths::default();
        let mut news = |dialect, kind| healths.is_news(dialect, &event(kind));
        let told = [Health::Starting, Health::Healthy, Health::Healthy, Health::Unhealthy, Health::Unhealthy];
        let podman = told.map(|health| news(Dialect::Podman, EventKind::Health(health)));
        assert_eq!(podman, [true, true, false, true, false]);
        assert!(news(Dialect::Podman, EventKind::Start));
        assert!(news(Dialect::Podman, EventKind::Health(Health::Unhealthy)), "of another run");
        assert!(news(Dialect::Docker, EventKind::Health(Health::Unhealthy)));
    }

    #[test]
    fn podman_is_known_by_its_components() {
        let of = |components: Value| {
            Dialect::of(&serde_json::from_value(json!({"Components": components})).expect("a version"))
        };
        assert_eq!(of(json!([{"Name": "Podman Engine"}, {"Name": "Conmon"}])), Dialect::Podman);
        assert_eq!(of(json!([{"Name": "Engine"}, {"Name": "containerd"}])), Dialect::Docker);
        assert_eq!(of(Value::Null), Dialect::Docker);
    }

    #[test]
    fn a_state_without_a_known_word_is_what_its_flags_say() {
        for (state, expected) in [
            (json!({"Status": "running"}), "running"),
            (json!({"Status": "stopping", "Running": true}), "running"),
            (json!({"Status": "hibernating", "Running": true, "Paused": true}), "paused"),
            (json!({"Status": "stopped", "StartedAt": "2025-08-19T07:17:22Z"}), "exited"),
            (json!({"Status": "configured", "StartedAt": "0001-01-01T00:00:00Z"}), "created"),
            (json!({}), "created"),
        ] {
            let mut answer = json!({"State": state});
            Dialect::Podman.inspect(&mut answer);
            assert_eq!(answer["State"]["Status"], expected, "{state}");
        }
    }
}
