//! Problems in the order of the harm that they do, many of one kind on one line.

use crate::cli::text::named;

/// So many of one kind have a line each; more are folded into one.
const ALONE: usize = 3;

/// How much harm a problem does: the worst comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Harm {
    /// Nothing is stored, so nothing is sent nor done.
    Store,
    /// An engine is not watched.
    Engine,
    /// Portreeve itself is in trouble.
    Own,
    /// A container is sick and no policy heals it any more.
    Quarantined,
    /// Nobody of many is healed.
    Breaker,
    /// A service does not do what it is for.
    Service,
    /// A container is sick or down.
    Container,
    /// Nobody knows how a container is.
    Unknown,
    /// What a service was to be told waits for a decision.
    Parked,
    /// It waits for the service.
    Waiting,
    /// What is declared is not followed.
    Declared,
}

/// One thing that somebody should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    harm: Harm,
    /// All of it, for a line of its own.
    line: String,
    /// What many like it are, after their number; nothing if it stands alone always.
    many: Option<Many>,
}

/// How many problems are told in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Many {
    /// After their number: `containers are in quarantine`.
    are: String,
    /// The name of this one.
    name: String,
    /// What helps.
    hint: &'static str,
    /// Whether two are told in one line already.
    always: bool,
}

impl Problem {
    pub(super) fn new(harm: Harm, line: impl Into<String>) -> Self {
        Self { harm, line: line.into(), many: None }
    }

    /// The same as one of many: after their number stands what they `are`, and then the names of the first.
    #[must_use]
    pub(super) fn of_many(mut self, are: impl Into<String>, name: impl Into<String>) -> Self {
        self.many = Some(Many { are: are.into(), name: name.into(), hint: "", always: false });
        self
    }

    /// What helps against many of them.
    #[must_use]
    pub(super) fn hint(mut self, hint: &'static str) -> Self {
        if let Some(many) = &mut self.many {
            many.hint = hint;
        }
        self
    }

    /// Two are told in one line already.
    #[must_use]
    pub(super) fn together(mut self) -> Self {
        if let Some(many) = &mut self.many {
            many.always = true;
        }
        self
    }
}

/// A line for each problem, the worst first.
pub(super) fn each(problems: &[Problem]) -> Vec<String> {
    sorted(problems).into_iter().map(|problem| problem.line.clone()).collect()
}

/// The same with many of one kind on one line.
pub(super) fn folded(problems: &[Problem]) -> Vec<String> {
    let mut groups: Vec<Vec<&Problem>> = Vec::new();
    for problem in sorted(problems) {
        let are = |problem: &Problem| problem.many.as_ref().map(|many| many.are.clone());
        let alike = |group: &&mut Vec<&Problem>| {
            are(problem).is_some() && group.first().is_some_and(|first| are(first) == are(problem))
        };
        match groups.iter_mut().find(alike) {
            Some(group) => group.push(problem),
            None => groups.push(vec![problem]),
        }
    }
    groups.into_iter().flat_map(lines).collect()
}

fn sorted(problems: &[Problem]) -> Vec<&Problem> {
    let mut sorted: Vec<&Problem> = problems.iter().collect();
    sorted.sort_by_key(|problem| problem.harm);
    sorted
}

fn lines(group: Vec<&Problem>) -> Vec<String> {
    match group.first().and_then(|first| first.many.as_ref()) {
        Some(many) if group.len() > ALONE || (many.always && group.len() > 1) => {
            let names: Vec<&str> = group
                .iter()
                .filter_map(|problem| problem.many.as_ref())
                .map(|many| many.name.as_str())
                .collect();
            let hint = if many.hint.is_empty() { String::new() } else { format!("; {}", many.hint) };
            vec![format!("{} {}: {}{hint}", group.len(), many.are, named(&names, ALONE))]
        }
        _ => group.into_iter().map(|problem| problem.line.clone()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sick(name: &str, why: &str) -> Problem {
        Problem::new(Harm::Container, format!("container {name} is unhealthy, {why}"))
            .of_many(format!("containers are unhealthy, {why}"), name)
    }

    #[test]
    fn the_worst_comes_first_and_a_few_have_a_line_each() {
        let problems = [
            Problem::new(Harm::Waiting, "billing waits"),
            sick("a", "no policy heals it"),
            Problem::new(Harm::Store, "the disk is full"),
            sick("b", "no policy heals it"),
        ];
        let expected = [
            "the disk is full",
            "container a is unhealthy, no policy heals it",
            "container b is unhealthy, no policy heals it",
            "billing waits",
        ];
        assert_eq!(folded(&problems), expected);
        assert_eq!(each(&problems), expected);
    }

    #[test]
    fn many_of_one_kind_are_one_line_with_their_number_and_the_first_names() {
        let mut problems: Vec<_> = (1..=12).map(|n| sick(&format!("web-{n}"), "BackingOff")).collect();
        problems.push(sick("db", "Silenced"));
        let breaker =
            |name| Problem::new(Harm::Breaker, name).of_many("breakers", name).hint("wait").together();
        problems.extend([breaker("x"), breaker("y")]);
        let expected = [
            "2 breakers: x, y; wait",
            "12 containers are unhealthy, BackingOff: web-1, web-2, web-3 and 9 more",
            "container db is unhealthy, Silenced",
        ];
        assert_eq!(folded(&problems), expected);
        assert_eq!(each(&problems).len(), 15);
    }
}
