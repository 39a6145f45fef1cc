use super::*;
use crate::resource::Duration;
use crate::resource::autoheal_policy::Breaker as Rules;

fn at(second: i64) -> Nanos {
    Nanos(1_700_000_000_000_000_000 + second * 1_000_000_000)
}

fn id(number: usize) -> Arc<str> {
    format!("{number:03}").into()
}

/// A group and who asks in it.
struct Scene {
    group: PolicyGroup,
    spec: AutohealPolicySpec,
    turns: Vec<&'static str>,
}

impl Scene {
    fn of(targets: usize, spec: AutohealPolicySpec) -> Self {
        let mut scene = Self { group: PolicyGroup::default(), spec, turns: vec![] };
        (0..targets).for_each(|number| scene.enter(number, Standing::Well, None, -60));
        scene
    }

    fn enter(&mut self, number: usize, standing: Standing, place: Option<i64>, second: i64) {
        let turn = self.group.enter(&id(number), standing, place.map(at), &self.spec, at(second));
        self.turns.extend(turn.map(|turn| match turn {
            Turn::Opened(..) => "opened",
            Turn::Closed(..) => "closed",
        }));
    }

    /// A sick container asks to be healed; `None`: it is, and its attempt holds its place for a minute.
    fn ask(&mut self, number: usize, second: i64) -> Option<Reason> {
        self.enter(number, Standing::Sick, None, second);
        let (group, spec, now) = (&mut self.group, &self.spec, at(second));
        let wait = group.broken(&id(number), spec, now).or_else(|| group.in_turn(&id(number), spec, now));
        if wait.is_none() {
            group.give(&id(number), at(second + 60), &spec.pace, now);
        }
        wait.map(|wait| wait.reason)
    }

    fn next(&self, second: i64) -> Vec<Arc<str>> {
        self.group.next(&self.spec, at(second))
    }
}

#[test]
fn of_a_hundred_that_turn_sick_one_after_the_other_three_are_tried_and_one_thing_is_told() {
    let mut scene = Scene::of(100, AutohealPolicySpec::default());
    let healed = (0..100).filter(|number| scene.ask(*number, 1).is_none()).count();
    assert_eq!((healed, scene.turns.as_slice()), (3, ["opened"].as_slice()));
    assert_eq!(scene.ask(7, 2), Some(Reason::BreakerOpen));
    assert_eq!(scene.next(2), Vec::<Arc<str>>::new());
}

#[test]
fn a_few_sick_among_many_are_healed_three_at_a_time() {
    let mut scene = Scene::of(100, AutohealPolicySpec::default());
    let answers: Vec<_> = (0..5).map(|number| scene.ask(number, 1)).collect();
    assert_eq!(answers, [None, None, None, Some(Reason::Paced), Some(Reason::Paced)]);
    assert!(scene.next(1).is_empty());
    scene.enter(1, Standing::Well, None, 2);
    assert_eq!(scene.next(2), [id(3)]);
    assert_eq!([scene.ask(3, 2), scene.ask(4, 2)], [None, Some(Reason::Paced)]);
    assert!(scene.turns.is_empty());
}

#[test]
fn an_attempt_nobody_hears_of_again_holds_its_place_for_its_time_only() {
    let mut scene = Scene::of(100, AutohealPolicySpec::default());
    for number in 0..4 {
        scene.ask(number, 1);
    }
    assert_eq!([scene.ask(3, 60), scene.ask(3, 61)], [Some(Reason::Paced), None]);
}

#[test]
fn the_pace_counts_attempts_whatever_came_of_them() {
    let spec = AutohealPolicySpec {
        pace: Pace { restarts: 2, per: Duration::from_secs(60) },
        ..AutohealPolicySpec::default()
    };
    let mut scene = Scene::of(100, spec);
    assert_eq!([scene.ask(0, 0), scene.ask(1, 30)], [None, None]);
    (0..2).for_each(|number| scene.enter(number, Standing::Well, None, 31));
    assert_eq!([scene.ask(2, 32), scene.ask(2, 59)], [Some(Reason::Paced); 2]);
    let wait = scene.group.in_turn(&id(2), &scene.spec, at(59)).and_then(|wait| wait.until);
    assert_eq!((wait, scene.ask(2, 60)), (Some(at(60)), None));
    scene.enter(2, Standing::Well, None, 61);
    assert_eq!([scene.ask(3, 89), scene.ask(3, 90)], [Some(Reason::Paced), None]);
}

#[test]
fn what_calms_down_by_itself_closes_the_breaker_after_a_while() {
    let mut scene = Scene::of(4, AutohealPolicySpec::default());
    assert_eq!([scene.ask(0, 0), scene.ask(1, 0)], [None, Some(Reason::BreakerOpen)]);
    (0..2).for_each(|number| scene.enter(number, Standing::Well, None, 5));
    assert_eq!(scene.group.due(), Some(at(15)));
    scene.enter(1, Standing::Sick, None, 6);
    scene.enter(0, Standing::Sick, None, 7);
    assert_eq!(scene.group.due(), None, "it was not calm");
    (0..2).for_each(|number| scene.enter(number, Standing::Well, None, 8));
    scene.enter(0, Standing::Well, None, 17);
    assert!(scene.group.is_open());
    scene.enter(0, Standing::Well, None, 18);
    assert_eq!(scene.turns, ["opened", "closed"]);
}

#[test]
fn after_a_rest_one_is_tried_and_the_others_follow_only_if_it_is_healed() {
    let mut scene = Scene::of(4, AutohealPolicySpec::default());
    for number in 0..4 {
        scene.ask(number, 0);
    }
    scene.enter(0, Standing::Sick, None, 1);
    assert_eq!([scene.ask(0, 299), scene.ask(0, 300)], [Some(Reason::BreakerOpen), None]);
    assert_eq!([scene.ask(1, 301), scene.ask(2, 301)], [Some(Reason::Paced); 2]);
    scene.enter(0, Standing::Sick, None, 310);
    assert_eq!(scene.ask(1, 311), Some(Reason::BreakerOpen), "the one that was tried is sick again");
    assert_eq!([scene.ask(1, 609), scene.ask(1, 610)], [Some(Reason::BreakerOpen), None]);
    scene.enter(1, Standing::Well, None, 620);
    assert_eq!([scene.ask(2, 621), scene.ask(3, 621)], [None, Some(Reason::Paced)]);
    scene.enter(2, Standing::Well, None, 630);
    assert_eq!(scene.ask(3, 631), None);
    scene.enter(3, Standing::Well, None, 640);
    scene.enter(0, Standing::Well, None, 641);
    assert_eq!(scene.turns, ["opened", "closed"], "one story, told once");
}

#[test]
fn a_breaker_stays_open_no_longer_than_there_are_enough_for_one() {
    for one_by_one in [true, false] {
        let breaker = Rules { resume_one_by_one: one_by_one, ..Rules::default() };
        let mut scene = Scene::of(4, AutohealPolicySpec { breaker, ..AutohealPolicySpec::default() });
        for number in 0..4 {
            scene.ask(number, 0);
        }
        assert!(scene.group.is_open());
        // Somebody corrects the policy.
        scene.spec.breaker.min_targets = 100;
        assert_eq!(scene.ask(1, 1), Some(Reason::BreakerOpen), "until it has been calm for a while");
        scene.ask(1, 11);
        scene.enter(0, Standing::Well, None, 12);
        assert_eq!((scene.turns.as_slice(), scene.group.is_open()), (["opened", "closed"].as_slice(), false));
    }
}

#[test]
fn without_one_by_one_nothing_is_tried_before_it_is_calm() {
    let breaker = Rules { resume_one_by_one: false, ..Rules::default() };
    let mut scene = Scene::of(4, AutohealPolicySpec { breaker, ..AutohealPolicySpec::default() });
    for number in 0..4 {
        scene.ask(number, 0);
    }
    assert_eq!(scene.ask(1, 86_400), Some(Reason::BreakerOpen));
}

#[test]
fn few_targets_and_policies_that_touch_nothing_have_no_breaker() {
    let mut scene = Scene::of(2, AutohealPolicySpec::default());
    assert_eq!([scene.ask(0, 0), scene.ask(1, 0)], [None, None]);
    let action = crate::resource::autoheal_policy::HealAction::Notify;
    let mut scene = Scene::of(4, AutohealPolicySpec { action, ..AutohealPolicySpec::default() });
    (0..4).for_each(|number| scene.enter(number, Standing::Sick, None, 0));
    assert!(scene.turns.is_empty());
}

#[test]
fn a_restart_of_portreeve_neither_closes_the_breaker_nor_gives_attempts_anew() {
    let mut scene = Scene::of(100, AutohealPolicySpec::default());
    for number in 0..100 {
        scene.ask(number, 0);
    }
    let text = serde_json::to_string(&scene.group.kept).unwrap_or_default();
    scene.group = PolicyGroup::of(serde_json::from_str(&text).unwrap_or_default());
    // Whoever is looked at first may be one of the few that are well.
    scene.enter(99, Standing::Well, None, 3);
    (0..90).for_each(|number| assert_eq!(scene.ask(number, 4), Some(Reason::BreakerOpen)));
    assert_eq!((scene.turns.len(), scene.group.due()), (1, None));
}

#[test]
fn whoever_is_looked_at_first_after_a_restart_does_not_end_one_by_one() {
    let mut scene = Scene::of(4, AutohealPolicySpec::default());
    for number in 0..4 {
        scene.ask(number, 0);
    }
    assert_eq!(scene.ask(1, 300), None);
    scene.group = PolicyGroup::of(scene.group.kept.clone());
    scene.enter(0, Standing::Well, None, 302);
    assert_eq!([scene.ask(2, 303), scene.ask(3, 303)], [Some(Reason::Paced); 2]);
    assert_eq!(scene.turns, ["opened"]);
}

#[test]
fn a_clock_that_stepped_back_holds_nothing_back_for_longer_than_before() {
    let mut scene = Scene::of(4, AutohealPolicySpec::default());
    for number in 0..4 {
        scene.ask(number, 0);
    }
    assert_eq!(scene.ask(1, -7200), Some(Reason::BreakerOpen));
    scene.group.leave(&id(0), "web", "local", at(-7200));
    assert_eq!([scene.ask(1, -6901), scene.ask(1, -6900)], [Some(Reason::BreakerOpen), None]);
}

#[test]
fn after_a_start_nothing_is_made_of_the_first_few_that_are_seen() {
    let mut scene = Scene::of(0, AutohealPolicySpec::default());
    assert_eq!([0, 1, 2, 3].map(|number| scene.ask(number, 0)), [None, None, None, Some(Reason::Paced)]);
    assert_eq!((scene.turns.len(), scene.group.due()), (0, Some(at(10))));
    (10..14).for_each(|number| scene.enter(number, Standing::Well, None, 1));
    assert_eq!(scene.group.due(), Some(at(10)), "four of eight");
    scene.enter(14, Standing::Well, None, 2);
    assert_eq!(scene.group.due(), None, "four of nine");
    scene.enter(10, Standing::Sick, None, 3);
    scene.enter(10, Standing::Sick, None, 10);
    assert_eq!(scene.turns, ["opened"]);
}

#[test]
fn a_breaker_whose_containers_have_all_left_closes_and_one_that_lost_its_sick_ones_is_looked_at_again() {
    let mut scene = Scene::of(4, AutohealPolicySpec::default());
    for number in 0..2 {
        scene.ask(number, 0);
    }
    assert_eq!((scene.turns.as_slice(), scene.group.heir()), (["opened"].as_slice(), Some(id(0))));
    for number in 0..2 {
        assert_eq!(scene.group.leave(&id(number), "web", "local", at(1)), None);
    }
    let heir = scene.group.heir();
    assert_eq!(heir, Some(id(2)), "nothing happens to those who are well");
    scene.enter(2, Standing::Well, None, 1);
    assert_eq!(scene.group.due(), Some(at(11)));
    assert_eq!(scene.group.leave(&id(2), "web", "local", at(2)), None);
    let note = scene.group.leave(&id(3), "web", "local", at(2)).expect("it closes");
    assert_eq!(note.message, "no container of the policy web on local is left: its breaker closes");
    assert!(!scene.group.is_open());
    assert_eq!((scene.group.heir(), scene.group.leave(&id(3), "web", "local", at(2))), (None, None));
}

/// After a start those that are still to be looked at would find healing allowed that is not.
#[test]
fn a_breaker_does_not_close_because_those_it_is_for_are_not_known_yet() {
    let mut scene = Scene::of(4, AutohealPolicySpec::default());
    for number in 0..2 {
        scene.ask(number, 0);
    }
    scene.group = PolicyGroup::of(scene.group.kept.clone());
    scene.enter(0, Standing::Sick, None, 5);
    assert_eq!(scene.group.leave(&id(0), "web", "local", at(6)), None);
    assert!(scene.group.is_open());
}
