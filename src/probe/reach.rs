//! Whether it is our own network that fails, and not everybody we ask. Pure.
//!
//! One host that does not answer is that host's affair. When all of several hosts that did answer fall silent, the one thing
//! they have in common is on our side: what follows from silence then says nothing about any of them.

use std::collections::BTreeMap;

use crate::observed::Nanos;
use crate::resource::Duration;

/// So many hosts must have answered before their common silence means anything.
const WITNESSES: usize = 3;
/// A host that nobody has asked for so long is no witness any more.
const MEMORY: Duration = Duration::from_secs(15 * 60);

/// What was heard of hosts beyond this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Those that answered once: when they were asked last, and whether they answered then.
    hosts: BTreeMap<String, (Nanos, bool)>,
}

impl Reach {
    /// A host was asked and answered, or nothing came from it. Anything counts as an answer: it was reached.
    pub fn take_in(&mut self, host: &str, answered: bool, now: Nanos) {
        self.hosts.retain(|_, (at, _)| now.since(*at) <= MEMORY.as_nanos());
        match self.hosts.get_mut(host) {
            Some(known) => *known = (now, answered),
            // One that never answered may not even exist.
            None if answered => drop(self.hosts.insert(host.to_owned(), (now, true))),
            None => {}
        }
    }

    /// Whether nobody answers any more.
    pub fn is_lost(&self) -> bool {
        self.hosts.len() >= WITNESSES && self.hosts.values().all(|(_, answered)| !answered)
    }
}

/// Whether a host is beyond this machine, as far as its name tells: one that is not says nothing about the network.
pub fn is_beyond(host: &str) -> bool {
    match host.parse::<std::net::IpAddr>() {
        Ok(address) => !address.is_loopback() && !address.is_unspecified(),
        Err(_) => host != "localhost" && !host.ends_with(".localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a+` answers, `a-` does not, a second apart; `is_lost` after each.
    fn lost(story: &str) -> String {
        let mut reach = Reach::default();
        let told = story.split(' ').enumerate().map(|(second, word)| {
            let (host, answered) = word.split_at(word.len() - 1);
            let now = Nanos(i64::try_from(second).expect("small") * 1_000_000_000);
            reach.take_in(host, answered == "+", now);
            if reach.is_lost() { '!' } else { '.' }
        });
        told.collect()
    }

    #[test]
    fn it_is_ours_when_all_who_answered_fall_silent() {
        assert_eq!(lost("a+ b+ c+ a- b- c-"), ".....!");
        assert_eq!(lost("a+ b+ c+ a- b- c- a- b+ c-"), ".....!!..");
    }

    #[test]
    fn few_witnesses_prove_nothing_and_one_answer_proves_the_contrary() {
        assert_eq!(lost("a+ b+ a- b-"), "....");
        assert_eq!(lost("a+ b+ c+ d+ a- b- c- a- b-"), ".........");
        // Those that never answered are no witnesses.
        assert_eq!(lost("a- b- c- d-"), "....");
        assert_eq!(lost("a+ b+ c- d- a- b-"), "......");
    }

    #[test]
    fn who_is_not_asked_any_more_is_forgotten() {
        let at = |minutes: i64| Nanos(minutes * 60 * 1_000_000_000);
        let mut reach = Reach::default();
        ["a", "b", "c"].iter().for_each(|host| reach.take_in(host, true, at(0)));
        ["b", "c"].iter().for_each(|host| reach.take_in(host, true, at(14)));
        ["b", "c"].iter().for_each(|host| reach.take_in(host, false, at(16)));
        assert!(!reach.is_lost(), "two are left");
    }

    #[test]
    fn what_is_on_this_machine_is_no_witness() {
        for (host, beyond) in [
            ("127.0.0.3", false),
            ("::1", false),
            ("localhost", false),
            ("db.localhost", false),
            ("10.0.0.7", true),
            ("db.internal", true),
        ] {
            assert_eq!(is_beyond(host), beyond, "{host}");
        }
    }
}
