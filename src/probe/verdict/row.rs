//! A row of the table.

use super::meaning::Meaning;
use super::pattern::Pattern;

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// What it covers.
    pub seen: Pattern,
    /// What that means.
    pub means: Meaning,
    /// What the answer says, in our words: reasons repeat it.
    pub says: &'static str,
    /// What a restart would do, or whose trouble it is.
    pub why: &'static str,
    /// The tests that show it, below `integration`.
    pub shown_by: &'static [&'static str],
}
