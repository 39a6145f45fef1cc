//! `portreeve status`: one screen that says how Portreeve is, and first of all what is wrong.

mod access;
mod harm;
mod manifests;
pub(super) mod problems;
mod screen;
#[cfg(test)]
mod tests;
mod value;

use std::time::Duration;

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::client::{Client, ClientError, ServerArgs};
use super::face::{Face, Format};
use super::paragraph::paragraph;
use super::{Exit, fail};
use crate::resource::KindId;

/// Between two screens.
const REFRESH: Duration = Duration::from_secs(2);

/// Flags of `status`.
#[derive(Args, Debug)]
pub(super) struct StatusArgs {
    /// Output format
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,

    /// Every problem on a line of its own, however many are of one kind
    #[arg(long)]
    all: bool,

    /// Refresh every two seconds, until Ctrl-C
    #[arg(short, long)]
    watch: bool,

    #[arg(skip)]
    pub(super) server: ServerArgs,
}

/// What `-o json` prints.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "StatusOutput")]
pub(super) struct StatusDocument<'a> {
    /// The answer of `/health/detailed`.
    #[schemars(with = "crate::api::Detailed")]
    health: &'a Value,
    /// Problems, one line each, the worst first; empty if all is well.
    wrong: &'a [String],
}

pub(super) async fn status(args: &StatusArgs, face: &mut Face<'_>) -> anyhow::Result<Exit> {
    let StatusArgs { output, all, watch, server } = args;
    let client = server.client()?;
    // What cannot be asked at all is no screen to watch; later it may come back.
    let first = look(&client, (*output, *all), *watch, face).await?;
    if !watch {
        return Ok(first);
    }
    loop {
        face.out.flush()?;
        tokio::time::sleep(REFRESH).await;
        match look(&client, (*output, *all), true, face).await {
            Err(error) if error.downcast_ref().is_some_and(ClientError::is_passing) => {
                face.clear()?;
                fail(face.err, &error.to_string())?;
            }
            other => drop(other?),
        }
    }
}

/// Asks once and shows it; while somebody watches a screen, on an empty one.
async fn look(
    client: &Client,
    (output, all): (Format, bool),
    watch: bool,
    face: &mut Face<'_>,
) -> anyhow::Result<Exit> {
    let health = client.get_plain(&["health", "detailed"]).await?;
    let containers = client.items("containers", &[]).await?;
    let services = client.items(KindId::MonitoredService.plural(), &[]).await?;
    let problems = problems::problems(&health, &containers, &services);
    let wrong = if all || output == Format::Json { harm::each(&problems) } else { harm::folded(&problems) };
    match output {
        Format::Json if watch => {
            face.json_line(&serde_json::to_value(StatusDocument { health: &health, wrong: &wrong })?)?;
        }
        Format::Json => {
            face.json(&serde_json::to_value(StatusDocument { health: &health, wrong: &wrong })?)?
        }
        Format::Text => {
            if watch {
                face.clear()?;
            }
            let (title, tone) = screen::title(&health, &client.server());
            paragraph(face.out, &title, tone, (0, 2), face.width)?;
            screen::show(&health, &containers, &services, &wrong, face)?;
        }
    }
    Ok(if wrong.is_empty() { Exit::Fine } else { Exit::Problems })
}
