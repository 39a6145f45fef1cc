use serde_json::json;

use super::*;
use crate::observed::{ContainerKey, Nanos, State};
use crate::reconcile::cause::{Fact, Seen, StopHabits, StopMarks};
use crate::reconcile::intent::{ActionOutcome, IntentCall};
use crate::reconcile::plan::Cause;
use crate::resource::autoheal_policy::Backoff;

fn at(second: i64) -> Nanos {
    Nanos(1_700_000_000_000_000_000 + second * 1_000_000_000)
}

fn container(health: Health) -> Container {
    serde_json::from_value(json!({
        "key": {"engine": "local", "id": "1"}, "name": "web", "image": "web", "state": "running",
        "health": health, "created": 0, "started": at(-3600),
    }))
    .unwrap_or_else(|error| panic!("{error}"))
}

fn spec() -> AutohealPolicySpec {
    AutohealPolicySpec {
        backoff: Backoff { jitter: 0.0, ..Backoff::default() },
        ..AutohealPolicySpec::default()
    }
}

fn look(container: &Container, memory: &HealMemory, marks: &StopMarks, second: i64) -> Healing {
    let situation = Situation {
        container,
        related: &Related::default(),
        probe_verdict: None,
        policy: PolicyView::Selected { name: "web", spec: &spec() },
        memory,
        marks,
        engine_connected: true,
        registered: false,
        own_fault: None,
        is_own: false,
        observe: false,
        read_only: false,
        suspended: None,
        now: at(second),
        seed: 7,
    };
    decide(&situation, &mut PolicyGroup::default())
}

/// Nobody knows yet how far the engine's clock is from ours: no wait is shortened by a guess.
#[test]
fn what_is_remembered_is_not_moved_before_the_engine_is_reached() {
    let (sick, memory, spec) = (container(Health::Unhealthy), acted(), spec());
    let (related, marks) = (Related::default(), StopMarks::default());
    let situation = |engine_connected| Situation {
        container: &sick,
        related: &related,
        probe_verdict: None,
        policy: PolicyView::Selected { name: "web", spec: &spec },
        memory: &memory,
        marks: &marks,
        engine_connected,
        registered: false,
        own_fault: None,
        is_own: false,
        observe: false,
        read_only: false,
        suspended: None,
        now: at(-600),
        seed: 7,
    };
    let away = decide(&situation(false), &mut PolicyGroup::default());
    assert_eq!((&away.memory.spent, away.memory.last_action), (&memory.spent, memory.last_action));
    let back = decide(&situation(true), &mut PolicyGroup::default());
    assert_eq!(back.memory.spent, [at(-600)]);
}

fn kinds(healing: &Healing) -> Vec<&'static str> {
    healing.notes.iter().map(|note| note.reason.map_or(note.kind.as_str(), Reason::as_str)).collect()
}

/// The memory right after the first restart was committed, at second 0.
fn acted() -> HealMemory {
    let healing = look(&container(Health::Unhealthy), &HealMemory::default(), &StopMarks::default(), 0);
    assert!(healing.action.is_some(), "{healing:?}");
    healing.memory
}

fn restarted(second: i64, health: Health) -> Container {
    Container { started: Some(at(second)), ..container(health) }
}

#[test]
fn an_attempt_is_spent_and_remembered_in_the_memory_that_comes_with_it() {
    let memory = acted();
    assert_eq!((memory.spent.as_slice(), memory.streak, memory.restart_count), ([at(0)].as_slice(), 1, 1));
    let intent = memory.intent.unwrap_or_else(|| panic!("no intent"));
    assert_eq!((intent.started_before, intent.committed_at, intent.answer), (Some(at(-3600)), at(0), None));
    assert_eq!(intent.id.len(), 36, "{}", intent.id);
}

#[test]
fn no_two_attempts_share_an_id() {
    let first = acted();
    let second = look(&container(Health::Unhealthy), &first, &StopMarks::default(), 30).memory;
    assert_eq!(second.restart_count, 2);
    assert_ne!(first.intent.map(|intent| intent.id), second.intent.map(|intent| intent.id));
}

#[test]
fn the_wait_is_told_again_after_each_attempt() {
    let mut memory = acted();
    let mut told = Vec::new();
    for (second, started) in [(5, 1), (15, 1), (20, 16), (40, 16), (45, 41)] {
        let healing = look(&restarted(started, Health::Unhealthy), &memory, &StopMarks::default(), second);
        told.extend(kinds(&healing));
        memory = healing.memory;
    }
    let each = ["Restarted", "NotHealed", "BackingOff", "Restarting"];
    let expected = &each.repeat(3)[..11];
    assert_eq!(told, expected);
}

#[test]
fn the_wait_counts_from_the_answer_of_a_slow_restart() {
    let memory = conclude(&acted(), &ActionOutcome::Succeeded, at(9), at(9)).memory;
    let healing = look(&restarted(9, Health::Unhealthy), &memory, &StopMarks::default(), 12);
    assert_eq!(healing.blocked.first().and_then(|blocked| blocked.until), Some(at(19)));
}

#[test]
fn an_error_is_told_when_it_comes_and_not_again() {
    let healing = conclude(
        &acted(),
        &ActionOutcome::Failed { error: "port is\nalready allocated".into() },
        at(3),
        at(3),
    );
    assert_eq!(kinds(&healing), ["RestartFailed"]);
    assert_eq!(healing.requeue_at, Some(at(3)));
    assert!(healing.notes.iter().all(|note| note.message.ends_with("port is already allocated")));
    let again = conclude(&healing.memory, &ActionOutcome::Succeeded, at(4), at(4));
    assert_eq!((again.memory, again.notes.len()), (healing.memory.clone(), 0));
    assert_eq!(
        kinds(&look(&container(Health::Unhealthy), &healing.memory, &StopMarks::default(), 4)),
        ["BackingOff"]
    );
}

#[test]
fn what_was_called_off_counts_for_nothing_and_is_not_tried_again_at_once() {
    let healing =
        conclude(&acted(), &ActionOutcome::Superseded { why: "it was restarted".into() }, at(1), at(1));
    assert_eq!(kinds(&healing), ["Superseded"]);
    let memory = healing.memory;
    assert_eq!((&memory.intent, memory.spent.len(), memory.streak, memory.restart_count), (&None, 0, 0, 0));
    let sick = container(Health::Unhealthy);
    let waits = look(&sick, &memory, &StopMarks::default(), 2);
    assert_eq!((waits.action, waits.blocked.first().and_then(|blocked| blocked.until)), (None, Some(at(6))));
    let again = look(&sick, &waits.memory, &StopMarks::default(), 6).memory;
    assert_eq!((again.streak, again.spent.len(), again.restart_count), (1, 1, 1));
    let (first, second) = (acted().intent, again.intent.clone());
    assert_ne!(first.map(|intent| intent.id), second.map(|intent| intent.id), "no two attempts share an id");
}

#[test]
fn an_attempt_in_flight_is_no_restart_yet() {
    let open = acted();
    assert_eq!(open.restarts(), 0);
    assert_eq!(conclude(&open, &ActionOutcome::Succeeded, at(1), at(1)).memory.restarts(), 1);
    assert_eq!(
        conclude(&open, &ActionOutcome::Superseded { why: "x".into() }, at(1), at(1)).memory.restarts(),
        0
    );
    let seen = look(&restarted(1, Health::Starting), &open, &StopMarks::default(), 2).memory;
    assert_eq!(seen.restarts(), 1, "its answer was never heard");
}

#[test]
fn an_answer_to_no_question_changes_nothing() {
    let healing = conclude(&HealMemory::default(), &ActionOutcome::Succeeded, at(1), at(1));
    assert_eq!(healing, Healing::default());
}

#[test]
fn a_release_heals_at_once() {
    let memory = HealMemory {
        quarantined: Some(Quarantine {
            since: at(-60),
            why: "5 attempts within 1h did not help".into(),
            image: String::new(),
        }),
        spent: vec![at(-61); 5],
        streak: 5,
        last_action: Some(at(-61)),
        restart_count: 5,
        told: Some(Reason::Quarantined),
        ..HealMemory::default()
    };
    let sick = container(Health::Unhealthy);
    assert!(look(&sick, &memory, &StopMarks::default(), 0).action.is_none());
    let mut released = memory;
    let note = released.release(at(0), "token ci");
    assert_eq!(
        note.map(|note| note.message).as_deref(),
        Some("released by token ci after 1m in quarantine (5 attempts within 1h did not help)")
    );
    assert_eq!(released.release(at(0), "token ci"), None);
    let action = look(&sick, &released, &StopMarks::default(), 0).action;
    assert_eq!(action.map(|action| action.attempt), Some(1));
}

#[test]
fn a_restart_claims_the_kills_and_the_one_stop_it_explains() {
    let key = container(Health::Healthy).key;
    let habits = StopHabits::of(&container(Health::Healthy));
    let fed = |second: i64, fact: Fact| {
        let mut marks = StopMarks::default();
        marks.feed(&Seen { at: at(second), fact, ours: true, replayed_from_outage: false }, habits);
        marks
    };
    let claims = |memory: &HealMemory, key: &ContainerKey, marks: &StopMarks, at: Nanos| {
        let open = memory.intent.as_ref();
        open.is_some_and(|open| open.claims(key, marks, at, IntentCall::NotInHand))
    };
    let (open, none) = (acted(), StopMarks::default());
    assert!(claims(&open, &key, &none, at(0)) && claims(&open, &key, &none, at(20)));
    assert!(!claims(&open, &key, &none, at(-2)), "before the commit");
    assert!(!claims(&open, &key, &none, at(22)), "after the engine's time is up");
    assert!(!claims(&open, &ContainerKey::new("local", "2"), &none, at(1)), "another container");
    assert!(!claims(&open, &key, &fed(3, Fact::Start), at(4)), "after the new run began");
    assert!(!claims(&open, &key, &fed(3, Fact::Stop), at(4)), "after our stop was completed");
    assert!(claims(&open, &key, &fed(3, Fact::Stop), at(3)), "our stop, again");
    let answered = conclude(&open, &ActionOutcome::Failed { error: "no".into() }, at(5), at(5)).memory;
    assert!(
        claims(&answered, &key, &none, at(5)) && !claims(&answered, &key, &none, at(7)),
        "after the answer"
    );
    let lost = conclude(&open, &ActionOutcome::Lost { error: "no".into() }, at(5), at(5)).memory;
    assert!(claims(&lost, &key, &none, at(7)), "the engine may still be at it");
    assert!(!claims(&HealMemory::default(), &key, &none, at(0)));
}

#[test]
fn a_start_claims_no_kill() {
    let down = Container { state: State::Exited, error: "no".into(), ..container(Health::Unhealthy) };
    let failed = conclude(&acted(), &ActionOutcome::Failed { error: "no".into() }, at(5), at(5)).memory;
    let healing = look(&down, &failed, &StopMarks::default(), 60);
    assert_eq!(healing.action.as_ref().map(|action| action.verb.as_str()), Some("start"), "{healing:?}");
    let open = healing.memory.intent.expect("an intent");
    assert!(!open.claims(&down.key, &StopMarks::default(), at(61), IntentCall::Sent));
}

#[test]
fn health_that_was_interrupted_while_nobody_looked_is_measured_anew() {
    let memory = look(&restarted(1, Health::Healthy), &acted(), &StopMarks::default(), 2).memory;
    let due = |memory: &HealMemory, second: i64| {
        look(&restarted(1, Health::Healthy), memory, &StopMarks::default(), second).memory.streak
    };
    assert_eq!((due(&memory, 601), due(&memory, 602)), (1, 0));
    let mut interrupted = memory;
    interrupted.interrupt_health();
    let since = look(&restarted(1, Health::Healthy), &interrupted, &StopMarks::default(), 500).memory;
    assert_eq!((due(&since, 1099), due(&since, 1100)), (1, 0));
}

#[test]
fn observing_spends_nothing() {
    let sick = container(Health::Unhealthy);
    let situation = Situation {
        container: &sick,
        related: &Related::default(),
        probe_verdict: None,
        policy: PolicyView::Selected { name: "web", spec: &spec() },
        memory: &HealMemory::default(),
        marks: &StopMarks::default(),
        engine_connected: true,
        registered: false,
        own_fault: None,
        is_own: false,
        observe: true,
        read_only: false,
        suspended: None,
        now: at(0),
        seed: 7,
    };
    let memory = decide(&situation, &mut PolicyGroup::default()).memory;
    assert_eq!((memory.spent.len(), memory.streak, memory.restart_count, memory.intent), (0, 0, 0, None));
}

#[test]
fn memory_of_another_version_still_reads() {
    let memory: HealMemory = serde_json::from_str(r#"{"streak": 3, "unheardOf": true}"#).unwrap_or_default();
    assert_eq!(memory, HealMemory { streak: 3, ..HealMemory::default() });
}

#[test]
fn a_strangers_words_stay_on_one_bounded_line() {
    let output = format!("line one\nline\ttwo \u{1b}[31m{}", "é".repeat(5000));
    let sick = Container { health_output: Some(output), ..container(Health::Unhealthy) };
    let plan = look(&sick, &HealMemory::default(), &StopMarks::default(), 0).plan();
    let Some(Cause::Unhealthy { output }) = plan.actions.first().map(|action| &action.cause) else {
        panic!("{plan:?}")
    };
    assert!(output.chars().count() < 300 && output.starts_with("line one line two [31mé"), "{output}");
    assert!(!output.contains('\u{1b}') && !plan.render(at(0)).contains("line one"), "not for everybody");
}
