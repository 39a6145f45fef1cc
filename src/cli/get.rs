//! `portreeve get KIND [NAME...]`: what is declared, and what is seen.

pub(super) mod columns;
mod follow;
mod json_path;
mod list;
mod output;

use clap::Args;
use serde_json::{Value, json};

use self::columns::Columns;
use self::follow::Watch;
pub(super) use self::follow::WatchChange;
use self::list::{arranged, items};
use self::output::Output;
use super::Exit;
use super::client::{Client, ClientError, ServerArgs};
use super::face::Face;
use super::guess::targets_or_hint;
use super::noun::{CommandTarget, Noun};
use super::{UsageError, fail};
use crate::resource::KindId;

/// Flags of `get`.
#[derive(Args, Debug)]
#[command(after_help = kinds())]
pub(super) struct GetArgs {
    /// KIND, KIND NAME..., KIND/NAME..., several kinds as KIND,KIND, or `all`; also containers, events, deliveries
    #[arg(required = true, num_args = 1.., value_name = "KIND")]
    words: Vec<String>,

    /// Only what has these labels, such as `tier=web,!canary,zone in (a,b)`
    #[arg(short = 'l', long, value_name = "LABELS")]
    selector: Option<String>,

    /// Output format: table, wide, yaml, json, name (KIND/NAME), or `jsonpath=TEMPLATE` as kubectl has it, such as
    /// `jsonpath={.items[*].metadata.name}`
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Output,

    /// Then show each change, until Ctrl-C
    #[arg(short, long)]
    watch: bool,

    #[arg(skip)]
    pub(super) server: ServerArgs,
}

/// Every kind with its short names, for `--help`.
fn kinds() -> String {
    let kind = |noun: Noun| match noun.short().join(", ") {
        none if none.is_empty() => format!("  {}", noun.plural()),
        short => format!("  {:<22}{short}", noun.plural()),
    };
    format!("Kinds and their short names:\n{}", Noun::all().map(kind).collect::<Vec<_>>().join("\n"))
}

pub(super) async fn get(args: &GetArgs, face: &mut Face<'_>) -> anyhow::Result<Exit> {
    let GetArgs { words, selector, output, watch, server } = args;
    let targets = match words.as_slice() {
        [word] if word.eq_ignore_ascii_case("all") => everything(),
        words => targets_or_hint(&server.client()?, "get", words).await?,
    };
    let query: Vec<(&str, &str)> = selector.iter().map(|text| ("labelSelector", text.as_str())).collect();
    if selector.is_some() {
        let unlabelled = targets.iter().find(|target| matches!(target.noun, Noun::Events | Noun::Deliveries));
        if let Some(CommandTarget { noun, .. }) = unlabelled {
            return Err(UsageError(format!("{} have no labels to select by", noun.plural())).into());
        }
        if targets.iter().any(|target| target.name.is_some()) {
            return Err(UsageError("give a name or a selector, not both".to_owned()).into());
        }
    }
    let client = server.client()?;
    if *watch {
        return match targets.as_slice() {
            [target] => {
                let watch = Watch { client: &client, target, query: &query, output: output.clone() };
                watch.follow(face).await
            }
            _ => Err(UsageError("watch one kind, or one object, at a time".to_owned()).into()),
        };
    }
    let mut found = Found::default();
    for target in &targets {
        match one(&client, target, &query).await {
            Ok(Whole::List(list)) => found.lists.push((target.noun, list)),
            Ok(Whole::Object(object)) => found.add(target.noun, object),
            Err(error) if error.is_not_found() && targets.len() > 1 => {
                fail(face.err, &error.to_string())?;
                found.missing = true;
            }
            Err(error) => return Err(error.into()),
        }
    }
    let exit = if found.missing { Exit::Problems } else { Exit::Fine };
    show(&found, output, targets.len() == 1, face)?;
    Ok(exit)
}

fn everything() -> Vec<CommandTarget> {
    KindId::ALL.iter().map(|kind| CommandTarget { noun: Noun::Kind(*kind), name: None }).collect()
}

/// What was asked for and is there.
#[derive(Default)]
struct Found {
    lists: Vec<(Noun, Value)>,
    /// Whether something named does not exist.
    missing: bool,
    /// Whether the only thing asked for is one object.
    single: Option<Value>,
}

impl Found {
    fn add(&mut self, noun: Noun, object: Value) {
        self.single = Some(object.clone());
        if let Some((last, list)) = self.lists.last_mut()
            && *last == noun
            && let Some(items) = list.get_mut("items").and_then(Value::as_array_mut)
        {
            items.push(object);
            return;
        }
        self.lists.push((noun, json!({"items": [object]})));
    }
}

enum Whole {
    List(Value),
    Object(Value),
}

async fn one(client: &Client, target: &CommandTarget, query: &[(&str, &str)]) -> Result<Whole, ClientError> {
    let plural = target.noun.plural();
    match &target.name {
        Some(name) => client.get(&[plural, name], &[]).await.map(Whole::Object),
        None => client.list(plural, query).await.map(|list| Whole::List(arranged(target.noun, list))),
    }
}

fn show(found: &Found, output: &Output, alone: bool, face: &mut Face<'_>) -> anyhow::Result<()> {
    match output {
        Output::Table | Output::Wide => tables(&found.lists, *output == Output::Wide, alone, face),
        Output::Name => {
            for (noun, list) in &found.lists {
                for item in items(list) {
                    writeln!(face.out, "{noun}/{}", columns::name(item))?;
                }
            }
            Ok(())
        }
        Output::Json => Ok(face.json(&whole(found, alone))?),
        Output::JsonPath(template) => {
            let text = template.of(&whole(found, alone));
            // A line of its own on a terminal, and for `read` in a script; nothing is added to a template that ends with one.
            let end = if text.ends_with('\n') || text.is_empty() { "" } else { "\n" };
            write!(face.out, "{text}{end}")?;
            Ok(())
        }
        Output::Yaml => face.yaml(&whole(found, alone)),
    }
}

/// One document: the object, the list as the server gave it, or a list of all that was asked for.
fn whole(found: &Found, alone: bool) -> Value {
    match (&found.single, found.lists.as_slice()) {
        (Some(object), _) if alone => object.clone(),
        (None, [(_, list)]) if alone => list.clone(),
        (_, lists) => {
            let items: Vec<&Value> = lists.iter().flat_map(|(_, list)| items(list)).collect();
            json!({"apiVersion": crate::resource::API_VERSION, "kind": "List", "metadata": {}, "items": items})
        }
    }
}

fn tables(lists: &[(Noun, Value)], wide: bool, alone: bool, face: &mut Face<'_>) -> anyhow::Result<()> {
    let now = face.now();
    let mut first = true;
    for (noun, list) in lists {
        let columns = Columns::of(*noun, wide);
        let mut table = columns.table();
        for item in items(list) {
            table.row(columns.row(item, now));
        }
        if table.is_empty() {
            if alone {
                writeln!(face.err, "no {} found", noun.plural())?;
            }
            continue;
        }
        if !first {
            writeln!(face.out)?;
        }
        if !alone {
            writeln!(face.out, "{}", super::table::Tone::Dim.paint(noun.plural()))?;
        }
        first = false;
        table.print(face.out, 0, face.width)?;
        let left_out = table.left_out(face.width);
        if wide && !left_out.is_empty() {
            // They were asked for.
            let columns = left_out.join(", ");
            writeln!(face.err, "no room here for: {columns}; `-o yaml` shows all")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tests::Streams;

    fn shown(found: &Found, output: Output, alone: bool) -> String {
        let mut streams = Streams::default();
        show(found, &output, alone, &mut streams.face()).expect("output");
        streams.both()
    }

    fn found() -> Found {
        let mut found = Found::default();
        for name in ["a", "b"] {
            let object = json!({
                "apiVersion": "portreeve/v1", "kind": "BillingService", "metadata": {"name": name, "origin": "api"},
                "spec": {"url": "http://b:1"}, "status": {"conditions": []},
            });
            found.add(Noun::Kind(KindId::BillingService), object);
        }
        found
    }

    #[test]
    fn several_objects_make_one_list_and_one_alone_is_shown_as_it_is() {
        assert_eq!(shown(&found(), Output::Name, false), "BillingService/a\nBillingService/b\n");
        let list: Value = serde_json::from_str(&shown(&found(), Output::Json, false)).expect("JSON");
        assert_eq!((&list["kind"], list["items"].as_array().map(Vec::len)), (&"List".into(), Some(2)));
        let one: Value = serde_json::from_str(&shown(&found(), Output::Json, true)).expect("JSON");
        assert_eq!(one["metadata"]["name"], "b");
        let names: Output = "jsonpath={.items[*].metadata.name}".parse().expect("a template");
        assert_eq!(shown(&found(), names, false), "a b\n");
        let error = "jsno".parse::<Output>().expect_err("no format");
        assert!(error.ends_with("did you mean `json`?"), "{error}");
        assert!(kinds().contains("\n  autohealpolicies      heal\n"), "{}", kinds());
        assert!(shown(&found(), Output::Yaml, true).starts_with("apiVersion: portreeve/v1\nkind: Billing"));
    }

    #[test]
    fn containers_are_in_the_order_of_names_and_events_as_they_happened() {
        let list = |names: [&str; 3]| json!({"items": names.map(|name| json!({"metadata": {"name": name}}))});
        assert_eq!(arranged(Noun::Containers, list(["web", "api", "db"])), list(["api", "db", "web"]));
        assert_eq!(arranged(Noun::Events, list(["3", "2", "1"])), list(["1", "2", "3"]));
    }

    #[test]
    fn an_empty_list_says_so_and_prints_no_header() {
        let empty = Found { lists: vec![(Noun::Containers, json!({"items": []}))], ..Found::default() };
        assert_eq!(shown(&empty, Output::Table, true), "no containers found\n");
        assert_eq!(shown(&empty, Output::Table, false), "");
    }
}
