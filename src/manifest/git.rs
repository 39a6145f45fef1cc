//! A configuration directory that is pulled from a Git repository by the system's `git`.
//!
//! # Guarantees
//! - What is in force changes from one commit to the next at once, and only forwards: a history that was rewritten is
//!   refused and said, and what was in force before stays.
//! - Without network or server, and over restarts, what was pulled last stays in force.
//! - Where a branch and a tag have one name the branch is meant.
//! - A secret stands neither on a command line nor in anything that is said; it is sent to the host that was named,
//!   and only where nobody on the way can read it.
//!
//! # Caveats
//! Symbolic links in a repository are not followed, submodules and large files kept elsewhere (LFS) are not fetched, and
//! Git's own configuration files are not read.

mod address;
mod checkout;
mod command;
mod left_over;
mod progress;
mod reach;
mod safe;

use std::convert::Infallible;
use std::path::{Path, PathBuf};

use metrics::gauge;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

pub use address::{Address, AddressFault, inner_path, is_reference};
use checkout::{Applied, Checkout, CheckoutError, Wanted};
pub use command::GitError;
use command::{Limit, Login};
use progress::Progress;

use crate::clock;
use crate::guard::Guard;
use crate::observed::Nanos;
use crate::resource::{Duration, SecretRef};

/// How much of a commit's name is shown to people.
const SHORT: usize = 12;

/// What is pulled, and how.
#[derive(Clone, Debug)]
pub struct GitSource {
    /// The repository.
    pub address: Address,
    /// The branch, tag or commit; `HEAD` is the repository's default branch.
    pub reference: String,
    /// The directory within the repository; empty for all of it.
    pub path: PathBuf,
    /// How often the repository is asked.
    pub interval: Duration,
    /// How long a pull may take; the first one, with all there ever was, how long without coming further.
    pub timeout: Duration,
    /// What proves to the server who asks.
    pub credentials: Option<Credentials>,
}

/// Where a token is found.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// In this file, which is read anew each time.
    File(PathBuf),
    /// Here.
    Given(SecretString),
}

/// Why the last pull failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// CamelCase: `HistoryRewritten` or `PullFailed`.
    pub reason: &'static str,
    /// The same for people.
    pub message: String,
}

/// How the pulling stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// The repository.
    pub address: Address,
    /// The branch, tag or commit asked for.
    pub reference: String,
    /// The directory of ours that all this comes to.
    pub directory: PathBuf,
    /// The commit in force.
    pub commit: Option<String>,
    /// When the last pull succeeded.
    pub at: Option<Nanos>,
    /// What is wrong, if anything is.
    pub trouble: Option<Trouble>,
    /// The pull that is in hand.
    pub pulling: Option<Pulling>,
}

/// A pull that has not ended yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulling {
    /// When it began.
    pub since: Nanos,
    /// How far it is, in Git's words; empty until it says something.
    pub progress: String,
}

/// Pulls a [`GitSource`] into a directory of Portreeve's own.
#[derive(Debug)]
pub struct Puller {
    source: GitSource,
    checkout: Checkout,
    guard: Guard,
    prepared: bool,
    tell: watch::Sender<Pulled>,
}

impl Puller {
    /// A puller that keeps what it needs in `home`, and asks where `guard` lets it. Nothing is done yet.
    pub fn new(source: GitSource, home: PathBuf, guard: Guard) -> Self {
        let checkout = Checkout::new(home);
        let (tell, _) = watch::channel(Pulled {
            address: source.address.clone(),
            reference: source.reference.clone(),
            directory: checkout.link().join(&source.path),
            commit: checkout.applied().map(|applied| applied.commit),
            at: None,
            trouble: None,
            pulling: None,
        });
        Self { source, checkout, guard, prepared: false, tell }
    }

    /// Where all that was pulled is kept.
    pub fn home(&self) -> PathBuf {
        self.checkout.home.clone()
    }

    /// The directory to be read as a configuration directory; it is replaced with each commit.
    pub fn directory(&self) -> PathBuf {
        self.tell.borrow().directory.clone()
    }

    /// How the pulling stands, and every change of that.
    pub fn pulled(&self) -> watch::Receiver<Pulled> {
        self.tell.subscribe()
    }

    /// Whether something was pulled before, by an earlier process perhaps.
    pub fn has_pulled(&self) -> bool {
        self.checkout.applied().is_some()
    }

    /// Whether the program `git` can be run.
    ///
    /// # Errors
    /// It cannot: [`GitError::Missing`] most likely.
    pub async fn check(&self) -> Result<(), GitError> {
        self.checkout.check().await
    }

    /// Pulls until `stop`, at once and then as often as the source says.
    pub async fn run(mut self, stop: CancellationToken) {
        let pulling = async {
            loop {
                self.pull().await;
                tokio::time::sleep(self.source.interval.get()).await;
            }
        };
        // What is in hand is dropped, and its processes are killed.
        stop.run_until_cancelled(pulling).await;
    }

    /// Pulls once; whether something else is in force now. What went wrong is told.
    pub async fn pull(&mut self) -> bool {
        let before = self.checkout.applied();
        let progress = Progress::default();
        let tell = self.tell.clone();
        tell.send_modify(|pulled| {
            pulled.pulling = Some(Pulling { since: clock::now(), progress: String::new() });
        });
        let outcome = tokio::select! {
            outcome = self.bring_up_to_date(before.as_ref(), &progress) => outcome,
            never = show(&tell, progress.said()) => match never {},
        };
        let now = self.checkout.applied();
        let trouble = outcome.err();
        gauge!("portreeve_git_up").set(if trouble.is_none() { 1.0 } else { 0.0 });
        self.say(before.as_ref(), now.as_ref(), trouble.as_ref());
        let changed = before != now;
        self.tell.send_modify(|pulled| {
            pulled.commit = now.map(|applied| applied.commit);
            if trouble.is_none() {
                pulled.at = Some(clock::now());
            }
            pulled.trouble = trouble;
            pulled.pulling = None;
        });
        changed
    }

    /// Says what is new; what goes on as before was said already.
    fn say(&self, before: Option<&Applied>, now: Option<&Applied>, trouble: Option<&Trouble>) {
        let known = self.tell.borrow().trouble.clone();
        match trouble {
            Some(trouble) if known.as_ref() != Some(trouble) => {
                error!(target: "portreeve::manifests", "{}: {}", trouble.reason, trouble.message);
            }
            None if known.is_some() => {
                info!(target: "portreeve::manifests", "{} can be pulled again", self.source.address);
            }
            Some(_) | None => {}
        }
        if let Some(now) = now.filter(|now| Some(*now) != before) {
            let GitSource { address, reference, .. } = &self.source;
            info!(target: "portreeve::manifests", "{reference} of {address} is now at {}", short(&now.commit));
        }
    }

    async fn bring_up_to_date(
        &mut self,
        applied: Option<&Applied>,
        progress: &Progress,
    ) -> Result<(), Trouble> {
        let GitSource { address, reference, credentials, timeout, .. } = &self.source;
        let failed = |error: &dyn std::fmt::Display| Trouble {
            reason: "PullFailed",
            message: format!("{reference} of {address} cannot be pulled: {error}"),
        };
        let login = login(address, credentials.as_ref()).await.map_err(|why| failed(&why))?;
        if !self.prepared {
            self.checkout.prepare(address.local().as_deref()).await.map_err(|error| failed(&error))?;
            self.prepared = true;
        }
        let pinned = reach::pinned(address, &self.guard).await.map_err(|error| failed(&error))?;
        let timeout = timeout.get();
        let follows = applied.is_some_and(|applied| applied.source == identity(address, reference));
        // A first one that takes its time would begin anew, and never be done.
        let limit = if follows { Limit::Whole(timeout) } else { Limit::Standstill(timeout) };
        let wanted = Wanted {
            address: address.as_str(),
            reference,
            login: login.as_ref(),
            pinned: pinned.as_deref(),
            limit,
            progress,
        };
        let commit = self.checkout.fetch(&wanted).await.map_err(|error| {
            // Somebody may have taken the repository away; it is made anew then.
            self.prepared = false;
            failed(&error)
        })?;
        let wanted = Applied { commit, source: identity(address, reference) };
        if applied == Some(&wanted) {
            return Ok(());
        }
        // What another repository or branch had is no history of this one: that was decided by whoever started us.
        if let Some(applied) = applied.filter(|applied| applied.source == wanted.source) {
            let follows = self.checkout.follows(&wanted.commit, &applied.commit).await;
            if !follows.map_err(|error| failed(&error))? {
                return Err(rewritten(&self.source, applied, &wanted, &self.checkout.link()));
            }
        }
        let switched: Result<(), CheckoutError> = self.checkout.switch(&wanted, limit, progress).await;
        switched.map_err(|error| failed(&error))
    }
}

/// Shows how far a pull is, for as long as it goes on. Nobody is woken by that.
async fn show(tell: &watch::Sender<Pulled>, mut said: watch::Receiver<String>) -> Infallible {
    while said.changed().await.is_ok() {
        let now = said.borrow_and_update().clone();
        tell.send_if_modified(|pulled| {
            if let Some(pulling) = &mut pulled.pulling {
                pulling.progress = now;
            }
            false
        });
    }
    std::future::pending().await
}

fn rewritten(source: &GitSource, old: &Applied, new: &Applied, link: &Path) -> Trouble {
    let GitSource { address, reference, .. } = source;
    let (old, new) = (short(&old.commit), short(&new.commit));
    Trouble {
        reason: "HistoryRewritten",
        message: format!(
            "{reference} of {address} was rewritten: {new} does not follow {old}, which stays in force; to accept it \
            anyway remove {}",
            link.display()
        ),
    }
}

/// The beginning of a commit's name, as people are shown it.
pub fn short(commit: &str) -> &str {
    commit.get(..SHORT).unwrap_or(commit)
}

/// Tells one repository and reference from every other, in a few letters that can stand in a file's name.
fn identity(address: &Address, reference: &str) -> String {
    let digest = Sha256::digest(format!("{address}\n{reference}"));
    hex::encode(&digest[..8])
}

/// Who asks. The secret is a token, or `user:password` where the server cares for the user.
async fn login(address: &Address, credentials: Option<&Credentials>) -> Result<Option<Login>, String> {
    let (Some(credentials), Some(origin)) = (credentials, address.origin()) else { return Ok(None) };
    let secret = match credentials {
        Credentials::Given(secret) => secret.clone(),
        Credentials::File(path) => {
            // Whoever started Portreeve named it: it may lie anywhere.
            let token = Guard::default().secret(&SecretRef::file(&path.display().to_string())).await;
            token.map_err(|error| format!("--git-token-file: {error}"))?
        }
    };
    let text = secret.expose_secret().trim();
    if text.is_empty() || text.contains(char::is_control) {
        return Err("the token must be one line of text".to_owned());
    }
    // Where a token alone is given servers do not look at the name; there has to be one.
    let (name, secret) = text.split_once(':').unwrap_or(("git", text));
    Ok(Some(Login { origin: origin.to_owned(), name: name.to_owned(), secret: secret.into() }))
}
