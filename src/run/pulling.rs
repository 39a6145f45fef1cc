//! The directory that is pulled from a Git repository: begun before anything is read, and told of as it goes on.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::error::RunError;
use crate::clock;
use crate::guard::Guard;
use crate::manifest::git::{GitSource, Pulled, Puller, short};
use crate::manifest::watch::Hint;
use crate::observed::Shard;
use crate::resource::event::EventKind;
use crate::resource::event::subject::EventSubject;
use crate::store::{ChangeSet, Commit, NewEvent};

/// How long the start waits for a repository that nothing was ever pulled from.
const FIRST: Duration = Duration::from_secs(30);
/// Between two tries to store an event.
const AGAIN: Duration = Duration::from_secs(1);

/// A pulling that goes on until `stop`, whose directory is there if it can be had.
pub(super) struct Begun {
    /// Where all that is pulled is kept.
    pub(super) home: PathBuf,
    /// The directory to be read as a configuration directory.
    pub(super) directory: PathBuf,
    /// How the pulling stands.
    pub(super) pulled: watch::Receiver<Pulled>,
    /// The commit that whoever reads the directory from now on finds, or a later one.
    found: Option<String>,
}

/// Begins to pull.
///
/// With nothing pulled before, the first pull is waited for, for a while: what the repository declares is not to be missing
/// from force for a moment, and the built-in policy with it. One that takes longer goes on beside the start. Else what was
/// pulled last is in force at once.
///
/// # Errors
/// There is no `git`.
pub(super) async fn begin(
    source: GitSource,
    state_dir: &Path,
    guard: Guard,
    stop: CancellationToken,
) -> Result<Begun, RunError> {
    let (address, longest) = (source.address.clone(), FIRST.min(source.timeout.get()));
    let puller = Puller::new(source, state_dir.join("git"), guard);
    puller.check().await?;
    let (home, directory, mut pulled) = (puller.home(), puller.directory(), puller.pulled());
    let first = !puller.has_pulled();
    tokio::spawn(puller.run(stop));
    if first {
        let seconds = longest.as_secs_f64();
        info!(target: "portreeve::manifests", "waiting for the first pull of {address}, at most {seconds} s");
        // What went wrong is told; it is tried again for as long as the process runs.
        let ended = pulled.wait_for(|pulled| pulled.at.is_some() || pulled.trouble.is_some());
        if tokio::time::timeout(longest, ended).await.is_err() {
            info!(
                target: "portreeve::manifests",
                "{address} is still being cloned; starting without it: what it declares is in force once it is there"
            );
        }
    }
    let found = pulled.borrow_and_update().commit.clone();
    Ok(Begun { home, directory, pulled, found })
}

impl Begun {
    /// Gives a hint whenever another commit is in force than was there at the beginning, until `stop`.
    pub(super) async fn follow(self, hint: Hint, stop: CancellationToken) {
        let Self { mut pulled, mut found, .. } = self;
        let following = async {
            loop {
                let now = pulled.borrow_and_update().commit.clone();
                if now != found {
                    found = now;
                    hint.give();
                }
                if pulled.changed().await.is_err() {
                    break;
                }
            }
        };
        stop.run_until_cancelled(following).await;
    }
}

/// Stores what the pulling comes to as events, until `stop`.
pub(super) async fn record(
    mut pulled: watch::Receiver<Pulled>,
    commit: Arc<dyn Commit>,
    stop: CancellationToken,
) {
    let recording = async {
        let mut last = Pulled { commit: None, trouble: None, ..pulled.borrow().clone() };
        loop {
            let now = pulled.borrow_and_update().clone();
            let events = events(&last, &now);
            last = now;
            if !events.is_empty() {
                let changes = ChangeSet { events, at: clock::now(), ..ChangeSet::of(Shard::Fleet) };
                while commit.commit(changes.clone()).await.is_err() {
                    tokio::time::sleep(AGAIN).await;
                }
            }
            if pulled.changed().await.is_err() {
                break;
            }
        }
    };
    stop.run_until_cancelled(recording).await;
}

/// What is worth an event between two states: another commit, and what went wrong for another reason than before.
fn events(before: &Pulled, now: &Pulled) -> Vec<NewEvent> {
    let Pulled { address, reference, .. } = now;
    let event = |kind: EventKind, reason: &'static str, status: &str, message: String| {
        let event = NewEvent::new(kind, EventSubject::Portreeve, clock::now());
        event.because(reason).status(status).saying(message)
    };
    let mut events = Vec::new();
    if let Some(commit) = now.commit.as_ref().filter(|commit| before.commit.as_ref() != Some(commit)) {
        let message = format!("{reference} of {address} is now at {}", short(commit));
        events.push(event(EventKind::Pulled, "", "pulled", message));
    }
    if let Some(trouble) = now.trouble.as_ref().filter(|trouble| before.trouble.as_ref() != Some(trouble)) {
        let message = trouble.message.clone();
        events.push(event(EventKind::PullFailed, trouble.reason, "failed", message));
    }
    if before.trouble.is_some() && now.trouble.is_none() {
        let message = format!("{address} can be pulled again");
        events.push(event(EventKind::PullRecovered, "", "pulled", message));
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::git::{Address, Trouble};

    #[test]
    fn a_commit_and_a_trouble_are_told_once_and_so_is_its_end() {
        let quiet = Pulled {
            address: Address::parse("/srv/ops.git").expect("an address"),
            reference: "main".to_owned(),
            directory: "/d".into(),
            commit: Some("1".repeat(40)),
            at: None,
            trouble: None,
            pulling: None,
        };
        let trouble = Trouble { reason: "HistoryRewritten", message: "main was rewritten".to_owned() };
        let troubled = Pulled { trouble: Some(trouble), ..quiet.clone() };
        let moved = Pulled { commit: Some("2".repeat(40)), ..quiet.clone() };
        let told = |before: &Pulled, now: &Pulled| -> Vec<String> {
            let stored = events(before, now).into_iter().map(|event| event.stored());
            stored.map(|event| format!("{} {} {}", event.event_type, event.reason, event.message)).collect()
        };
        assert_eq!(told(&quiet, &quiet), Vec::<String>::new());
        assert_eq!(told(&quiet, &moved), ["Pulled  main of /srv/ops.git is now at 222222222222"]);
        assert_eq!(told(&quiet, &troubled), ["PullFailed HistoryRewritten main was rewritten"]);
        assert_eq!(told(&troubled, &troubled), Vec::<String>::new());
        assert_eq!(told(&troubled, &quiet), ["PullRecovered  /srv/ops.git can be pulled again"]);
    }
}
