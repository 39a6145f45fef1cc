//! `portreeve describe KIND NAME`: everything known of one object or container, and why nothing is done about it.

mod beside;
mod container;
mod deliveries;
mod fields;
mod object;
mod service;

use self::beside::Beside;
pub(super) use self::object::selects;

use std::io;

use clap::Args;
use serde_json::Value;

use super::client::{ClientError, ServerArgs};
use super::face::Face;
use super::get::columns::Columns;
use super::guess::targets_or_hint;
use super::noun::{CommandTarget, Noun};
use super::{Exit, UsageError, fail};

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
    for CommandTarget { noun, name } in targets {
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

fn one(noun: Noun, item: &Value, beside: &Beside, face: &mut Face<'_>) -> anyhow::Result<()> {
    match noun {
        Noun::Containers => container::show(item, beside, face)?,
        Noun::Kind(kind) => object::show(kind, item, beside, face)?,
        Noun::Deliveries | Noun::Events => return face.yaml(item),
    }
    events(beside, face)?;
    Ok(())
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
