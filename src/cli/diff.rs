//! `portreeve diff -f PATH...`: what an apply would change, in the server's words, and what that would mean for which
//! containers, by the functions that decide it later.

mod effects;
mod fields;

use std::collections::BTreeMap;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use self::effects::Effect;
use self::fields::Change;
use super::client::{Client, ClientError, ServerArgs};
use super::face::Face;
use super::files::{self, FileArgs};
use super::table::Tone;
use super::text::{count, plain};
use super::{Exit, UsageError, apply, problems};
use crate::resource::{KindId, ObjectKey};

/// Flags of `diff`.
#[derive(Args, Debug)]
pub(super) struct DiffArgs {
    #[command(flatten)]
    files: FileArgs,

    /// Also what `apply --prune` would delete
    #[arg(long)]
    prune: bool,

    /// Name of the set, as given to `apply`
    #[arg(long, value_name = "NAME")]
    set: Option<String>,

    /// For people or for programs
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Output,

    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

/// What becomes of one object.
struct Difference {
    key: ObjectKey,
    /// `create`, `change` or `delete`.
    what: &'static str,
    fields: Vec<Change>,
}

pub(super) async fn diff(args: &DiffArgs, face: &mut Face<'_>) -> anyhow::Result<Exit> {
    let DiffArgs { files: FileArgs { paths }, prune, set, output, server } = args;
    let name = files::set_name(set.as_deref(), paths);
    if *prune && name.is_none() {
        let why =
            "what came from standard input has no name to be found by again: give --set NAME with --prune";
        return Err(UsageError(why.to_owned()).into());
    }
    let loaded = files::load(paths, face.input)?;
    if problems::tell(&loaded, face)? {
        return Ok(Exit::Problems);
    }
    let client = server.client()?;
    let current = files::current(&client, KindId::ALL.iter().copied()).await?;
    let plan = apply::plan(&loaded.objects, &current, name.as_deref(), *prune);
    let mut refused = plan.refused;
    let (mut after, mut written) = (current.clone(), BTreeMap::new());
    for write in plan.waves.into_iter().flatten() {
        match dry_run(&client, &write.key, &write.document).await {
            Ok(object) => {
                written.insert(write.key.clone(), write.document);
                after.insert(write.key, object);
            }
            Err(ClientError::Refused(why)) => refused.push(write.place.problem(&why.one_line())),
            Err(error) => return Err(error.into()),
        }
    }
    for key in plan.prune {
        after.remove(&key);
    }
    for problem in &refused {
        writeln!(face.err, "{}\n", problem.coloured())?;
    }
    let differences = differences(&current, &after, &written);
    let containers = client.items("containers", &[]).await?;
    let effects = effects::effects(&current, &after, &containers);
    match output {
        // "no difference" would be wrong of what could not be compared.
        Output::Text if differences.is_empty() && !refused.is_empty() => {}
        Output::Text => text(&differences, &effects, face)?,
        Output::Json => face.json(&document(&differences, &effects))?,
    }
    Ok(if differences.is_empty() && refused.is_empty() { Exit::Fine } else { Exit::Problems })
}

/// The object as it would be in force.
async fn dry_run(client: &Client, key: &ObjectKey, document: &Value) -> Result<Value, ClientError> {
    Ok(client.put(&[key.kind.plural(), &key.name], document, true).await?.body)
}

/// What differs of what people write, in the order of kinds and names. Of what is new only what was `written` is shown,
/// not every default.
fn differences(
    before: &BTreeMap<ObjectKey, Value>,
    after: &BTreeMap<ObjectKey, Value>,
    written: &BTreeMap<ObjectKey, Value>,
) -> Vec<Difference> {
    let nothing = Value::Null;
    let mut keys: Vec<&ObjectKey> = before.keys().chain(after.keys()).collect();
    keys.sort();
    keys.dedup();
    let difference = |key: &ObjectKey| {
        let (old, mut new) = (before.get(key), after.get(key));
        if old.is_none() {
            new = written.get(key).or(new);
        }
        let what = match (old, new) {
            (None, _) => "create",
            (_, None) => "delete",
            _ => "change",
        };
        let fields = match new {
            // All of it goes, and that is said by its name.
            None => Vec::new(),
            Some(new) => fields::changes(old.unwrap_or(&nothing), new),
        };
        (what != "change" || !fields.is_empty()).then(|| Difference { key: key.clone(), what, fields })
    };
    keys.into_iter().filter_map(difference).collect()
}

fn text(differences: &[Difference], effects: &[Effect], face: &mut Face<'_>) -> std::io::Result<()> {
    if differences.is_empty() {
        return writeln!(face.out, "no difference");
    }
    for Difference { key, what, fields } in differences {
        let tone = match *what {
            "create" => Tone::Good,
            "delete" => Tone::Bad,
            _ => Tone::Odd,
        };
        writeln!(face.out, "{} {key}", tone.paint(what))?;
        for Change { field, before, after } in fields {
            if let Some(before) = before {
                writeln!(face.out, "{}", Tone::Bad.paint(&format!("  - {field}: {}", plain(before))))?;
            }
            if let Some(after) = after {
                writeln!(face.out, "{}", Tone::Good.paint(&format!("  + {field}: {}", plain(after))))?;
            }
        }
    }
    if effects.is_empty() {
        return writeln!(face.out, "\nno container is treated differently");
    }
    let mut containers: Vec<_> = effects.iter().map(|effect| &effect.container).collect();
    containers.dedup();
    writeln!(face.out, "\n{} treated differently:", count(containers.len(), "container"))?;
    for Effect { container, what } in effects {
        writeln!(face.out, "  {}: {what}", plain(container))?;
    }
    Ok(())
}

fn document(differences: &[Difference], effects: &[Effect]) -> Value {
    let fields = |changes: &[Change]| -> Vec<Value> {
        let field = |Change { field, before, after }: &Change| json!({"field": field, "before": before, "after": after});
        changes.iter().map(field).collect()
    };
    let objects: Vec<_> = differences
        .iter()
        .map(|Difference { key, what, fields: changes }| {
            json!({"kind": key.kind.as_str(), "name": key.name, "action": what, "fields": fields(changes)})
        })
        .collect();
    let effects: Vec<_> = effects
        .iter()
        .map(|Effect { container, what }| json!({"container": container, "effect": what}))
        .collect();
    json!({"objects": objects, "containers": effects})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tests::Streams;

    #[test]
    fn a_difference_is_shown_field_by_field_and_then_by_container() {
        let key = |name: &str| ObjectKey { kind: KindId::AutohealPolicy, name: name.to_owned() };
        let object = |budget: u32| json!({"metadata": {"resourceVersion": budget}, "spec": {"budget": {"restarts": budget}}});
        let before =
            BTreeMap::from([(key("a"), object(5)), (key("old"), object(1)), (key("same"), object(1))]);
        let after =
            BTreeMap::from([(key("a"), object(3)), (key("new"), object(2)), (key("same"), object(1))]);
        let effect = Effect { container: "web".to_owned(), what: "healed by new".to_owned() };
        let mut streams = Streams::default();
        text(&differences(&before, &after, &BTreeMap::new()), &[effect], &mut streams.face())
            .expect("output");
        let expected = "\
change AutohealPolicy/a
  - spec.budget.restarts: 5
  + spec.budget.restarts: 3
create AutohealPolicy/new
  + spec.budget.restarts: 2
delete AutohealPolicy/old

1 container treated differently:
  web: healed by new
";
        assert_eq!(streams.both(), expected);
    }
}
