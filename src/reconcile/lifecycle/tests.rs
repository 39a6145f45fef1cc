use super::*;
use crate::observed::ContainerKey;

const FIRST_CONTACT: Nanos = Nanos(100);

fn shown(state: State, started: i64, finished: i64) -> Container {
    Container {
        key: ContainerKey::new("local", "c1"),
        name: "web".into(),
        image: "nginx:alpine".into(),
        image_id: String::new(),
        labels: Default::default(),
        state,
        health: None,
        health_output: None,
        last_check: None,
        failing_streak: None,
        health_check: None,
        created: Nanos(1),
        started: (started != 0).then_some(Nanos(started)),
        finished: (finished != 0).then_some(Nanos(finished)),
        exit_code: 7,
        error: String::new(),
        restart_count: 0,
        restart_policy: Default::default(),
        auto_remove: false,
        ports: Vec::new(),
        nano_cpus: None,
        memory: None,
        network_mode: String::new(),
        networks: Default::default(),
        stop_signal: None,
        stop_timeout: None,
    }
}

/// Runs one batch and renders what came of it: `+` started, `-` stopped, `x` removed, `c` created, `?` gap.
fn step(ledger: &mut Ledger, facts: &[Fact], answer: Answer<'_>) -> String {
    step_heard(ledger, facts, answer, Nanos(i64::MAX))
}

/// The same, when events are known to have been heard up to a time.
fn step_heard(ledger: &mut Ledger, facts: &[Fact], answer: Answer<'_>, heard: Nanos) -> String {
    let advance = advance(ledger, facts, answer, FIRST_CONTACT, heard);
    let mut lines: Vec<String> = advance
        .transitions
        .iter()
        .map(|transition| match transition {
            Transition::Created { at } => format!("c@{}", at.0),
            Transition::Started { run, at } => format!("+{run}@{}", at.0),
            Transition::Stopped { run, at, .. } => format!("-{run}@{}", at.0),
            Transition::Removed { at } => format!("x@{}", at.0),
        })
        .collect();
    lines.extend(advance.gaps.iter().map(|gap| format!("?{}..{}", gap.from.0, gap.to.0)));
    lines.join(" ")
}

fn running(started: i64) -> Container {
    shown(State::Running, started, 0)
}

#[test]
fn a_run_seen_from_beginning_to_end_has_its_inspected_times() {
    let mut ledger = Ledger::default();
    assert_eq!(step(&mut ledger, &[Fact::Created(Nanos(200))], Answer::NotAsked), "c@200");
    assert_eq!(step(&mut ledger, &[Fact::Started(Nanos(212))], Answer::Shown(&running(210))), "+s:210@210");
    let exited = shown(State::Exited, 210, 298);
    assert_eq!(step(&mut ledger, &[Fact::Died(Nanos(300), 0)], Answer::Shown(&exited)), "-s:210@298");
    assert_eq!(step(&mut ledger, &[Fact::Destroyed(Nanos(400))], Answer::NotAsked), "x@400");
}

#[test]
fn every_fact_may_come_twice() {
    let mut ledger = Ledger::default();
    let facts = [Fact::Created(Nanos(200)), Fact::Started(Nanos(212)), Fact::Died(Nanos(300), 0)];
    let exited = shown(State::Exited, 210, 298);
    assert_eq!(step(&mut ledger, &facts, Answer::Shown(&exited)), "c@200 +s:210@210 -s:210@298");
    assert_eq!(step(&mut ledger, &facts, Answer::Shown(&exited)), "");
    assert_eq!(step(&mut ledger, &[Fact::Destroyed(Nanos(400))], Answer::Gone), "x@400");
    assert_eq!(step(&mut ledger, &facts, Answer::Gone), "");
    assert_eq!(step(&mut ledger, &[Fact::Destroyed(Nanos(400))], Answer::Gone), "");
}

#[test]
fn a_container_gone_before_the_inspect_yields_all_its_events() {
    let mut ledger = Ledger::default();
    let facts = [
        Fact::Created(Nanos(200)),
        Fact::Started(Nanos(212)),
        Fact::Died(Nanos(230), 0),
        Fact::Destroyed(Nanos(240)),
    ];
    assert_eq!(step(&mut ledger, &facts, Answer::Gone), "c@200 +t:212@212 -t:212@230 x@240");
}

#[test]
fn a_run_that_an_inspect_no_longer_shows_is_timed_by_its_events() {
    let mut ledger = Ledger::default();
    let facts = [Fact::Started(Nanos(212)), Fact::Died(Nanos(230), 1), Fact::Started(Nanos(252))];
    let second = shown(State::Running, 250, 229);
    assert_eq!(step(&mut ledger, &facts, Answer::Shown(&second)), "+t:212@212 -t:212@230 +s:250@250");
}

#[test]
fn an_inspected_run_takes_the_start_event_that_comes_later() {
    let mut ledger = Ledger::default();
    assert_eq!(step(&mut ledger, &[], Answer::Shown(&running(210))), "+s:210@210");
    // By now a second run is shown: the event can only belong to the first.
    let second = shown(State::Running, 250, 229);
    let facts = [Fact::Started(Nanos(212)), Fact::Died(Nanos(230), 1), Fact::Started(Nanos(252))];
    assert_eq!(step(&mut ledger, &facts, Answer::Shown(&second)), "-s:210@230 +s:250@250");
}

#[test]
fn an_end_seen_by_inspect_takes_the_die_event_that_comes_later() {
    let mut ledger = Ledger::default();
    step(&mut ledger, &[], Answer::Shown(&running(210)));
    let exited = shown(State::Exited, 210, 298);
    assert_eq!(step(&mut ledger, &[], Answer::Shown(&exited)), "-s:210@298");
    assert_eq!(step(&mut ledger, &[Fact::Died(Nanos(300), 0)], Answer::Shown(&exited)), "");
    assert_eq!(step(&mut ledger, &[Fact::Died(Nanos(300), 0)], Answer::Shown(&exited)), "");
}

#[test]
fn a_superseded_run_ends_exactly_when_the_restart_count_proves_one_restart() {
    let mut ledger = Ledger::default();
    step(&mut ledger, &[], Answer::Shown(&running(210)));
    let mut second = shown(State::Running, 250, 240);
    second.restart_count = 1;
    assert_eq!(step(&mut ledger, &[], Answer::Shown(&second)), "-s:210@240 +s:250@250");
}

#[test]
fn a_superseded_run_ends_at_an_upper_bound_with_a_gap_otherwise() {
    let mut ledger = Ledger::default();
    step(&mut ledger, &[], Answer::Shown(&running(210)));
    let later = shown(State::Running, 250, 240);
    assert_eq!(step(&mut ledger, &[], Answer::Shown(&later)), "-s:210@240 +s:250@250 ?210..240");
    let over = shown(State::Exited, 350, 360);
    assert_eq!(step(&mut ledger, &[], Answer::Shown(&over)), "-s:250@350 +s:350@350 -s:350@360 ?250..350");
}

#[test]
fn first_sight_reports_what_runs_and_only_records_what_had_ended() {
    let mut ledger = Ledger::default();
    assert_eq!(step(&mut ledger, &[], Answer::Shown(&running(50))), "+s:50@50");
    let mut ledger = Ledger::default();
    assert_eq!(step(&mut ledger, &[], Answer::Shown(&shown(State::Exited, 50, 60))), "");
    assert_eq!(ledger.runs.len(), 1);
    assert_eq!(step(&mut ledger, &[Fact::Destroyed(Nanos(500))], Answer::NotAsked), "x@500");
    let mut ledger = Ledger::default();
    assert_eq!(step(&mut ledger, &[], Answer::Shown(&shown(State::Created, 0, 0))), "");
    assert_eq!(step(&mut ledger, &[Fact::Destroyed(Nanos(500))], Answer::NotAsked), "x@500");
}

#[test]
fn what_came_and_went_since_first_contact_is_reported_from_an_inspect_alone() {
    let mut ledger = Ledger::default();
    assert_eq!(
        step(&mut ledger, &[], Answer::Shown(&shown(State::Exited, 150, 160))),
        "+s:150@150 -s:150@160"
    );
    // Running at first contact, ended before it could be looked at.
    let mut ledger = Ledger::default();
    let exited = shown(State::Exited, 50, 160);
    assert_eq!(step(&mut ledger, &[Fact::Died(Nanos(161), 0)], Answer::Shown(&exited)), "+s:50@50 -s:50@160");
}

#[test]
fn a_die_event_of_an_unseen_run_is_an_end_with_a_gap() {
    let mut ledger = Ledger::default();
    let facts = [Fact::Died(Nanos(300), 1)];
    assert_eq!(step(&mut ledger, &facts, Answer::Gone), "-d:300@300 ?100..300");
    assert_eq!(step(&mut ledger, &facts, Answer::Gone), "");
}

#[test]
fn a_container_missing_from_a_list_was_stopped_and_removed_within_bounds() {
    let mut ledger = Ledger::default();
    step(&mut ledger, &[], Answer::Shown(&running(210)));
    let absent = Fact::Absent { listed: Nanos(900), last_known: Nanos(500) };
    assert_eq!(
        step(&mut ledger, std::slice::from_ref(&absent), Answer::NotAsked),
        "-s:210@900 x@900 ?500..900"
    );
    assert_eq!(step(&mut ledger, &[absent], Answer::NotAsked), "");
}

#[test]
fn an_end_is_never_before_its_start_and_paused_counts_as_running() {
    let mut ledger = Ledger::default();
    assert_eq!(step(&mut ledger, &[], Answer::Shown(&shown(State::Paused, 210, 0))), "+s:210@210");
    assert_eq!(step(&mut ledger, &[], Answer::Shown(&running(210))), "");
    assert_eq!(step(&mut ledger, &[], Answer::Shown(&shown(State::Exited, 210, 209))), "-s:210@210");
}

#[test]
fn restarting_is_the_end_of_a_run_though_the_engine_calls_it_running() {
    let mut ledger = Ledger::default();
    step(&mut ledger, &[], Answer::Shown(&running(210)));
    let advance = advance(
        &mut ledger,
        &[],
        Answer::Shown(&shown(State::Restarting, 210, 220)),
        FIRST_CONTACT,
        Nanos(i64::MAX),
    );
    assert_eq!(advance.states, [(Some(State::Running), Some(State::Restarting))]);
    assert_eq!(advance.transitions.len(), 1);
}

#[test]
fn a_lost_die_is_made_up_for_by_the_next_start() {
    let mut ledger = Ledger::default();
    step(&mut ledger, &[Fact::Started(Nanos(212))], Answer::Shown(&running(210)));
    assert_eq!(
        step(&mut ledger, &[Fact::Started(Nanos(300))], Answer::Gone),
        "-s:210@300 +t:300@300 ?210..300"
    );
}

#[test]
fn ids_depend_on_container_run_and_event_alone() {
    let started = event_id("c1", Some("s:1"), EventName::Started);
    assert_eq!(started, event_id("c1", Some("s:1"), EventName::Started));
    assert_eq!(started.to_string(), "2e8395e4-d2e3-519a-b606-2827fccf4fdb");
    assert_ne!(started, event_id("c1", Some("s:1"), EventName::Stopped));
    assert_ne!(started, event_id("c1", Some("s:2"), EventName::Started));
    assert_ne!(started, event_id("c2", Some("s:1"), EventName::Started));
}

#[test]
fn a_run_that_began_after_all_events_heard_is_left_to_its_start_event() {
    let mut ledger = Ledger::default();
    step(&mut ledger, &[Fact::Started(Nanos(212))], Answer::Shown(&running(210)));
    // Two restarts; the inspect for the first end shows the last run already.
    let last = running(410);
    let first_end = [Fact::Died(Nanos(300), 0)];
    assert_eq!(step_heard(&mut ledger, &first_end, Answer::Shown(&last), Nanos(300)), "-s:210@300");
    let ahead = advance(&mut ledger, &[], Answer::Shown(&last), FIRST_CONTACT, Nanos(300));
    assert!(ahead.ahead && ahead.states.is_empty());
    let rest = [Fact::Started(Nanos(312)), Fact::Died(Nanos(400), 0)];
    let told = step_heard(&mut ledger, &rest, Answer::Shown(&last), Nanos(400));
    assert_eq!(told, "+t:312@312 -t:312@400");
    let told = step_heard(&mut ledger, &[Fact::Started(Nanos(412))], Answer::Shown(&last), Nanos(412));
    assert_eq!(told, "+s:410@410");
}

#[test]
fn events_of_runs_that_an_inspect_has_overtaken_come_too_late_to_be_told() {
    let mut ledger = Ledger::default();
    step(&mut ledger, &[Fact::Started(Nanos(212))], Answer::Shown(&running(210)));
    // Two restarts while the stream was silent.
    let last = shown(State::Running, 410, 399);
    assert_eq!(step(&mut ledger, &[], Answer::Shown(&last)), "-s:210@399 +s:410@410 ?210..399");
    let late = [
        Fact::Died(Nanos(300), 0),
        Fact::Started(Nanos(312)),
        Fact::Died(Nanos(400), 0),
        Fact::Started(Nanos(412)),
    ];
    assert_eq!(step(&mut ledger, &late, Answer::Shown(&last)), "?399..410");
    assert_eq!(step(&mut ledger, &[Fact::Died(Nanos(500), 0)], Answer::Gone), "-s:410@500");
}

#[test]
fn a_run_that_came_too_late_to_be_told_is_a_gap() {
    let mut ledger = Ledger::default();
    let ended = shown(State::Exited, 210, 249);
    step(&mut ledger, &[Fact::Started(Nanos(212)), Fact::Died(Nanos(250), 0)], Answer::Shown(&ended));
    let last = shown(State::Running, 410, 399);
    assert_eq!(step(&mut ledger, &[], Answer::Shown(&last)), "+s:410@410");
    let late = [Fact::Started(Nanos(312)), Fact::Died(Nanos(400), 0), Fact::Started(Nanos(412))];
    assert_eq!(step(&mut ledger, &late, Answer::Shown(&last)), "?249..410");
}

#[test]
fn a_creation_is_told_although_a_list_showed_the_container_first() {
    let mut ledger = Ledger::default();
    let created = shown(State::Created, 0, 0);
    assert_eq!(step(&mut ledger, &[], Answer::Shown(&created)), "");
    assert_eq!(step(&mut ledger, &[Fact::Created(Nanos(200))], Answer::Shown(&created)), "c@200");
    assert_eq!(step(&mut ledger, &[Fact::Created(Nanos(200))], Answer::Shown(&created)), "");
}
