//! What could not be checked because it did not run: it counts as failed, or a service that is down looks perfect.

use std::ops::Range;
use std::time::Duration;

use super::prober::Prober;
use crate::locked::locked;
use crate::observed::{HealthWord, ProbeTarget, State};
use crate::resource::probe::ProbeSpec;

/// How often checks are counted that could not be made.
pub(super) const TICK: Duration = Duration::from_secs(5);

impl Prober {
    /// A container that does not run is not asked, and passes no check: as many as would have been due count as failed.
    pub(super) fn count_down(&self, elapsed: Range<u64>) {
        let (desired, now) = (self.parts.desired.load(), crate::clock::now());
        let mut counted = Vec::new();
        self.parts.world.read(|world| {
            let is_down = |target: &ProbeTarget| match target {
                ProbeTarget::Outside => false,
                ProbeTarget::Container(key) => {
                    let connected = world.is_connected(&key.engine);
                    let container = world.containers.get(key);
                    connected && container.is_some_and(|container| container.state != State::Running)
                }
            };
            for (name, service) in desired.services.iter().filter(|(_, service)| !service.suspended) {
                let due: u64 = service.asking().map(|(_, spec)| due(spec, &elapsed)).sum();
                if due == 0 {
                    continue;
                }
                let failed = self.parts.health_cache.with(name, |state| {
                    // What does not run is judged so: none of the others is looked at.
                    let unwell = state.targets.that_are(HealthWord::Unhealthy);
                    let down = unwell.filter(|(target, _)| is_down(target)).count();
                    let absent = usize::from(state.health == HealthWord::NotFound);
                    let failed = due.saturating_mul(u64::try_from(down.max(absent)).unwrap_or(0));
                    (0..failed).for_each(|_| state.rates.count(now, false));
                    failed
                });
                if failed > 0 {
                    counted.push(name.clone());
                }
            }
        });
        locked(&self.unsaved).extend(counted);
    }
}

/// How many checks are due within these seconds.
fn due(spec: &ProbeSpec, within: &Range<u64>) -> u64 {
    let period = u64::from(spec.period_seconds).max(1);
    (within.end / period).saturating_sub(within.start / period)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_checks_are_due_as_would_have_been_made() {
        let every = |period_seconds: u32| ProbeSpec { period_seconds, ..ProbeSpec::default() };
        for (period, within, expected) in
            [(1, 0..5, 5), (10, 0..5, 0), (10, 5..10, 1), (10, 10..15, 0), (3, 4..9, 2), (60, 0..3600, 60)]
        {
            assert_eq!(due(&every(period), &within), expected, "{period} s within {within:?}");
        }
    }
}
