//! Virtual days of crash loops, flapping, stops by hand, outages, clock steps and crashes of Portreeve, with an oracle that
//! knows the truth and shares no code with the decision.

mod disturb;
mod listen;
mod many;
mod oracle;
mod world;

use crate::reconcile::intent::ActionOutcome;
use std::collections::BTreeSet;

use super::*;
use crate::observed::Nanos;
use crate::reconcile::cause::StopMarks;
use crate::reconcile::plan::Action;
use crate::resource::Duration;
use crate::resource::autoheal_policy::{Backoff, Budget, ExitedTrigger, HealAction, Triggers, Verify};
use world::{Asked, Dice, SECOND, World};

/// A few seconds' worth. `make soak` runs [`SOAK`]; a failure names its seed, and `SIMULATION_SEED=n` replays it.
const SEEDS: u64 = 500;
const SOAK: u64 = 20_000;
const DAYS: i64 = 30;

/// What every seed below `seeds` comes to, or the one that is asked for alone. All processors work on it.
fn of_each_seed<T: Send>(seeds: u64, run: impl Fn(u64) -> T + Sync) -> Option<Vec<T>> {
    if let Ok(seed) = std::env::var("SIMULATION_SEED") {
        run(seed.parse().unwrap_or_else(|error| panic!("SIMULATION_SEED={seed}: {error}")));
        return None;
    }
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get());
    let share = |first: u64| (first..seeds).step_by(threads).map(&run).collect::<Vec<T>>();
    Some(std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads as u64).map(|first| scope.spawn(move || share(first))).collect();
        let joined = threads.into_iter().flat_map(|thread| match thread.join() {
            Ok(share) => share,
            Err(_) => panic!("a seed failed; its story is above"),
        });
        joined.collect()
    }))
}

/// Portreeve and its store, around the decision.
struct Portreeve {
    memory: HealMemory,
    group: PolicyGroup,
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
    selected: bool,
    registered: bool,
    related: Related,
    /// True time the connection is back at; none: connected.
    disconnected_until: Option<i64>,
    /// Whether what is delivered next happened while nobody listened.
    away: bool,
    /// By how much Portreeve's idea of the engine's clock is off.
    clock_error: i64,
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

/// The same of a memory; its intent is stored for itself.
fn remembered(memory: &HealMemory) -> HealMemory {
    HealMemory { intent: memory.intent.as_ref().map(stored), ..stored(memory) }
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
            escalation: match dice.roll(5) {
                0 => vec![HealAction::Restart, HealAction::Restart, HealAction::Stop],
                1 => vec![HealAction::Restart; 3],
                _ => vec![],
            },
            verify: Verify { within: seconds(&mut dice, 5, 300) },
            min_unhealthy: if dice.percent(30) { seconds(&mut dice, 1, 60) } else { Duration::ZERO },
            drain: if dice.percent(30) { seconds(&mut dice, 1, 60) } else { Duration::ZERO },
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
                group: PolicyGroup::default(),
                marks: StopMarks::default(),
                down_until: None,
                listening: true,
                requeue: None,
            },
            world,
            spec,
            is_own: seed % 40 == 39,
            observe: seed % 40 == 38,
            selected: seed % 40 != 37,
            registered: dice.percent(50),
            related: Related::default(),
            disconnected_until: None,
            away: false,
            clock_error: dice.span(SECOND) - SECOND / 2,
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

    fn now(&self) -> Nanos {
        Nanos(self.world.now().0 + self.clock_error)
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
        // From one event to the next: bursts, and quiet days.
        let longest = match self.dice.roll(20) {
            0..=9 => 20,
            10..=16 => 600,
            _ => 36 * 3600,
        };
        let mut next = self.world.time + self.dice.span(longest * SECOND);
        let requeue = self.portreeve.requeue.map(|at| at.0 - self.world.skew - self.clock_error);
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
        self.portreeve.memory = conclude(&self.portreeve.memory, outcome, self.now(), self.now()).memory;
        self.quiet_since = self.world.time;
    }

    fn healing(&self, memory: &HealMemory, marks: &StopMarks, group: &mut PolicyGroup) -> Healing {
        let situation = Situation {
            container: &self.world.container,
            related: &self.related,
            probe_verdict: None,
            policy: if self.selected {
                PolicyView::Selected { name: "web", spec: &self.spec }
            } else {
                PolicyView::NotSelected
            },
            memory,
            marks,
            engine_connected: self.connected(),
            registered: self.registered,
            own_fault: None,
            is_own: self.is_own,
            observe: self.observe,
            read_only: false,
            suspended: None,
            now: self.now(),
            seed: self.seed,
        };
        decide(&situation, group)
    }

    fn decide(&mut self) {
        if !self.running() {
            return;
        }
        let before = self.portreeve.group.clone();
        let mut group = before.clone();
        let healing = self.healing(&self.portreeve.memory, &self.portreeve.marks, &mut group);
        let same = self.healing(&self.portreeve.memory, &self.portreeve.marks, &mut before.clone());
        self.hold(same == healing, "the same situation is decided the same");
        let settled = healing.memory == self.portreeve.memory && group == before;
        // What did not change was stored before.
        let (memory, marks) = if settled {
            (healing.memory.clone(), self.portreeve.marks)
        } else {
            group.kept = stored(&group.kept);
            (remembered(&healing.memory), stored(&self.portreeve.marks))
        };
        self.hold(memory == healing.memory && marks == self.portreeve.marks, "memory survives being stored");
        self.portreeve.group = group.clone();
        let again = self.healing(&memory, &marks, &mut group);
        self.hold(
            again.action.is_none() && again.notes.is_empty(),
            "deciding again does nothing and says nothing",
        );
        self.hold(again.memory == memory && group == self.portreeve.group, "deciding again changes nothing");
        self.hold(healing.requeue_at.is_none_or(|at| at > self.now()), "no busy loop");
        if memory.draining.is_some() && self.portreeve.memory.draining.is_none() {
            // Something is done: its callers are sent elsewhere.
            self.quiet_since = self.world.time;
        }
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

    fn carry_out(&mut self, action: &Action) {
        match self.dice.roll(10) {
            0 => {
                self.say("the act is lost");
                self.crash();
            }
            1 => {
                let why = "someone was faster".to_owned();
                // It counts for nothing.
                self.acted.pop();
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
    whatever_happens(SEEDS);
}

#[test]
#[ignore = "takes minutes: make soak"]
fn soak_whatever_happens() {
    whatever_happens(SOAK);
}

fn whatever_happens(seeds: u64) {
    let run = |seed| {
        let mut simulation = Simulation::new(seed);
        simulation.run();
        (simulation.acted.len(), simulation.heard)
    };
    let Some(all) = of_each_seed(seeds, run) else { return };
    let (actions, heard): (Vec<usize>, Vec<BTreeSet<String>>) = all.into_iter().unzip();
    let (actions, heard) =
        (actions.iter().sum::<usize>(), heard.into_iter().flatten().collect::<BTreeSet<_>>());
    // A simulation in which little happens proves little.
    assert!(actions > 5 * seeds as usize, "{actions} actions");
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
        "restart not verified",
        "NotHealed",
        "QuarantinedBudgetExhausted",
        "QuarantinedEscalationExhausted",
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
        "SkippedDependencyDown",
        "SkippedSilenced",
        "SkippedDraining",
        "SkippedOwnContainer",
        "SkippedObserving",
    ] {
        assert!(heard.contains(kind), "never seen: {kind}; seen: {heard:?}");
    }
}
