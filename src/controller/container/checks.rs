//! What a container's health word is worth, asked with each inspect; and the inspects that nobody's event asks for.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::reconciler::Reconciler;
use crate::controller::attachments::Attachment;
use crate::controller::work::Work;
use crate::observed::{Container, EventKind, Nanos, State};
use crate::reconcile::health::checks::{CheckMemory, fell_sick, look_due, observe};
use crate::reconcile::plan::Note;
use crate::resource::Duration;

/// Looks at many containers of one engine are spread over the interval of their checks, and over no more than this.
const SPREAD: Duration = Duration::from_secs(30);

impl Reconciler {
    /// Makes of the engine's word in `container`, which was just inspected, what it is worth.
    pub(super) fn observe_checks(
        &self,
        container: &mut Container,
        checks: &mut CheckMemory,
        attachment: &Attachment,
        work: &Work,
    ) -> Vec<Note> {
        let now = self.parts.world.engine_now(&container.key.engine);
        checks.resumed = checks.resumed.max(self.resumed(container, work, now));
        let (health, note) = observe(container, checks, attachment.contact, now);
        container.health = health;
        note.into_iter().chain(fell_sick(container, checks)).collect()
    }

    /// When the container went on after a pause: by the events, or because it was last seen paused.
    fn resumed(&self, container: &Container, work: &Work, now: Nanos) -> Option<Nanos> {
        let unpaused = work.events.iter().filter(|arrival| arrival.event.kind == EventKind::Unpause);
        let told = unpaused.map(|arrival| arrival.event.at).max();
        let was_paused = || {
            let seen = self.parts.world.read(|world| world.containers.get(&container.key).cloned());
            seen.is_some_and(|seen| seen.state == State::Paused && seen.started == container.started)
        };
        told.or_else(|| (container.state == State::Running && was_paused()).then_some(now))
    }

    /// When the container is to be inspected because nothing else would tell how its checks are.
    pub(super) fn next_look(
        &self,
        container: Option<&Container>,
        checks: &CheckMemory,
        attachment: Option<&Attachment>,
    ) -> Option<Nanos> {
        let (container, attachment) = container.zip(attachment)?;
        let now = self.parts.world.engine_now(&container.key.engine);
        look_due(container, checks, attachment.contact, now, spread(container))
    }
}

/// The same for the same container, anywhere between nothing and the interval of its checks.
fn spread(container: &Container) -> Duration {
    let most = container.health_check.map_or(SPREAD, |check| check.interval.min(SPREAD)).get();
    let mut hasher = DefaultHasher::new();
    container.key.hash(&mut hasher);
    let share = u128::from(hasher.finish() % 1_000);
    Duration::from_millis(u64::try_from(most.as_millis() * share / 1_000).unwrap_or(0))
}
