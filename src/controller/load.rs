//! What containers use, as last measured.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::observed::{ContainerKey, Usage};

/// Measurements on their way at once, whoever asks. An engine that does not know `one-shot` takes a second or two over each,
/// and nearly nothing of it: `docker stats` asks for all at once.
pub(super) const AT_ONCE: usize = 64;

/// A measurement and what the one before it adds.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// What was measured last.
    pub usage: Usage,
    /// CPU time per time since the measurement before, in percent of one core.
    pub cpu_percent: Option<f64>,
}

/// What the last scrape measured.
pub(super) type Loads = Mutex<BTreeMap<ContainerKey, Load>>;
