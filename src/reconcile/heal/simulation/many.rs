//! Several containers of one policy: storms in which most are sick at once, crashes of Portreeve in the middle of them, and
//! an oracle for what the group bounds: attempts at once, the pace, the breaker.

mod oracle;

use crate::reconcile::intent::ActionOutcome;
use std::collections::{BTreeSet, VecDeque};

use super::world::{Dice, SECOND, World};
use super::{of_each_seed, remembered, stored};
use crate::observed::{Container, ContainerKey, Health, Nanos};
use crate::reconcile::cause::StopMarks;
use crate::reconcile::heal::*;
use crate::resource::Duration;
use crate::resource::autoheal_policy::{AutohealPolicySpec, Backoff, Breaker, Budget, Pace, Verify};
use crate::resource::event::EventKind;

/// A few seconds' worth, and that of `make soak`.
const SEEDS: u64 = 50;
const SOAK: u64 = 4_000;
const DAYS: i64 = 3;

struct One {
    container: Container,
    memory: HealMemory,
    /// No restart cures it.
    stubborn: bool,
    /// When the engine has restarted it.
    restarted_at: Option<i64>,
    /// When its health check speaks, and what it says.
    speaks: Option<(i64, Health)>,
    requeue: Option<Nanos>,
    /// What Portreeve saw of it last.
    shown: Option<Health>,
    /// Somebody heals it, and nothing proves yet that it is healed or is not.
    unproven: bool,
}

impl One {
    fn counts(&self) -> bool {
        self.memory.quarantined.is_none()
    }

    /// Somebody should heal it.
    fn sick(&self) -> bool {
        self.counts() && self.shown == Some(Health::Unhealthy)
    }

    /// It adds to the trouble: it is sick, or about to prove that it no longer is.
    fn troubles(&self) -> bool {
        self.sick() || (self.counts() && self.unproven)
    }
}

/// What the breaker makes of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trouble {
    No,
    /// It opened then, and it has been as bad ever since.
    Since(i64),
    /// It is open, or lets one at a time pass.
    Some,
}

struct Many {
    seed: u64,
    dice: Dice,
    time: i64,
    spec: AutohealPolicySpec,
    all: Vec<One>,
    group: PolicyGroup,
    /// Time at which Portreeve is back; none: it is up.
    down_until: Option<i64>,
    /// When Portreeve was started last.
    begun: i64,
    /// What is started does not become healthy, as a rule.
    storm: bool,
    acted: Vec<i64>,
    trouble: Trouble,
    /// Since when somebody could be healed and nobody is.
    idle: Option<i64>,
    heard: BTreeSet<&'static str>,
    log: Vec<String>,
}

impl Many {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed ^ 0x5eed);
        let seconds =
            |dice: &mut Dice, from: u64, to: u64| Duration::from_secs(from + dice.roll(to - from + 1));
        let spec = AutohealPolicySpec {
            verify: Verify { within: seconds(&mut dice, 5, 120) },
            backoff: Backoff {
                initial: seconds(&mut dice, 1, 10),
                max: seconds(&mut dice, 10, 300),
                ..Backoff::default()
            },
            budget: Budget { restarts: 1 + dice.roll(20) as u32, per: seconds(&mut dice, 60, 7200) },
            pace: Pace { restarts: 1 + dice.roll(10) as u32, per: seconds(&mut dice, 10, 600) },
            breaker: Breaker {
                min_targets: 1 + dice.roll(5) as u32,
                unhealthy_ratio: [0.3, 0.5, 0.8][dice.roll(3) as usize],
                resume_one_by_one: dice.percent(80),
            },
            ..AutohealPolicySpec::default()
        };
        let time = 1_700_000_000 * SECOND;
        let all = (0..2 + dice.roll(10)).map(|number| {
            let mut container = World::new(&mut dice).container;
            container.key = ContainerKey::new("local", format!("{number:064}"));
            container.name = format!("web-{number}");
            container.started = Some(Nanos(time));
            container.health = Some(Health::Healthy);
            One {
                container,
                memory: HealMemory::default(),
                stubborn: dice.percent(10),
                restarted_at: None,
                speaks: None,
                requeue: None,
                shown: None,
                unproven: false,
            }
        });
        let all = all.collect();
        Self {
            seed,
            time,
            spec,
            all,
            group: PolicyGroup::default(),
            down_until: None,
            begun: time,
            storm: false,
            acted: vec![],
            trouble: Trouble::No,
            idle: None,
            heard: BTreeSet::new(),
            log: vec![],
            dice,
        }
    }

    fn run(&mut self) {
        let end = self.time + DAYS * 86_400 * SECOND;
        self.decide((0..self.all.len()).collect());
        while self.time < end {
            let changed = self.pass();
            self.decide(changed);
            self.judge_patience();
        }
    }

    fn say(&mut self, what: &str) {
        if self.log.len() > 80 {
            self.log.remove(0);
        }
        self.log.push(format!("{} {what}", Nanos(self.time)));
    }

    #[track_caller]
    fn hold(&self, truth: bool, what: &str) {
        assert!(
            truth,
            "seed {}: {what}\n{:?}\n{:?}\n{}",
            self.seed,
            self.spec,
            self.group,
            self.log.join("\n")
        );
    }

    /// Time goes on; whoever has something to decide about is returned.
    fn pass(&mut self) -> VecDeque<usize> {
        let quiet = if self.dice.percent(80) { 60 } else { 4 * 3600 };
        let mut next = self.time + 1 + self.dice.span(quiet * SECOND);
        for one in &self.all {
            let due = [one.restarted_at, one.speaks.map(|(at, _)| at), one.requeue.map(|at| at.0)];
            next = due.into_iter().flatten().fold(next, |next, due| next.min(due.max(self.time + 1)));
        }
        next = self.down_until.map_or(next, |until| next.min(until));
        self.time = next;
        let mut changed: BTreeSet<usize> = BTreeSet::new();
        for number in 0..self.all.len() {
            let was = self.all[number].container.health;
            changed.extend(self.live(number).then_some(number));
            let is = self.all[number].container.health;
            if was != is {
                self.say(&format!("{number}: {was:?} -> {is:?}"));
            }
        }
        changed.extend(self.disturb());
        if self.down_until.is_some_and(|until| until <= self.time) {
            self.say("portreeve is back");
            (self.down_until, self.begun, self.idle) = (None, self.time, None);
            changed.extend(0..self.all.len());
        }
        changed.into_iter().collect()
    }

    /// What happens to a container by itself.
    fn live(&mut self, number: usize) -> bool {
        let cured = self.dice.percent(if self.storm { 20 } else { 90 });
        let speaks_in = self.dice.span(60 * SECOND);
        let up = self.down_until.is_none();
        let (time, within) = (self.time, self.spec.verify.within);
        let one = &mut self.all[number];
        let mut changed = false;
        if one.restarted_at.take_if(|at| *at <= time).is_some() {
            one.container.started = Some(Nanos(time));
            one.container.health = Some(Health::Starting);
            let says = if cured && !one.stubborn { Health::Healthy } else { Health::Unhealthy };
            one.speaks = Some((time + speaks_in, says));
            if up {
                one.memory =
                    conclude(&one.memory, &ActionOutcome::Succeeded, Nanos(time), Nanos(time)).memory;
            }
            changed = true;
        }
        if let Some((_, says)) = one.speaks.take_if(|(at, _)| *at <= time) {
            one.container.health = Some(says);
            changed = true;
        }
        let started = one.container.started.unwrap_or_default();
        let decided = one.container.health != Some(Health::Starting);
        let late = Nanos(time).since(started) >= within.as_nanos();
        one.unproven &= one.restarted_at.is_some() || !(decided || late);
        changed || one.requeue.is_some_and(|at| at.0 <= time)
    }

    fn disturb(&mut self) -> Vec<usize> {
        let some = self.dice.roll(self.all.len() as u64) as usize;
        let settled = |one: &One| one.restarted_at.is_none() && one.speaks.is_none();
        let mut falls = vec![];
        match self.dice.roll(100) {
            0..=14 => falls.push((some, Health::Unhealthy)),
            15..=24 => falls.push((some, Health::Healthy)),
            25..=29 => {
                self.storm = true;
                self.say("a storm begins");
                let all = 0..self.all.len();
                let hit: Vec<usize> = all.filter(|_| self.dice.percent(80)).collect();
                falls.extend(hit.into_iter().map(|number| (number, Health::Unhealthy)));
            }
            30..=39 if self.storm => {
                self.storm = false;
                self.say("the storm is over");
                let all = 0..self.all.len();
                let back: Vec<usize> = all.filter(|_| self.dice.percent(50)).collect();
                falls.extend(back.into_iter().map(|number| (number, Health::Healthy)));
            }
            40..=42 if self.down_until.is_none() => self.crash(),
            43..=44 if self.down_until.is_none() => {
                let one = &mut self.all[some];
                if one.memory.release(Nanos(self.time), "somebody").is_some() {
                    one.shown = None;
                }
                return vec![some];
            }
            _ => {}
        }
        let before: Vec<_> = self.all.iter().map(|one| one.container.health).collect();
        for (number, health) in falls {
            let one = &mut self.all[number];
            if settled(one) && !(one.stubborn && health == Health::Healthy) {
                one.container.health = Some(health);
            }
        }
        (0..self.all.len()).filter(|number| self.all[*number].container.health != before[*number]).collect()
    }

    fn crash(&mut self) {
        self.say("portreeve crashes");
        self.down_until = Some(self.time + 1 + self.dice.span(120 * SECOND));
        if self.trouble != Trouble::No {
            self.trouble = Trouble::Some;
        }
        self.group = PolicyGroup::of(stored(&self.group.kept));
        for one in &mut self.all {
            (one.memory, one.requeue, one.shown) = (remembered(&one.memory), None, None);
        }
    }

    /// Decides on these and on whomever that wakes, in any order.
    fn decide(&mut self, mut due: VecDeque<usize>) {
        let mut decisions = 0;
        while let Some(number) = due.pop_front() {
            if self.down_until.is_some() {
                return;
            }
            self.all[number].shown = self.all[number].container.health;
            self.notice();
            decisions += 1;
            self.hold(decisions < 50 * self.all.len(), "containers wake each other without end");
            let mut group = self.group.clone();
            let healing = self.healing(number, &mut group);
            self.group = group;
            let one = &mut self.all[number];
            (one.memory, one.requeue) = (healing.memory.clone(), healing.requeue_at);
            for note in &healing.group_notes {
                self.heard.insert(note.kind.as_str());
                let opened = note.kind == EventKind::BreakerOpen;
                self.trouble = if opened { Trouble::Since(self.time) } else { Trouble::No };
                self.say(&note.message);
            }
            let ids = |one: &One| healing.next.contains(&one.container.key.id);
            due.extend((0..self.all.len()).filter(|other| ids(&self.all[*other])));
            if let Some(action) = healing.action {
                self.judge(number, &action);
                self.say(&format!("restarting {number}: {}", action.cause));
                self.carry_out(number);
            }
        }
        self.notice();
    }

    fn healing(&self, number: usize, group: &mut PolicyGroup) -> Healing {
        let one = &self.all[number];
        let situation = Situation {
            container: &one.container,
            related: &Related::default(),
            probe_verdict: None,
            policy: PolicyView::Selected { name: "web", spec: &self.spec },
            memory: &one.memory,
            marks: &StopMarks::default(),
            engine_connected: true,
            registered: false,
            own_fault: None,
            is_own: false,
            observe: false,
            read_only: false,
            suspended: None,
            now: Nanos(self.time),
            seed: number as u64,
        };
        decide(&situation, group)
    }

    fn carry_out(&mut self, number: usize) {
        self.acted.push(self.time);
        self.idle = None;
        let lasts = self.dice.span(10 * SECOND);
        let one = &mut self.all[number];
        (one.restarted_at, one.speaks, one.unproven) = (Some(self.time + 1 + lasts), None, true);
        if self.dice.percent(3) {
            self.crash();
        }
    }
}

#[test]
fn however_many_are_sick_at_once_few_are_healed_at_a_time_and_nobody_is_forgotten() {
    however_many_are_sick(SEEDS);
}

#[test]
#[ignore = "takes minutes: make soak"]
fn soak_however_many_are_sick() {
    however_many_are_sick(SOAK);
}

fn however_many_are_sick(seeds: u64) {
    let run = |seed| {
        let mut many = Many::new(seed);
        many.run();
        (many.acted.len(), many.heard)
    };
    let Some(all) = of_each_seed(seeds, run) else { return };
    let (actions, heard): (Vec<usize>, Vec<BTreeSet<&str>>) = all.into_iter().unzip();
    let actions: usize = actions.iter().sum();
    assert!(actions > 20 * seeds as usize, "{actions} actions");
    let heard: BTreeSet<&str> = heard.into_iter().flatten().collect();
    assert_eq!(heard, BTreeSet::from(["BreakerClosed", "BreakerOpen"]));
}
