//! `portreeve delete KIND NAME...`, `KIND -l LABELS` or `-f PATH...`: takes objects out of force.

use std::path::PathBuf;

use clap::Args;
use serde_json::Value;

use super::client::{Client, ClientError, ServerArgs};
use super::dry::{DryRun, Writing};
use super::face::Face;
use super::noun::{CommandTarget, Noun, targets};
use super::release::{told, worse};
use super::table::Tone;
use super::text::count;
use super::{Exit, UsageError, fail, fallback, files, problems};
use crate::resource::{KindId, ObjectKey};

/// Flags of `delete`.
#[derive(Args, Debug)]
pub(super) struct DeleteArgs {
    /// KIND NAME..., KIND/NAME..., or KIND with -l
    #[arg(required_unless_present = "paths", value_name = "KIND")]
    words: Vec<String>,

    /// Delete what these files and directories declare; `-` is standard input
    #[arg(short = 'f', long = "filename", value_name = "PATH", num_args = 1.., conflicts_with = "words")]
    paths: Vec<PathBuf>,

    /// Of KIND, those that carry these labels, such as `tier=web,!canary,zone in (a,b)`
    #[arg(short = 'l', long, value_name = "LABELS", conflicts_with = "paths")]
    selector: Option<String>,

    /// An object that does not exist is no error
    #[arg(long)]
    ignore_not_found: bool,

    /// For a BillingService: also drop its waiting bills, after a question. Otherwise they are held, and sent once a
    /// BillingService of this name is declared again
    #[arg(long)]
    discard: bool,

    /// With --discard: ask no question
    #[arg(long, requires = "discard")]
    yes: bool,

    #[command(flatten)]
    writing: Writing,

    #[arg(skip)]
    pub(super) server: ServerArgs,
}

pub(super) async fn delete(args: &DeleteArgs, face: &mut Face<'_>) -> anyhow::Result<Exit> {
    let DeleteArgs { words, paths, selector, ignore_not_found, writing, discard, yes, server } = args;
    let keys = match selector {
        Some(selector) => labelled(&server.client()?, kinds(words)?, selector).await?,
        None if paths.is_empty() => named(words)?,
        None => {
            let set = files::load(paths, face.input)?;
            if problems::tell(&set, face)? {
                writeln!(face.err, "nothing was deleted")?;
                return Ok(Exit::Problems);
            }
            if files::is_nothing(&set) {
                return Err(anyhow::anyhow!("{}", files::nothing(paths)));
            }
            // What names others goes first.
            set.objects.iter().rev().map(|loaded| loaded.object.key()).collect()
        }
    };
    if *discard && let Some(key) = keys.iter().find(|key| key.kind != KindId::BillingService) {
        return Err(UsageError(format!(
            "--discard drops what waits for a BillingService, and {key} is not one"
        ))
        .into());
    }
    if selector.is_some() && keys.is_empty() {
        writeln!(face.err, "nothing found")?;
        return Ok(Exit::Fine);
    }
    let client = server.client()?;
    let mut exit = Exit::Fine;
    for key in keys {
        let waiting = waiting(&client, &key).await;
        if *discard && waiting > 0 && !*yes && writing.dry_run.is_none() && !agreed(&key, waiting, face)? {
            writeln!(face.err, "{key} is not deleted")?;
            exit = Exit::Problems;
            continue;
        }
        let deleted = one(&client, &key, *writing).await;
        // What was deleted before can have left something.
        let gone = deleted.as_ref().err().is_some_and(ClientError::is_not_found);
        if *discard && waiting > 0 && (deleted.is_ok() || gone) {
            if deleted.is_ok() {
                writing.say(&key, ("deleted", Tone::Odd), face)?;
            }
            exit = worse(exit, drop_waiting(&client, &key, waiting, writing.dry_run.is_some(), face).await?);
            continue;
        }
        match deleted {
            Ok(answer) => {
                writing.say(&key, ("deleted", Tone::Odd), face)?;
                if let Some(held) = held(&key, waiting) {
                    face.note(&held)?;
                }
                if let Some(object) = fallback::of(&answer) {
                    face.note(&fallback::said(&key, object))?;
                }
            }
            Err(error) if error.is_not_found() && *ignore_not_found => {}
            Err(error) if error.refuses_caller() => return Err(error.into()),
            Err(error @ ClientError::Refused(_)) => {
                fail(face.err, &error.to_string())?;
                exit = Exit::Problems;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(exit)
}

/// What the server says of it; of an object that is only asked for nothing.
async fn one(client: &Client, key: &ObjectKey, writing: Writing) -> Result<Value, ClientError> {
    let path = [key.kind.plural(), &key.name];
    let answer = match writing.dry_run {
        Some(DryRun::Client) => return client.get(&path, &[]).await.map(|_| Value::Null),
        Some(DryRun::Server) => client.try_delete(&path, false).await?,
        None => client.delete(&path).await?,
    };
    Ok(answer.body)
}

/// The kinds whose objects are chosen by their labels.
fn kinds(words: &[String]) -> Result<Vec<KindId>, UsageError> {
    let kind = |target: CommandTarget| match (target.noun, target.name) {
        (Noun::Kind(kind), None) => Ok(kind),
        (Noun::Kind(_), Some(_)) => Err(UsageError("give a name or a selector, not both".to_owned())),
        (noun @ (Noun::Containers | Noun::Events | Noun::Deliveries), _) => Err(read_only(noun)),
    };
    targets(words)?.into_iter().map(kind).collect()
}

fn read_only(noun: Noun) -> UsageError {
    UsageError(format!("{} cannot be changed", noun.plural()))
}

/// The objects of these kinds that carry the labels.
async fn labelled(client: &Client, kinds: Vec<KindId>, selector: &str) -> anyhow::Result<Vec<ObjectKey>> {
    if selector.trim().is_empty() {
        return Err(UsageError("an empty selector would match everything: name labels".to_owned()).into());
    }
    let mut keys = Vec::new();
    for kind in kinds {
        let items = client.items(kind.plural(), &[("labelSelector", selector)]).await?;
        let names = items.iter().filter_map(|item| item.pointer("/metadata/name")?.as_str());
        keys.extend(names.map(|name| ObjectKey { kind, name: name.to_owned() }));
    }
    Ok(keys)
}

/// How many bills wait for a BillingService; none also where that cannot be told.
async fn waiting(client: &Client, key: &ObjectKey) -> u64 {
    if key.kind != KindId::BillingService {
        return 0;
    }
    let health = client.get_plain(&["health", "detailed"]).await.unwrap_or_default();
    let target = &health["deliveries"]["billing"][&key.name];
    ["pending", "parked"].iter().filter_map(|field| target[field].as_u64()).sum()
}

/// Whether whoever sits there wants the bills dropped. Where nobody does, nothing is assumed.
fn agreed(key: &ObjectKey, waiting: u64, face: &mut Face<'_>) -> anyhow::Result<bool> {
    if !face.asks {
        let why = format!(
            "{} for {} would be dropped; without a terminal confirm with --yes",
            count(waiting, "bill"),
            key.name
        );
        return Err(UsageError(why).into());
    }
    let bills = count(waiting, "bill");
    write!(face.err, "Drop {bills} for {}? They are never sent. [y/N] ", key.name)?;
    face.err.flush()?;
    let (mut answer, mut byte) = (Vec::new(), [0]);
    while answer.len() < 16 && face.input.read(&mut byte)? == 1 && byte[0] != b'\n' {
        answer.push(byte[0]);
    }
    let answer = String::from_utf8_lossy(&answer).trim().to_ascii_lowercase();
    Ok(matches!(answer.as_str(), "y" | "yes"))
}

/// Has what waits for a service that is gone dropped.
async fn drop_waiting(
    client: &Client,
    key: &ObjectKey,
    waiting: u64,
    dry_run: bool,
    face: &mut Face<'_>,
) -> anyhow::Result<Exit> {
    if dry_run {
        writeln!(face.out, "{} for {} would be dropped (dry run)", count(waiting, "bill"), key.name)?;
        return Ok(Exit::Fine);
    }
    told(client.post(&["deliveries", "discard"], &[("target", &key.name)]).await, face)
}

/// What becomes of bills whose service goes.
fn held(key: &ObjectKey, waiting: u64) -> Option<String> {
    let name = &key.name;
    let (wait, are) = if waiting == 1 { ("waits", "it is") } else { ("wait", "they are") };
    (waiting > 0).then(|| {
        let bills = count(waiting, "bill");
        format!("{bills} {wait} for {name}; {are} kept and sent when a BillingService of this name is declared again; \
            `portreeve delete bill/{name} --discard` drops them")
    })
}

/// The objects that words name, all of which can be deleted.
fn named(words: &[String]) -> Result<Vec<ObjectKey>, UsageError> {
    let key = |target: CommandTarget| match (target.noun, target.name) {
        (Noun::Kind(kind), Some(name)) => Ok(ObjectKey { kind, name }),
        (Noun::Kind(kind), None) => {
            Err(UsageError(format!("no {kind} is named: give names, or select by labels with -l")))
        }
        (noun @ (Noun::Containers | Noun::Events | Noun::Deliveries), _) => Err(read_only(noun)),
    };
    targets(words)?.into_iter().map(key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tests::Streams;

    #[test]
    fn bills_that_wait_are_told_of_when_their_service_goes() {
        let key = ObjectKey { kind: KindId::BillingService, name: "b".to_owned() };
        assert_eq!(held(&key, 0), None);
        assert!(held(&key, 1).is_some_and(|said| said.starts_with("1 bill waits for b; it is kept ")));
        assert!(held(&key, 2).is_some_and(|said| said.starts_with("2 bills wait for b; they are kept ")));
    }

    #[test]
    fn bills_are_dropped_only_by_whoever_says_so() {
        let key = ObjectKey { kind: KindId::BillingService, name: "b".to_owned() };
        for (said, agrees) in [("y\n", true), ("Yes\nno", true), ("\n", false), ("n\n", false), ("", false)] {
            let mut streams = Streams::default();
            let (mut face, mut input) = (streams.face(), said.as_bytes());
            (face.asks, face.input) = (true, &mut input);
            assert_eq!(agreed(&key, 7, &mut face).expect("an answer"), agrees, "{said:?}");
            drop(face);
            assert_eq!(streams.both(), "Drop 7 bills for b? They are never sent. [y/N] ");
        }
        let mut streams = Streams::default();
        let error = agreed(&key, 1, &mut streams.face()).expect_err("nobody is there").to_string();
        assert_eq!(error, "1 bill for b would be dropped; without a terminal confirm with --yes");
    }

    #[test]
    fn only_objects_named_one_by_one_are_deleted() {
        let named = |text: &str| {
            let words: Vec<_> = text.split(' ').map(str::to_owned).collect();
            named(&words).map(|keys| keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(named("heal a b").expect("keys"), "AutohealPolicy/a AutohealPolicy/b");
        assert_eq!(named("heal/a bill/b").expect("keys"), "AutohealPolicy/a BillingService/b");
        assert!(named("heal").expect_err("all").to_string().contains("no AutohealPolicy is named"));
        assert!(named("c/web").expect_err("read only").to_string().contains("containers cannot be changed"));
    }
}
