//! What containers use, as last measured.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::observed::{ContainerKey, Usage};

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
