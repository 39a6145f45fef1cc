//! From probes to verdicts: of a container, of a service, and of what cannot work because something else is down.

pub mod checks;
pub mod probed;
pub mod service;

use std::collections::BTreeMap;

use crate::desired::Service;
use crate::observed::{
    Checked, Container, Health, HealthWord, Nanos, ProbeState, Standing, State, Targets, Verdict,
};
use crate::resource::Amount;

/// A verdict and its reason, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The verdict.
    pub word: HealthWord,
    /// Why; empty when all is well.
    pub reason: String,
    /// Whether all that is wrong is that we are refused.
    pub denied: bool,
    /// Since when somebody has said that it is too early to ask; `None`: nobody does.
    pub early_since: Option<Nanos>,
}

impl Judged {
    /// A verdict that has nothing to do with who we are, or when.
    pub fn new(word: HealthWord, reason: impl Into<String>) -> Self {
        Self { word, reason: reason.into(), denied: false, early_since: None }
    }

    /// Nothing is wrong.
    pub fn healthy() -> Self {
        Self::new(HealthWord::Healthy, "")
    }
}

/// How one container of a service is. `probes`: the declared ones that ask by themselves, with what is known of them for its
/// present run. `docker`: whether Docker's own health check has a say; it needs no thresholds on top of its own.
pub fn of_container(container: &Container, docker: bool, probes: &[(&str, Option<&ProbeState>)]) -> Judged {
    match container.state {
        State::Running => {}
        State::Exited | State::Dead => {
            let reason =
                format!("{} is {} (exit code {})", container.name, container.state, container.exit_code);
            return Judged::new(HealthWord::Unhealthy, reason);
        }
        State::Created | State::Paused | State::Restarting | State::Removing => {
            return Judged::new(HealthWord::Unhealthy, format!("{} is {}", container.name, container.state));
        }
    }
    let name = &container.name;
    match container.health.filter(|_| docker) {
        None | Some(Health::Healthy) => {}
        Some(Health::Starting) => {
            let reason = format!("{name}: Docker's health check has no result yet");
            return Judged::new(HealthWord::Unknown, reason);
        }
        Some(Health::Awaited) => {
            let reason = format!("{name}: waiting for Docker's health check");
            return Judged::new(HealthWord::Unknown, reason);
        }
        // A probe that cannot be carried out: neither good nor bad, and no reason to overlook what others find.
        Some(Health::Silent) => {
            let silent = Judged::new(HealthWord::Error, checks::silence(container));
            let judged = of_probes(probes);
            let worst = if judged.word == HealthWord::Unhealthy { judged } else { silent };
            return Judged { reason: prefixed(name, worst.reason), ..worst };
        }
        Some(Health::Unhealthy) => {
            return Judged::new(HealthWord::Unhealthy, format!("{name}: Docker's health check fails"));
        }
    }
    let judged = of_probes(probes);
    Judged { reason: prefixed(name, judged.reason), ..judged }
}

/// How a target outside Docker is.
pub fn of_probes(probes: &[(&str, Option<&ProbeState>)]) -> Judged {
    // The worst decides, and of equals the first by name. What only refuses us is not so bad as what does not work.
    let judged: Vec<Judged> = probes.iter().map(|(name, state)| of_probe(name, *state)).collect();
    let early_since = judged.iter().filter_map(|judged| judged.early_since).min();
    let worst = judged.into_iter().min_by_key(|judged| match judged.word {
        HealthWord::Unhealthy | HealthWord::NotFound if !judged.denied => 0,
        HealthWord::Unhealthy | HealthWord::NotFound => 1,
        HealthWord::Error => 2,
        HealthWord::Unknown if judged.early_since.is_some() => 3,
        HealthWord::Unknown => 4,
        HealthWord::Healthy => 5,
    });
    Judged { early_since, ..worst.unwrap_or_else(Judged::healthy) }
}

fn of_probe(name: &str, state: Option<&ProbeState>) -> Judged {
    let Some(state) = state else {
        return Judged::new(HealthWord::Unknown, format!("{name} was not checked yet"));
    };
    let last = state.last.as_ref().map(|last| &last.checked);
    let judged = match (state.streak.verdict, last) {
        (_, Some(Checked::NotYet(why))) => {
            let judged = Judged::new(HealthWord::Unknown, format!("{name}: not ready yet: {why}"));
            return Judged { early_since: state.streak.early_since, ..judged };
        }
        (Verdict::Unhealthy, Some(Checked::Failed(why) | Checked::Denied(why))) => {
            Judged::new(HealthWord::Unhealthy, format!("{name}: {why}"))
        }
        (Verdict::Unhealthy, _) => Judged::new(
            HealthWord::Unhealthy,
            format!("{name} failed {} times in a row", state.streak.failures),
        ),
        (_, Some(Checked::Faulty(why))) => Judged::new(HealthWord::Error, format!("{name}: {why}")),
        (Verdict::Unknown, Some(Checked::Failed(why) | Checked::Denied(why))) => {
            Judged::new(HealthWord::Unknown, format!("{name}: no verdict yet; {why}"))
        }
        (Verdict::Unknown, _) => Judged::new(HealthWord::Unknown, format!("{name}: no verdict yet")),
        (Verdict::Healthy, _) => Judged::healthy(),
    };
    Judged { denied: judged.word == HealthWord::Unhealthy && state.streak.refuses, ..judged }
}

fn prefixed(name: &str, reason: String) -> String {
    if reason.is_empty() { reason } else { format!("{name}: {reason}") }
}

/// How a service is whose targets are so.
pub fn of_service(min_healthy: Amount, targets: &Targets) -> Judged {
    if targets.is_empty() {
        return Judged::new(HealthWord::NotFound, "no container matches its selector");
    }
    let total = u32::try_from(targets.len()).unwrap_or(u32::MAX);
    let needed = min_healthy.of_rounded_up(total);
    let count = |word: HealthWord| u32::try_from(targets.count_of(word)).unwrap_or(u32::MAX);
    let healthy = count(HealthWord::Healthy);
    if healthy >= needed {
        return Judged::healthy();
    }
    let first =
        |word: HealthWord| targets.that_are(word).next().map(|(_, of)| of.reason.clone()).unwrap_or_default();
    let of = |word: HealthWord, reason: String| {
        let share = format!("{healthy} of {total} healthy, {needed} needed");
        Judged::new(word, if total == 1 && needed == 1 { reason } else { format!("{share}; {reason}") })
    };
    let (unknown, faulty) = (count(HealthWord::Unknown), count(HealthWord::Error));
    if healthy.saturating_add(unknown).saturating_add(faulty) < needed {
        return of(HealthWord::Unhealthy, first(HealthWord::Unhealthy));
    }
    if faulty > 0 {
        return of(HealthWord::Error, first(HealthWord::Error));
    }
    of(HealthWord::Unknown, first(HealthWord::Unknown))
}

/// Why a service cannot work: another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Root<'s> {
    /// The service that is down or not ready yet, or may be.
    pub service: &'s str,
    /// Whether that is known, and not only suspected.
    pub certain: bool,
}

impl Root<'_> {
    /// Whether it is the root of the trouble of a service that stands so. One that is only suspected is that for those alone that
    /// are down themselves: they may be so because of it.
    pub fn counts(&self, own: Standing) -> bool {
        self.certain || own == Standing::Down
    }
}

/// For each service of `names` that cannot work because of another: the one at the root of it, where that counts. Of the services
/// it depends on, directly or not, that is one that is down and itself depends on none that is. Each is looked at once, however
/// many depend on it.
pub fn roots<'s>(
    names: impl Iterator<Item = &'s str>,
    services: &'s BTreeMap<String, Service>,
    standing: impl Fn(&str) -> Standing,
) -> BTreeMap<&'s str, Root<'s>> {
    let mut known = BTreeMap::new();
    let found = names.filter_map(|name| Some((name, root(name, services, &standing, &mut known)?)));
    found.filter(|(name, root)| root.counts(standing(name))).collect()
}

/// The root of one service's trouble, whether it counts or not.
pub fn root_of<'s>(
    name: &'s str,
    services: &'s BTreeMap<String, Service>,
    standing: impl Fn(&str) -> Standing,
) -> Option<Root<'s>> {
    root(name, services, &standing, &mut BTreeMap::new())
}

/// Each is looked at once, however many depend on it. No circles are in force.
fn root<'s>(
    name: &'s str,
    services: &'s BTreeMap<String, Service>,
    standing: &impl Fn(&str) -> Standing,
    known: &mut BTreeMap<&'s str, Option<Root<'s>>>,
) -> Option<Root<'s>> {
    if let Some(root) = known.get(name) {
        return *root;
    }
    let mut found: Option<Root<'s>> = None;
    for needed in services.get(name).into_iter().flat_map(|service| &service.depends_on) {
        let Some((needed, _)) = services.get_key_value(needed) else { continue };
        let below = root(needed, services, standing, known);
        let candidate = match (below, standing(needed)) {
            (Some(below), _) if below.certain => Some(below),
            (_, Standing::Down | Standing::Early) => Some(Root { service: needed, certain: true }),
            (Some(below), _) => Some(below),
            (None, Standing::Doubtful) => Some(Root { service: needed, certain: false }),
            (None, Standing::Fine) => None,
        };
        if candidate.is_some_and(|candidate| candidate.certain && !found.is_some_and(|found| found.certain)) {
            found = candidate;
        }
        found = found.or(candidate);
    }
    known.insert(name, found);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observed::{ContainerKey, LastCheck, ProbeTarget, Streak, TargetState};
    use crate::resource::monitored_service::MonitoredServiceSpec;

    fn state(verdict: Verdict, checked: Checked) -> ProbeState {
        let last = LastCheck { at: Nanos(1), millis: 1.0, checked, output: None };
        ProbeState { streak: Streak { verdict, ..Streak::default() }, last: Some(last), asks: None }
    }

    #[test]
    fn a_silent_health_check_hides_no_probe_that_fails() {
        let container: Container = serde_json::from_value(serde_json::json!({
            "key": {"engine": "local", "id": "1"}, "name": "web", "image": "web", "state": "running",
            "health": "silent", "created": 0, "started": 1,
        }))
        .expect("a container");
        let good = state(Verdict::Healthy, Checked::Passed);
        let bad = state(Verdict::Unhealthy, Checked::Failed("connection refused".to_owned()));
        let word = |state| of_container(&container, true, &[("page", Some(state))]).word;
        assert_eq!((word(&good), word(&bad)), (HealthWord::Error, HealthWord::Unhealthy));
        let reason = of_container(&container, true, &[("page", Some(&bad))]).reason;
        assert_eq!(reason, "web: page: connection refused");
    }

    #[test]
    fn the_worst_probe_decides_and_gives_the_reason() {
        let good = state(Verdict::Healthy, Checked::Passed);
        let bad = state(Verdict::Unhealthy, Checked::Failed("connection refused".to_owned()));
        let odd = state(Verdict::Healthy, Checked::Faulty("no secret".to_owned()));
        let mut shut = state(Verdict::Unhealthy, Checked::Failed("no such user".to_owned()));
        shut.streak.refuses = true;
        let late = state(Verdict::Unknown, Checked::Failed("slow".to_owned()));
        for (probes, word, reason) in [
            (vec![("a", Some(&good))], HealthWord::Healthy, ""),
            (vec![("a", Some(&good)), ("b", None)], HealthWord::Unknown, "b was not checked yet"),
            (vec![("a", Some(&late)), ("b", Some(&good))], HealthWord::Unknown, "a: no verdict yet; slow"),
            (vec![("a", Some(&odd)), ("b", None)], HealthWord::Error, "a: no secret"),
            (vec![("a", Some(&odd)), ("b", Some(&bad))], HealthWord::Unhealthy, "b: connection refused"),
            (vec![("a", Some(&shut)), ("b", Some(&bad))], HealthWord::Unhealthy, "b: connection refused"),
        ] {
            assert_eq!(of_probes(&probes), Judged::new(word, reason));
        }
        let mut early = state(Verdict::Healthy, Checked::NotYet("LOADING".to_owned()));
        early.streak.early_since = Some(Nanos(7));
        for (probes, word, reason) in [
            (vec![("a", Some(&early))], HealthWord::Unknown, "a: not ready yet: LOADING"),
            (vec![("a", Some(&late)), ("b", Some(&early))], HealthWord::Unknown, "b: not ready yet: LOADING"),
            (vec![("a", Some(&early)), ("b", Some(&odd))], HealthWord::Error, "b: no secret"),
            (vec![("a", Some(&early)), ("b", Some(&bad))], HealthWord::Unhealthy, "b: connection refused"),
        ] {
            let expected = Judged { early_since: Some(Nanos(7)), ..Judged::new(word, reason) };
            assert_eq!(of_probes(&probes), expected);
        }
        let refused = Judged { denied: true, ..Judged::new(HealthWord::Unhealthy, "a: no such user") };
        assert_eq!(of_probes(&[("a", Some(&shut)), ("b", Some(&odd))]), refused);
    }

    #[test]
    fn a_service_is_healthy_with_enough_healthy_containers() {
        use HealthWord::{Error, Healthy, NotFound, Unhealthy, Unknown};
        for (needed, members, expected) in [
            (Amount::Count(1), vec![], NotFound),
            (Amount::Count(1), vec![Healthy, Unhealthy], Healthy),
            (Amount::Count(2), vec![Healthy, Unhealthy], Unhealthy),
            (Amount::Count(2), vec![Healthy, Unknown], Unknown),
            (Amount::Count(2), vec![Healthy, Error, Unknown], Error),
            (Amount::Percent(50), vec![Healthy, Unhealthy, Unhealthy], Unhealthy),
            (Amount::Percent(50), vec![Healthy, Healthy, Unhealthy], Healthy),
            (Amount::Percent(0), vec![Unhealthy], Healthy),
            (Amount::Count(5), vec![Healthy], Unhealthy),
        ] {
            let mut targets = Targets::default();
            for (id, health) in members.into_iter().enumerate() {
                let target = ProbeTarget::Container(ContainerKey::new("local", id.to_string()));
                let reason = health.as_str().to_owned();
                targets.insert(target, TargetState { health, reason, ..TargetState::default() });
            }
            assert_eq!(of_service(needed, &targets).word, expected, "{needed:?} {targets:?}");
        }
    }

    #[test]
    fn trouble_is_traced_to_its_root() {
        let service = |depends_on: &[&str]| Service {
            spec: MonitoredServiceSpec::default(),
            probes: BTreeMap::new(),
            suspended: false,
            depends_on: depends_on.iter().map(|&name| name.to_owned()).collect(),
        };
        let services = BTreeMap::from([
            ("db".to_owned(), service(&[])),
            ("queue".to_owned(), service(&["db"])),
            ("shop".to_owned(), service(&["queue"])),
        ]);
        let shop = |down: &[&str], doubtful: &[&str]| {
            let standing = |name: &str| match (down.contains(&name), doubtful.contains(&name)) {
                (true, _) => Standing::Down,
                (false, true) => Standing::Doubtful,
                (false, false) => Standing::Fine,
            };
            let names = services.keys().map(String::as_str);
            roots(names, &services, standing).get("shop").map(|root| (root.service.to_owned(), root.certain))
        };
        for (down, doubtful, root) in [
            (&[][..], &[][..], None),
            (&["shop"], &[], None),
            (&["queue"], &[], Some(("queue", true))),
            (&["db"], &[], Some(("db", true))),
            (&["queue", "db"], &[], Some(("db", true))),
            // Nobody is to blame a dependency for what has not happened.
            (&[], &["db"], None),
            (&["shop"], &["db"], Some(("db", false))),
            (&["shop"], &["queue"], Some(("queue", false))),
            // One that is down is no suspicion, whatever is below it.
            (&["shop", "queue"], &["db"], Some(("queue", true))),
            (&["cart"], &["db", "queue"], None),
        ] {
            let root = root.map(|(name, certain)| (name.to_owned(), certain));
            assert_eq!(shop(down, doubtful), root, "down: {down:?}, doubtful: {doubtful:?}");
        }
    }

    #[test]
    fn what_is_not_ready_yet_is_a_root_like_one_that_is_down() {
        let service = |depends_on: &[&str]| Service {
            spec: MonitoredServiceSpec::default(),
            probes: BTreeMap::new(),
            suspended: false,
            depends_on: depends_on.iter().map(|&name| name.to_owned()).collect(),
        };
        let services =
            BTreeMap::from([("db".to_owned(), service(&[])), ("shop".to_owned(), service(&["db"]))]);
        let standing = |name: &str| if name == "db" { Standing::Early } else { Standing::Fine };
        let found = roots(services.keys().map(String::as_str), &services, standing);
        assert_eq!(found, BTreeMap::from([("shop", Root { service: "db", certain: true })]));
    }

    /// A ladder of twenty rungs, each of which depends on both halves of the next: a million paths.
    #[test]
    fn many_paths_to_a_root_are_walked_once() {
        let mut services = BTreeMap::new();
        for rung in 0..20 {
            for side in ["a", "b"] {
                let depends_on = vec![format!("a{}", rung + 1), format!("b{}", rung + 1)];
                services.insert(
                    format!("{side}{rung}"),
                    Service {
                        spec: MonitoredServiceSpec::default(),
                        probes: BTreeMap::new(),
                        suspended: false,
                        depends_on,
                    },
                );
            }
        }
        let asked = std::cell::Cell::new(0);
        let found = roots(services.keys().map(String::as_str), &services, |name| {
            asked.set(asked.get() + 1);
            if name == "b19" { Standing::Down } else { Standing::Fine }
        });
        assert_eq!(found.len(), 38);
        assert!(found.values().all(|root| root.service == "b19"));
        assert!(asked.get() < 500, "{}", asked.get());
    }
}
