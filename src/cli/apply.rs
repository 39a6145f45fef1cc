//! `portreeve apply -f PATH...`: makes the server's objects read as these files do.

mod plan;

pub(super) use self::plan::plan;

use clap::Args;
use futures_util::{Stream, StreamExt, stream};
use serde_json::Value;

use self::plan::{Plan, Write};
use super::client::{Answer, Client, ClientError, ServerArgs};
use super::face::Face;
use super::files::{self, SET, SetArgs};
use super::table::Tone;
use super::{Exit, problems};
use crate::resource::{KindId, ObjectKey};

/// Writes on their way at once; they share the server's commits.
const AT_ONCE: usize = 64;

/// Flags of `apply`.
#[derive(Args, Debug)]
pub(super) struct ApplyArgs {
    #[command(flatten)]
    set: SetArgs,

    /// Say what would be done, with all of the server's checks, and do nothing
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    pub(super) server: ServerArgs,
}

/// What a write came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Created,
    Configured,
    Unchanged,
}

impl Outcome {
    const fn word(self) -> (&'static str, Tone) {
        match self {
            Self::Created => ("created", Tone::Good),
            Self::Configured => ("configured", Tone::Odd),
            Self::Unchanged => ("unchanged", Tone::Dim),
        }
    }
}

pub(super) async fn apply(args: &ApplyArgs, face: &mut Face<'_>) -> anyhow::Result<Exit> {
    let ApplyArgs { set, dry_run, server } = args;
    let (name, prune) = (set.name()?, set.prune);
    let loaded = files::load(&set.paths, face.input)?;
    if problems::tell(&loaded, face)? {
        writeln!(face.err, "nothing was applied")?;
        return Ok(Exit::Problems);
    }
    if files::is_nothing(&loaded) {
        let hint = if prune { "; an empty set prunes nothing, delete what is left by name" } else { "" };
        return Err(anyhow::anyhow!("{}{hint}", files::nothing(&set.paths)));
    }
    let client = server.client()?;
    let kinds: Vec<KindId> = KindId::ALL
        .iter()
        .copied()
        .filter(|kind| prune || loaded.objects.iter().any(|loaded| loaded.object.spec.kind() == *kind))
        .collect();
    let current = files::current(&client, kinds).await?;
    let plan = plan(&loaded.objects, &current, name.as_deref(), prune);
    if !plan.refused.is_empty() {
        for problem in &plan.refused {
            writeln!(face.err, "{}\n", problem.coloured())?;
        }
        writeln!(face.err, "nothing was applied")?;
        return Ok(Exit::Problems);
    }
    carry_out(&client, plan, &current, *dry_run, face).await
}

async fn carry_out(
    client: &Client,
    plan: Plan<'_>,
    current: &std::collections::BTreeMap<ObjectKey, Value>,
    dry_run: bool,
    face: &mut Face<'_>,
) -> anyhow::Result<Exit> {
    let mut failed = false;
    for wave in plan.waves {
        let mut answers = send(client, wave, dry_run);
        while let Some((Write { key, place, .. }, answer)) = answers.next().await {
            match answer {
                Ok(answer) => {
                    say(&key, outcome(&answer, current.get(&key)).word(), dry_run, face)?;
                    if let Some(warning) = &answer.warning {
                        face.warn(&format!("{key}: {warning}"))?;
                    }
                }
                Err(ClientError::Refused(refused)) => {
                    writeln!(face.err, "{}\n", place.problem(&refused.one_line()).coloured())?;
                    failed = true;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    if failed {
        if !plan.prune.is_empty() {
            face.note("nothing is pruned after an error")?;
        }
        return Ok(Exit::Problems);
    }
    for key in &plan.kept {
        say(key, ("not pruned: it says portreeve/prune: disabled", Tone::Odd), dry_run, face)?;
    }
    for key in plan.prune {
        client.delete(&[key.kind.plural(), &key.name], dry_run).await?;
        say(&key, ("pruned", Tone::Odd), dry_run, face)?;
    }
    Ok(Exit::Fine)
}

/// Sends `writes` side by side; the answers come in their order.
pub(super) fn send<'a>(
    client: &Client,
    writes: Vec<Write<'a>>,
    dry_run: bool,
) -> impl Stream<Item = (Write<'a>, Result<Answer, ClientError>)> + Unpin {
    let one = move |write: Write<'a>| async move {
        let answer = client.put(&[write.key.kind.plural(), &write.key.name], &write.document, dry_run).await;
        (write, answer)
    };
    Box::pin(stream::iter(writes).map(one).buffered(AT_ONCE))
}

/// One line on standard output; every verb that writes says it so.
pub(super) fn say(
    key: &ObjectKey,
    (word, tone): (&str, Tone),
    dry_run: bool,
    face: &mut Face<'_>,
) -> std::io::Result<()> {
    let dry = if dry_run { " (dry run)" } else { "" };
    writeln!(face.out, "{key} {}{dry}", tone.paint(word))
}

/// A server that is asked for what is there already changes nothing; its status may have moved on meanwhile.
fn outcome(answer: &Answer, before: Option<&Value>) -> Outcome {
    let Some(before) = before.filter(|_| !answer.created) else { return Outcome::Created };
    let said = |object: &Value| {
        let mut metadata = object.get("metadata").cloned().unwrap_or_default();
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove(SET);
        }
        let text = |field: &str| {
            metadata.get(field).filter(|map| map.as_object().is_some_and(|map| !map.is_empty()))
        };
        // What was built in is declared from now on, even if it reads the same.
        let origin = metadata.get("origin").cloned();
        (origin, text("labels").cloned(), text("annotations").cloned(), object.get("spec").cloned())
    };
    if said(before) == said(&answer.body) { Outcome::Unchanged } else { Outcome::Configured }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_changed_is_told_by_what_people_write_and_not_by_the_mark_or_the_status() {
        let object = |spec: &str, annotations: Value| json!({"metadata": {"name": "a", "resourceVersion": spec, "annotations": annotations}, "spec": {"a": spec}});
        let answer = |body, created| Answer { body, created, warning: None };
        let before = object("1", json!({}));
        let with_mark = object("1", json!({"portreeve/applied-set": "shop"}));
        assert_eq!(outcome(&answer(with_mark, false), Some(&before)), Outcome::Unchanged);
        let other = object("2", json!({}));
        assert_eq!(outcome(&answer(other.clone(), false), Some(&before)), Outcome::Configured);
        let annotated = object("1", json!({"team": "shop"}));
        assert_eq!(outcome(&answer(annotated, false), Some(&before)), Outcome::Configured);
        assert_eq!(outcome(&answer(other, true), None), Outcome::Created);
    }
}
