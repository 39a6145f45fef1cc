//! `portreeve diff -f PATH...`: what an apply would change, in the server's words, and what that would mean for which
//! containers, by the functions that decide it later.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::Args;
use futures_util::StreamExt;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::client::{ClientError, ServerArgs, WriteMode};
use super::effects::{Effect, Preview};
use super::face::{Face, Format};
use super::fields::{self, FieldChange};
use super::files::{self, SetArgs};
use super::table::Tone;
use super::text::{count, named, plain};
use super::{Exit, apply, fail, fallback, is_broken_pipe, problems};
use crate::manifest::Problem;
use crate::resource::{KindId, ObjectKey};

/// So many containers with the same effect have a line each.
const ALONE: usize = 3;

/// Flags of `diff`.
#[derive(Args, Debug)]
pub(super) struct DiffArgs {
    #[command(flatten)]
    set: SetArgs,

    /// For people or for programs
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,

    #[arg(skip)]
    pub(super) server: ServerArgs,
}

/// What `-o json` prints.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Diff")]
pub(super) struct DiffDocument {
    /// In the order of kinds and names.
    objects: Vec<Difference>,
    /// In the order of their names.
    containers: Vec<Effect>,
    /// Warnings, such as references to objects that do not exist, and kinds that have no effect.
    warnings: Vec<String>,
}

/// What changes for one object.
#[derive(Serialize, JsonSchema)]
struct Difference {
    #[schemars(with = "String")]
    kind: KindId,
    name: String,
    action: Action,
    /// Of an object that is deleted: how what is in force again under its name differs; empty if nothing is.
    fields: Vec<FieldChange>,
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
    let owned: BTreeSet<ObjectKey> = plan.owned.iter().map(|write| write.key.clone()).collect();
    let refused = plan.refused.into_iter().filter(|(key, _)| !owned.contains(key));
    let mut refused: Vec<Problem> = refused.map(|(_, problem)| problem).collect();
    let (mut after, mut written, mut said) = (current.clone(), BTreeMap::new(), Vec::new());
    let writes: Vec<_> = plan.waves.into_iter().flatten().collect();
    let all = writes.len() + plan.owned.len();
    let checked = apply::send(&client, writes, WriteMode::DryRun);
    let mut answers = checked.chain(apply::send(&client, plan.owned, WriteMode::Preview)).enumerate();
    while let Some((done, (write, answer))) = answers.next().await {
        face.progress(&format!("compared {} of {all}", done + 1));
        match answer {
            Ok(answer) => {
                said.push((write.key.clone(), write.loaded, answer.warnings));
                written.insert(write.key.clone(), write.document);
                after.insert(write.key, answer.body);
            }
            Err(error) if error.refuses_caller() => return Err(error.into()),
            Err(ClientError::Refused(why)) => refused.push(write.loaded.place.problem(&why.one_line())),
            Err(error) => return Err(error.into()),
        }
    }
    face.progress("");
    let mut below = fallback::of_all(&client, &plan.prune, false).await?;
    for key in plan.prune {
        after.remove(&key);
    }
    if !owned.is_empty() {
        let said =
            "declared by files of the server: this shows what changes when those files have this content";
        face.note(&format!("{} {said}", count(owned.len(), "object")))?;
        if set.prune {
            let health = client.get_plain(&["health", "detailed"]).await?;
            let declared: BTreeSet<ObjectKey> =
                loaded.objects.iter().map(|loaded| loaded.object.key()).collect();
            let gone = left_out(&current, &owned, &declared, &roots(&health));
            below.extend(fallback::of_all(&client, &gone, true).await?);
            for key in gone {
                after.remove(&key);
            }
        }
    }
    for problem in &refused {
        writeln!(face.err, "{}\n", problem.coloured())?;
    }
    let differences = differences(&current, &after, &written, &below);
    let containers = client.items("containers", &[]).await?;
    let in_force = after.iter().chain(&below).map(|(key, object)| (key.clone(), object.clone())).collect();
    let preview = Preview::of(&current, &in_force);
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
            for (key, object) in &below {
                face.note(&fallback::said(key, object))?;
            }
        }
        Format::Json => {
            let document = DiffDocument { objects: differences, containers: effects, warnings };
            face.json(&serde_json::to_value(document)?)?;
        }
    }
    Ok(exit)
}

/// The server's configuration directories.
fn roots(health: &Value) -> Vec<PathBuf> {
    let directories =
        health.pointer("/manifests/directories").and_then(Value::as_array).into_iter().flatten();
    directories.filter_map(|directory| directory["path"].as_str().map(PathBuf::from)).collect()
}

/// What the same directories declare as the objects that are `owned` by one, and these files do not.
fn left_out(
    current: &BTreeMap<ObjectKey, Value>,
    owned: &BTreeSet<ObjectKey>,
    declared: &BTreeSet<ObjectKey>,
    roots: &[PathBuf],
) -> Vec<ObjectKey> {
    let root = |object: &Value| {
        let file = object.pointer("/metadata/origin")?.as_str()?.strip_prefix("directory:")?;
        roots
            .iter()
            .filter(|root| Path::new(file).starts_with(root))
            .max_by_key(|root| root.as_os_str().len())
    };
    let of_owned: BTreeSet<&PathBuf> =
        owned.iter().filter_map(|key| current.get(key).and_then(root)).collect();
    let gone = current.iter().filter(|(key, object)| {
        !declared.contains(key) && root(object).is_some_and(|root| of_owned.contains(root))
    });
    gone.map(|(key, _)| key.clone()).collect()
}

/// What differs of what people write, in the order of kinds and names. Of what is new only what was `written` is shown,
/// not every default; of what is deleted how it differs from what is in force again, if something is `below`.
fn differences(
    before: &BTreeMap<ObjectKey, Value>,
    after: &BTreeMap<ObjectKey, Value>,
    written: &BTreeMap<ObjectKey, Value>,
    below: &BTreeMap<ObjectKey, Value>,
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
        let fields = match new.or_else(|| below.get(key)) {
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
        for FieldChange { field, before, after } in fields {
            if let Some(before) = before {
                writeln!(face.out, "{}", Tone::Bad.paint(&format!("  - {field}: {}", plain(before))))?;
            }
            if let Some(after) = after {
                writeln!(face.out, "{}", Tone::Good.paint(&format!("  + {field}: {}", plain(after))))?;
            }
        }
    }
    if effects.is_empty() {
        return writeln!(face.out, "\nno container is affected");
    }
    let mut containers: Vec<_> = effects.iter().map(|effect| &effect.container).collect();
    containers.dedup();
    writeln!(face.out, "\n{} affected:", count(containers.len(), "container"))?;
    for line in grouped(effects) {
        writeln!(face.out, "  {line}")?;
    }
    Ok(())
}

/// A line for each effect; what many have in common is one line, below the others.
fn grouped(effects: &[Effect]) -> Vec<String> {
    let mut alike: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for Effect { container, what } in effects {
        alike.entry(what).or_default().push(container);
    }
    let many = |what: &str| alike.get(what).filter(|names| names.len() > ALONE);
    let alone = effects.iter().filter(|effect| many(&effect.what).is_none());
    let mut lines: Vec<String> =
        alone.map(|Effect { container, what }| format!("{}: {what}", plain(container))).collect();
    let groups = alike.iter().filter(|(_, names)| names.len() > ALONE);
    lines.extend(
        groups.map(|(what, names)| {
            format!("{} containers: {what}: {}", names.len(), plain(&named(names, ALONE)))
        }),
    );
    lines
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
            let differences = differences(&of("built-in", 5), after, &BTreeMap::new(), &BTreeMap::new());
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
    fn many_containers_with_the_same_effect_are_one_line_below_those_with_others() {
        let effect =
            |container: &str, what: &str| Effect { container: container.to_owned(), what: what.to_owned() };
        let mut effects: Vec<Effect> =
            ["a", "b", "c", "d", "e"].map(|name| effect(name, "healed by x")).into();
        effects.insert(2, effect("down", "started at once"));
        let expected = ["down: started at once", "5 containers: healed by x: a, b, c and 2 more"];
        assert_eq!(grouped(&effects), expected);
        assert_eq!(grouped(&effects[..3]), ["a: healed by x", "b: healed by x", "down: started at once"]);
    }

    #[test]
    fn with_prune_what_the_same_directory_declares_and_these_files_do_not_goes() {
        let key = |name: &str| ObjectKey { kind: KindId::BillingService, name: name.to_owned() };
        let of = |name: &str, origin: &str| (key(name), json!({"metadata": {"origin": origin}}));
        let current = BTreeMap::from([
            of("a", "directory:/etc/p/a.yaml"),
            of("gone", "directory:/etc/p/sub/b.yaml"),
            of("elsewhere", "directory:/etc/p2/c.yaml"),
            of("nested", "directory:/etc/p/git/d.yaml"),
            of("by-hand", "api"),
        ]);
        let roots = ["/etc/p", "/etc/p2", "/etc/p/git"].map(PathBuf::from);
        let (owned, declared) = (BTreeSet::from([key("a")]), BTreeSet::from([key("a"), key("new")]));
        assert_eq!(left_out(&current, &owned, &declared, &roots), [key("gone")]);
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
        let nothing = BTreeMap::new();
        let differences = differences(&before, &after, &nothing, &BTreeMap::from([(key("old"), object(4))]));
        text(&differences, &[effect], &mut streams.face()).expect("output");
        let expected = "\
change AutohealPolicy/a
  - spec.budget.restarts: 5
  + spec.budget.restarts: 3
create AutohealPolicy/new
  + spec.budget.restarts: 2
delete AutohealPolicy/old
  - spec.budget.restarts: 1
  + spec.budget.restarts: 4

1 container affected:
  web: healed by new
";
        assert_eq!(streams.both(), expected);
    }
}
