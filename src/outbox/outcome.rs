//! What is due, and what came of working on it.

use crate::store::{LaneSubject, Settlement};

/// What came of working on one lane or cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// Everything in hand was taken.
    Delivered,
    /// It has to wait, or is parked.
    Failed,
    /// Nothing was begun: it is not the time.
    NotBegun,
    /// What came of the call could not be stored, and why. It is stored before anything else is sent: a store that
    /// fails must not make the same call again and again.
    Unrecorded(Settlement, String),
}

/// The key and due time by which queues are told apart; re-exported for implementors of [`super::Queue`].
pub type Due<T> = Vec<(LaneSubject, T)>;
