use serde_json::json;

use super::*;
use crate::observed::Nanos;

const HABITS: StopHabits = StopHabits { signal: 15, timeout: Duration::from_secs(10) };

fn at(second: i64) -> Nanos {
    Nanos(second * 1_000_000_000)
}

fn seen(second: i64, fact: Fact) -> Seen {
    Seen { at: at(second), fact, ours: false, replayed_from_outage: false }
}

const TERM: Fact = Fact::Kill { signal: 15 };
const DIED: Fact = Fact::Die { exit_code: 1, oom: false };

/// Started at 100, ended at `finished` with code 1.
fn container(finished: i64) -> Container {
    serde_json::from_value(json!({
        "key": {"engine": "local", "id": "1"}, "name": "web", "image": "web", "state": "exited",
        "created": 0, "started": at(100), "finished": at(finished), "exitCode": 1,
    }))
    .unwrap_or_else(|error| panic!("{error}"))
}

fn marks(facts: &[Seen]) -> StopMarks {
    let mut marks = StopMarks::default();
    for fact in facts {
        marks.feed(fact, HABITS);
    }
    marks
}

fn cause(finished: i64, facts: &[Seen]) -> StopCause {
    marks(facts).cause(&container(finished), at(10_000))
}

#[test]
fn a_kill_explains_an_end_for_the_stop_timeout_and_ten_seconds() {
    let crash = StopCause::Crash { exit_code: 1, oom: false };
    for (ended, expected) in [(200, StopCause::ByHand), (220, StopCause::ByHand), (221, crash)] {
        assert_eq!(
            cause(ended, &[seen(100, Fact::Start), seen(200, TERM), seen(ended, DIED)]),
            expected,
            "{ended}"
        );
    }
}

#[test]
fn the_end_of_an_earlier_run_is_not_that_of_one_that_began_after_the_clock_stepped_back() {
    // It crashed at 900, or we stopped it; the clock was set back, it ran from 100 on, and the power failed: nothing was
    // told of that run.
    let ours = |fact| Seen { ours: true, ..seen(900, fact) };
    for facts in [vec![seen(900, DIED)], vec![ours(TERM), seen(900, DIED), ours(Fact::Stop)]] {
        let facts = [vec![seen(50, Fact::Start)], facts].concat();
        assert_eq!(cause(101, &facts), StopCause::Unseen, "{facts:?}");
    }
    let cut_off = Container { exit_code: 255, ..container(900) };
    assert_eq!(marks(&[seen(900, DIED)]).cause(&cut_off, at(10_000)), StopCause::Unseen, "another exit code");
    // Somebody's stop keeps it down all the same.
    assert_eq!(cause(101, &[seen(50, Fact::Start), seen(900, Fact::Stop)]), StopCause::ByHand);
}

#[test]
fn the_end_of_the_stream_explains_a_stop_for_the_stop_timeout_and_fifteen_seconds() {
    for (ended, expected) in
        [(201, StopCause::EngineShutdown), (226, StopCause::EngineShutdown), (227, StopCause::ByHand)]
    {
        let facts = [seen(200, TERM), seen(201, DIED), seen(201, Fact::Stop), seen(ended, Fact::StreamEnded)];
        assert_eq!(cause(201, &facts), expected, "{ended}");
    }
}

#[test]
fn a_second_end_of_the_stream_takes_nothing_back() {
    let facts = [
        seen(200, TERM),
        seen(201, DIED),
        seen(201, Fact::Stop),
        seen(202, Fact::StreamEnded),
        seen(5000, Fact::StreamEnded),
    ];
    assert_eq!(cause(201, &facts), StopCause::EngineShutdown);
}

#[test]
fn the_end_of_the_stream_explains_no_later_stop() {
    let facts = [
        seen(200, TERM),
        seen(201, Fact::StreamEnded),
        seen(300, TERM),
        seen(301, DIED),
        seen(301, Fact::Stop),
    ];
    assert_eq!(cause(301, &facts), StopCause::ByHand);
}

#[test]
fn a_stop_whose_die_was_missed_is_still_by_hand() {
    assert_eq!(cause(201, &[seen(200, TERM), seen(201, Fact::Stop)]), StopCause::ByHand);
    assert_eq!(cause(201, &[seen(200, TERM)]), StopCause::ByHand);
}

#[test]
fn marks_of_an_earlier_run_explain_nothing_even_when_its_start_was_missed() {
    let facts = [seen(50, TERM), seen(51, DIED), seen(51, Fact::Stop)];
    assert_eq!(cause(300, &facts), StopCause::Unseen);
}

#[test]
fn ours_is_told_apart_by_whether_the_stop_was_completed() {
    let ours = |second, fact| Seen { ours: true, ..seen(second, fact) };
    assert_eq!(cause(201, &[ours(200, TERM)]), StopCause::Ours { completed: false });
    assert_eq!(cause(201, &[ours(200, TERM), ours(201, Fact::Stop)]), StopCause::Ours { completed: true });
    // Whoever else joined in has the last word.
    let both = [ours(200, TERM), seen(201, Fact::Kill { signal: 9 }), seen(201, DIED)];
    assert_eq!(cause(201, &both), StopCause::ByHand);
}

#[test]
fn an_inspect_older_than_the_last_start_says_nothing() {
    assert_eq!(cause(200, &[seen(200, DIED), seen(300, Fact::Start)]), StopCause::StartedSince);
}

#[test]
fn a_clock_that_steps_back_hides_no_stop() {
    let back = [seen(100, Fact::Start), seen(20, TERM), seen(21, DIED), seen(21, Fact::Stop)];
    assert_eq!(marks(&back[..2]).being_stopped(), Some(at(20)));
    assert_eq!(cause(21, &back), StopCause::ByHand);
}

#[test]
fn a_stretch_of_the_stream_that_comes_again_changes_nothing() {
    let stretch = [
        seen(100, Fact::Start),
        seen(150, TERM),
        seen(151, DIED),
        seen(151, Fact::Stop),
        seen(152, Fact::Start),
        seen(160, Fact::Kill { signal: 9 }),
        seen(160, DIED),
    ];
    for from in 0..stretch.len() {
        for end in from + 1..=stretch.len() {
            let once = marks(&stretch[..end]);
            let mut twice = once;
            for fact in &stretch[from..end] {
                twice.feed(fact, HABITS);
            }
            assert_eq!(once, twice, "{from}..{end}");
        }
    }
}

#[test]
fn a_negative_stop_timeout_is_long_but_not_for_ever() {
    let forever = Container { stop_timeout: Some(-1), ..container(1) };
    assert_eq!(StopHabits::of(&forever).timeout, Duration::from_secs(3600));
    let named = Container { stop_signal: Some("SIGRTMIN+3".into()), stop_timeout: Some(30), ..container(1) };
    assert_eq!(StopHabits::of(&named), StopHabits { signal: 37, timeout: Duration::from_secs(30) });
    assert_eq!(StopHabits::of(&container(1)), HABITS);
}

#[test]
fn a_gap_hides_who_stopped_the_run_that_it_fell_into_and_no_later_one() {
    let crash = StopCause::Crash { exit_code: 1, oom: false };
    let (gap, died) = (seen(200, Fact::Gap), seen(210, DIED));
    assert_eq!(cause(210, &[seen(100, Fact::Start), gap, died]), StopCause::Unseen);
    let started = Container { started: Some(at(205)), ..container(210) };
    let facts = [seen(100, Fact::Start), gap, seen(205, Fact::Start), died];
    assert_eq!(marks(&facts).cause(&started, at(10_000)), crash);
    // Again the same start, after another gap.
    let facts = [seen(205, Fact::Start), gap, seen(205, Fact::Start), died];
    assert_eq!(marks(&facts).cause(&started, at(10_000)), StopCause::Unseen);
}
