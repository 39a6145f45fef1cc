//! What follows from what was seen.

/// What an answer means for its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Meaning {
    /// It is not as it should be, and a restart may mend that.
    Unhealthy,
    /// Nothing came from it, not even a refusal. It is as unhealthy as can be, unless nobody else answers either.
    Unanswered,
    /// It lives and refuses us: a login, a right, TLS, one client more. It is not as it should be, and no restart mends that.
    Denied,
    /// It lives, and says that it is too early to ask: a restart would make it begin anew.
    NotYet,
    /// Something on our side, or in how the probe is declared: it says nothing about the target and does not count.
    Fault,
}

impl Meaning {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Unhealthy, Self::Unanswered, Self::Denied, Self::NotYet, Self::Fault];

    /// What follows from it.
    pub const fn doc(self) -> &'static str {
        match self {
            Self::Unhealthy => {
                "the check failed; after `failureThreshold` failures in a row the service is unhealthy, and healed if a policy says so"
            }
            Self::Unanswered => {
                "as Unhealthy; but if no target outside Docker answers any more, it is our network (`NetworkLost`) and a Fault"
            }
            Self::Denied => {
                "the check failed; the service is unhealthy, and no container is restarted for it"
            }
            Self::NotYet => {
                "the check neither passes nor fails; the service is not ready, and no container is restarted unless \
                `triggers.notYet` of the AutohealPolicy sets a limit"
            }
            Self::Fault => {
                "the check neither passes nor fails; the service cannot be checked, and no container is restarted"
            }
        }
    }

    /// As the table has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unhealthy => "Unhealthy",
            Self::Unanswered => "Unanswered",
            Self::Denied => "Denied",
            Self::NotYet => "NotYet",
            Self::Fault => "Fault",
        }
    }
}
