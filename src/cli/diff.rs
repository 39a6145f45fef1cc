//! `portreeve diff -f PATH...`: what an apply would change, in the server's words, and what that would mean for which
//! containers, by the functions that decide it later.

use std::collections::BTreeMap;

use clap::Args;
use futures_util::StreamExt;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::client::{ClientError, ServerArgs};
use super::effects::{Effect, Preview};
use super::face::{Face, Format};
use super::fields::{self, Change};
use super::files::{self, SetArgs};
use super::table::Tone;
use super::text::{count, plain};
use super::{Exit, apply, fail, is_broken_pipe, problems};
use crate::resource::{KindId, ObjectKey};

/// Flags of `diff`.
#[derive(Args, Debug)]
pub(super) struct DiffArgs {
    #[command(flatten)]
    set: SetArgs,

    /// For people or for programs
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,

    #[command(flatten)]
    pub(super) server: ServerArgs,
}

/// What `-o json` prints.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Diff")]
pub(super) struct Document {
    /// In the order of kinds and names.
    objects: Vec<Difference>,
    /// In the order of their names.
    containers: Vec<Effect>,
    /// What somebody should look at, although nothing forbids it: objects that are named and not there, kinds that have no effect.
    warnings: Vec<String>,
}

/// What becomes of one object.
#[derive(Serialize, JsonSchema)]
struct Difference {
    #[schemars(with = "String")]
    kind: KindId,
    name: String,
    action: Action,
    /// None of an object that goes.
    fields: Vec<Change>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Action {
    Create,
    Change,
    Delete,
}

impl Action {
    const fn word(self) -> (&'static str, Tone) {
        match self {
            Self::Create => ("create", Tone::Good),
            Self::Change => ("change", Tone::Odd),
            Self::Delete => ("delete", Tone::Bad),
        }
    }
}

/// Ends with 0 where nothing differs, 1 where something does, and 2 for all that went wrong, so that a pipeline can tell.
pub(super) async fn diff(args: &DiffArgs, face: &mut Face<'_>) -> anyhow::Result<Exit> {
    match compare(args, face).await {
        Err(error) if !is_broken_pipe(&error) => {
            face.progress("");
            fail(face.err, &format!("{error:#}"))?;
            Ok(Exit::Usage)
        }
        done => done,
    }
}

async fn compare(args: &DiffArgs, face: &mut Face<'_>) -> anyhow::Result<Exit> {
    let DiffArgs { set, output, server } = args;
    let name = set.name()?;
    let loaded = files::load(&set.paths, face.input)?;
    if problems::tell(&loaded, face)? {
        return Ok(Exit::Usage);
    }
    if files::is_nothing(&loaded) {
        return Err(anyhow::anyhow!("{}", files::nothing(&set.paths)));
    }
    let client = server.client()?;
    let current = files::current(&client, KindId::ALL.iter().copied()).await?;
    let plan = apply::plan(&loaded.objects, &current, name.as_deref(), set.prune);
    let mut refused = plan.refused;
    let (mut after, mut written, mut said) = (current.clone(), BTreeMap::new(), Vec::new());
    let writes: Vec<_> = plan.waves.into_iter().flatten().collect();
    let all = writes.len();
    let mut answers = apply::send(&client, writes, true).enumerate();
    while let Some((done, (write, answer))) = answers.next().await {
        face.progress(&format!("compared {} of {all}", done + 1));
        match answer {
            Ok(answer) => {
                said.push((write.key.clone(), write.loaded, answer.warnings));
                written.insert(write.key.clone(), write.document);
                after.insert(write.key, answer.body);
            }
            Err(ClientError::Refused(why)) => refused.push(write.loaded.place.problem(&why.one_line())),
            Err(error) => return Err(error.into()),
        }
    }
    face.progress("");
    for key in plan.prune {
        after.remove(&key);
    }
    for problem in &refused {
        writeln!(face.err, "{}\n", problem.coloured())?;
    }
    let differences = differences(&current, &after, &written);
    let containers = client.items("containers", &[]).await?;
    let preview = Preview::of(&current, &after);
    let effects = preview.effects(&containers);
    let warnings = said.iter().flat_map(|(key, loaded, said)| {
        let of = preview.warnings(key, loaded, said).into_iter();
        of.map(move |warning| format!("{key}: {warning}"))
    });
    let warnings: Vec<String> = warnings.collect();
    let exit = match (refused.is_empty(), differences.is_empty()) {
        (false, _) => Exit::Usage,
        (true, false) => Exit::Problems,
        (true, true) => Exit::Fine,
    };
    for warning in &warnings {
        face.warn(warning)?;
    }
    match output {
        // "no difference" would be wrong of what could not be compared.
        Format::Text if differences.is_empty() && !refused.is_empty() => {}
        Format::Text => {
            adopted(&current, &after, face)?;
            text(&differences, &effects, face)?;
        }
        Format::Json => {
            let document = Document { objects: differences, containers: effects, warnings };
            face.json(&serde_json::to_value(document)?)?;
        }
    }
    Ok(exit)
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
        let action = match (old, new) {
            (None, _) => Action::Create,
            (_, None) => Action::Delete,
            _ => Action::Change,
        };
        let fields = match new {
            // All of it goes, and that is said by its name.
            None => Vec::new(),
            Some(new) => fields::changes(old.unwrap_or(&nothing), new),
        };
        let ObjectKey { kind, name } = key.clone();
        (action != Action::Change || !fields.is_empty()).then_some(Difference { kind, name, action, fields })
    };
    keys.into_iter().filter_map(difference).collect()
}

/// Says what reads as before and is declared from then on: nothing is done otherwise.
fn adopted(
    before: &BTreeMap<ObjectKey, Value>,
    after: &BTreeMap<ObjectKey, Value>,
    face: &mut Face<'_>,
) -> std::io::Result<()> {
    for (key, old) in before {
        if let Some(why) = after.get(key).and_then(|new| fields::adopted(old, new)) {
            writeln!(face.out, "{} {key}: {why}", Tone::Dim.paint("unchanged"))?;
        }
    }
    Ok(())
}

fn text(differences: &[Difference], effects: &[Effect], face: &mut Face<'_>) -> std::io::Result<()> {
    if differences.is_empty() {
        return writeln!(face.out, "no difference");
    }
    for Difference { kind, name, action, fields } in differences {
        let (word, tone) = action.word();
        writeln!(face.out, "{} {kind}/{name}", tone.paint(word))?;
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::tests::Streams;

    #[test]
    fn what_reads_as_it_did_is_no_difference_only_because_it_is_declared() {
        let key = ObjectKey { kind: KindId::AutohealPolicy, name: "default".to_owned() };
        let of = |origin: &str, budget: u32| {
            let object = json!({"metadata": {"origin": origin}, "spec": {"budget": budget}});
            BTreeMap::from([(key.clone(), object)])
        };
        let shown = |after: &BTreeMap<ObjectKey, Value>| {
            let mut streams = Streams::default();
            let differences = differences(&of("built-in", 5), after, &BTreeMap::new());
            adopted(&of("built-in", 5), after, &mut streams.face()).expect("output");
            text(&differences, &[], &mut streams.face()).expect("output");
            streams.both()
        };
        let said =
            "unchanged AutohealPolicy/default: it was built in and is declared from now on\nno difference\n";
        assert_eq!(shown(&of("api", 5)), said);
        assert!(shown(&of("api", 3)).starts_with("change AutohealPolicy/default\n  - spec.budget: 5\n"));
        assert_eq!(shown(&of("built-in", 5)), "no difference\n");
    }

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
