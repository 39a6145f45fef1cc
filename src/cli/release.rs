//! `portreeve release CONTAINER...` lifts a quarantine; `portreeve replay` frees parked deliveries.

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

    /// All that are in quarantine
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
        writeln!(face.err, "nothing is in quarantine")?;
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
            Err(UsageError(format!("only containers are ever in quarantine, and {noun} is another kind")))
        }
    }
}

async fn quarantined(client: &Client) -> anyhow::Result<Vec<String>> {
    let containers = client.items("containers", &[]).await?;
    let held = containers.iter().filter(|item| item["quarantined"] == Value::Bool(true));
    Ok(held.filter_map(|item| scalar(item, "/id")).collect())
}

/// Flags of `replay`.
#[derive(Args, Debug)]
pub(super) struct ReplayArgs {
    /// Parked deliveries, by name as `get deliveries` shows them
    #[arg(required_unless_present_any = ["target", "all"], value_name = "DELIVERY")]
    names: Vec<String>,

    /// All that are parked for this BillingService
    #[arg(long, value_name = "NAME", conflicts_with = "names")]
    target: Option<String>,

    /// All that are parked
    #[arg(long, conflicts_with_all = ["names", "target"])]
    all: bool,

    #[arg(skip)]
    pub(super) server: ServerArgs,
}

pub(super) async fn replay(args: &ReplayArgs, face: &mut Face<'_>) -> anyhow::Result<Exit> {
    let ReplayArgs { names, target, all, server } = args;
    let client = server.client()?;
    let targets = if *all { parked(&client).await? } else { target.iter().cloned().collect() };
    if *all && targets.is_empty() {
        writeln!(face.err, "nothing is parked")?;
        return Ok(Exit::Fine);
    }
    let mut exit = Exit::Fine;
    for target in &targets {
        let answer = client.post(&["deliveries", "replay"], &[("target", target)]).await;
        exit = worse(exit, told(answer, face)?);
    }
    for name in names {
        let name = name.rsplit_once('/').map_or(name.as_str(), |(_, name)| name);
        let answer = client.post(&["deliveries", name, "replay"], &[]).await;
        exit = worse(exit, told(answer, face)?);
    }
    Ok(exit)
}

async fn parked(client: &Client) -> anyhow::Result<Vec<String>> {
    let deliveries = client.items("deliveries", &[("state", "parked")]).await?;
    let mut targets: Vec<_> = deliveries.iter().filter_map(|item| scalar(item, "/target")).collect();
    targets.sort();
    targets.dedup();
    Ok(targets)
}

/// Says what came of a request; only a server that cannot be asked at all ends the command.
fn told(answer: Result<super::client::Answer, ClientError>, face: &mut Face<'_>) -> anyhow::Result<Exit> {
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

const fn worse(one: Exit, other: Exit) -> Exit {
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
