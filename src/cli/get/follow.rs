//! `get -w`: what is there, and every change after it, one line each.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::columns::{self, Columns};
use super::{Output, items};
use crate::cli::client::Client;
use crate::cli::face::Face;
use crate::cli::noun::{Noun, Target};
use crate::cli::table::{Cell, Table, Tone};
use crate::cli::{Exit, UsageError};

/// How often what sends no changes is looked at.
const LOOK: Duration = Duration::from_secs(1);

pub(super) async fn follow(
    client: &Client,
    target: &Target,
    query: &[(&str, &str)],
    output: Output,
    face: &mut Face<'_>,
) -> anyhow::Result<Exit> {
    match target.noun {
        Noun::Events => Err(UsageError("`portreeve events -f` follows events".to_owned()).into()),
        Noun::Kind(_) => stream(client, target, query, output, face).await,
        Noun::Containers | Noun::Deliveries => look(client, target, query, output, face).await,
    }
}

/// Kinds send their changes.
async fn stream(
    client: &Client,
    target: &Target,
    query: &[(&str, &str)],
    output: Output,
    face: &mut Face<'_>,
) -> anyhow::Result<Exit> {
    let mut lines = client.watch(target.noun.plural(), query).await?;
    let mut shown = Shown::new(target.noun, output);
    while let Some(line) = lines.next().await? {
        let (Some(word), Some(object)) = (line["type"].as_str(), line.get("object")) else { continue };
        if word == "BOOKMARK" {
            shown.begin(face)?;
            continue;
        }
        let wanted = target.name.as_ref().is_none_or(|name| *name == columns::name(object));
        if wanted {
            shown.change(&line, object, word == "DELETED", face)?;
        }
    }
    Err(anyhow::anyhow!("{} ended the stream: it stops or restarts", client.server()))
}

/// Others are looked at again and again.
async fn look(
    client: &Client,
    target: &Target,
    query: &[(&str, &str)],
    output: Output,
    face: &mut Face<'_>,
) -> anyhow::Result<Exit> {
    let mut shown = Shown::new(target.noun, output);
    let mut known: BTreeMap<String, Value> = BTreeMap::new();
    loop {
        let list = client.list(target.noun.plural(), query).await?;
        let mut now: BTreeMap<String, Value> = BTreeMap::new();
        for item in items(&list) {
            let name = columns::name(item);
            if target.name.as_ref().is_some_and(|wanted| *wanted != name) {
                continue;
            }
            // Two engines may have a container of one name.
            let key = format!("{name} {}", item["id"]);
            let word = match known.get(&key) {
                None => "ADDED",
                Some(before) if before != item => "MODIFIED",
                Some(_) => "",
            };
            if !word.is_empty() {
                shown.change(&change(word, item), item, false, face)?;
            }
            now.insert(key, item.clone());
        }
        for (key, item) in &known {
            if !now.contains_key(key) {
                shown.change(&change("DELETED", item), item, true, face)?;
            }
        }
        shown.begin(face)?;
        known = now;
        tokio::time::sleep(LOOK).await;
    }
}

fn change(word: &str, item: &Value) -> Value {
    serde_json::json!({"type": word, "object": item})
}

/// What has been printed, so that what follows is aligned with it.
struct Shown {
    columns: Columns,
    table: Table,
    noun: Noun,
    output: Output,
    begun: bool,
}

impl Shown {
    fn new(noun: Noun, output: Output) -> Self {
        let columns = Columns::of(noun, output == Output::Wide);
        Self { table: columns.table(), columns, noun, output, begun: false }
    }

    /// What is there now has been told: the table can be as wide as it needs.
    fn begin(&mut self, face: &mut Face<'_>) -> anyhow::Result<()> {
        let table = matches!(self.output, Output::Table | Output::Wide);
        if !self.begun && table {
            self.table.print(face.out, 0, face.width)?;
            face.out.flush()?;
        }
        self.begun = true;
        Ok(())
    }

    fn change(
        &mut self,
        line: &Value,
        object: &Value,
        gone: bool,
        face: &mut Face<'_>,
    ) -> anyhow::Result<()> {
        match self.output {
            Output::Table | Output::Wide => {
                let mut row = self.columns.row(object, face.now());
                if gone && let Some(last) = row.last_mut() {
                    *last = Cell::new("deleted", Tone::Odd);
                }
                if self.begun {
                    self.table.print_more(face.out, &row, face.width)?;
                } else {
                    self.table.row(row);
                }
            }
            // One document a line, with what happened to it.
            Output::Json => writeln!(face.out, "{line}")?,
            Output::Yaml => {
                writeln!(face.out, "---")?;
                face.yaml(object)?;
            }
            Output::Name => writeln!(face.out, "{}/{}", self.noun, columns::name(object))?,
        }
        face.out.flush()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::tests::Streams;

    #[test]
    fn what_is_there_makes_a_table_and_changes_follow_below_it() {
        let mut streams = Streams::default();
        let mut shown = Shown::new(Noun::Deliveries, Output::Table);
        let item = |state: &str| json!({"metadata": {"name": "bill-1"}, "target": "b", "event": "started", "state": state});
        let mut face = streams.face();
        shown.change(&json!({}), &item("pending"), false, &mut face).expect("output");
        shown.begin(&mut face).expect("output");
        shown.change(&json!({}), &item("parked"), false, &mut face).expect("output");
        shown.change(&json!({}), &item("parked"), true, &mut face).expect("output");
        let expected = "\
NAME    TARGET  EVENT    CONTAINER  STATE    TRIES  NEXT  AGE  ERROR
bill-1  b       started  -          pending  -      -     -    -
bill-1  b       started  -          parked   -      -     -    -
bill-1  b       started  -          parked   -      -     -    deleted
";
        assert_eq!(streams.both(), expected);
    }
}
