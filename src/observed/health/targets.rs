//! The targets of one service, with what a verdict on the whole needs counted as they change: it looks at none of them.

use std::collections::{BTreeMap, BTreeSet};

use super::target::{Checked, HealthWord, ProbeState, ProbeTarget, TargetState};
use crate::observed::{Nanos, Verdict};

/// Targets in order, and counts of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Targets {
    all: BTreeMap<ProbeTarget, TargetState>,
    /// Those that are not healthy, by word.
    unwell: BTreeSet<(HealthWord, ProbeTarget)>,
    early: BTreeSet<(Nanos, ProbeTarget)>,
    counts: Counts,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Counts {
    words: [usize; 5],
    /// Those that are down, and all that is wrong is that we are refused.
    refusing: usize,
    doubtful: usize,
}

const fn place(word: HealthWord) -> usize {
    match word {
        HealthWord::Healthy => 0,
        HealthWord::Unhealthy => 1,
        HealthWord::Error => 2,
        HealthWord::NotFound => 3,
        HealthWord::Unknown => 4,
    }
}

/// Whether a check failed, and the verdict is out.
fn is_doubtful(target: &TargetState) -> bool {
    target.probes.values().any(|probe: &ProbeState| {
        let last = probe.last.as_ref().map(|last| &last.checked);
        probe.streak.verdict != Verdict::Unhealthy
            && matches!(last, Some(Checked::Failed(_) | Checked::Denied(_)))
    })
}

impl Targets {
    /// What is known of a target.
    pub fn get(&self, target: &ProbeTarget) -> Option<&TargetState> {
        self.all.get(target)
    }

    /// Whether it is a target.
    pub fn contains_key(&self, target: &ProbeTarget) -> bool {
        self.all.contains_key(target)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&ProbeTarget, &TargetState)> {
        self.all.iter()
    }

    /// All of them, in order.
    pub fn keys(&self) -> impl Iterator<Item = &ProbeTarget> {
        self.all.keys()
    }

    /// Sets what is known of a target.
    pub fn insert(&mut self, target: ProbeTarget, state: TargetState) {
        self.remove(&target);
        self.count(&target, &state, true);
        self.all.insert(target, state);
    }

    /// Forgets a target.
    pub fn remove(&mut self, target: &ProbeTarget) -> Option<TargetState> {
        let state = self.all.remove(target)?;
        self.count(target, &state, false);
        Some(state)
    }

    /// Changes what is known of a target; `None` if it is none.
    pub fn update<T>(
        &mut self,
        target: &ProbeTarget,
        change: impl FnOnce(&mut TargetState) -> T,
    ) -> Option<T> {
        let mut state = self.remove(target)?;
        let changed = change(&mut state);
        self.count(target, &state, true);
        self.all.insert(target.clone(), state);
        Some(changed)
    }

    fn count(&mut self, target: &ProbeTarget, state: &TargetState, comes: bool) {
        let step = |count: &mut usize, counts: bool| match (counts, comes) {
            (true, true) => *count += 1,
            (true, false) => *count = count.saturating_sub(1),
            (false, _) => {}
        };
        step(&mut self.counts.words[place(state.health)], true);
        step(&mut self.counts.refusing, state.health.is_down() && state.denied);
        step(&mut self.counts.doubtful, is_doubtful(state));
        if state.health != HealthWord::Healthy {
            let entry = (state.health, target.clone());
            if comes {
                self.unwell.insert(entry)
            } else {
                self.unwell.remove(&entry)
            };
        }
        if let Some(since) = state.early_since {
            let entry = (since, target.clone());
            if comes {
                self.early.insert(entry)
            } else {
                self.early.remove(&entry)
            };
        }
    }

    /// How many are so.
    pub const fn count_of(&self, word: HealthWord) -> usize {
        self.counts.words[place(word)]
    }

    /// Those that are so, in order; not for [`HealthWord::Healthy`], of which none is kept apart.
    pub fn that_are(&self, word: HealthWord) -> impl Iterator<Item = (&ProbeTarget, &TargetState)> {
        let of_it =
            self.unwell.range((word, ProbeTarget::Outside)..).take_while(move |(other, _)| *other == word);
        of_it.filter_map(|(_, target)| self.all.get_key_value(target))
    }

    /// Since when one of them has said that it is too early to ask.
    pub fn early_since(&self) -> Option<Nanos> {
        self.early.first().map(|(since, _)| *since)
    }

    /// Whether some are down, and all that is wrong with each of these is that we are refused.
    pub const fn all_down_refuse(&self) -> bool {
        let down = self.count_of(HealthWord::Unhealthy) + self.count_of(HealthWord::NotFound);
        down > 0 && self.counts.refusing == down
    }

    /// Whether a check of one of them failed, and the verdict is out.
    pub const fn any_doubtful(&self) -> bool {
        self.counts.doubtful > 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::observed::ContainerKey;

    fn state() -> impl Strategy<Value = TargetState> {
        let word = prop_oneof![
            Just(HealthWord::Healthy),
            Just(HealthWord::Unhealthy),
            Just(HealthWord::Error),
            Just(HealthWord::Unknown)
        ];
        (word, any::<bool>(), prop::option::of(0..9_i64)).prop_map(|(health, denied, early)| TargetState {
            health,
            denied,
            early_since: early.map(Nanos),
            ..TargetState::default()
        })
    }

    proptest! {
        /// Whatever comes, changes and goes, the counts are those of what is there.
        #[test]
        fn the_counts_are_those_of_the_targets(steps in prop::collection::vec((0..6_u8, prop::option::of(state())), 0..60)) {
            let mut targets = Targets::default();
            for (id, state) in steps {
                let target = ProbeTarget::Container(ContainerKey::new("e", id.to_string()));
                match state {
                    Some(state) if targets.contains_key(&target) => {
                        targets.update(&target, |known| *known = state);
                    }
                    Some(state) => targets.insert(target, state),
                    None => drop(targets.remove(&target)),
                }
                let mut fresh = Targets::default();
                targets.iter().for_each(|(target, state)| fresh.insert(target.clone(), state.clone()));
                prop_assert_eq!(&fresh, &targets);
                let all = |word| targets.iter().filter(|(_, state)| state.health == word).count();
                prop_assert_eq!(targets.count_of(HealthWord::Unhealthy), all(HealthWord::Unhealthy));
                prop_assert_eq!(targets.that_are(HealthWord::Error).count(), all(HealthWord::Error));
                let early = targets.iter().filter_map(|(_, state)| state.early_since).min();
                prop_assert_eq!(targets.early_since(), early);
            }
        }
    }
}
