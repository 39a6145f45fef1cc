//! A model of an engine with one container and of the people and failures around it, and what is true of them.

use std::collections::BTreeMap;

use crate::observed::{Container, ContainerKey, Health, Nanos, RestartPolicy, State};
use crate::reconcile::cause::Fact;
use crate::reconcile::plan::Verb;

pub(super) const SECOND: i64 = 1_000_000_000;

/// SplitMix64: small, seeded, the same everywhere.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % sides
    }

    pub(super) fn percent(&mut self, chance: u64) -> bool {
        self.roll(100) < chance
    }

    /// From nothing to `longest`, in nanoseconds.
    pub(super) fn span(&mut self, longest: i64) -> i64 {
        i64::try_from(self.roll(u64::try_from(longest).unwrap_or(0) + 1)).unwrap_or(0)
    }
}

/// Who really took the container down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DownBy {
    Nobody,
    Itself,
    Hand,
    Engine,
    Us,
}

/// Who asked the engine for what it is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    HandStop,
    HandRestart,
    Us { verb: Verb, start_fails: bool, stop_fails: bool },
}

/// What the engine is in the middle of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) asked: Asked,
    pub(super) ends: i64,
}

/// An event as the engine keeps it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    Fact(Fact),
    Unhealthy,
}

pub(super) struct World {
    /// True time, which nobody can read.
    pub(super) time: i64,
    /// What the clock is off by; only ever falls.
    pub(super) skew: i64,
    pub(super) container: Container,
    pub(super) down_by: DownBy,
    pub(super) call: Option<Call>,
    /// True time at which the run began.
    pub(super) started_at: i64,
    /// True time since when it has been healthy without a break.
    pub(super) healthy_from: Option<i64>,
    pub(super) events: Vec<(Nanos, Event)>,
    checked: bool,
    ids: u32,
}

impl World {
    pub(super) fn new(dice: &mut Dice) -> Self {
        let restart_policy = [RestartPolicy::No, RestartPolicy::No, RestartPolicy::UnlessStopped];
        let container = Container {
            key: ContainerKey::new("local", "0".repeat(64)),
            name: "web".into(),
            image: "web".into(),
            image_id: String::new(),
            labels: BTreeMap::new(),
            state: State::Created,
            health: None,
            health_output: None,
            last_check: None,
            failing_streak: None,
            health_check: None,
            created: Nanos(0),
            started: None,
            finished: None,
            exit_code: 0,
            error: String::new(),
            restart_count: 0,
            restart_policy: restart_policy[dice.roll(3) as usize],
            auto_remove: false,
            ports: vec![],
            nano_cpus: None,
            memory: None,
            network_mode: String::new(),
            networks: BTreeMap::new(),
            stop_signal: None,
            stop_timeout: None,
        };
        let mut world = Self {
            time: 1_700_000_000 * SECOND,
            skew: 0,
            container,
            down_by: DownBy::Nobody,
            call: None,
            started_at: 0,
            healthy_from: None,
            events: vec![],
            checked: dice.percent(80),
            ids: 0,
        };
        world.start();
        world
    }

    pub(super) fn now(&self) -> Nanos {
        Nanos(self.time + self.skew)
    }

    pub(super) fn emit(&mut self, event: Event) {
        // The engine never stamps two events of a container with the same nanosecond.
        self.time += 1_000;
        self.events.push((self.now(), event));
    }

    pub(super) fn up(&self) -> bool {
        self.container.state.is_up()
    }

    pub(super) fn start(&mut self) {
        self.container.started = Some(self.now());
        self.started_at = self.time;
        self.container.state = State::Running;
        self.container.error.clear();
        self.down_by = DownBy::Nobody;
        self.time += SECOND / 50;
        self.emit(Event::Fact(Fact::Start));
        self.set_health(self.checked.then_some(Health::Starting));
    }

    pub(super) fn set_health(&mut self, health: Option<Health>) {
        self.container.health = health;
        let healthy =
            matches!(health, None | Some(Health::Healthy)) && self.container.state == State::Running;
        self.healthy_from = healthy.then(|| self.healthy_from.unwrap_or(self.time));
        if health == Some(Health::Unhealthy) {
            self.emit(Event::Unhealthy);
        }
    }

    pub(super) fn end(&mut self, exit_code: i64, by: DownBy) {
        self.emit(Event::Fact(Fact::Die { exit_code, oom: false }));
        self.container.finished = Some(self.now());
        self.container.exit_code = exit_code;
        self.container.state = State::Exited;
        self.healthy_from = None;
        self.down_by = by;
    }

    pub(super) fn pause(&mut self) {
        self.container.state = State::Paused;
        self.healthy_from = None;
    }

    pub(super) fn unpause(&mut self) {
        self.container.state = State::Running;
        self.set_health(self.container.health);
    }

    pub(super) fn recreate(&mut self) {
        self.ids += 1;
        self.events.clear();
        self.container.key = ContainerKey::new("local", format!("{:064}", self.ids));
        self.healthy_from = None;
        self.start();
    }

    /// Begins a call that takes its time: the signal is sent, the end comes later.
    pub(super) fn begin(&mut self, asked: Asked, lasts: i64) {
        let killed =
            self.up() && asked != (Asked::Us { verb: Verb::Start, start_fails: false, stop_fails: false });
        if killed {
            self.emit(Event::Fact(Fact::Kill { signal: 15 }));
        }
        self.call = Some(Call { asked, ends: self.time + lasts });
    }

    /// Ends the call under way; returns what its caller is answered.
    pub(super) fn finish(&mut self, call: Call) -> Result<(), &'static str> {
        let (starts, start_fails, stop_fails, by) = match call.asked {
            Asked::HandStop => (false, false, false, DownBy::Hand),
            Asked::HandRestart => (true, false, false, DownBy::Hand),
            Asked::Us { verb, start_fails, stop_fails } => match verb {
                // The model has no successors: for all that matters here, one is a restart.
                Verb::Restart { .. } | Verb::Recreate { .. } | Verb::Start => {
                    (true, start_fails, stop_fails, DownBy::Us)
                }
                Verb::Stop { .. } => (false, false, stop_fails, DownBy::Us),
            },
        };
        if self.up() && stop_fails {
            return Err("cannot stop container");
        }
        if self.up() {
            self.end(143, by);
            self.emit(Event::Fact(Fact::Stop));
        }
        if starts && start_fails {
            self.container.error = "port is already allocated".into();
            return Err("port is already allocated");
        }
        if starts {
            self.start();
        }
        Ok(())
    }

    /// The engine shuts down as SIGTERM makes it: like stops by hand.
    pub(super) fn shut_down(&mut self) {
        let by = if self.call.is_some_and(|call| matches!(call.asked, Asked::HandStop)) {
            DownBy::Hand
        } else {
            DownBy::Engine
        };
        if self.up() {
            self.emit(Event::Fact(Fact::Kill { signal: 15 }));
            self.time += SECOND;
            self.end(143, by);
            self.emit(Event::Fact(Fact::Stop));
        }
        self.call = None;
    }

    /// The host goes down: no event, and the end is noted at boot.
    pub(super) fn lose_power(&mut self) {
        self.call = None;
        if self.up() {
            self.end(255, DownBy::Engine);
        }
        self.events.clear();
    }

    /// The engine is back: it starts what its policy says.
    pub(super) fn boot(&mut self) {
        let always =
            matches!(self.container.restart_policy, RestartPolicy::Always | RestartPolicy::UnlessStopped);
        if self.container.state == State::Exited && always && self.down_by == DownBy::Engine {
            self.start();
        }
    }
}
