//! `AutohealPolicy`: which containers are healed, when, how often and how far.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod not_yet;

pub use not_yet::NotYetTrigger;

use super::check::Check;
use super::{Duration, Kind, Selector};

/// Restarts sick containers, with backoff and a budget. A container that was stopped by hand stays stopped.
///
/// The policy named `default` replaces the built-in one, which selects the label `autoheal=true`. If several policies
/// select a container, the first of them by name heals it; `default` comes last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct AutohealPolicySpec {
    /// Which containers this policy heals.
    pub selector: Selector,
    /// Which of the selected containers are not healed.
    pub exclude: Selector,
    /// When a container is healed.
    pub triggers: Triggers,
    /// What is done to a sick container.
    pub action: HealAction,
    /// The action of the first, second, … attempt, instead of `action`. If the last one did not help, the container is
    /// quarantined. Empty: `action` each time, until the budget is spent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub escalation: Vec<HealAction>,
    /// How long a container must have been unhealthy before it is healed.
    pub min_unhealthy: Duration,
    /// How long a container may take to stop before it is killed; left out: the container's own.
    /// The label `autoheal.stop.timeout` (seconds) overrides both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<Duration>,
    /// How long after its start a container is not healed.
    pub start_grace: Duration,
    /// How long a registered container is marked as down in its DiscoveryRegistry before it is touched, so that clients
    /// go elsewhere. Its new run is registered again. 0: no drain.
    pub drain: Duration,
    /// How long to wait between attempts.
    pub backoff: Backoff,
    /// How many restarts a container gets before it is quarantined.
    pub budget: Budget,
    /// Stops healing when many containers are sick at once, and reports it once.
    pub breaker: Breaker,
    /// How many restarts this policy may make on one engine.
    pub pace: Pace,
    /// When a container counts as healed.
    pub verify: Verify,
    /// Which other containers are restarted with a container.
    pub cascade: Cascade,
}

/// When a container is healed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Triggers {
    /// Docker's own health check says `unhealthy`.
    pub unhealthy: bool,
    /// A probe of a MonitoredService fails. A `denied` check, such as a refused login, does not count, because a restart does not
    /// fix it.
    pub probes: bool,
    /// How long a probe may answer `notYet` (a database recovers, a cache loads its data) before the container is
    /// healed. A restart makes it start over.
    pub not_yet: NotYetTrigger,
    /// The container exited by itself and Docker's restart policy does not start it again. A container that was stopped
    /// by hand stays stopped.
    pub exited: ExitedTrigger,
}

/// Whether a container that exited is healed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ExitedTrigger {
    /// It is not healed.
    #[default]
    Never,
    /// It is healed if its exit code is not 0.
    OnFailure,
    /// It is healed with any exit code, unless it was stopped by hand.
    Always,
}

/// What is done to a sick container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum HealAction {
    /// Stop and start it.
    #[default]
    Restart,
    /// Create it again with the same image, configuration, name, networks and volumes, start the new container and
    /// remove the old one. If that fails, the old one is started again. Data in the old container's own file system is
    /// lost.
    Recreate,
    /// Stop it and leave it down.
    Stop,
    /// Only report it.
    Notify,
    /// Nothing.
    None,
}

/// How long to wait between attempts. The first attempt is made at once. Each further one waits longer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Backoff {
    /// The wait after the first restart.
    pub initial: Duration,
    /// What each further wait is multiplied by; at least 1.
    #[schemars(range(min = 1.0, max = 100.0))]
    pub multiplier: f64,
    /// The longest wait.
    pub max: Duration,
    /// How much a wait varies at random, as a share of it: 0.25 means between 75 % and 125 %.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub jitter: f64,
    /// How long a container must stay healthy before its wait and its budget are reset.
    pub reset_after: Duration,
}

/// How many restarts a container gets. When they are spent it is quarantined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Budget {
    /// Restarts within `per`.
    #[schemars(range(min = 1, max = 1000))]
    pub restarts: u32,
    /// The sliding time window in which restarts are counted.
    pub per: Duration,
}

/// Stops healing when many containers are sick at once, because restarting them one after the other makes it worse. It
/// counts the containers of this policy on one engine that run or are being healed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Breaker {
    /// The breaker works only with at least this many containers.
    pub min_targets: u32,
    /// The share of sick containers at which healing stops.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub unhealthy_ratio: f64,
    /// `true`: healing resumes with one container at a time, when fewer are sick or after a rest. The rest is the
    /// longer of `backoff.max` and `verify.within`. When that container is healed the next one follows. If it is not
    /// healed, the rest starts again. `false`: healing resumes for all containers, and only when fewer are sick.
    pub resume_one_by_one: bool,
}

/// How many restarts this policy may make on one engine, over all its containers. At most three restarts are under way
/// or not yet verified at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Pace {
    /// Restarts within `per`.
    #[schemars(range(min = 1, max = 10000))]
    pub restarts: u32,
    /// The time window in which restarts are counted.
    pub per: Duration,
}

/// When a container counts as healed: healthy again, not "the call succeeded".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Verify {
    /// How long a container has to become healthy after an attempt. The attempt has failed if the container is
    /// unhealthy again or exits with an error, or if its health check has no result after this time and the check's own
    /// start period. Then the next step follows, after its wait.
    pub within: Duration,
}

/// Which other containers are restarted with a container. The policy of the other container decides: a container that
/// no policy selects is never touched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Cascade {
    /// Containers that share its network namespace (`network_mode: container:…`) are restarted after every restart of
    /// it, because their network no longer works. They are recreated if it was recreated.
    pub network_mode: bool,
    /// Containers that depend on it, by Compose or by `dependsOn` of a MonitoredService, are restarted after Portreeve
    /// has restarted it and it is healthy.
    pub compose: bool,
}

impl Default for AutohealPolicySpec {
    fn default() -> Self {
        Self {
            selector: Selector::default(),
            exclude: Selector::default(),
            triggers: Triggers::default(),
            action: HealAction::Restart,
            escalation: Vec::new(),
            min_unhealthy: Duration::ZERO,
            stop_timeout: None,
            start_grace: Duration::ZERO,
            drain: Duration::ZERO,
            backoff: Backoff::default(),
            budget: Budget::default(),
            breaker: Breaker::default(),
            pace: Pace::default(),
            verify: Verify::default(),
            cascade: Cascade::default(),
        }
    }
}

impl Default for Triggers {
    fn default() -> Self {
        Self { unhealthy: true, probes: true, not_yet: NotYetTrigger::Never, exited: ExitedTrigger::Never }
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            initial: Duration::from_secs(10),
            multiplier: 2.0,
            max: Duration::from_secs(300),
            jitter: 0.25,
            reset_after: Duration::from_secs(600),
        }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self { restarts: 5, per: Duration::from_secs(3600) }
    }
}

impl Default for Breaker {
    fn default() -> Self {
        Self { min_targets: 3, unhealthy_ratio: 0.5, resume_one_by_one: true }
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self { restarts: 10, per: Duration::from_secs(60) }
    }
}

impl Default for Verify {
    fn default() -> Self {
        Self { within: Duration::from_secs(120) }
    }
}

impl Default for Cascade {
    fn default() -> Self {
        Self { network_mode: true, compose: true }
    }
}

impl Kind for AutohealPolicySpec {
    const KIND: &'static str = "AutohealPolicy";
    const PLURAL: &'static str = "autohealpolicies";
    const SHORT: &'static [&'static str] = &["heal"];
    const DOC: &'static str = "Which containers are healed, when, how and how often.";

    fn validate(&self, check: &mut Check) {
        check.field("selector", |check| self.selector.validate(check));
        check.field("exclude", |check| self.exclude.validate(check));
        check.field("triggers", |check| {
            if let Some(bound) = self.triggers.not_yet.bound() {
                check.positive("notYet", bound);
            }
        });
        check.field("backoff", |check| {
            check.within("multiplier", self.backoff.multiplier, 1.0..=100.0);
            check.within("jitter", self.backoff.jitter, 0.0..=1.0);
            check.positive("max", self.backoff.max);
            check.positive("resetAfter", self.backoff.reset_after);
            if self.backoff.initial > self.backoff.max {
                let message = format!("must not be longer than max, which is {}", self.backoff.max);
                check.field("initial", |check| check.refuse(message));
            }
        });
        check.field("budget", |check| {
            check.within("restarts", self.budget.restarts, 1..=1000);
            check.positive("per", self.budget.per);
        });
        check.field("breaker", |check| {
            check.within("unhealthyRatio", self.breaker.unhealthy_ratio, 0.0..=1.0)
        });
        check.field("pace", |check| {
            check.within("restarts", self.pace.restarts, 1..=10_000);
            check.positive("per", self.pace.per);
        });
        check.field("verify", |check| check.positive("within", self.verify.within));
    }
}
