//! `portreeve apply -f PATH...`: makes the server's objects read as these files do.

mod plan;

pub(super) use self::plan::plan;

use std::collections::BTreeMap;

use clap::Args;
use futures_util::{Stream, StreamExt, stream};
use serde_json::Value;

use self::plan::{ApplyPlan, Write};
use super::client::{Client, ClientError, Response, ServerArgs, WriteMode};
use super::dry::{DryRun, Writing};
use super::effects::Preview;
use super::face::Face;
use super::fields;
use super::files::{self, SetArgs};
use super::table::Tone;
use super::{Exit, fallback, problems};
use crate::desired::inert;
use crate::manifest::Loaded;
use crate::resource::{KindId, ObjectKey};

/// Writes on their way at once; they share the server's commits.
const AT_ONCE: usize = 64;

/// Flags of `apply`.
#[derive(Args, Debug)]
pub(super) struct ApplyArgs {
    #[command(flatten)]
    set: SetArgs,

    #[command(flatten)]
    writing: Writing,

    #[arg(skip)]
    pub(super) server: ServerArgs,
}

/// What a write came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ApplyOutcome {
    Created,
    Configured,
    Unchanged,
    /// It reads as before, and is declared only from now on, for this reason.
    Adopted(&'static str),
}

impl ApplyOutcome {
    fn words(self) -> (String, Tone) {
        match self {
            Self::Created => ("created".to_owned(), Tone::Good),
            Self::Configured => ("configured".to_owned(), Tone::Odd),
            Self::Unchanged => ("unchanged".to_owned(), Tone::Dim),
            Self::Adopted(why) => (format!("unchanged: {why}"), Tone::Dim),
        }
    }
}

pub(super) async fn apply(args: &ApplyArgs, face: &mut Face<'_>) -> anyhow::Result<Exit> {
    let ApplyArgs { set, writing, server } = args;
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
    // Also what the files do not speak of: references lead there, and policies heal for probes.
    let current = files::current(&client, KindId::ALL.iter().copied()).await?;
    let plan = plan(&loaded.objects, &current, name.as_deref(), prune);
    if !plan.refused.is_empty() {
        for (_, problem) in &plan.refused {
            writeln!(face.err, "{}\n", problem.coloured())?;
        }
        writeln!(face.err, "nothing was applied")?;
        return Ok(Exit::Problems);
    }
    let below = match writing.sends_nothing() {
        true => Objects::new(),
        false => fallback::of_all(&client, &plan.prune, false).await?,
    };
    let preview = Preview::of(&current, &after(&plan, &current, &below));
    let exit =
        Applying { client: &client, current: &current, below: &below, preview: &preview, writing: *writing }
            .carry_out(plan, face)
            .await?;
    if exit == Exit::Fine && preview.has_probes() {
        let containers = client.items("containers", &[]).await?;
        for (what, containers) in preview.probed(&containers) {
            face.note(&format!("{}: {what}", containers.join(", ")))?;
        }
    }
    Ok(exit)
}

/// What would be declared, as far as files and lists tell.
fn after(plan: &ApplyPlan<'_>, current: &Objects, below: &Objects) -> Objects {
    let mut after = current.clone();
    for write in plan.waves.iter().flatten() {
        after.insert(write.key.clone(), write.document.clone());
    }
    for key in &plan.prune {
        after.remove(key);
    }
    after.extend(below.iter().map(|(key, object)| (key.clone(), object.clone())));
    after
}

/// Objects as the server has them.
type Objects = BTreeMap<ObjectKey, Value>;

struct Applying<'a> {
    client: &'a Client,
    current: &'a Objects,
    /// What is in force again under the names of those that are pruned.
    below: &'a Objects,
    preview: &'a Preview,
    writing: Writing,
}

impl Applying<'_> {
    async fn carry_out(&self, plan: ApplyPlan<'_>, face: &mut Face<'_>) -> anyhow::Result<Exit> {
        let Self { client, writing, .. } = *self;
        let mut failed = false;
        for wave in plan.waves {
            if writing.sends_nothing() {
                for Write { key, loaded, .. } in wave {
                    let outcome = compared(loaded, self.current.get(&key));
                    let said: Vec<String> = inert(&loaded.object).into_iter().collect();
                    self.told(&key, loaded, outcome, &said, face)?;
                }
                continue;
            }
            let check = if writing.checks_only() { WriteMode::DryRun } else { WriteMode::Written };
            let mut answers = send(client, wave, check);
            while let Some((Write { key, loaded, .. }, answer)) = answers.next().await {
                match answer {
                    Ok(answer) => {
                        let outcome = outcome(&answer, self.current.get(&key));
                        self.told(&key, loaded, outcome, &answer.warnings, face)?;
                    }
                    Err(error) if error.refuses_caller() => return Err(error.into()),
                    Err(ClientError::Refused(refused)) => {
                        let problem = loaded.place.problem(&refused.one_line());
                        writeln!(face.err, "{}\n", problem.coloured())?;
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
            writing.say(key, ("not pruned: it has portreeve/prune: disabled", Tone::Odd), face)?;
        }
        for key in plan.prune {
            let path = [key.kind.plural(), &key.name];
            match writing.dry_run {
                Some(DryRun::Client) => {}
                Some(DryRun::Server) => drop(client.try_delete(&path, false).await?),
                None => drop(client.delete(&path).await?),
            }
            writing.say(&key, ("pruned", Tone::Odd), face)?;
            if let Some(object) = self.below.get(&key) {
                face.note(&fallback::said(&key, object))?;
            }
        }
        Ok(Exit::Fine)
    }

    fn told(
        &self,
        key: &ObjectKey,
        loaded: &Loaded,
        outcome: ApplyOutcome,
        said: &[String],
        face: &mut Face<'_>,
    ) -> std::io::Result<()> {
        let (word, tone) = outcome.words();
        self.writing.say(key, (&word, tone), face)?;
        for warning in self.preview.warnings(key, loaded, said) {
            face.warn(&format!("{key}: {warning}"))?;
        }
        Ok(())
    }
}

/// Sends `writes` side by side; the answers come in their order.
pub(super) fn send<'a>(
    client: &Client,
    writes: Vec<Write<'a>>,
    check: WriteMode,
) -> impl Stream<Item = (Write<'a>, Result<Response, ClientError>)> + Unpin {
    let one = move |write: Write<'a>| async move {
        let answer = client.put(&[write.key.kind.plural(), &write.key.name], &write.document, check).await;
        (write, answer)
    };
    Box::pin(stream::iter(writes).map(one).buffered(AT_ONCE))
}

/// A server that is asked for what is there already changes nothing; its status may have moved on meanwhile. The words are those
/// of `diff`: what is no difference there is unchanged here.
fn outcome(answer: &Response, before: Option<&Value>) -> ApplyOutcome {
    match before.filter(|_| !answer.created) {
        None => ApplyOutcome::Created,
        Some(before) => differs(before, &answer.body),
    }
}

fn differs(before: &Value, after: &Value) -> ApplyOutcome {
    match fields::adopted(before, after) {
        Some(why) => ApplyOutcome::Adopted(why),
        None if fields::changes(before, after).is_empty() => ApplyOutcome::Unchanged,
        None => ApplyOutcome::Configured,
    }
}

/// The same, as this program reads the file: no server is asked.
fn compared(loaded: &Loaded, before: Option<&Value>) -> ApplyOutcome {
    let Some(before) = before else { return ApplyOutcome::Created };
    differs(before, &files::in_force(loaded, before))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_changed_is_told_by_what_people_write_and_not_by_the_mark_or_the_status() {
        let object = |spec: &str, annotations: Value| json!({"metadata": {"name": "a", "resourceVersion": spec, "annotations": annotations}, "spec": {"a": spec}});
        let answer = |body, created| Response { body, created, warnings: Vec::new() };
        let before = object("1", json!({}));
        let with_mark = object("1", json!({"portreeve/applied-set": "shop"}));
        assert_eq!(outcome(&answer(with_mark, false), Some(&before)), ApplyOutcome::Unchanged);
        let other = object("2", json!({}));
        assert_eq!(outcome(&answer(other.clone(), false), Some(&before)), ApplyOutcome::Configured);
        let annotated = object("1", json!({"team": "shop"}));
        assert_eq!(outcome(&answer(annotated, false), Some(&before)), ApplyOutcome::Configured);
        assert_eq!(outcome(&answer(other, true), None), ApplyOutcome::Created);
        let of = |origin: &str| json!({"metadata": {"origin": origin}, "spec": {"a": 1}});
        let adopted = outcome(&answer(of("api"), false), Some(&of("built-in")));
        assert_eq!(adopted.words().0, "unchanged: it was built in and is declared from now on");
    }
}
