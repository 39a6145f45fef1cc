//! Which calls fail, and how. Seeded: the same call fails the same way in every run, whatever else goes on at
//! the same time, and its next attempt draws anew.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::contract::Request;

/// A way to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection is reset; nothing was done.
    ResetBefore,
    /// It was done, and then the connection is reset.
    ResetAfter,
    /// It was done, and no answer ever comes.
    HangAfter,
    Error500,
    Conflict409,
    /// With `Retry-After`.
    Busy429,
}

impl Fault {
    /// Whether the call was done all the same.
    pub fn commits(self) -> bool {
        match self {
            Self::ResetAfter | Self::HangAfter => true,
            Self::ResetBefore | Self::Error500 | Self::Conflict409 | Self::Busy429 => false,
        }
    }
}

/// Fractions of all calls, each from 0 to 1, together at most 1.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    pub seed: u64,
    pub reset_before: f64,
    pub reset_after: f64,
    pub hang_after: f64,
    pub error_500: f64,
    pub conflict_409: f64,
    pub busy_429: f64,
    /// What a 429 says, in seconds.
    pub retry_after: u32,
}

impl Faults {
    /// A third of the calls: reset, done then reset, 500.
    pub fn third(seed: u64) -> Self {
        let each = 1.0 / 9.0;
        Self { seed, reset_before: each, reset_after: each, error_500: each, ..Self::default() }
    }

    /// Half of the calls, in every way there is. A hanging call costs its caller 5 s, so these are few.
    pub fn half(seed: u64) -> Self {
        Self {
            seed,
            reset_before: 0.12,
            reset_after: 0.12,
            hang_after: 0.02,
            error_500: 0.1,
            conflict_409: 0.07,
            busy_429: 0.07,
            retry_after: 1,
        }
    }
}

/// Faults and how often each call was seen.
#[derive(Debug, Default)]
pub struct Draws {
    faults: Faults,
    attempts: BTreeMap<u64, u64>,
}

impl Draws {
    pub fn new(faults: Faults) -> Self {
        Self { faults, attempts: BTreeMap::new() }
    }

    /// What a 429 says, in seconds.
    pub fn retry_after(&self) -> u32 {
        self.faults.retry_after
    }

    /// How this attempt of this call fails, if it does.
    pub fn draw(&mut self, request: &Request) -> Option<Fault> {
        let mut call = DefaultHasher::new();
        (self.faults.seed, &request.method, &request.path, &request.body, &request.key).hash(&mut call);
        let attempt = self.attempts.entry(call.finish()).or_default();
        *attempt += 1;
        attempt.hash(&mut call);
        #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
        let mut point = (call.finish() >> 11) as f64 / (1_u64 << 53) as f64;

        let faults = &self.faults;
        let table = [
            (Fault::ResetBefore, faults.reset_before),
            (Fault::ResetAfter, faults.reset_after),
            (Fault::HangAfter, faults.hang_after),
            (Fault::Error500, faults.error_500),
            (Fault::Conflict409, faults.conflict_409),
            (Fault::Busy429, faults.busy_429),
        ];
        for (fault, fraction) in table {
            if point < fraction {
                return Some(fault);
            }
            point -= fraction;
        }
        None
    }
}
