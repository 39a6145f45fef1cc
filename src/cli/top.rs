//! `portreeve top`: what uses the machine, and what keeps being restarted. Measured because somebody asks.

mod cells;
mod figures;
mod services;

use std::time::Duration;

use clap::{Args, ValueEnum};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use self::cells::percent;
pub(super) use self::figures::ContainerFigures;
use self::figures::Load;
pub(super) use self::services::ServiceFigures;
use super::client::{Client, ClientError, ServerArgs};
use super::face::{Face, Format};
use super::noun::{CommandTarget, Noun, targets};
use super::patience::{until_back, until_ready};
use super::status::problems::counted;
use super::table::{Table, Tone};
use super::text::{bytes, count};
use super::{Exit, UsageError};
use crate::observed::Tally;
use crate::resource::KindId;

/// CPU load is told by two measurements so far apart.
const MEASURE: Duration = Duration::from_secs(1);
/// Between two screens.
const REFRESH: Duration = Duration::from_secs(2);
const SERVICES: Noun = Noun::Kind(KindId::MonitoredService);

/// Flags of `top`.
#[derive(Args, Debug)]
pub(super) struct TopArgs {
    /// `containers` (the default) or `monitoredservices`, and names of them
    #[arg(value_name = "KIND")]
    words: Vec<String>,

    /// Only what has these labels, such as `tier=web,!canary,zone in (a,b)`
    #[arg(short = 'l', long, value_name = "LABELS")]
    selector: Option<String>,

    /// Sort by
    #[arg(long, value_name = "WHAT", default_value = "cpu")]
    sort: Sort,

    /// Output format
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,

    /// Refresh every two seconds, until Ctrl-C
    #[arg(short, long)]
    watch: bool,

    #[arg(skip)]
    pub(super) server: ServerArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Sort {
    /// By CPU use.
    Cpu,
    /// By memory.
    Memory,
    /// By restarts.
    Restarts,
    /// By name.
    Name,
}

impl Sort {
    const fn column(self) -> &'static str {
        match self {
            Self::Cpu => "CPU",
            Self::Memory => "MEMORY",
            Self::Restarts => "RESTARTS",
            Self::Name => "NAME",
        }
    }
}

/// What `top -o json` prints of containers.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Containers {
    containers: Vec<ContainerFigures>,
}

/// What `top monitoredservices -o json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Services {
    services: Vec<ServiceFigures>,
}

pub(super) async fn top(args: &TopArgs, face: &mut Face<'_>) -> anyhow::Result<Exit> {
    let TopArgs { words, selector, sort, output, watch, server } = args;
    let (noun, names) = wanted(words)?;
    let asking = Asking { client: server.client()?, noun, names, selector: selector.as_deref(), sort: *sort };
    if selector.is_some() && !asking.names.is_empty() {
        return Err(UsageError("give a name or a selector, not both".to_owned()).into());
    }
    let mut before = asking.look(None).await?;
    face.progress("measuring");
    tokio::time::sleep(MEASURE).await;
    loop {
        let after = match asking.look(Some(&before)).await {
            Err(error) if *watch => {
                until_back(&asking.client, error, face).await?;
                until_ready(&asking.client).await;
                continue;
            }
            after => after?,
        };
        face.progress("");
        asking.show(&before, &after, *output, *watch, face)?;
        if !watch {
            return Ok(Exit::Fine);
        }
        before = after;
        tokio::time::sleep(REFRESH).await;
    }
}

/// Of what figures are wanted: a collection, and names in it or all of it.
fn wanted(words: &[String]) -> Result<(Noun, Vec<String>), UsageError> {
    if words.is_empty() {
        return Ok((Noun::Containers, Vec::new()));
    }
    let targets = targets(words)?;
    let noun = targets.first().map_or(Noun::Containers, |target| target.noun);
    if let Some(CommandTarget { noun, .. }) =
        targets.iter().find(|t| !matches!(t.noun, Noun::Containers | SERVICES))
    {
        return Err(UsageError(format!(
            "`top` shows containers and monitoredservices, not {}",
            noun.plural()
        )));
    }
    if targets.iter().any(|target| target.noun != noun) {
        return Err(UsageError("name one kind at a time".to_owned()));
    }
    Ok((noun, targets.into_iter().filter_map(|target| target.name).collect()))
}

/// What is asked for again and again.
struct Asking<'a> {
    client: Client,
    noun: Noun,
    names: Vec<String>,
    selector: Option<&'a str>,
    sort: Sort,
}

/// What was answered.
struct Look {
    containers: Vec<Value>,
    services: Vec<Value>,
}

impl Asking<'_> {
    /// What is so now; `before` is what was, if anything was asked before.
    async fn look(&self, before: Option<&Look>) -> Result<Look, ClientError> {
        let usage = ("usage", "true");
        if self.noun == SERVICES {
            let services = self.named(&[], before.is_some()).await?;
            return Ok(Look {
                containers: self.client.items(Noun::Containers.plural(), &[usage]).await?,
                services,
            });
        }
        Ok(Look { containers: self.named(&[usage], before.is_some()).await?, services: Vec::new() })
    }

    /// Those that are wanted. One that is gone since it was first seen is no error.
    async fn named(&self, query: &[(&str, &str)], seen: bool) -> Result<Vec<Value>, ClientError> {
        let plural = self.noun.plural();
        if self.names.is_empty() {
            let labels = self.selector.map(|text| ("labelSelector", text));
            let query: Vec<_> = query.iter().copied().chain(labels).collect();
            return self.client.items(plural, &query).await;
        }
        let mut items = Vec::new();
        for name in &self.names {
            match self.client.get(&[plural, name], query).await {
                Ok(item) => items.push(item),
                Err(error) if seen && error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(items)
    }

    fn show(
        &self,
        before: &Look,
        after: &Look,
        output: Format,
        watch: bool,
        face: &mut Face<'_>,
    ) -> anyhow::Result<()> {
        let mut containers = figures::figures(&before.containers, &after.containers, face.now());
        let total = Load::sum(containers.iter().map(|figures| &figures.load));
        let Tally { running, unhealthy, silent, restarts, .. } =
            after.containers.iter().map(counted).collect();
        let summary = format!(
            "{}: {running} running, {unhealthy} unhealthy{}, {}; CPU {}, memory {}",
            count(containers.len(), "container"),
            match silent {
                0 => String::new(),
                silent => format!(", {silent} silent"),
            },
            count(restarts, "restart"),
            percent(total.cpu_percent),
            total.memory_bytes.map_or_else(|| "-".to_owned(), bytes),
        );
        let (value, table, what) = if self.noun == SERVICES {
            let mut services = services::figures(&after.services, &after.containers, &containers);
            services.sort_by(|a, b| self.order((&a.load, &a.name), (&b.load, &b.name)));
            let table = services::table(&services);
            (serde_json::to_value(Services { services })?, table, "service")
        } else {
            containers.sort_by(|a, b| self.order((&a.load, &a.name), (&b.load, &b.name)));
            let table = figures::table(&containers, self.sort.column(), face.now());
            (serde_json::to_value(Containers { containers })?, table, "container")
        };
        match output {
            Format::Json if watch => face.json_line(&value)?,
            Format::Json => face.json(&value)?,
            Format::Text => text(table, &summary, what, watch, face)?,
        }
        face.out.flush()?;
        Ok(())
    }

    fn order(&self, (a, first): (&Load, &str), (b, second): (&Load, &str)) -> std::cmp::Ordering {
        let by = match self.sort {
            Sort::Cpu => b.cpu_percent.unwrap_or(-1.0).total_cmp(&a.cpu_percent.unwrap_or(-1.0)),
            Sort::Memory => b.memory_bytes.cmp(&a.memory_bytes),
            Sort::Restarts => b.restart_count.cmp(&a.restart_count),
            Sort::Name => std::cmp::Ordering::Equal,
        };
        by.then_with(|| first.cmp(second))
    }
}

/// The table; while somebody watches a screen, no more of it than fits there, below a line that sums it up.
fn text(
    mut table: Table,
    summary: &str,
    what: &str,
    watch: bool,
    face: &mut Face<'_>,
) -> std::io::Result<()> {
    if table.is_empty() {
        return writeln!(face.err, "no {what}s found");
    }
    let Some(height) = face.height.filter(|_| watch) else {
        return table.print(face.out, 0, face.width);
    };
    face.clear()?;
    writeln!(face.out, "{}", Tone::Dim.paint(summary))?;
    // Below summary and header, and above what is left out and the cursor.
    let left_out = table.truncate(height.saturating_sub(4));
    table.print(face.out, 0, face.width)?;
    if left_out > 0 {
        writeln!(face.out, "{}", Tone::Dim.paint(&format!("and {left_out} more")))?;
    }
    Ok(())
}
