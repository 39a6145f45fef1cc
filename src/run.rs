//! One life of the process: from a checked configuration to a clean exit.

mod error;
mod pulling;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

pub use self::error::RunError;
use crate::api::{Access, Api, Listeners, Socket};
use crate::catalogue::Catalogue;
use crate::config::state_dir::Claimed;
use crate::config::{RunConfig, SocketPlace, Storage};
use crate::controller::Controller;
use crate::desired::{Desired, Layers, Problem, Sources};
use crate::manifest::directory::Directories;
use crate::manifest::watch::Watched;
use crate::manifest::{LoadedSet, Weight};
use crate::resource::{count, not_ours};
use crate::store::{Commit, Sqlite, Store};
use crate::vital;

/// Everything that stops must have stopped by then.
const LAST_MOMENT: Duration = Duration::from_secs(9);

/// Runs until SIGTERM, Ctrl-C or a failure that cannot be lived with.
///
/// # Errors
/// Nothing was started if one is returned before the log line `ready`.
pub async fn run(config: RunConfig, claimed: Claimed) -> Result<(), RunError> {
    let RunConfig {
        mut config_dirs,
        git,
        allow_empty,
        state_dir,
        listen,
        socket,
        token,
        anonymous,
        allow_host,
        guard,
        limits,
        open_metrics,
        observe,
        storage,
        log,
        environment,
    } = config;
    crate::telemetry::install(&log)?;
    // Only tests run twice in a process; the second finds what the first installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let metrics = crate::metrics::install();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    info!(version = env!("CARGO_PKG_VERSION"), state = %state_dir.display(), observe, "Portreeve starts");
    raise_descriptors();
    if claimed.closed > 0 {
        info!("{} in the state directory closed to other users", count(claimed.closed, "file"));
    }
    for note in &environment.notes {
        warn!("{note}");
    }
    if config_dirs.is_empty() && git.is_none() {
        let sources = Sources { environment: &environment.objects, ..Sources::default() };
        let healed = Desired::of(sources).healed_by_default();
        info!(
            "neither --config-dir nor --git-url is given: using objects from the API and environment variables; {healed} \
            are healed unless the API declares another AutohealPolicy/default"
        );
    }
    let store: Arc<dyn Store> = match storage {
        Storage::Sqlite { path } => Arc::new(Sqlite::open(&path).await?),
    };
    let listener =
        TcpListener::bind(listen).await.map_err(|error| RunError::Listen { address: listen, error })?;
    let stop = CancellationToken::new();
    let mut begun = None;
    if let Some(source) = git {
        let git = tokio::select! {
            begun = pulling::begin(source, &state_dir, guard.clone(), stop.clone()) => begun?,
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
        };
        config_dirs.push(git.directory.clone());
        begun = Some(git);
    }
    let pulled = begun.as_ref().map(|git| git.pulled.clone());
    let strangers = begun.as_ref().map(|git| git.home.clone());
    let directories = Directories::new(config_dirs)
        .guarded(guard.secrets().clone(), strangers)
        .allowing_empty(allow_empty)
        .keeping(state_dir.join("manifests"));
    let (watched, watching) = crate::manifest::watch::watch(directories, stop.clone()).await;
    let Watched { sets, states, hint } = watched;
    vital::spawn("the watch on files", watching);
    if let Some(git) = begun {
        vital::spawn("the pulling from Git", git.follow(hint, stop.clone()));
    }
    let secrets = guard.secrets().clone();
    let layers = Layers { environment: environment.objects.into(), observe, secrets };
    let catalogue = Catalogue::load(&*store, layers.clone()).await?;
    let desired = desired(sets, catalogue.clone(), layers);
    let controller = Controller::start(store, desired, guard).await?;
    let commit: Arc<dyn Commit> = Arc::new(controller.requests().committer().clone());
    vital::spawn("the catalogue's writer", catalogue.clone().keep(commit.clone(), stop.clone()));
    let following = catalogue.clone().follow_health(controller.view(), stop.clone());
    vital::spawn("the catalogue's view of health", following);
    if let Some(pulled) = pulled.clone() {
        vital::spawn("the record of pulls", pulling::record(pulled, commit, stop.clone()));
    }
    let address = listener.local_addr()?;
    let socket = bind(&socket, address.port());
    for warning in anonymous.warnings() {
        warn!(target: "portreeve::api", "{warning}");
    }
    let tokens = crate::config::tokens::path(&state_dir);
    if token.is_some()
        && let Err(error) = crate::config::tokens::close(&tokens)
    {
        warn!(target: "portreeve::api", "{error}; if Portreeve starts without the token, this machine can read without \
            one");
    }
    let lonely = !listen.ip().is_loopback() && token.is_none() && !tokens.exists() && anonymous.is_local();
    if lonely {
        warn!(target: "portreeve::api", "{address} can be reached from other machines, but no caller there is \
            permitted: create a token (`portreeve token create`), or permit a network with --anonymous");
    }
    let access = Access::new(token, anonymous)
        .open_metrics(open_metrics)
        .with_tokens(tokens)
        .for_hosts(allow_host)
        .with_socket(socket.as_ref().map(|socket| socket.path().to_owned()));
    let open = access.open().join(", ");
    let api = Api::new(controller.view(), controller.requests(), catalogue, metrics, access)
        .showing(states, pulled);
    let by_socket =
        socket.as_ref().map_or_else(String::new, |socket| format!(" and {}", socket.path().display()));
    let serving = api.limited(limits).serve(Listeners { tcp: listener, socket }, stop.clone());
    let serving = vital::spawn("the HTTP server", serving);
    let open = if open.is_empty() { "nothing" } else { &open };
    info!("ready: listening on http://{address}{by_socket}; open without a token: {open}");

    let signal = tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
        // What is in hand may hang on what is dead now; all that is committed is taken up at the next start.
        failed = vital::failed() => return Err(RunError::Panicked(failed)),
    };
    info!("{signal}: shutting down");
    stop.cancel();
    let finish = async {
        controller.finish().await;
        // It ends by itself or with the process.
        let _ = serving.await;
    };
    if tokio::time::timeout(LAST_MOMENT, finish).await.is_err() {
        warn!("not everything was finished in time; it is stored and continues at the next start");
    }
    info!("stopped");
    Ok(())
}

/// As many descriptors as the system lets this process have: each connection, probe and engine needs one, and a shell's usual
/// bound of 1024 is for programs that use `select`.
fn raise_descriptors() {
    let resource = rustix::process::Resource::Nofile;
    let limit = rustix::process::getrlimit(resource);
    // Where that is not permitted the bound stays as it is.
    let _ = rustix::process::setrlimit(resource, rustix::process::Rlimit { current: limit.maximum, ..limit });
}

/// The Unix socket, if there can be one. Without it changes need a token.
fn bind(place: &SocketPlace, port: u16) -> Option<Socket> {
    let path = place.path(port)?;
    match Socket::bind(&path) {
        Ok(socket) => Some(socket),
        Err(error) => {
            warn!(target: "portreeve::api", "no Unix socket: {error}; changes need a token");
            None
        }
    }
}

/// How much of the time may go into deciding what is in force while the API is written to without a pause: of two
/// thousand objects applied one by one, not each has all others decided on anew.
const REST: u32 = 4;

/// What is in force, now and after every change of the directories and every write of the API; `catalogue` follows it.
pub fn desired(
    mut sets: watch::Receiver<Arc<LoadedSet>>,
    catalogue: Arc<Catalogue>,
    layers: Layers,
) -> watch::Receiver<Arc<Desired>> {
    let mut writes = catalogue.writes();
    let mut told_problems = HashSet::new();
    let mut told_others = Vec::new();
    let mut of = move |set: &LoadedSet| {
        catalogue.hold(set);
        let (count, api) = catalogue.declared();
        let Layers { environment, observe, secrets } = &layers;
        let sources = Sources {
            directory: Some(set),
            api: &api,
            environment,
            observe: *observe,
            secrets: Some(secrets),
        };
        let desired = Arc::new(Desired::of(sources));
        catalogue.sync(&desired, count);
        log_problems(&mut told_problems, &desired.problems, &desired.warnings);
        log_others(&mut told_others, &set.others);
        desired
    };
    let first = of(&sets.borrow_and_update());
    let (tell, told) = watch::channel(first);
    vital::spawn("what decides on what is in force", async move {
        loop {
            let changed = tokio::select! {
                changed = sets.changed() => changed.is_ok(),
                changed = writes.changed() => changed.is_ok(),
            };
            if !changed {
                break;
            }
            writes.borrow_and_update();
            let began = tokio::time::Instant::now();
            let desired = of(&sets.borrow_and_update());
            // Nobody listens any more once the controller has finished.
            if tell.send(desired).is_err() {
                break;
            }
            tokio::time::sleep(began.elapsed() * REST).await;
        }
    });
    told
}

/// What a problem leaves as it was.
const UNTOUCHED: &str = "; the last valid version, if any, stays in force";

/// Says what is wrong or odd, once.
fn log_problems(told: &mut HashSet<Problem>, problems: &[Problem], warnings: &[Problem]) {
    for problem in problems.iter().filter(|problem| !told.contains(problem)) {
        if problem.weight == Weight::Warning {
            warn!(target: "portreeve::manifests", "{problem}");
            continue;
        }
        // Some say themselves what stays in force.
        let more = if problem.message.contains(" in force") { "" } else { UNTOUCHED };
        error!(target: "portreeve::manifests", "{problem}{more}");
    }
    for warning in warnings.iter().filter(|warning| !told.contains(warning)) {
        warn!(target: "portreeve::manifests", "{warning}");
    }
    *told = problems.iter().chain(warnings).cloned().collect();
}

/// How many files that are not ours are named in one line.
const MOST_NAMES: usize = 5;

/// Says which files are passed over, once.
fn log_others(told: &mut Vec<String>, others: &[String]) {
    if told != others && !others.is_empty() {
        let names = others.iter().take(MOST_NAMES).cloned().collect::<Vec<_>>().join(", ");
        let more = if others.len() > MOST_NAMES { ", …" } else { "" };
        let files = not_ours(others.len());
        info!(target: "portreeve::manifests", "{files}, ignored: {names}{more}");
    }
    *told = others.to_vec();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_cannot_be_listened_on_is_told_with_what_to_do() {
        let said = |address: &str, error: std::io::ErrorKind| {
            RunError::Listen { address: address.parse().expect(address), error: error.into() }.to_string()
        };
        let low = said("127.0.0.1:80", std::io::ErrorKind::PermissionDenied);
        assert!(low.contains("ports below 1024 need root"), "{low}");
        assert!(
            said("127.0.0.1:8000", std::io::ErrorKind::AddrInUse).contains("another program uses the port")
        );
        assert!(!said("127.0.0.1:8000", std::io::ErrorKind::PermissionDenied).contains("1024"));
    }
}
