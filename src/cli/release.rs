//! `portreeve release CONTAINER...` lifts a quarantine.

use clap::Args;
use serde_json::Value;

use super::client::{Client, ClientError, ServerArgs};
use super::face::Face;
use super::noun::{Noun, target};
use super::text::{count, scalar};
use super::{Exit, UsageError, fail};

/// Flags of `release`.
#[derive(Args, Debug)]
pub(super) struct ReleaseArgs {
    /// Containers in quarantine, by name, id or the beginning of an id
    #[arg(required_unless_present = "all", value_name = "CONTAINER")]
    names: Vec<String>,

    /// All containers in quarantine
    #[arg(long, conflicts_with = "names")]
    all: bool,

    #[arg(skip)]
    pub(super) server: ServerArgs,
}

pub(super) async fn release(args: &ReleaseArgs, face: &mut Face<'_>) -> anyhow::Result<Exit> {
    let ReleaseArgs { names, all, server } = args;
    let names = names.iter().map(|name| container(name)).collect::<Result<Vec<_>, _>>()?;
    let client = server.client()?;
    let names = if *all { quarantined(&client).await? } else { names };
    if names.is_empty() {
        writeln!(face.err, "no container is in quarantine")?;
        return Ok(Exit::Fine);
    }
    let mut exit = Exit::Fine;
    for name in names {
        let answer = client.post(&["containers", &name, "release"], &[]).await;
        exit = worse(exit, told(answer, face)?);
    }
    Ok(exit)
}

/// `web`, or `container/web` as other verbs have it.
fn container(word: &str) -> Result<String, UsageError> {
    if !word.contains('/') {
        return Ok(word.to_owned());
    }
    let target = target(word)?;
    match (target.noun, target.name) {
        (Noun::Containers, Some(name)) => Ok(name),
        (noun, _) => {
            Err(UsageError(format!("only containers can be in quarantine, and {noun} is another kind")))
        }
    }
}

async fn quarantined(client: &Client) -> anyhow::Result<Vec<String>> {
    let containers = client.items("containers", &[]).await?;
    let held = containers.iter().filter(|item| item["quarantined"] == Value::Bool(true));
    Ok(held.filter_map(|item| scalar(item, "/id")).collect())
}

/// Says what came of a request; only a server that cannot be asked at all ends the command.
pub(super) fn told(
    answer: Result<super::client::Response, ClientError>,
    face: &mut Face<'_>,
) -> anyhow::Result<Exit> {
    match answer {
        Ok(answer) => {
            let freed = answer.body.pointer("/details/count").and_then(Value::as_u64);
            let text = scalar(&answer.body, "/message");
            let text =
                text.unwrap_or_else(|| count(usize::try_from(freed.unwrap_or(0)).unwrap_or(0), "lane"));
            writeln!(face.out, "{text}")?;
            Ok(Exit::Fine)
        }
        Err(error @ ClientError::Refused(_)) => {
            fail(face.err, &error.to_string())?;
            Ok(Exit::Problems)
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) const fn worse(one: Exit, other: Exit) -> Exit {
    match (one, other) {
        (Exit::Fine, other) => other,
        (one, _) => one,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_named_plainly_or_with_its_kind() {
        assert_eq!(container("web").expect("a name"), "web");
        assert_eq!(container("c/web").expect("a name"), "web");
        assert!(container("heal/default").expect_err("no container").to_string().contains("AutohealPolicy"));
    }
}
