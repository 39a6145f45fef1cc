//! Services that depend on each other in a circle: no order would be right, so the circle is refused.

use std::collections::{BTreeMap, BTreeSet};

use crate::resource::{Object, Spec};

/// How many cycles are named; one is enough to begin with, thousands help nobody.
const MOST_NAMED: usize = 20;
/// How many services of one cycle are named.
const MOST_SHOWN: usize = 12;

/// Circles of `dependsOn`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cycles {
    /// The services of each, in order: the second is what the first depends on, and so on.
    pub(super) named: Vec<Vec<String>>,
    /// Dependencies without effect. What remains has no circle.
    pub(super) refused: BTreeSet<(String, String)>,
}

impl Cycles {
    /// Those among the services of `objects`.
    pub(super) fn of(objects: &[Object]) -> Self {
        let services = objects.iter().filter_map(|object| match &object.spec {
            Spec::MonitoredService(spec) => Some((object.metadata.name.as_str(), spec.depends_on.as_slice())),
            _ => None,
        });
        let graph: BTreeMap<&str, &[String]> = services.collect();
        let mut cycles = Self::default();
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        for start in graph.keys() {
            if seen.insert(start) {
                cycles.walk(start, &graph, &mut seen);
            }
        }
        cycles
    }

    /// Depth first, without recursion: the chain can be as long as there are services.
    fn walk<'g>(
        &mut self,
        start: &'g str,
        graph: &BTreeMap<&'g str, &'g [String]>,
        seen: &mut BTreeSet<&'g str>,
    ) {
        let mut chain: Vec<(&str, usize)> = vec![(start, 0)];
        let mut on_chain: BTreeSet<&str> = BTreeSet::from([start]);
        while let Some((service, next)) = chain.last_mut() {
            let Some(needed) = graph.get(*service).and_then(|needs| needs.get(*next)) else {
                on_chain.remove(*service);
                chain.pop();
                continue;
            };
            *next += 1;
            if on_chain.contains(needed.as_str()) {
                self.refused.insert(((*service).to_owned(), needed.clone()));
                if self.named.len() < MOST_NAMED {
                    let members = chain.iter().map(|(name, _)| (*name).to_owned());
                    self.name(members.skip_while(|name| name != needed).collect());
                }
            } else if let Some((needed, _)) = graph.get_key_value(needed.as_str())
                && seen.insert(needed)
            {
                on_chain.insert(needed);
                chain.push((needed, 0));
            }
        }
    }

    fn name(&mut self, cycle: Vec<String>) {
        let nexts = cycle.iter().cycle().skip(1);
        self.refused.extend(cycle.iter().cloned().zip(nexts.cloned()));
        self.named.push(cycle);
    }

    /// The first cycle named that `service` is part of.
    pub(super) fn with(&self, service: &str) -> Option<&[String]> {
        self.named.iter().find(|cycle| cycle.iter().any(|name| name == service)).map(Vec::as_slice)
    }
}

/// What is wrong with a cycle, in one line.
pub(super) fn message(cycle: &[String]) -> String {
    let mut names: Vec<&str> = cycle.iter().take(MOST_SHOWN).map(String::as_str).collect();
    if cycle.len() > MOST_SHOWN {
        names.push("…");
    }
    names.extend(cycle.first().map(String::as_str));
    format!("spec.dependsOn: a service cannot depend on itself: {}", names.join(" → "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::Origin;
    use crate::resource::monitored_service::MonitoredServiceSpec;

    fn cycles(edges: &[(&str, &[&str])]) -> (Vec<String>, usize) {
        let object = |(name, needs): &(&str, &[&str])| {
            let depends_on = needs.iter().map(|name| (*name).to_owned()).collect();
            Object::new(
                name,
                Origin::Api,
                MonitoredServiceSpec { depends_on, ..MonitoredServiceSpec::default() },
            )
        };
        let cycles = Cycles::of(&edges.iter().map(object).collect::<Vec<_>>());
        (cycles.named.iter().map(|cycle| cycle.join(" ")).collect(), cycles.refused.len())
    }

    #[test]
    fn each_circle_is_named_once_and_all_of_it_is_without_effect() {
        for (edges, named, refused) in [
            (&[("a", &["b"][..]), ("b", &["c"]), ("c", &[])][..], &[][..], 0),
            (&[("a", &["a"])], &["a"], 1),
            (&[("a", &["b"]), ("b", &["a"])], &["a b"], 2),
            (&[("a", &["b", "c"]), ("b", &["d"]), ("c", &["d"]), ("d", &[])], &[], 0),
            (&[("a", &["b"]), ("b", &["c"]), ("c", &["b"])], &["b c"], 2),
            (&[("a", &["b"]), ("b", &["a", "c"]), ("c", &["d"]), ("d", &["c"])], &["a b", "c d"], 4),
            (&[("a", &["missing"])], &[], 0),
        ] {
            assert_eq!(
                cycles(edges),
                (named.iter().map(|name| (*name).to_owned()).collect(), refused),
                "{edges:?}"
            );
        }
    }

    #[test]
    fn a_chain_of_thousands_costs_little() {
        let name = |index: usize| format!("s{index:05}");
        let objects: Vec<Object> = (0..5_000)
            .map(|index| {
                let depends_on = vec![name((index + 1) % 5_000)];
                let spec = MonitoredServiceSpec { depends_on, ..MonitoredServiceSpec::default() };
                Object::new(&name(index), Origin::Api, spec)
            })
            .collect();
        let cycles = Cycles::of(&objects);
        assert_eq!((cycles.named.len(), cycles.named[0].len(), cycles.refused.len()), (1, 5_000, 5_000));
        assert!(message(&cycles.named[0]).ends_with("s00011 → … → s00000"));
    }
}
