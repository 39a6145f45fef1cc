//! What an answer means: one table, and the only place where anything seen of a target is judged. Pure.
//!
//! A protocol says what it saw, as a [`Cause`], and in words; the first row that covers the cause says what that means. The
//! question behind each row is what a restart would do: one that would mend nothing, or would make it begin anew, is
//! not to follow from a row. What nobody has thought of is the last row of its protocol.
//!
//! The table, as `portreeve explain verdicts` prints it:
#![doc = include_str!("verdict/table.md")]

mod cause;
mod databases;
mod here;
mod messaging;
mod print;
mod requests;
mod there;

pub(super) use cause::rcode;
pub use cause::{Cause, Here, Seen, There};
pub use print::markdown;

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

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// What it covers.
    pub seen: Seen,
    /// What that means.
    pub means: Meaning,
    /// What the answer says, in our words: reasons repeat it.
    pub says: &'static str,
    /// What a restart would do, or whose trouble it is.
    pub why: &'static str,
    /// The tests that show it, below `integration`.
    pub shown_by: &'static [&'static str],
}

/// The rows, in the order in which they are looked at.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    let parts = [here::ROWS, there::ROWS, databases::ROWS, messaging::ROWS, requests::ROWS];
    parts.into_iter().flatten()
}

/// The row that covers `cause`. The last row of each protocol covers all of it, so one does.
pub fn row(cause: &Cause) -> &'static Row {
    rows().find(|row| row.seen.covers(cause)).unwrap_or(&there::LAST)
}

/// What `cause` means.
pub fn meaning(cause: &Cause) -> Meaning {
    row(cause).means
}

#[cfg(test)]
mod tests;
