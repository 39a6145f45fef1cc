//! Deliveries as people see them: bills and discovery cells, waiting, parked or done.

use super::{LaneKey, LaneSubject};
use crate::observed::Nanos;
use crate::resource::ObjectKey;

/// What kind of target a delivery is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeliveryKind {
    /// A bill for a BillingService.
    Bill,
    /// The state a DiscoveryRegistry should hold of a container.
    Cell,
}

/// How far a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeliveryState {
    /// It is sent now or when its time comes.
    Pending,
    /// Its lane was refused permanently and waits for a decision.
    Parked,
    /// The target took it.
    Delivered,
    /// It was skipped by hand.
    Skipped,
}

impl DeliveryState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Parked, Self::Delivered, Self::Skipped];

    /// The word shown and asked for.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Parked => "parked",
            Self::Delivered => "delivered",
            Self::Skipped => "skipped",
        }
    }

    /// Whether something is still to be done.
    pub const fn is_open(self) -> bool {
        match self {
            Self::Pending | Self::Parked => true,
            Self::Delivered | Self::Skipped => false,
        }
    }
}

/// One delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Bill or cell.
    pub kind: DeliveryKind,
    /// Place in the outbox; 0 for cells.
    pub seq: i64,
    /// The BillingService or DiscoveryRegistry.
    pub target: ObjectKey,
    /// What it is about.
    pub subject: LaneSubject,
    /// The container's name, if it is still known.
    pub container_name: Option<String>,
    /// The `Idempotency-Key` of a bill.
    pub event_id: Option<String>,
    /// `started`, `stopped`, … of a bill; the wanted state of a cell.
    pub event: String,
    /// How far it is.
    pub state: DeliveryState,
    /// The parked bill behind which it waits: it has never been sent.
    pub behind: Option<i64>,
    /// Failures in a row of its lane or cell, if it is the first in it.
    pub attempts: u32,
    /// When it is tried next; `None`: as soon as what is before it is done, or never.
    pub next_attempt: Option<Nanos>,
    /// What went wrong last, if it is the first in its lane.
    pub last_error: Option<String>,
    /// When it was enqueued.
    pub created: Nanos,
    /// When it was taken, or passed over.
    pub done: Option<Nanos>,
    /// Why it was passed over.
    pub skipped: Option<String>,
}

impl Delivery {
    /// Its lane or cell.
    pub fn lane(&self) -> LaneKey {
        LaneKey { target: self.target.clone(), subject: self.subject.clone() }
    }

    /// Its place in the list.
    pub fn place(&self) -> DeliveryPlace {
        match self.kind {
            DeliveryKind::Cell => {
                DeliveryPlace::Cell { registry: self.target.name.clone(), subject: self.subject.clone() }
            }
            DeliveryKind::Bill => DeliveryPlace::Bill { seq: self.seq },
        }
    }
}

/// Where a delivery stands in the list of all. What comes and goes meanwhile shifts nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryPlace {
    /// Cells come first, by registry and container.
    Cell {
        /// DiscoveryRegistry.
        registry: String,
        /// What it is about.
        subject: LaneSubject,
    },
    /// Then bills, newest first.
    Bill {
        /// Place in the outbox.
        seq: i64,
    },
}

/// Which deliveries are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// Only for targets of this name.
    pub target: Option<String>,
    /// Only for the container with this name, id or beginning of an id.
    pub container: Option<String>,
    /// Only in this state.
    pub state: Option<DeliveryState>,
    /// Only the bill in this place of the outbox.
    pub seq: Option<i64>,
    /// Only what comes after this.
    pub after: Option<DeliveryPlace>,
    /// At most so many.
    pub limit: u32,
}
