//! Virtual days of crash loops, flapping, stops by hand, outages, clock steps and crashes of Portreeve, with an oracle that
//! knows the truth and shares no code with the decision.

mod world;

use std::collections::BTreeSet;

use super::*;
use crate::observed::State;
use crate::reconcile::cause::{Fact, Seen, StopHabits};
use crate::reconcile::plan::{Cause, Verb};
use crate::resource::Duration;
use crate::resource::autoheal_policy::{Backoff, Budget, ExitedTrigger, HealAction, Triggers};
use world::{Asked, Dice, DownBy, Event, SECOND, World};

const SEEDS: u64 = 200;
const DAYS: i64 = 3;

/// Portreeve and its store, around the decision.
struct Portreeve {
    memory: HealMemory,
    marks: StopMarks,
    /// True time it is back at; none: it is up.
    down_until: Option<i64>,
    /// Whether the client of the call under way is still there to hear the answer.
    listening: bool,
    requeue: Option<Nanos>,
}

struct Simulation {
    seed: u64,
    dice: Dice,
    world: World,
    portreeve: Portreeve,
    spec: AutohealPolicySpec,
    is_own: bool,
    observe: bool,
    /// True time the connection is back at; none: connected.
    disconnected_until: Option<i64>,
    /// Whether what is delivered next happened while nobody listened.
    away: bool,
    /// True times of all actions.
    acted: Vec<i64>,
    /// The last true time at which waits and budget may have started afresh.
    afresh: i64,
    /// The last true time at which anything happened that may make a sick container wait longer.
    quiet_since: i64,
    /// What was done and said, by kind.
    heard: BTreeSet<String>,
    log: Vec<String>,
}

/// What comes back from the store.
fn stored<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    let text = serde_json::to_string(value).unwrap_or_else(|error| panic!("not storable: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("not readable: {error}: {text}"))
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let seconds =
            |dice: &mut Dice, from: u64, to: u64| Duration::from_secs(from + dice.roll(to - from + 1));
        let spec = AutohealPolicySpec {
            triggers: Triggers {
                exited: [ExitedTrigger::Never, ExitedTrigger::OnFailure, ExitedTrigger::Always]
                    [dice.roll(3) as usize],
                ..Triggers::default()
            },
            action: if dice.percent(90) { HealAction::Restart } else { HealAction::Stop },
            min_unhealthy: if dice.percent(30) { seconds(&mut dice, 1, 60) } else { Duration::ZERO },
            start_grace: if dice.percent(30) { seconds(&mut dice, 1, 120) } else { Duration::ZERO },
            backoff: Backoff {
                initial: seconds(&mut dice, 1, 30),
                multiplier: 1.0 + dice.roll(3) as f64,
                max: seconds(&mut dice, 30, 600),
                jitter: dice.roll(5) as f64 / 4.0,
                reset_after: seconds(&mut dice, 60, 1800),
            },
            budget: Budget { restarts: 1 + dice.roll(8) as u32, per: seconds(&mut dice, 60, 7200) },
            ..AutohealPolicySpec::default()
        };
        let world = World::new(&mut dice);
        Self {
            seed,
            afresh: world.time,
            quiet_since: world.time,
            portreeve: Portreeve {
                memory: HealMemory::default(),
                marks: StopMarks::default(),
                down_until: None,
                listening: true,
                requeue: None,
            },
            world,
            spec,
            is_own: seed % 40 == 39,
            observe: seed % 40 == 38,
            disconnected_until: None,
            away: false,
            acted: vec![],
            heard: BTreeSet::new(),
            log: vec![],
            dice,
        }
    }

    fn run(&mut self) {
        let end = self.world.time + DAYS * 86_400 * SECOND;
        while self.world.time < end {
            self.pass();
            self.disturb();
            self.listen();
            self.decide();
        }
    }

    fn connected(&self) -> bool {
        self.disconnected_until.is_none()
    }

    fn running(&self) -> bool {
        self.portreeve.down_until.is_none()
    }

    fn say(&mut self, what: &str) {
        if self.log.len() > 60 {
            self.log.remove(0);
        }
        self.log.push(format!("{} {what}", self.world.now()));
    }

    #[track_caller]
    fn hold(&self, truth: bool, what: &str) {
        assert!(
            truth,
            "seed {}: {what}\n{:?}\n{:?}\n{:?}\n{:?}\n{}",
            self.seed,
            self.spec,
            self.world.call,
            self.world.container,
            self.portreeve.memory,
            self.log.join("\n")
        );
    }

    /// Time goes on to the next thing due, or for a while.
    fn pass(&mut self) {
        let longest = if self.dice.percent(50) { 20 } else { 600 };
        let mut next = self.world.time + self.dice.span(longest * SECOND);
        let requeue = self.portreeve.requeue.map(|at| at.0 - self.world.skew);
        let call = self.world.call.map(|call| call.ends);
        for due in [requeue, self.portreeve.down_until, self.disconnected_until].into_iter().flatten() {
            if due > self.world.time && self.dice.percent(70) {
                next = next.min(due);
            }
        }
        next = call.map_or(next, |ends| next.min(ends));
        self.world.time = next;
        if let Some(call) = self.world.call.filter(|call| call.ends <= next) {
            self.world.call = None;
            self.quiet_since = self.world.time;
            let answer = self.world.finish(call);
            self.say(&format!("{:?} ends: {answer:?}", call.asked));
            if let (Asked::Us { .. }, true, true) = (call.asked, self.running(), self.portreeve.listening) {
                let outcome = match answer {
                    _ if !self.connected() => ActionOutcome::Lost { error: "connection lost".into() },
                    Ok(()) => ActionOutcome::Succeeded,
                    Err(error) => ActionOutcome::Failed { error: error.into() },
                };
                self.conclude(&outcome);
            }
        }
        if self.portreeve.down_until.is_some_and(|until| until <= next) {
            self.say("portreeve is back");
            self.portreeve.down_until = None;
            self.portreeve.listening = false;
            self.quiet_since = self.world.time;
        }
        if self.disconnected_until.is_some_and(|until| until <= next) {
            self.say("the engine answers again");
            self.disconnected_until = None;
            self.quiet_since = self.world.time;
            self.world.boot();
        }
        let lasting = self.spec.backoff.reset_after.as_nanos();
        if self.world.healthy_from.is_some_and(|from| self.world.time - from >= lasting) {
            self.afresh = self.world.time;
        }
    }

    fn conclude(&mut self, outcome: &ActionOutcome) {
        self.portreeve.memory = conclude(&self.portreeve.memory, outcome, self.world.now()).memory;
        self.quiet_since = self.world.time;
    }

    /// Something happens, or nothing.
    fn disturb(&mut self) {
        let free = self.world.call.is_none() && self.disconnected_until.is_none();
        let state = self.world.container.state;
        let running = state == State::Running;
        let dice = self.dice.roll(100);
        let what = match dice {
            0..=29 if running && self.world.container.health.is_some() => {
                self.world.set_health(Some(Health::Unhealthy));
                "unhealthy"
            }
            30..=44 if running && self.world.container.health.is_some() => {
                self.world.set_health(Some(Health::Healthy));
                "healthy"
            }
            45..=54 if running && free => {
                let code = i64::from(self.dice.percent(70));
                self.world.end(code, DownBy::Itself);
                "crash"
            }
            55..=58 if running && free => {
                let lasts = self.dice.span(10 * SECOND);
                self.world.begin(Asked::HandStop, lasts);
                "stop by hand"
            }
            59..=60 if running && free => {
                let lasts = self.dice.span(10 * SECOND);
                self.world.begin(Asked::HandRestart, lasts);
                "restart by hand"
            }
            61 if running && free => {
                self.world.emit(Event::Fact(Fact::Kill { signal: 9 }));
                self.world.end(137, DownBy::Hand);
                "kill by hand"
            }
            62 if running && free => {
                let signal = if self.dice.percent(50) { 1 } else { 15 };
                self.world.emit(Event::Fact(Fact::Kill { signal }));
                "signal by hand, ignored"
            }
            63..=70 if state == State::Exited && free => {
                self.world.start();
                "start by hand"
            }
            71..=72 if running && free => {
                self.world.pause();
                "pause"
            }
            73..=78 if state == State::Paused && free => {
                self.world.unpause();
                "unpause"
            }
            79 if free => {
                self.world.recreate();
                self.portreeve.marks = StopMarks::default();
                "recreated"
            }
            80..=83 if self.running() => {
                self.crash();
                "portreeve crashes"
            }
            84..=85 if self.connected() => {
                self.lose_connection();
                "connection lost"
            }
            86 if self.connected() => {
                self.world.shut_down();
                self.listen();
                self.lose_connection();
                self.world.events.clear();
                "engine shut down"
            }
            87 if self.connected() => {
                self.lose_connection();
                self.world.lose_power();
                "power lost"
            }
            88..=89 => {
                self.world.skew -= self.dice.span(7200 * SECOND);
                "the clock steps back"
            }
            90 if self.running() => {
                if self.portreeve.memory.release(self.world.now()).is_some() {
                    self.afresh = self.world.time;
                }
                "release"
            }
            _ => return,
        };
        self.say(what);
        self.quiet_since = self.world.time;
    }

    fn crash(&mut self) {
        let lasts = if self.dice.percent(50) { 2 * SECOND } else { 600 * SECOND };
        self.portreeve.down_until = Some(self.world.time + 1 + self.dice.span(lasts));
        self.portreeve.listening = false;
        self.portreeve.requeue = None;
        self.away = true;
    }

    fn lose_connection(&mut self) {
        if self.running() {
            self.feed(self.world.now(), Fact::StreamEnded);
        }
        let lasts = self.dice.span(120 * SECOND);
        self.disconnected_until = Some(self.world.time + 1 + lasts);
        self.away = true;
    }

    fn feed(&mut self, at: Nanos, fact: Fact) {
        let mut marks = self.portreeve.marks;
        let ours = self.portreeve.memory.claims(&self.world.container.key, &marks, at);
        let seen = Seen { at, fact, ours, replayed_from_outage: self.away };
        let habits = StopHabits::of(&self.world.container);
        let changed = marks.feed(&seen, habits);
        self.hold(changed == (marks != self.portreeve.marks), "feed says whether it changed anything");
        let again = marks.feed(&Seen { replayed_from_outage: true, ours: false, ..seen }, habits);
        self.hold(!again, "a fact that comes twice changes nothing");
        self.portreeve.marks = marks;
    }

    /// What the engine kept is read, in order; sometimes its ring was overrun, sometimes a stretch comes twice.
    fn listen(&mut self) {
        if !self.running() || !self.connected() {
            return;
        }
        let mut events = std::mem::take(&mut self.world.events);
        if self.away && events.len() > 1 && self.dice.percent(10) {
            events.drain(..events.len() / 2);
            self.portreeve.memory.interrupt_health();
            if let Some((at, _)) = events.first() {
                self.feed(*at, Fact::Gap);
            }
        }
        let times = if self.dice.percent(10) { 2 } else { 1 };
        for _ in 0..times {
            for (at, event) in &events {
                match event {
                    Event::Fact(fact) => self.feed(*at, *fact),
                    Event::Unhealthy => self.portreeve.memory.interrupt_health(),
                }
            }
        }
        self.away = false;
    }

    fn healing(&self, memory: &HealMemory, marks: &StopMarks) -> Healing {
        decide(&Situation {
            container: &self.world.container,
            policy: PolicyView::Selected { name: "web", spec: &self.spec },
            memory,
            marks,
            engine_connected: self.connected(),
            own_fault: None,
            is_own: self.is_own,
            observe: self.observe,
            read_only: false,
            now: self.world.now(),
            seed: self.seed,
        })
    }

    fn decide(&mut self) {
        if !self.running() {
            return;
        }
        let marks = stored(&self.portreeve.marks);
        let healing = self.healing(&self.portreeve.memory, &marks);
        let memory = stored(&healing.memory);
        self.hold(memory == healing.memory && marks == self.portreeve.marks, "memory survives being stored");
        let again = self.healing(&memory, &marks);
        self.hold(
            again.action.is_none() && again.notes.is_empty(),
            "deciding again does nothing and says nothing",
        );
        self.hold(again.memory == memory, "deciding again changes nothing");
        self.hold(healing.requeue_at.is_none_or(|at| at > self.world.now()), "no busy loop");
        self.portreeve.memory = memory;
        self.portreeve.requeue = healing.requeue_at;
        for note in &healing.notes {
            let reason = note.reason.map_or("", Reason::as_str);
            self.heard.insert(format!("{}{reason}", note.kind.as_str()));
            self.say(&format!("  {}: {}", note.kind.as_str(), note.message));
        }
        match healing.action {
            Some(action) => {
                self.judge(&action);
                self.acted.push(self.world.time);
                self.quiet_since = self.world.time;
                self.carry_out(&action);
            }
            None => self.judge_patience(),
        }
    }

    /// Nothing locks healing: a container sick for longer than every wait together is acted on.
    fn judge_patience(&self) {
        let World { container, call, time, .. } = &self.world;
        let sick = container.state == State::Running && container.health == Some(Health::Unhealthy);
        let free = self.connected() && call.is_none() && !self.is_own && !self.observe;
        let spec = &self.spec;
        let waits = [spec.backoff.max, spec.start_grace, spec.min_unhealthy, Duration::from_secs(60)];
        let longest: i64 = waits.iter().map(|wait| wait.as_nanos()).sum();
        let patient = time - self.quiet_since <= longest || self.portreeve.memory.quarantined.is_some();
        self.hold(!sick || !free || patient, "a sick container is never healed");
    }

    /// The oracle: every sentence of the invariant, by the truth of the world.
    fn judge(&mut self, action: &Action) {
        let cause = match action.cause {
            Cause::Unhealthy { .. } => "unhealthy",
            Cause::Exited { .. } => "exited",
            Cause::LeftDown { .. } => "left down",
        };
        self.heard.insert(format!("{} {cause}", action.verb.as_str()));
        let World { container, call, down_by, time, .. } = &self.world;
        self.hold(!self.is_own && !self.observe && self.connected(), "acted with its hands tied");
        self.hold(call.is_none(), "acted while the engine was stopping or starting the container");
        self.hold(
            action.container == container.key && action.started == container.started,
            "acted on another run",
        );
        match action.verb {
            Verb::Restart { .. } | Verb::Stop { .. } => {
                let sick = container.state == State::Running && container.health == Some(Health::Unhealthy);
                self.hold(sick, "acted on a container that is not unhealthy and running");
                let grace = self.spec.start_grace.as_nanos();
                self.hold(time - self.world.started_at >= grace, "acted within the start grace");
            }
            Verb::Start => {
                let right =
                    container.state == State::Exited && matches!(down_by, DownBy::Itself | DownBy::Us);
                self.hold(right, &format!("started a container that is down by {down_by:?}"));
            }
        }
        let recent: Vec<i64> = self.acted.iter().copied().filter(|at| *at > self.afresh).collect();
        if let Some(last) = recent.last() {
            let Backoff { initial, multiplier, max, jitter, .. } = &self.spec.backoff;
            let seconds = |duration: &Duration| duration.get().as_secs_f64();
            let growth = multiplier.powi(i32::try_from(recent.len() - 1).unwrap_or(i32::MAX));
            let least = (seconds(initial) * growth).min(seconds(max)) * (1.0 - jitter);
            let waited = (time - last) as f64 / SECOND as f64;
            self.hold(
                waited + 0.002 >= least,
                &format!("attempt {} after {waited} s of {least}", recent.len() + 1),
            );
        }
        let window = self.spec.budget.per.as_nanos();
        let counted = recent.iter().filter(|at| **at + window > *time).count();
        self.hold(counted < self.spec.budget.restarts as usize, "over the budget");
    }

    fn carry_out(&mut self, action: &Action) {
        match self.dice.roll(10) {
            0 => {
                self.say("the act is lost");
                self.crash();
            }
            1 => {
                let why = "someone was faster".to_owned();
                self.conclude(&ActionOutcome::Superseded { why });
            }
            dice => {
                let asked = Asked::Us {
                    verb: action.verb,
                    start_fails: self.dice.percent(15),
                    stop_fails: self.dice.percent(5),
                };
                let lasts = self.dice.span(10 * SECOND);
                self.say(&format!("call: {asked:?}"));
                self.world.begin(asked, lasts);
                self.portreeve.listening = true;
                if dice == 2 {
                    self.say("the answer is lost");
                    self.crash();
                }
            }
        }
    }
}

#[test]
fn whatever_happens_nothing_is_done_early_over_budget_or_against_a_persons_will() {
    const THREADS: u64 = 4;
    let run = |first: u64| {
        let (mut actions, mut heard) = (0, BTreeSet::new());
        for seed in (first..SEEDS).step_by(THREADS as usize) {
            let mut simulation = Simulation::new(seed);
            simulation.run();
            actions += simulation.acted.len();
            heard.append(&mut simulation.heard);
        }
        (actions, heard)
    };
    let (actions, heard) = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|first| scope.spawn(move || run(first))).collect();
        threads.into_iter().fold((0, BTreeSet::new()), |(actions, mut heard), thread| {
            let Ok((more, mut also)) = thread.join() else { panic!("a seed failed; its story is above") };
            heard.append(&mut also);
            (actions + more, heard)
        })
    });
    // A simulation in which little happens proves little.
    assert!(actions > 40 * SEEDS as usize, "{actions} actions");
    for kind in [
        "restart unhealthy",
        "stop unhealthy",
        "start exited",
        "start left down",
        "Restarted",
        "RestartFailed",
        "Stopped",
        "Recovered",
        "BackoffReset",
        "QuarantinedBudgetExhausted",
        "SkippedBackingOff",
        "SkippedStoppedByHand",
        "SkippedEngineShutdown",
        "SkippedStopCauseUnknown",
        "SkippedStopInProgress",
        "SkippedPaused",
        "SkippedStarting",
        "SkippedNotUnhealthyLongEnough",
        "SkippedRestartPolicyActs",
        "SkippedReplaced",
        "SkippedOwnContainer",
        "SkippedObserving",
    ] {
        assert!(heard.contains(kind), "never seen: {kind}; seen: {heard:?}");
    }
}
