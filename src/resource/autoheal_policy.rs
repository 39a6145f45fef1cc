//! `AutohealPolicy`: which containers are healed, when, how often and how far.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod not_yet;

pub use not_yet::NotYetTrigger;

use super::check::Check;
use super::{Duration, Kind, Selector};

/// Restarts what is sick, with backoff and a budget, and leaves alone what was stopped by hand.
///
/// The policy named `default` replaces the built-in one, which selects the label `autoheal=true`. A container that
/// several policies select belongs to the first of them by name; `default` comes last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct AutohealPolicySpec {
    /// Which containers this policy heals.
    pub selector: Selector,
    /// Which of the selected containers are left alone all the same.
    pub exclude: Selector,
    /// What makes a container one to heal.
    pub triggers: Triggers,
    /// What is done to it.
    pub action: HealAction,
    /// The action of the first, second, … attempt, in place of `action`; when all were taken and none helped, the
    /// container is quarantined. Empty: `action` each time, until the budget is spent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub escalation: Vec<HealAction>,
    /// How long a container must have been unhealthy before anything is done.
    pub min_unhealthy: Duration,
    /// How long a container may take to stop before it is killed; left out: the container's own.
    /// The label `autoheal.stop.timeout` (seconds) overrides both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<Duration>,
    /// How long after a container's start nothing is done.
    pub start_grace: Duration,
    /// How long a running container that a DiscoveryRegistry knows is marked as down there before it is touched, so that
    /// callers go elsewhere; it is registered again with its new run. 0: not at all.
    pub drain: Duration,
    /// How long to wait between attempts.
    pub backoff: Backoff,
    /// How many restarts are spent before the container is quarantined.
    pub budget: Budget,
    /// When many containers are sick at once: stop healing, say so once.
    pub breaker: Breaker,
    /// How many restarts one engine is given.
    pub pace: Pace,
    /// When a container counts as healed.
    pub verify: Verify,
    /// What else is restarted with a container.
    pub cascade: Cascade,
}

/// What makes a container one to heal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Triggers {
    /// Docker's own health check says `unhealthy`.
    pub unhealthy: bool,
    /// A probe of a MonitoredService fails, and not only because it is refused: no restart mends that.
    pub probes: bool,
    /// A probe is told that it is too early (a database recovers, a cache loads its data), and how long that may last: a
    /// restart would make it begin anew.
    pub not_yet: NotYetTrigger,
    /// The container ended by itself and Docker's restart policy leaves it down. A stop by hand is respected.
    pub exited: ExitedTrigger,
}

/// Which ends of a container are healed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ExitedTrigger {
    /// None.
    #[default]
    Never,
    /// Those with an exit code other than 0.
    OnFailure,
    /// All but those stopped by hand.
    Always,
}

/// What is done to a sick container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum HealAction {
    /// Stop and start it.
    #[default]
    Restart,
    /// Make it anew with the same image, configuration, name, networks and volumes, start that, and remove the old one;
    /// if that fails, the old one is started again. What was written into the old one's own file system is lost.
    Recreate,
    /// Stop it and leave it down.
    Stop,
    /// Only say so.
    Notify,
    /// Nothing.
    None,
}

/// How long to wait between attempts. The first restart comes at once; the waits follow it.
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
    /// How long a container must stay healthy before waits and budget start afresh.
    pub reset_after: Duration,
}

/// How many restarts a container is given; when they are spent it is quarantined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Budget {
    /// Restarts within `per`.
    #[schemars(range(min = 1, max = 1000))]
    pub restarts: u32,
    /// The sliding window they are counted in.
    pub per: Duration,
}

/// When many containers are sick at once, restarting them one after the other makes it worse. What counts is the
/// containers of this policy on one engine that run or are being healed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Breaker {
    /// The smallest number of selected containers for which the breaker works.
    pub min_targets: u32,
    /// The share of sick containers at which healing stops.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub unhealthy_ratio: f64,
    /// Whether healing resumes with one container at a time: when fewer are sick, or after a rest as long as
    /// `backoff.max` and `verify.within`. One that is healed makes room for the next; if one is not, all rest again.
    /// Otherwise healing resumes for all, and only when fewer are sick.
    pub resume_one_by_one: bool,
}

/// How many restarts this policy gives one engine, over all its containers. Never are more than three under way, or
/// done and not yet verified, at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Pace {
    /// Restarts within `per`.
    #[schemars(range(min = 1, max = 10000))]
    pub restarts: u32,
    /// The window they are counted in.
    pub per: Duration,
}

/// When a container counts as healed: healthy again, not "the call succeeded".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Verify {
    /// How long it has to become healthy. An attempt has not healed it when it is unhealthy again, or ends by itself
    /// with an error, or when its health check has still not spoken after this time and the check's own start
    /// period; then the next step is taken, in its time.
    pub within: Duration,
}

/// What else is restarted with a container. It is the policy of those that follow that says so: what no policy selects is
/// never touched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Cascade {
    /// Containers that share its network namespace (`network_mode: container:…`), after every restart of it, as theirs
    /// is of no use any more; made anew when it was made anew.
    pub network_mode: bool,
    /// Services of the same Compose project that depend on it, and those that do by `dependsOn` of a MonitoredService,
    /// after Portreeve restarted it and it is healthy.
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
    const DOC: &'static str = "Which containers are healed, when, how often and how far.";

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
