//! `get -w`: what is there, and every change after it, one line each.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::columns::{self, Columns};
use super::list::{arranged, items};
use super::output::Output;
use crate::cli::client::{Client, ClientError, Lines};
use crate::cli::face::Face;
use crate::cli::noun::{CommandTarget, Noun};
use crate::cli::patience::{until_back, until_ready};
use crate::cli::table::{Cell, Table, Tone};
use crate::cli::{Exit, UsageError};

/// How often what sends no changes is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What is watched, and how it is shown.
pub(super) struct Watch<'a> {
    pub(super) client: &'a Client,
    pub(super) target: &'a CommandTarget,
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) output: Output,
}

impl Watch<'_> {
    pub(super) async fn follow(&self, face: &mut Face<'_>) -> anyhow::Result<Exit> {
        let CommandTarget { noun, name } = self.target;
        if *noun == Noun::Events {
            return Err(UsageError("use `portreeve events -f` to follow events".to_owned()).into());
        }
        let name = match name {
            // What does not exist would be watched for ever; and a container may have been named by its id.
            Some(name) => Some(columns::name(&self.client.get(&[noun.plural(), name], &[]).await?)),
            None => None,
        };
        let means = |item: &Value| name.as_ref().is_none_or(|name| *name == columns::name(item));
        match noun {
            Noun::Kind(_) | Noun::Containers => self.stream(means, face).await,
            Noun::Events | Noun::Deliveries => self.look(means, face).await,
        }
    }

    /// What sends its changes. After an interruption containers go on after the last change that came, if the server still
    /// knows it; else, as kinds do, with all there is once more, which is told as far as it differs.
    async fn stream(&self, means: impl Fn(&Value) -> bool, face: &mut Face<'_>) -> anyhow::Result<Exit> {
        let containers = self.target.noun == Noun::Containers;
        let mut shown = Shown::new(self.target.noun, self.output.clone());
        let mut known: BTreeMap<String, Value> = BTreeMap::new();
        let mut after: Option<String> = None;
        let mut lines = self.watch(&mut after).await?;
        // What has been told since the stream began; all of it at the first bookmark.
        let mut told: Option<BTreeSet<String>> = Some(BTreeSet::new());
        loop {
            let line = match lines.next().await {
                Ok(Some(line)) => line,
                other => {
                    let error = other.err().unwrap_or_else(|| self.client.ended());
                    lines = self.again(error, &mut after, face).await?;
                    told = after.is_none().then(BTreeSet::new);
                    continue;
                }
            };
            let (Some(word), Some(object)) = (line["type"].as_str(), line.get("object")) else { continue };
            if word == "BOOKMARK" {
                let told = told.take();
                let gone = |name: &String| told.as_ref().is_some_and(|told| !told.contains(name));
                let gone: Vec<String> = known.keys().filter(|name| gone(name)).cloned().collect();
                for object in gone.iter().filter_map(|name| known.remove(name)) {
                    shown.change(&change(Word::Deleted, &object)?, &object, true, face)?;
                }
                if containers && !shown.begun {
                    // In the order of a list.
                    for object in known.values() {
                        shown.change(&change(Word::Added, object)?, object, false, face)?;
                    }
                }
                shown.begin(face)?;
            }
            // The first lines do not yet tell where to go on.
            if containers && told.is_none() {
                let id = object.pointer("/metadata/resourceVersion").and_then(Value::as_str);
                after = id.map(str::to_owned).or(after);
            }
            if word == "BOOKMARK" || !means(object) {
                continue;
            }
            let (key, object) =
                if containers { container(object) } else { (columns::name(object), object.clone()) };
            // Of containers what is there comes in no order.
            let now = shown.begun || !containers;
            if word == "DELETED" {
                if known.remove(&key).is_some() && now {
                    shown.change(&change(Word::Deleted, &object)?, &object, true, face)?;
                }
                continue;
            }
            if let Some(told) = &mut told {
                told.insert(key.clone());
            }
            let word = match known.get(&key) {
                Some(before) if *before == object => continue,
                Some(_) => Word::Modified,
                None => Word::Added,
            };
            if now {
                shown.change(&change(word, &object)?, &object, false, face)?;
            }
            known.insert(key, object);
        }
    }

    /// The stream once the server answers again; `after` becomes `None` if it begins anew.
    async fn again(
        &self,
        mut error: ClientError,
        after: &mut Option<String>,
        face: &mut Face<'_>,
    ) -> anyhow::Result<Lines> {
        loop {
            until_back(self.client, error, face).await?;
            if self.target.noun == Noun::Containers {
                until_ready(self.client).await;
            }
            match self.watch(after).await {
                Ok(lines) => return Ok(lines),
                Err(again) => error = again,
            }
        }
    }

    async fn watch(&self, after: &mut Option<String>) -> Result<Lines, ClientError> {
        let plural = self.target.noun.plural();
        if let Some(id) = after {
            let query: Vec<_> = self.query.iter().copied().chain([("after", id.as_str())]).collect();
            match self.client.watch(plural, &query).await {
                Err(gone) if gone.is_gone() => *after = None,
                other => return other,
            }
        }
        self.client.watch(plural, self.query).await
    }

    /// Others are looked at again and again.
    async fn look(&self, means: impl Fn(&Value) -> bool, face: &mut Face<'_>) -> anyhow::Result<Exit> {
        let mut shown = Shown::new(self.target.noun, self.output.clone());
        let mut known: BTreeMap<String, Value> = BTreeMap::new();
        loop {
            let list = match self.client.list(self.target.noun.plural(), self.query).await {
                Err(error) if shown.begun => {
                    until_back(self.client, error, face).await?;
                    until_ready(self.client).await;
                    continue;
                }
                list => arranged(self.target.noun, list?),
            };
            let mut now: BTreeMap<String, Value> = BTreeMap::new();
            for item in items(&list).iter().filter(|item| means(item)) {
                let key = columns::name(item);
                let word = match known.get(&key) {
                    None => Some(Word::Added),
                    Some(before) => (before != item).then_some(Word::Modified),
                };
                if let Some(word) = word {
                    shown.change(&change(word, item)?, item, false, face)?;
                }
                now.insert(key, item.clone());
            }
            for (_, item) in known.iter().filter(|(key, _)| !now.contains_key(*key)) {
                shown.change(&change(Word::Deleted, item)?, item, true, face)?;
            }
            shown.begin(face)?;
            known = now;
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// A container without what tells where it came in the stream, and under a name of its own: two engines may have one of
/// the same name.
fn container(object: &Value) -> (String, Value) {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("resourceVersion");
    }
    (format!("{} {}", columns::name(&object), object["id"]), object)
}

/// A line of `-o json`, as the server sends it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Change")]
pub(in crate::cli) struct WatchChange<'a> {
    #[serde(rename = "type")]
    word: Word,
    object: &'a Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
enum Word {
    Added,
    Modified,
    Deleted,
}

fn change(word: Word, object: &Value) -> anyhow::Result<Value> {
    Ok(serde_json::to_value(WatchChange { word, object })?)
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
        match &self.output {
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
            Output::Json => face.json_line(line)?,
            Output::Yaml => {
                writeln!(face.out, "---")?;
                face.yaml(object)?;
            }
            Output::JsonPath(template) => {
                let text = template.of(object);
                writeln!(face.out, "{}", text.trim_end_matches('\n'))?;
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
NAME    TARGET  EVENT    CONTAINER  STATE    FAILED  NEXT  AGE  ERROR
bill-1  b       started  -          pending  -       -     -    -
bill-1  b       started  -          parked   -       -     -    -
bill-1  b       started  -          parked   -       -     -    deleted
";
        assert_eq!(streams.both(), expected);
    }
}
