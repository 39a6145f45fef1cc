//! How many containers there are and how they are, counted in one way: `status`, `top` and `/metrics` all show this count.

use super::{Container, Health, State};

/// What is counted of one container. `None`: a word that is not known here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Its state.
    pub state: Option<State>,
    /// What its health check says.
    pub health: Option<Health>,
    /// Restarts by Portreeve.
    pub restarts: u64,
    /// Whether a policy selects it.
    pub monitored: bool,
    /// Whether it is in quarantine.
    pub quarantined: bool,
}

/// Containers, and how many of them are how. One that is down keeps the word of its last health check; it does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Those that exist.
    pub total: usize,
    /// A run is open: running or paused.
    pub running: usize,
    /// Of the running ones, those that are paused.
    pub paused: usize,
    /// Running, and not known to be unhealthy.
    pub healthy: usize,
    /// Running, and their health check fails.
    pub unhealthy: usize,
    /// Running, and the engine makes none of their health checks any more.
    pub silent: usize,
    /// A policy selects them.
    pub monitored: usize,
    /// In quarantine.
    pub quarantined: usize,
    /// Restarts by Portreeve, of all together.
    pub restarts: u64,
}

impl Counted {
    /// The engine's word for the state and that of the health check, as the API has them.
    #[must_use]
    pub fn in_words(state: Option<&str>, health: Option<&str>) -> Self {
        Self { state: state.and_then(word), health: health.and_then(word), ..Self::default() }
    }

    /// Whether a run is open.
    pub fn is_up(&self) -> bool {
        self.state.is_some_and(State::is_up)
    }

    /// Whether it runs and its health check fails.
    pub fn is_unhealthy(&self) -> bool {
        self.is_up() && self.health == Some(Health::Unhealthy)
    }

    /// Whether it runs and nobody knows how it is: the engine has stopped to make its health checks.
    pub fn is_silent(&self) -> bool {
        self.is_up() && self.health == Some(Health::Silent)
    }

    /// Whether it runs and is not known to be unhealthy.
    pub fn is_healthy(&self) -> bool {
        self.is_up() && !self.is_unhealthy() && !self.is_silent()
    }
}

impl From<&Container> for Counted {
    /// As far as an inspect tells.
    fn from(container: &Container) -> Self {
        Self { state: Some(container.state), health: container.health, ..Self::default() }
    }
}

impl FromIterator<Counted> for Tally {
    fn from_iter<I: IntoIterator<Item = Counted>>(counted: I) -> Self {
        let mut tally = Self::default();
        for one in counted {
            tally.total += 1;
            tally.running += usize::from(one.is_up());
            tally.paused += usize::from(one.state == Some(State::Paused));
            tally.healthy += usize::from(one.is_healthy());
            tally.unhealthy += usize::from(one.is_unhealthy());
            tally.silent += usize::from(one.is_silent());
            tally.monitored += usize::from(one.monitored);
            tally.quarantined += usize::from(one.quarantined);
            tally.restarts = tally.restarts.saturating_add(one.restarts);
        }
        tally
    }
}

/// A word of the engine's.
fn word<T: serde::de::DeserializeOwned>(text: &str) -> Option<T> {
    use serde::de::IntoDeserializer;
    use serde::de::value::{Error, StrDeserializer};
    let text: StrDeserializer<'_, Error> = text.into_deserializer();
    T::deserialize(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_down_is_neither_healthy_nor_unhealthy_and_a_paused_one_counts_as_running() {
        let of = |state, health| Counted::in_words(Some(state), health);
        let mut web = of("running", Some("unhealthy"));
        (web.restarts, web.monitored, web.quarantined) = (3, true, true);
        let counted = [
            web,
            of("running", None),
            of("running", Some("starting")),
            of("running", Some("silent")),
            of("paused", Some("unhealthy")),
            of("exited", Some("unhealthy")),
            of("restarting", None),
            of("a word of tomorrow", Some("another")),
        ];
        let expected = Tally {
            total: 8,
            running: 5,
            paused: 1,
            healthy: 2,
            unhealthy: 2,
            silent: 1,
            monitored: 1,
            quarantined: 1,
            restarts: 3,
        };
        assert_eq!(counted.into_iter().collect::<Tally>(), expected);
    }
}
