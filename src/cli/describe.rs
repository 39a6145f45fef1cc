//! `portreeve describe KIND NAME`: everything known of one object or container, and why nothing is done about it.

mod container;
mod object;
mod service;

pub(super) use self::object::selects;

use std::io;

use clap::Args;
use serde_json::Value;

use super::client::{Client, ClientError, ServerArgs};
use super::events::concerns;
use super::face::Face;
use super::get::columns::Columns;
use super::guess::targets_or_hint;
use super::noun::{Noun, Target};
use super::paragraph::paragraph;
use super::table::{Cell, Table, Tone};
use super::text::{instant, relative, scalar};
use super::{Exit, UsageError, fail};
use crate::observed::Nanos;

/// How many events are shown.
const EVENTS: usize = 15;

/// Flags of `describe`.
#[derive(Args, Debug)]
pub(super) struct DescribeArgs {
    /// KIND NAME..., KIND/NAME...; KIND alone describes all of it
    #[arg(required = true, num_args = 1.., value_name = "KIND")]
    words: Vec<String>,

    #[arg(skip)]
    pub(super) server: ServerArgs,
}

pub(super) async fn describe(args: &DescribeArgs, face: &mut Face<'_>) -> anyhow::Result<Exit> {
    let client = args.server.client()?;
    let targets = targets_or_hint(&client, "describe", &args.words).await?;
    let (mut exit, mut first) = (Exit::Fine, true);
    for Target { noun, name } in targets {
        if noun == Noun::Events {
            return Err(UsageError("events have no names: use `portreeve events`".to_owned()).into());
        }
        let items = match name {
            None => client.items(noun.plural(), &[]).await?,
            Some(name) => match client.get(&[noun.plural(), &name], &[]).await {
                Ok(item) => vec![item],
                Err(error @ ClientError::Refused(_)) => {
                    fail(face.err, &error.to_string())?;
                    exit = Exit::Problems;
                    continue;
                }
                Err(error) => return Err(error.into()),
            },
        };
        for item in items {
            if !first {
                writeln!(face.out, "\n---\n")?;
            }
            first = false;
            let beside = Beside::read(&client, noun, &item).await?;
            one(noun, &item, &beside, face)?;
        }
    }
    Ok(exit)
}

/// What is shown beside an item itself.
#[derive(Default)]
struct Beside {
    containers: Vec<Value>,
    registries: Vec<Value>,
    billing: Vec<Value>,
    deliveries: Vec<Value>,
    /// Newest first.
    events: Vec<Value>,
}

impl Beside {
    async fn read(client: &Client, noun: Noun, item: &Value) -> Result<Self, ClientError> {
        let name = scalar(item, "/metadata/name").unwrap_or_default();
        let id = scalar(item, "/id").unwrap_or_default();
        Ok(match noun {
            Noun::Containers => Self {
                registries: client.items("discoveryregistries", &[]).await?,
                billing: client.items("billingservices", &[]).await?,
                deliveries: deliveries_by(client, ("container", &id)).await?,
                events: client.items("events", &[("container", &id), ("limit", "15")]).await?,
                ..Self::default()
            },
            Noun::Kind(kind) => {
                let target = matches!(noun.kind(), "BillingService" | "DiscoveryRegistry");
                let mut deliveries = Vec::new();
                if target {
                    deliveries = deliveries_by(client, ("target", &name)).await?;
                    deliveries.retain(|delivery| delivery["kind"].as_str() == Some(noun.kind()));
                }
                let mut events = client.items("events", &[("limit", "1000")]).await?;
                events.retain(|event| concerns(event, kind, &name));
                Self {
                    containers: client.items("containers", &[]).await?,
                    deliveries,
                    events,
                    ..Self::default()
                }
            }
            Noun::Deliveries | Noun::Events => Self::default(),
        })
    }
}

fn one(noun: Noun, item: &Value, beside: &Beside, face: &mut Face<'_>) -> anyhow::Result<()> {
    match noun {
        Noun::Containers => container::show(item, beside, face)?,
        Noun::Kind(kind) => object::show(kind, item, beside, face)?,
        Noun::Deliveries | Noun::Events => return face.yaml(item),
    }
    events(beside, face)?;
    Ok(())
}

/// One field and its value, aligned with the others; a long value goes on below.
fn field(face: &mut Face<'_>, name: &str, value: &str) -> io::Result<()> {
    let value = if value.is_empty() { "-" } else { value };
    let line = format!("{:<14}{value}", format!("{name}:"));
    // Colours take no room, and what has one is a word.
    let width = face.width.filter(|_| !value.contains('\u{1b}'));
    paragraph(face.out, &line, Tone::Plain, (0, 14), width)
}

/// A map, one pair a line.
fn fields(face: &mut Face<'_>, name: &str, item: &Value, pointer: &str) -> io::Result<()> {
    let map = item.pointer(pointer).and_then(Value::as_object).filter(|map| !map.is_empty());
    let Some(map) = map else { return Ok(()) };
    for (place, (key, value)) in map.iter().enumerate() {
        let name = if place == 0 { format!("{name}:") } else { String::new() };
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let line = format!("{name:<14}{}", super::text::plain(&format!("{key}={text}")));
        paragraph(face.out, &line, Tone::Plain, (0, 14), face.width)?;
    }
    Ok(())
}

/// `2025-08-19T07:17:22Z (3h ago)`.
fn time(item: &Value, pointer: &str, now: Nanos) -> String {
    let Some(text) = scalar(item, pointer) else { return String::new() };
    match instant(&text) {
        Some(at) => format!("{text} ({})", relative(at, now)),
        None => text,
    }
}

fn events(beside: &Beside, face: &mut Face<'_>) -> io::Result<()> {
    writeln!(face.out, "\nEvents:")?;
    let (now, columns) = (face.now(), Columns::of(Noun::Events, false));
    let mut table = columns.table();
    for event in beside.events.iter().take(EVENTS).rev() {
        table.row(columns.row(event, now));
    }
    if table.is_empty() { writeln!(face.out, "  none") } else { table.print(face.out, 2, face.width) }
}

/// All that wait or are parked, and what was delivered lately: of that there may be very many.
async fn deliveries_by(client: &Client, by: (&str, &str)) -> Result<Vec<Value>, ClientError> {
    let mut found = client.items("deliveries", &[by, ("state", "pending")]).await?;
    found.extend(client.items("deliveries", &[by, ("state", "parked")]).await?);
    let mut lately = client.get(&["deliveries"], &[by, ("state", "delivered")]).await?;
    if let Some(Value::Array(lately)) = lately.get_mut("items").map(Value::take) {
        found.extend(lately);
    }
    Ok(found)
}

/// How many deliveries are how far, and what is not delivered. What a registry was told is not remembered as deliveries.
fn deliveries(beside: &Beside, bills: bool, face: &mut Face<'_>) -> io::Result<()> {
    let of =
        |state: &str| beside.deliveries.iter().filter(|item| item["state"].as_str() == Some(state)).count();
    writeln!(face.out, "\nDeliveries:")?;
    if bills {
        write!(face.out, "  {} delivered lately, {} waiting,", of("delivered"), of("pending"))?;
        writeln!(face.out, " {} parked", of("parked"))?;
    } else {
        writeln!(face.out, "  {} waiting", of("pending"))?;
    }
    let (now, columns) = (face.now(), Columns::of(Noun::Deliveries, false));
    let mut table = columns.table();
    // They come newest first, and the oldest is the one that is tried.
    let open = beside.deliveries.iter().rev().filter(|item| item["state"].as_str() != Some("delivered"));
    let alike = alike(open);
    for (first, _) in alike.iter().take(EVENTS) {
        table.row(columns.row(first, now));
    }
    if table.is_empty() {
        return Ok(());
    }
    table.print(face.out, 2, face.width)?;
    for (first, more) in alike.iter().take(EVENTS).filter(|(_, more)| *more > 0) {
        let text = |pointer: &str| scalar(first, pointer).unwrap_or_default();
        let (target, state) = (text("/target"), text("/state"));
        let line = format!("and {more} more after {} for {target}, {state}", text("/metadata/name"));
        paragraph(face.out, &line, Tone::Dim, (2, 2), face.width)?;
    }
    Ok(())
}

/// The first of those that differ only in what happened and when, and how many there are like it.
fn alike<'v>(deliveries: impl Iterator<Item = &'v Value>) -> Vec<(&'v Value, usize)> {
    let likeness = |item: &Value| {
        ["/target", "/kind", "/containerId", "/state", "/lastError", "/waitsBehind"]
            .map(|pointer| scalar(item, pointer))
    };
    let mut found: Vec<(&Value, usize)> = Vec::new();
    for item in deliveries {
        match found.iter_mut().find(|(first, _)| likeness(first) == likeness(item)) {
            Some((_, more)) => *more += 1,
            None => found.push((item, 0)),
        }
    }
    found
}

/// What this registry is still to be told of this container, if it has not accepted that yet.
fn unaccepted<'b>(beside: &'b Beside, registry: &str, container: &Value) -> Option<&'b str> {
    let about = |delivery: &&Value| {
        delivery["kind"] == "DiscoveryRegistry"
            && delivery["target"].as_str() == Some(registry)
            && delivery["containerId"] == container["id"]
            && delivery["engine"] == container["engine"]
            && delivery["state"] == "pending"
    };
    beside.deliveries.iter().find(about)?["event"].as_str()
}

/// Containers with what matters of them here.
fn containers<'v>(of: impl Iterator<Item = &'v Value>) -> Table {
    let mut table = Table::new(["NAME", "STATE", "HEALTH", "BLOCKED"]);
    let columns = Columns::of(Noun::Containers, false);
    for item in of {
        let row = columns.row(item, Nanos(0));
        table.row([0, 1, 2, 5].into_iter().filter_map(|place| row.get(place).cloned()).collect());
    }
    table
}

/// A yes that is good, a no that is not interesting.
fn told(yes: bool, word: &str) -> Cell {
    if yes { Cell::new(word, Tone::Good) } else { Cell::new("no", Tone::Dim) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::tests::Streams;

    #[test]
    fn deliveries_that_wait_for_the_same_are_one_line_and_their_number() {
        let bill = |seq: u32, target: &str| {
            json!({
                "metadata": {"name": format!("bill-{seq}")}, "target": target, "state": "pending",
                "attempts": 3, "event": "started", "lastError": "refused", "containerId": "c1",
            })
        };
        let bills = (0..40).map(|seq| bill(40 - seq, "billing"));
        let deliveries = std::iter::once(bill(41, "other")).chain(bills).collect();
        let beside = Beside { deliveries, ..Beside::default() };
        let mut streams = Streams::default();
        super::deliveries(&beside, true, &mut streams.face()).expect("output");
        let expected = "
Deliveries:
  0 delivered lately, 41 waiting, 0 parked
  NAME     TARGET   EVENT    CONTAINER  STATE    FAILED  NEXT  AGE  ERROR
  bill-1   billing  started  c1         pending  3       -     -    refused
  bill-41  other    started  c1         pending  3       -     -    refused
  and 39 more after bill-1 for billing, pending
";
        assert_eq!(streams.both(), expected);
    }
}
