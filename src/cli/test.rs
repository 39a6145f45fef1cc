//! `portreeve test probe`: one attempt, step by step, made where Portreeve runs.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::client::{Client, ServerArgs};
use super::describe::selects;
use super::face::{Face, Format};
use super::table::{Cell, Table, Tone};
use super::text::{plain, scalar};
use super::{Exit, UsageError, fail, files, problems};
use crate::resource::{KindId, Selector, Spec};

/// What is tested.
#[derive(Args, Debug)]
pub(super) struct TestArgs {
    #[command(subcommand)]
    what: What,
}

impl TestArgs {
    /// Which server is asked.
    pub(super) const fn server(&mut self) -> &mut ServerArgs {
        let What::Probe(args) = &mut self.what;
        &mut args.server
    }
}

#[derive(Debug, Subcommand)]
enum What {
    /// Run a probe once, now, and show each step; the service's health does not change
    Probe(ProbeArgs),
}

#[derive(Args, Debug)]
struct ProbeArgs {
    /// A Probe or a MonitoredService of the server, as NAME, probe/NAME or svc/NAME
    #[arg(conflicts_with = "file", value_name = "NAME")]
    name: Option<String>,

    /// A manifest with Probes or MonitoredServices, which need not be applied; `-` is standard input
    #[arg(short = 'f', long = "filename", value_name = "PATH")]
    file: Option<PathBuf>,

    /// The container to probe; left out: the containers of the service
    #[arg(long, value_name = "NAME")]
    container: Option<String>,

    /// Output format
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,

    #[arg(skip)]
    server: ServerArgs,
}

/// What `-o json` prints a list of.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ProbeTest")]
pub(super) struct TestDocument {
    /// The probe's name.
    probe: String,
    #[schemars(with = "crate::api::ProbeTested")]
    result: Value,
}

/// A probe and whom it asks.
struct Test {
    name: String,
    probe: Value,
    /// What it is of, as in `MonitoredService/web`.
    of: String,
    /// Fields of the request beside the probe.
    whom: Value,
}

/// Everything that is asked for.
struct Asked {
    tests: Vec<Test>,
    /// Why some of it cannot be.
    unknown: Vec<String>,
}

pub(super) async fn test(args: &TestArgs, face: &mut Face<'_>) -> anyhow::Result<Exit> {
    let What::Probe(args) = &args.what;
    if args.name.is_none() && args.file.is_none() {
        let why = "name a Probe or a MonitoredService, such as svc/web, or a manifest with -f FILE";
        return Err(UsageError(why.to_owned()).into());
    }
    let client = args.server.client()?;
    let Some(Asked { tests, unknown }) = tests(args, &client, face).await? else { return Ok(Exit::Problems) };
    for why in &unknown {
        fail(face.err, why)?;
    }
    if tests.is_empty() && !unknown.is_empty() {
        return Ok(Exit::Problems);
    }
    if tests.is_empty() {
        fail(face.err, "there is nothing to probe: the service has no container; name one with --container")?;
        return Ok(Exit::Problems);
    }
    let exit = if unknown.is_empty() { Exit::Fine } else { Exit::Problems };
    let (mut exit, mut answers) = (exit, Vec::new());
    for (n, test) in tests.iter().enumerate() {
        let mut body = test.whom.clone();
        body["probe"] = test.probe.clone();
        let answer = client.post_body(&["test", "probe"], &body).await?;
        if answer["verdict"] != "passed" {
            exit = Exit::Problems;
        }
        if args.output == Format::Text {
            if n > 0 {
                writeln!(face.out)?;
            }
            show(test, &answer, face)?;
        }
        answers.push(TestDocument { probe: test.name.clone(), result: answer });
    }
    if args.output == Format::Json {
        face.json(&serde_json::to_value(answers)?)?;
    }
    Ok(exit)
}

/// Everything that is asked for; `None` where that cannot be read.
async fn tests(args: &ProbeArgs, client: &Client, face: &mut Face<'_>) -> anyhow::Result<Option<Asked>> {
    let (mut tests, mut unknown) = (Vec::new(), Vec::new());
    let mut probes: Vec<(String, Value)> = Vec::new();
    let mut services = Vec::new();
    if let Some(path) = &args.file {
        let set = files::load(std::slice::from_ref(path), face.input)?;
        if problems::tell(&set, face)? {
            return Ok(None);
        }
        for loaded in &set.objects {
            let (name, spec) = (&loaded.object.metadata.name, serde_json::to_value(&loaded.object.spec)?);
            match loaded.object.spec {
                Spec::Probe(_) => probes.push((name.clone(), spec)),
                Spec::MonitoredService(_) => services.push((name.clone(), spec)),
                _ => {}
            }
        }
        if probes.is_empty() && services.is_empty() {
            return Err(
                UsageError(format!("{} declares no Probe and no MonitoredService", path.display())).into()
            );
        }
    }
    if let Some(word) = &args.name {
        let (kind, name) =
            word.split_once('/').map_or((None, word.as_str()), |(kind, name)| (KindId::parse(kind), name));
        let get = async |kind: KindId| client.get(&[kind.plural(), name], &[]).await;
        match kind {
            Some(kind @ (KindId::Probe | KindId::MonitoredService)) => {
                let spec = get(kind).await?["spec"].clone();
                let list = if kind == KindId::Probe { &mut probes } else { &mut services };
                list.push((name.to_owned(), spec));
            }
            None if !word.contains('/') => match get(KindId::Probe).await {
                Ok(probe) => probes.push((name.to_owned(), probe["spec"].clone())),
                Err(error) if error.is_not_found() => {
                    services.push((name.to_owned(), get(KindId::MonitoredService).await?["spec"].clone()));
                }
                Err(error) => return Err(error.into()),
            },
            _ => return Err(UsageError(format!("{word}: write NAME, probe/NAME or svc/NAME")).into()),
        }
    }
    for (name, probe) in &probes {
        let Some(container) = &args.container else {
            let services = services.iter().any(|(_, service): &(String, Value)| refers(service, name));
            if services {
                continue;
            }
            return Err(UsageError(format!(
                "the Probe {name} names no target: name a container with --container"
            ))
            .into());
        };
        let (of, whom) = (format!("{}/{name}", KindId::Probe), json!({"container": container}));
        tests.push(Test { name: name.clone(), probe: probe.clone(), of, whom });
    }
    for (called, service) in &services {
        let whom = whom(service, args.container.as_deref(), client).await?;
        for (name, probe) in of_service(service, &probes, client, &mut unknown).await? {
            tests.extend(whom.iter().map(|whom| Test {
                name: name.clone(),
                probe: probe.clone(),
                of: format!("{}/{called}", KindId::MonitoredService),
                whom: whom.clone(),
            }));
        }
    }
    Ok(Some(Asked { tests, unknown }))
}

fn refers(service: &Value, probe: &str) -> bool {
    service["probes"].as_array().into_iter().flatten().any(|one| one["probeRef"] == probe)
}

/// The probes of a service with their specs, also those that stand elsewhere. One that is nowhere is no reason not to
/// try the others.
async fn of_service(
    service: &Value,
    known: &[(String, Value)],
    client: &Client,
    unknown: &mut Vec<String>,
) -> anyhow::Result<Vec<(String, Value)>> {
    let mut probes = Vec::new();
    // As `run` does: what is outside Docker and has no probe is asked for a connection.
    let port = service.pointer("/target/port").filter(|port| !port.is_null());
    if let Some(port) = port.filter(|_| service["probes"].as_array().is_none_or(Vec::is_empty)) {
        probes.push(("port".to_owned(), json!({"tcpSocket": {"port": port}})));
    }
    for probe in service["probes"].as_array().into_iter().flatten() {
        if let Some(name) = probe["probeRef"].as_str() {
            let here = known.iter().find(|(other, _)| other == name).map(|(_, spec)| spec.clone());
            let spec = match here {
                Some(spec) => spec,
                None => match client.get(&[KindId::Probe.plural(), name], &[]).await {
                    Ok(probe) => probe["spec"].clone(),
                    Err(error) if error.is_not_found() => {
                        unknown.push(format!("probeRef {}: {error}", plain(name)));
                        continue;
                    }
                    Err(error) => return Err(error.into()),
                },
            };
            probes.push((name.to_owned(), spec));
        } else if let Some(mut spec) = probe.as_object().cloned() {
            let name = spec.remove("name").and_then(|name| name.as_str().map(str::to_owned));
            probes.push((name.unwrap_or_default(), Value::Object(spec)));
        }
    }
    Ok(probes)
}

/// Whom a service asks.
async fn whom(service: &Value, container: Option<&str>, client: &Client) -> anyhow::Result<Vec<Value>> {
    if let Some(container) = container {
        return Ok(vec![json!({"container": container})]);
    }
    if let Some(target) = service.get("target").filter(|target| !target.is_null()) {
        return Ok(vec![json!({"target": target})]);
    }
    let selector: Selector = serde_json::from_value(service["selector"].clone())?;
    let containers = client.items("containers", &[]).await?;
    let mine = containers.iter().filter(|container| selects(&selector, container));
    Ok(mine.filter_map(|container| scalar(container, "/id")).map(|id| json!({"container": id})).collect())
}

fn show(test: &Test, answer: &Value, face: &mut Face<'_>) -> anyhow::Result<()> {
    let text = |pointer: &str| scalar(answer, pointer);
    let whom = text("/container").or_else(|| text("/address")).unwrap_or_default();
    writeln!(face.out, "{}: {} probes {whom}", test.of, test.name)?;
    if let (Some(address), Some(why)) = (text("/address"), text("/why")) {
        writeln!(face.out, "  at {address}: {why}")?;
    }
    let mut table = Table::new(["STEP", "TOOK", "RESULT"]).whole();
    let took = |value: &Value| format!("{:.1} ms", value.as_f64().unwrap_or_default());
    for step in answer["steps"].as_array().into_iter().flatten() {
        let of = |pointer: &str| scalar(step, pointer).unwrap_or_default();
        table.row(vec![of("/name").into(), took(&step["tookMs"]).into(), of("/what").into()]);
    }
    let passed = answer["verdict"] == "passed";
    let word = match text("/verdict").unwrap_or_default() {
        word if word == "notYet" => "not ready yet".to_owned(),
        word => word,
    };
    let verdict = Cell::new(word, if passed { Tone::Good } else { Tone::Bad });
    table.row(vec![verdict, took(&answer["tookMs"]).into(), text("/reason").unwrap_or_default().into()]);
    table.print(face.out, 2, face.width)?;
    if let Some(said) = text("/output") {
        writeln!(face.out, "  the answer: {said}")?;
    }
    Ok(())
}
