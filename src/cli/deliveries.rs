//! `portreeve deliveries retry|replay|skip`: what is decided about deliveries that wait or are parked. `portreeve replay` is
//! the second of them.

use std::collections::BTreeSet;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Exit;
use super::client::{Client, ServerArgs};
use super::face::Face;
use super::release::{told, worse};

/// Flags of `deliveries`.
#[derive(Args, Debug)]
pub(super) struct DeliveriesArgs {
    #[command(subcommand)]
    verb: DeliveriesVerb,
}

#[derive(Debug, Subcommand)]
enum DeliveriesVerb {
    /// Try waiting deliveries now
    Retry(WhichArgs),
    /// Send parked deliveries again
    Replay(WhichArgs),
    /// Skip parked deliveries: they are never sent; the deliveries that wait behind them are sent
    Skip(SkipArgs),
}

/// Which deliveries.
#[derive(Args, Debug)]
pub(super) struct WhichArgs {
    /// Deliveries, by name as `get deliveries` shows them
    #[arg(required_unless_present_any = ["target", "all"], value_name = "DELIVERY")]
    names: Vec<String>,

    /// All deliveries to this BillingService or DiscoveryRegistry
    #[arg(long, value_name = "NAME", conflicts_with = "names")]
    target: Option<String>,

    /// All deliveries that are waiting (`retry`) or parked (`replay`, `skip`)
    #[arg(long, conflicts_with_all = ["names", "target"])]
    all: bool,

    #[arg(skip)]
    pub(super) server: ServerArgs,
}

/// Flags of `deliveries skip`.
#[derive(Args, Debug)]
struct SkipArgs {
    #[command(flatten)]
    which: WhichArgs,

    /// Why; kept with the delivery and shown in its event
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

impl DeliveriesArgs {
    pub(super) const fn server(&mut self) -> &mut ServerArgs {
        match &mut self.verb {
            DeliveriesVerb::Retry(which) | DeliveriesVerb::Replay(which) => &mut which.server,
            DeliveriesVerb::Skip(skip) => &mut skip.which.server,
        }
    }
}

/// What is asked for.
#[derive(Clone, Copy)]
enum Deed<'a> {
    Retry,
    Replay,
    Skip { reason: &'a str },
}

impl Deed<'_> {
    const fn path(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Replay => "replay",
            Self::Skip { .. } => "skip",
        }
    }

    /// Targets for which there is something to do it to.
    fn targets(self, health: &Value) -> BTreeSet<String> {
        let (fields, kinds): (&[&str], &[&str]) = match self {
            Self::Retry => (&["pending"], &["billing", "discovery"]),
            Self::Replay | Self::Skip { .. } => (&["parked"], &["billing"]),
        };
        let targets = kinds.iter().filter_map(|kind| health["deliveries"][kind].as_object()).flatten();
        let has = |target: &Value| fields.iter().any(|field| target[field].as_u64().is_some_and(|n| n > 0));
        targets.filter(|(_, target)| has(target)).map(|(name, _)| name.clone()).collect()
    }

    /// What was meant where a target is named in place of a delivery.
    fn hint(self, name: &str, health: &Value) -> Option<String> {
        let is_target = |kind: &str| health["deliveries"][kind].get(name).is_some();
        let verb = self.path();
        (is_target("billing") || is_target("discovery")).then(|| {
            format!(
                "{name} is a target: `portreeve deliveries {verb} --target {name}` means all deliveries to it"
            )
        })
    }

    const fn nothing(self) -> &'static str {
        match self {
            Self::Retry => "no delivery is waiting",
            Self::Replay | Self::Skip { .. } => "no delivery is parked",
        }
    }
}

pub(super) async fn deliveries(args: &DeliveriesArgs, face: &mut Face<'_>) -> anyhow::Result<Exit> {
    match &args.verb {
        DeliveriesVerb::Retry(which) => decide(which, Deed::Retry, face).await,
        DeliveriesVerb::Replay(which) => decide(which, Deed::Replay, face).await,
        DeliveriesVerb::Skip(SkipArgs { which, reason }) => decide(which, Deed::Skip { reason }, face).await,
    }
}

pub(super) async fn replay(which: &WhichArgs, face: &mut Face<'_>) -> anyhow::Result<Exit> {
    decide(which, Deed::Replay, face).await
}

async fn decide(which: &WhichArgs, deed: Deed<'_>, face: &mut Face<'_>) -> anyhow::Result<Exit> {
    let WhichArgs { names, target, all, server } = which;
    let client = server.client()?;
    let targets = match all {
        true => deed.targets(&client.get_plain(&["health", "detailed"]).await?),
        false => target.iter().cloned().collect(),
    };
    if *all && targets.is_empty() {
        writeln!(face.err, "{}", deed.nothing())?;
        return Ok(Exit::Fine);
    }
    let mut exit = Exit::Fine;
    for target in &targets {
        let answer = ask(&client, &["deliveries", deed.path()], &[("target", target)], deed).await;
        exit = worse(exit, told(answer, face)?);
    }
    for name in names {
        let name = name.rsplit_once('/').map_or(name.as_str(), |(_, name)| name);
        let answer = ask(&client, &["deliveries", name, deed.path()], &[], deed).await;
        let unknown = answer.as_ref().err().is_some_and(super::client::ClientError::is_not_found);
        exit = worse(exit, told(answer, face)?);
        if unknown && let Some(hint) = deed.hint(name, &client.get_plain(&["health", "detailed"]).await?) {
            face.note(&hint)?;
        }
    }
    Ok(exit)
}

async fn ask(
    client: &Client,
    parts: &[&str],
    query: &[(&str, &str)],
    deed: Deed<'_>,
) -> Result<super::client::Response, super::client::ClientError> {
    match deed {
        Deed::Retry | Deed::Replay => client.post(parts, query).await,
        Deed::Skip { reason } => client.post_with(parts, query, &json!({ "reason": reason })).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_means_every_target_that_has_any_and_no_other() {
        let health = json!({"deliveries": {
            "billing": {"a": {"pending": 3, "parked": 1}, "b": {"pending": 2, "parked": 0}, "c": {"pending": 0, "parked": 0}},
            "discovery": {"d": {"pending": 1, "parked": 0}, "a": {"pending": 1, "parked": 0}},
        }});
        let hint = Deed::Replay.hint("c", &health).expect("a target");
        assert!(hint.contains("`portreeve deliveries replay --target c`"), "{hint}");
        assert_eq!(Deed::Replay.hint("x", &health), None);
        let of = |deed: Deed<'_>| deed.targets(&health).into_iter().collect::<String>();
        assert_eq!(of(Deed::Retry), "abd");
        assert_eq!(of(Deed::Replay), "a");
        assert_eq!(of(Deed::Skip { reason: "why" }), "a");
    }
}
