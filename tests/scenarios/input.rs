//! The shapes of a scenario's files, and what they stand for.

use std::collections::BTreeMap;

use portreeve::observed::{Container, ContainerKey, Health, HealthCheck, Nanos, RestartPolicy, State};
use portreeve::reconcile::cause::{Fact, Seen};
use portreeve::reconcile::heal::related::{Parent, Silenced};
use portreeve::reconcile::heal::{HealMemory, ProbeVerdict, Quarantine, Related, Run, Verifying};
use portreeve::reconcile::health::checks::{CheckMemory, Missed, look_due, observe};
use portreeve::reconcile::intent::{Answer, Intent};
use portreeve::reconcile::plan::{Cause, Note, Reason, Verb};
use portreeve::resource::Duration;
use portreeve::resource::autoheal_policy::AutohealPolicySpec;
use serde::{Deserialize, Deserializer};

/// The instant every scenario is decided at.
pub(super) const NOW: Nanos = Nanos(1_760_000_000_000_000_000);
/// The seed of every scenario.
pub(super) const SEED: u64 = 7;

/// An instant written as seen from [`NOW`].
#[derive(Clone, Copy, Debug)]
pub(super) struct At(Nanos);

impl<'de> Deserialize<'de> for At {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (sign, length) = match text.strip_prefix('-') {
            Some(length) => (-1, length),
            None => (1, text.strip_prefix('+').unwrap_or(&text)),
        };
        let length: Duration = length.parse().map_err(serde::de::Error::custom)?;
        Ok(Self(Nanos(NOW.0 + sign * length.as_nanos())))
    }
}

/// `desired.yaml`: the spec of the policy `web`, which selects the container.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct Desired {
    pub(super) spec: AutohealPolicySpec,
    pub(super) observe: bool,
    pub(super) read_only: bool,
    /// What is suspended.
    pub(super) suspended: Option<String>,
    /// What opts the container out.
    pub(super) excluded: Option<String>,
    pub(super) not_selected: bool,
}

/// `observed.yaml`: the container, what the event stream said of it, and how things stand with the engine and us.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Observed {
    container: Inspected,
    /// When the engine was last contacted; an hour ago unless said otherwise.
    contact: Option<At>,
    /// What is remembered of its health checks.
    #[serde(default)]
    checks: Checks,
    #[serde(default)]
    pub(super) facts: Vec<FactAt>,
    /// The other containers of the policy.
    #[serde(default)]
    pub(super) others: Others,
    /// Whose network it shares: when that began, and whether it is another container by now.
    parent: Option<ParentSeen>,
    /// What it depends on and is down.
    down: Option<String>,
    /// What it depends on and was restarted by us.
    restarted: Option<String>,
    /// Until when a silence covers it.
    silenced: Option<At>,
    /// What a service's probes say.
    outside: Option<Said>,
    #[serde(default)]
    pub(super) disconnected: bool,
    #[serde(default)]
    pub(super) registered: bool,
    #[serde(default)]
    pub(super) own_fault: Option<String>,
    #[serde(default)]
    pub(super) own: bool,
}

/// What is remembered of health checks.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct Checks {
    resumed: Option<At>,
    missed_since: Option<At>,
    silent: bool,
    told: bool,
}

/// How many others there are, and how long ago they were decided on, the sick ones first.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct Others {
    pub(super) healthy: u32,
    pub(super) unhealthy: u32,
    pub(super) since: Duration,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ParentSeen {
    started: At,
    #[serde(default)]
    replaced: bool,
    #[serde(default)]
    not_ready: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Said {
    health: Health,
    since: At,
    by: String,
    why: String,
    #[serde(default)]
    denied: bool,
    early_since: Option<At>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Inspected {
    state: State,
    health: Option<Health>,
    output: Option<String>,
    /// How its health check is configured, if it has one: as Docker does unless said otherwise.
    health_check: Option<HealthCheck>,
    /// When the last one ended.
    last_check: Option<At>,
    /// How many have failed in a row.
    failing_streak: Option<u32>,
    /// `web` unless said otherwise.
    name: Option<String>,
    created: Option<At>,
    /// The image itself; `sha256:1` unless said otherwise.
    image: Option<String>,
    started: Option<At>,
    finished: Option<At>,
    #[serde(default)]
    exit_code: i64,
    #[serde(default)]
    error: String,
    #[serde(default)]
    restart_count: u32,
    #[serde(default)]
    restart_policy: RestartPolicy,
    #[serde(default)]
    auto_remove: bool,
    stop_signal: Option<String>,
    stop_timeout: Option<i64>,
    /// Whether it is a task of a Swarm service.
    #[serde(default)]
    swarm_task: bool,
}

impl Observed {
    /// What it is related to.
    pub(super) fn related(&self) -> Related {
        Related {
            parent: self.parent.as_ref().map(|parent| Parent {
                name: "vpn".to_owned(),
                identity: "local/name/vpn".to_owned(),
                id: "7".repeat(64).into(),
                replaced: parent.replaced,
                started: Some(parent.started.0),
                ready: !parent.not_ready,
            }),
            down: self.down.clone(),
            restarted: self.restarted.clone(),
            silence: self.silenced.map(|until| Silenced { by: "backup".to_owned(), until: until.0 }),
        }
    }

    /// The verdict from elsewhere.
    pub(super) fn probe_verdict(&self) -> Option<ProbeVerdict<'_>> {
        let Said { health, since, by, why, denied, early_since } = self.outside.as_ref()?;
        let early_since = early_since.map(|since| since.0);
        Some(ProbeVerdict { health: *health, since: since.0, by, why, denied: *denied, early_since })
    }

    /// What its health word is worth, and when it is to be looked at to find out.
    pub(super) fn heard(&self) -> Heard {
        let mut container = self.inspected();
        let Checks { resumed, missed_since, silent, told } = self.checks;
        let last = container.last_check;
        let missed = missed_since.map(|since| Missed { since: since.0, last, silent });
        let mut memory = CheckMemory { resumed: resumed.map(|at| at.0), missed, told, sick: None };
        let contact =
            self.contact.map_or_else(|| Nanos(NOW.0 - Duration::from_secs(3600).as_nanos()), |at| at.0);
        let (health, note) = observe(&container, &mut memory, contact, NOW);
        container.health = health;
        let look = look_due(&container, &memory, contact, NOW, Duration::ZERO);
        Heard { container, note, look, again: observe(&self.inspected(), &mut memory, contact, NOW) }
    }

    /// The container `web` on the engine `local`.
    pub(super) fn container(&self) -> Container {
        self.heard().container
    }

    /// As an inspect shows it.
    fn inspected(&self) -> Container {
        let seen = &self.container;
        Container {
            key: ContainerKey::new("local", "4f5a6b7c8d9e".repeat(6)[..64].to_owned()),
            name: seen.name.clone().unwrap_or_else(|| "web".to_owned()),
            image: "nginx:alpine".to_owned(),
            image_id: seen.image.clone().unwrap_or_else(|| "sha256:1".to_owned()),
            labels: [("autoheal", "true")]
                .into_iter()
                .chain(seen.swarm_task.then_some(("com.docker.swarm.task.id", "t1")))
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
            state: seen.state,
            health: seen.health,
            health_output: seen.output.clone(),
            health_check: seen.health_check,
            last_check: seen.last_check.map(|at| at.0),
            failing_streak: seen.failing_streak,
            created: seen
                .created
                .map_or_else(|| Nanos(NOW.0 - Duration::from_secs(86_400 * 30).as_nanos()), |at| at.0),
            started: seen.started.map(|at| at.0),
            finished: seen.finished.map(|at| at.0),
            exit_code: seen.exit_code,
            error: seen.error.clone(),
            restart_count: seen.restart_count,
            restart_policy: seen.restart_policy,
            auto_remove: seen.auto_remove,
            ports: Vec::new(),
            nano_cpus: None,
            memory: None,
            network_mode: "bridge".to_owned(),
            networks: BTreeMap::new(),
            stop_signal: seen.stop_signal.clone(),
            stop_timeout: seen.stop_timeout,
        }
    }
}

/// What comes of an inspect for the health checks.
pub(super) struct Heard {
    pub(super) container: Container,
    pub(super) note: Option<Note>,
    pub(super) look: Option<Nanos>,
    /// The same inspect once more.
    pub(super) again: (Option<Health>, Option<Note>),
}

/// One fact: `{at: -3s, kill: 15}`, `{at: -2s, die: 137}`, `{at: -2s, event: stop}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct FactAt {
    at: At,
    kill: Option<i32>,
    die: Option<i64>,
    #[serde(default)]
    oom: bool,
    event: Option<Event>,
    #[serde(default)]
    ours: bool,
    #[serde(default)]
    replayed: bool,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Event {
    Stop,
    Start,
    StreamEnded,
    Gap,
}

impl FactAt {
    pub(super) fn seen(&self) -> Result<Seen, String> {
        let fact = match (self.kill, self.die, self.event) {
            (Some(signal), None, None) => Fact::Kill { signal },
            (None, Some(exit_code), None) => Fact::Die { exit_code, oom: self.oom },
            (None, None, Some(Event::Stop)) => Fact::Stop,
            (None, None, Some(Event::Start)) => Fact::Start,
            (None, None, Some(Event::StreamEnded)) => Fact::StreamEnded,
            (None, None, Some(Event::Gap)) => Fact::Gap,
            _ => return Err("a fact is one of kill, die and event".to_owned()),
        };
        Ok(Seen { at: self.at.0, fact, ours: self.ours, replayed_from_outage: self.replayed })
    }
}

/// `memory.yaml`: what was done and seen before.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Memory {
    /// Whether the run inspected is one never seen before.
    #[serde(default)]
    new_run: bool,
    unhealthy_since: Option<At>,
    healthy_since: Option<At>,
    #[serde(default)]
    ailing: bool,
    /// When attempts were made; the last of them is what waits count from.
    #[serde(default)]
    attempts: Vec<At>,
    quarantined: Option<At>,
    /// When an attempt was called off, after all others.
    called_off: Option<At>,
    /// Since when it is out of the registries for an attempt.
    draining: Option<At>,
    intent: Option<OpenIntent>,
    /// When the new run of the last attempt was seen, if it has not been healthy since.
    verifying: Option<At>,
    told: Option<Reason>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct OpenIntent {
    verb: Word,
    committed: At,
    started_before: Option<At>,
    #[serde(default)]
    answered: bool,
    failed: Option<String>,
    #[serde(default)]
    lost: bool,
    /// Whether it was about a container that was replaced since.
    #[serde(default)]
    other_container: bool,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Word {
    Restart,
    Recreate,
    Start,
    Stop,
}

impl Memory {
    /// The memory this stands for.
    pub(super) fn on(&self, container: &Container) -> HealMemory {
        let attempts = u32::try_from(self.attempts.len()).unwrap_or(u32::MAX);
        let run = Run { container: container.key.id.clone(), started: container.started, seen: NOW };
        let seen = self.unhealthy_since.or(self.healthy_since).map_or(NOW, |at| at.0);
        HealMemory {
            run: (!self.new_run).then_some(Run { seen, ..run }),
            unhealthy_since: self.unhealthy_since.map(|at| at.0),
            healthy_since: self.healthy_since.map(|at| at.0),
            ailing: self.ailing,
            spent: self.attempts.iter().map(|at| at.0).collect(),
            streak: attempts,
            last_action: self.attempts.last().map(|at| at.0),
            restart_count: attempts,
            committed: attempts,
            called_off: self.called_off.map(|at| at.0),
            quarantined: self.quarantined.map(|since| Quarantine {
                since: since.0,
                why: "5 attempts within 1h did not help".to_owned(),
                image: "sha256:1".to_owned(),
            }),
            intent: self.intent.as_ref().map(|intent| intent.on(container, attempts)),
            verifying: self.verifying.map(|since| Verifying {
                attempt: attempts,
                since: since.0,
                failed: false,
            }),
            healed: None,
            parent: None,
            draining: self.draining.map(|at| at.0),
            stop_seen: None,
            told: self.told,
        }
    }
}

impl OpenIntent {
    fn on(&self, container: &Container, attempt: u32) -> Intent {
        let at = self.committed.0;
        let answer = match &self.failed {
            Some(error) => Some(Answer::Failed { at, error: error.clone() }),
            None if self.lost => Some(Answer::Lost { at }),
            None => self.answered.then_some(Answer::Done { at }),
        };
        let stop_timeout = Duration::from_secs(10);
        let verb = match self.verb {
            Word::Restart => Verb::Restart { stop_timeout },
            Word::Recreate => Verb::Recreate { stop_timeout },
            Word::Start => Verb::Start,
            Word::Stop => Verb::Stop { stop_timeout },
        };
        let other = ContainerKey::new("local", "0".repeat(64));
        Intent {
            id: "00000000-0000-5000-8000-000000000000".to_owned(),
            container: if self.other_container { other } else { container.key.clone() },
            name: container.name.clone(),
            verb,
            started_before: self.started_before.map(|at| at.0),
            committed_at: at,
            attempt,
            cause: Cause::Unhealthy { output: "connection refused".to_owned() },
            answer,
        }
    }
}
