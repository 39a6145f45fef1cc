//! `portreeve events`: what happened and what was decided, oldest first; with `-f` as it happens.

use std::collections::BTreeSet;

use clap::Args;
use serde_json::Value;

use super::client::{Client, ClientError, Lines, ServerArgs};
use super::face::Face;
use super::get::columns::{Columns, name, reason, severity};
use super::guess::named;
use super::noun::{Noun, target};
use super::patience::until_back;
use super::table::Tone;
use super::text::{plain, scalar};
use super::{Exit, UsageError};
use crate::resource::KindId;

/// Flags of `events`.
#[derive(Args, Debug)]
pub(super) struct EventsArgs {
    /// Go on showing events as they happen, until Ctrl-C
    #[arg(short, long, visible_short_alias = 'w', visible_alias = "watch")]
    follow: bool,

    /// Only events of one container (`web` or `container/web`) or of one object, such as `BillingService/billing`
    #[arg(long = "for", value_name = "KIND/NAME")]
    subject: Option<String>,

    /// Only events since a time such as 2025-08-19T07:17:22Z, or since a duration ago such as 15m
    #[arg(long, value_name = "TIME")]
    since: Option<String>,

    /// Only events of this type, such as `Restarted`, `Skipped`, `gap`
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,

    /// At most this many events, the newest ones
    #[arg(long, default_value = "100", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,

    /// Output format
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,

    #[arg(skip)]
    pub(super) server: ServerArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people, one line for each event.
    Table,
    /// The same with more columns.
    Wide,
    /// One JSON document a line.
    Json,
}

pub(super) async fn events(args: &EventsArgs, face: &mut Face<'_>) -> anyhow::Result<Exit> {
    let EventsArgs { follow, subject, since, kind, limit, output, server } = args;
    let subject = subject.as_deref().map(Subject::parse).transpose()?;
    if let Some(text) = since {
        let time =
            text.parse::<jiff::Timestamp>().is_ok() || crate::resource::Duration::of_any_length(text).is_ok();
        if !time {
            let text = plain(text);
            return Err(UsageError(format!(
                "--since {text}: neither a time such as 2025-08-19T07:17:22Z nor a duration such as 15m"
            ))
            .into());
        }
    }
    let client = server.client()?;
    let limit = limit.to_string();
    let mut query: Vec<(&str, &str)> = vec![("limit", &limit)];
    query.extend(since.as_deref().map(|since| ("since", since)));
    query.extend(kind.as_deref().map(|kind| ("type", kind)));
    if let Some(Subject::Container(name)) = &subject {
        query.push(("container", name));
    }
    let found = read(&client, &query, subject.as_ref()).await?;
    if found.events.is_empty()
        && let Some(subject) = &subject
        && let Some(unknown) = subject.unknown(&client).await?
    {
        if !follow {
            return Err(anyhow::anyhow!("{unknown}"));
        }
        // It may come yet.
        face.note(&unknown)?;
    }
    if *follow {
        return go_on(&client, found, &query, subject.as_ref(), *output, face).await;
    }
    let found = found.events;
    if found.is_empty() && *output != Format::Json {
        writeln!(face.err, "no events found")?;
        return Ok(Exit::Fine);
    }
    match output {
        Format::Json => found.iter().try_for_each(|event| face.json_line(event))?,
        Format::Table | Format::Wide => {
            let columns = Columns::of(Noun::Events, *output == Format::Wide);
            let (mut table, now) = (columns.table(), face.now());
            found.iter().for_each(|event| table.row(columns.row(event, now)));
            table.print(face.out, 0, face.width)?;
        }
    }
    Ok(Exit::Fine)
}

/// What events are about.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Subject {
    /// The server knows which those are.
    Container(String),
    /// Of objects, those that speak of their name.
    Named(KindId, String),
}

impl Subject {
    fn parse(text: &str) -> Result<Self, UsageError> {
        if !text.contains('/') {
            return Ok(Self::Container(text.to_owned()));
        }
        let target = target(text)?;
        let name = target.name.unwrap_or_default();
        match target.noun {
            Noun::Containers => Ok(Self::Container(name)),
            Noun::Kind(kind) => Ok(Self::Named(kind, name)),
            noun @ (Noun::Events | Noun::Deliveries) => {
                Err(UsageError(format!("{} have no events", noun.plural())))
            }
        }
    }

    /// What is said of something that does not exist, and of which nothing was ever recorded.
    async fn unknown(&self, client: &Client) -> Result<Option<String>, ClientError> {
        let (plural, name) = match self {
            Self::Container(name) => (Noun::Containers.plural(), name),
            Self::Named(kind, name) => (kind.plural(), name),
        };
        let error = match client.get(&[plural, name], &[]).await {
            Err(error) if error.is_not_found() => error,
            // Several containers are meant.
            Ok(_) | Err(ClientError::Refused(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        if let Self::Container(name) = self {
            let before = client.items("events", &[("container", name), ("limit", "1")]).await?;
            if !before.is_empty() {
                return Ok(None);
            }
            if let Some(Noun::Kind(kind)) = named(client, name).await {
                let name = plain(name);
                return Ok(Some(format!(
                    "no container named `{name}` is known; did you mean `--for {kind}/{name}`?"
                )));
            }
        }
        Ok(Some(error.to_string()))
    }

    fn fits(&self, event: &Value) -> bool {
        match self {
            Self::Container(_) => true,
            Self::Named(kind, name) => concerns(event, *kind, name),
        }
    }
}

/// Whether an event is about an object. What is about a container is about that alone; a service's own events carry its name,
/// and the others tell in words what they are about.
pub(super) fn concerns(event: &Value, kind: KindId, name: &str) -> bool {
    let text = |field: &str| event[field].as_str().unwrap_or_default();
    let named = text("container_name");
    match (text("container_id"), named) {
        ("", "") => {
            let message = text("message");
            // Services may be called as ordinary words are.
            let services = kind != KindId::MonitoredService || message.contains(kind.as_str());
            services && speaks_of(message, name)
        }
        ("", named) => kind == KindId::MonitoredService && named == name,
        _ => false,
    }
}

/// Whether `name` stands in `message` as a word of its own.
fn speaks_of(message: &str, name: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    message.match_indices(name).any(|(place, _)| {
        let before = message[..place].chars().next_back();
        let after = message[place + name.len()..].chars().next();
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}

/// What a list of events holds.
struct EventList {
    /// Oldest first.
    events: Vec<Value>,
    /// The newest event of all when the list was made: what is recorded later has a higher number.
    newest: Option<u64>,
}

async fn read(
    client: &Client,
    query: &[(&str, &str)],
    subject: Option<&Subject>,
) -> Result<EventList, ClientError> {
    let mut list = client.list("events", query).await?;
    let newest = version(&list);
    let mut events: Vec<Value> = match list.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    };
    events.retain(|event| subject.is_none_or(|subject| subject.fits(event)));
    events.reverse();
    Ok(EventList { events, newest })
}

/// Shows what was found and what is recorded from then on. Numbers rise as events are recorded, whatever their times are, and
/// outlive a restart of the server.
async fn go_on(
    client: &Client,
    found: EventList,
    query: &[(&str, &str)],
    subject: Option<&Subject>,
    output: Format,
    face: &mut Face<'_>,
) -> anyhow::Result<Exit> {
    let EventList { events, newest: mut after } = found;
    events.iter().try_for_each(|event| one(event, output, face))?;
    face.out.flush()?;
    // Recorded while the list was made.
    let shown: BTreeSet<u64> =
        events.iter().filter_map(number).filter(|number| Some(*number) > after).collect();
    let query: Vec<_> =
        query.iter().copied().filter(|(name, _)| !matches!(*name, "since" | "limit")).collect();
    let mut lines = stream(client, &query, &mut after, face).await?;
    loop {
        let line = match lines.next().await {
            Ok(Some(line)) => line,
            other => {
                let error = other.err().unwrap_or_else(|| client.ended());
                until_back(client, error, face).await?;
                lines = stream(client, &query, &mut after, face).await?;
                continue;
            }
        };
        let Some(event) = line.get("object") else { continue };
        let number = if line["type"] == "BOOKMARK" { version(event) } else { number(event) };
        let Some(number) = number.filter(|number| after.is_none_or(|after| *number > after)) else {
            continue;
        };
        after = Some(number);
        let fits = || subject.is_none_or(|subject| subject.fits(event));
        if line["type"] == "ADDED" && !shown.contains(&number) && fits() {
            one(event, output, face)?;
            face.out.flush()?;
        }
    }
}

/// The events after the one with the number `after`, as they are recorded; from now on, and `after` is `None` then, if not all
/// of those are kept.
async fn stream(
    client: &Client,
    query: &[(&str, &str)],
    after: &mut Option<u64>,
    face: &mut Face<'_>,
) -> anyhow::Result<Lines> {
    loop {
        let number = after.map(|number| number.to_string());
        let query: Vec<_> =
            query.iter().copied().chain(number.as_deref().map(|number| ("after", number))).collect();
        match client.watch("events", &query).await {
            Ok(lines) => return Ok(lines),
            Err(error) if error.is_gone() && after.is_some() => {
                face.note(
                    "the server does not keep all events since the last one; going on with what comes now",
                )?;
                *after = None;
            }
            Err(error) => until_back(client, error, face).await?,
        }
    }
}

/// The number that a list or a bookmark gives for the newest event.
fn version(object: &Value) -> Option<u64> {
    object.pointer("/metadata/resourceVersion")?.as_str()?.parse().ok()
}

fn number(event: &Value) -> Option<u64> {
    name(event).parse().ok()
}

/// One event on one line, with its time: ages would be all the same.
fn one(event: &Value, output: Format, face: &mut Face<'_>) -> std::io::Result<()> {
    let text = |pointer: &str| scalar(event, pointer).unwrap_or_default();
    match output {
        Format::Json => face.json_line(event),
        Format::Table | Format::Wide => {
            let (kind, reason) = (text("/event_type"), reason(event));
            let kind = if reason.is_empty() { kind } else { format!("{kind} {reason}") };
            let engine = if output == Format::Wide { format!(" {}", text("/engine")) } else { String::new() };
            let time = Tone::Dim.paint(&text("/timestamp"));
            let kind = severity(event).paint(&kind);
            let output = Some(text("/output")).filter(|output| !output.is_empty());
            let output = output.map_or_else(String::new, |output| format!(": {output}"));
            writeln!(
                face.out,
                "{time}{engine} {} {kind} {}{output}",
                text("/container_name"),
                text("/message")
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tests::Streams;

    #[test]
    fn a_container_is_meant_unless_a_kind_is_named() {
        assert_eq!(Subject::parse("web").expect("one"), Subject::Container("web".to_owned()));
        assert_eq!(Subject::parse("c/web").expect("one"), Subject::Container("web".to_owned()));
        assert_eq!(
            Subject::parse("bill/b").expect("one"),
            Subject::Named(KindId::BillingService, "b".to_owned())
        );
        assert!(Subject::parse("events/1").is_err() && Subject::parse("cantainer/x").is_err());
    }

    #[test]
    fn an_object_is_spoken_of_by_its_whole_name() {
        use crate::resource::KindId::{AutohealPolicy, MonitoredService};
        let event = |id: &str, named: &str, message: &str| serde_json::json!({"container_id": id, "container_name": named, "message": message});
        let down = event("", "attempt", "connection refused");
        assert!(concerns(&down, MonitoredService, "attempt") && !concerns(&down, AutohealPolicy, "attempt"));
        let restarting = event("c1", "web", "restarting web, attempt 1");
        assert!(!concerns(&restarting, MonitoredService, "attempt"));
        let pull = event("", "", "cannot read from the remote repository");
        assert!(!concerns(&pull, MonitoredService, "remote"));
        assert!(concerns(&event("", "", "MonitoredService/web was adopted"), MonitoredService, "web"));
        assert!(concerns(&event("", "", "2 of 4 containers of the policy all"), AutohealPolicy, "all"));
        assert!(speaks_of("posted to 'billing' at last", "billing"));
        assert!(speaks_of("billing: HTTP 500", "billing"));
        assert!(!speaks_of("billing-2 is away", "billing"));
        assert!(!speaks_of("my_billing", "billing"));
    }

    #[test]
    fn an_event_is_one_line_with_its_time() {
        let event = serde_json::json!({
            "timestamp": "2025-08-19T07:17:22.193Z", "event_type": "Skipped", "reason": "BackingOff",
            "container_name": "web", "engine": "local", "message": "waits\n10s", "severity": "info",
        });
        let mut streams = Streams::default();
        one(&event, Format::Wide, &mut streams.face()).expect("output");
        assert_eq!(streams.both(), "2025-08-19T07:17:22.193Z local web Skipped BackingOff waits 10s\n");
    }
}
