use super::*;
use crate::observed::ContainerKey;

const SECOND: i64 = 1_000_000_000;
/// Long after the epoch, so that nothing is before it.
const BEGIN: i64 = 1_000_000;

fn at(seconds: i64) -> Nanos {
    Nanos((BEGIN + seconds) * SECOND)
}

/// Checks every 30 s that may take 30 s: 70 s from one end to the next. It runs since long before.
fn container(word: Health, last: Option<i64>, streak: u32) -> Container {
    serde_json::from_value(serde_json::json!({
        "key": ContainerKey::new("local", "c"), "name": "web", "image": "i", "state": State::Running, "created": at(0),
        "started": at(0), "health": word, "last_check": last.map(at), "failing_streak": streak,
        "health_check": HealthCheck::default(),
    }))
    .expect("a container")
}

/// A story of inspects: the engine is contacted at 1000.
struct Story {
    memory: CheckMemory,
    contact: Nanos,
}

impl Story {
    fn new() -> Self {
        Self { memory: CheckMemory::default(), contact: at(1_000) }
    }

    /// What is heard at a time, what is told, and in how many seconds somebody must look again.
    fn observes(
        &mut self,
        now: i64,
        container: &Container,
    ) -> (Option<Health>, Option<&'static str>, Option<i64>) {
        let (health, note) = observe(container, &mut self.memory, self.contact, at(now));
        let seen = Container { health, ..container.clone() };
        let due = look_due(&seen, &self.memory, self.contact, at(now), Duration::ZERO);
        let due = due.map(|due| due.since(at(now)) / SECOND);
        (health, note.map(|note| note.kind.as_str()), due)
    }
}

#[test]
fn after_a_contact_one_look_finds_out_whether_checks_are_made() {
    let mut story = Story::new();
    let healthy = |last| container(Health::Healthy, Some(last), 0);
    assert_eq!(story.observes(1_001, &healthy(990)), (Some(Health::Healthy), None, Some(69)));
    // They are: nobody looks again.
    assert_eq!(story.observes(1_070, &healthy(1_060)), (Some(Health::Healthy), None, None));
    // What is known from another inspect saves the look.
    assert_eq!(Story::new().observes(1_031, &healthy(1_030)), (Some(Health::Healthy), None, None));
}

#[test]
fn checks_that_do_not_come_are_told_once_looked_for_ever_more_rarely_and_heard_again() {
    let mut story = Story::new();
    let stale = container(Health::Healthy, Some(990), 0);
    story.observes(1_001, &stale);
    let told = Some("HealthCheckSilent");
    assert_eq!(story.observes(1_070, &stale), (Some(Health::Silent), told, Some(140)));
    assert_eq!(story.observes(1_210, &stale), (Some(Health::Silent), None, Some(280)));
    assert_eq!(story.observes(100_000, &stale), (Some(Health::Silent), None, Some(3_600)));
    // Another contact, or another process, proves nothing; but then it is soon known.
    story.contact = at(100_100);
    assert_eq!(story.observes(100_101, &stale), (Some(Health::Silent), None, Some(69)));
    let heard = Some("HealthCheckHeard");
    let unhealthy = container(Health::Unhealthy, Some(100_150), 3);
    assert_eq!(story.observes(100_151, &unhealthy), (Some(Health::Unhealthy), heard, None));
    assert_eq!(story.memory, CheckMemory::default());
}

#[test]
fn a_new_run_begins_anew_and_one_whose_first_check_stays_away_is_silent_too() {
    let mut story = Story::new();
    let stale = container(Health::Unhealthy, Some(990), 3);
    story.observes(1_070, &stale);
    // The engine keeps the results of the run before.
    let run = |last| Container { started: Some(at(1_100)), ..container(Health::Starting, Some(last), 0) };
    assert_eq!(story.observes(1_101, &run(990)), (Some(Health::Starting), None, Some(69)));
    assert_eq!(story.observes(1_170, &run(990)), (Some(Health::Silent), None, Some(140)));
    let heard = Some("HealthCheckHeard");
    assert_eq!(story.observes(1_180, &run(1_179)), (Some(Health::Starting), heard, None));
    // One that begins under our eyes is told of by events, and needs no look.
    let fresh = Container { last_check: None, ..run(0) };
    assert_eq!(Story::new().observes(1_101, &fresh), (Some(Health::Starting), None, None));
}

#[test]
fn a_pause_says_nothing_and_afterwards_the_next_check_decides() {
    let mut story = Story::new();
    let paused = |word, streak| Container { state: State::Paused, ..container(word, Some(1_020), streak) };
    assert_eq!(story.observes(2_000, &paused(Health::Unhealthy, 0)), (Some(Health::Awaited), None, None));
    assert_eq!(story.observes(2_000, &paused(Health::Unhealthy, 3)), (Some(Health::Unhealthy), None, None));
    story.memory.resumed = Some(at(2_010));
    let after = |last, streak| container(Health::Unhealthy, Some(last), streak);
    assert_eq!(story.observes(2_011, &after(1_020, 0)), (Some(Health::Awaited), None, Some(69)));
    // Even a word that checks stood behind before.
    assert_eq!(story.observes(2_012, &after(2_009, 3)), (Some(Health::Awaited), None, Some(68)));
    // The engine's word stays while checks fail too seldom to count, and nobody tells when they fail often enough.
    assert_eq!(story.observes(2_050, &after(2_041, 1)), (Some(Health::Awaited), None, Some(61)));
    assert_eq!(story.observes(2_111, &after(2_101, 3)), (Some(Health::Unhealthy), None, None));
}

#[test]
fn checks_that_stop_later_are_found_out_by_two_looks_and_not_by_a_clock_that_stepped() {
    let mut story = Story::new();
    let healthy = |last| container(Health::Healthy, Some(last), 0);
    story.observes(1_100, &healthy(1_090));
    // Whoever looked now saw a word an hour old: the clock may have stepped, or the machine slept.
    assert_eq!(story.observes(4_690, &healthy(1_090)), (Some(Health::Awaited), None, Some(70)));
    assert_eq!(story.observes(4_700, &healthy(4_699)), (Some(Health::Healthy), None, None));
    assert_eq!(story.observes(9_000, &healthy(4_699)), (Some(Health::Awaited), None, Some(70)));
    let told = Some("HealthCheckSilent");
    assert_eq!(story.observes(9_070, &healthy(4_699)), (Some(Health::Silent), told, Some(140)));
    // A clock that stepped back makes nothing old.
    assert_eq!(Story::new().observes(1_070, &healthy(5_000)), (Some(Health::Healthy), None, None));
}

#[test]
fn what_does_not_run_or_has_no_health_check_misses_nothing() {
    let ended = Container { state: State::Exited, ..container(Health::Unhealthy, Some(990), 0) };
    assert_eq!(Story::new().observes(9_000, &ended), (Some(Health::Unhealthy), None, None));
    let unkept = container(Health::Unhealthy, None, 3);
    assert_eq!(Story::new().observes(9_000, &unkept), (Some(Health::Unhealthy), None, None));
    let without = Container { health: None, health_check: None, ..container(Health::Healthy, None, 0) };
    assert_eq!(Story::new().observes(9_000, &without), (None, None, None));
}

#[test]
fn becoming_unhealthy_is_told_once_for_each_time_with_what_the_check_printed() {
    let mut memory = CheckMemory::default();
    let mut tell = |word: Health, started: i64| {
        let output = Some("no".to_owned());
        let seen =
            Container { started: Some(at(started)), health_output: output, ..container(word, None, 3) };
        fell_sick(&seen, &mut memory).map(|note| (note.message, note.output))
    };
    let told =
        Some(("web became unhealthy: 3 health checks failed in a row".to_owned(), Some("no".to_owned())));
    assert_eq!(tell(Health::Healthy, 0), None);
    assert_eq!(tell(Health::Unhealthy, 0), told);
    assert_eq!(tell(Health::Unhealthy, 0), None);
    assert_eq!(tell(Health::Awaited, 0), None);
    assert_eq!(tell(Health::Unhealthy, 0), None, "nothing was heard in between");
    assert_eq!(tell(Health::Healthy, 0), None);
    assert_eq!(tell(Health::Unhealthy, 0), told);
    assert_eq!(tell(Health::Starting, 9), None);
    assert_eq!(tell(Health::Unhealthy, 9), told, "another run");
}
