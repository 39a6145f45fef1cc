//! Which containers' rows may show something else than before: the last changes, so that whoever watches looks at those
//! containers and no others.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::observed::{Container, ContainerKey};

/// Something that may show in the rows of containers.
#[derive(Clone, Debug, PartialEq)]
pub enum RowChange {
    /// A container is seen that was not known.
    Came(ContainerKey),
    /// Something else is seen, decided or remembered of it.
    Changed(ContainerKey),
    /// It is gone; this was last seen of it.
    Gone(Arc<Container>),
    /// Something else is declared: it may show in every row, and whoever watches compares all of them, once for each time.
    Everything,
}

/// What has changed since a revision, in order, each with the revision of the world that it made.
pub type RowChanges = Vec<(u64, RowChange)>;

/// Why what has changed since cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangesMissed {
    /// Normal after a restart: each process counts its changes for itself.
    #[error("it is not an id of this run of Portreeve")]
    Unknown,
    /// Nobody was given that id.
    #[error("it is the id of a state that is still to come")]
    Future,
    /// Normal after a long absence.
    #[error("not all changes since then are kept")]
    Outrun,
}

/// The last changes, each with the revision of the world that it made.
#[derive(Debug)]
pub(super) struct ChangeRing {
    most: usize,
    kept: VecDeque<(u64, RowChange)>,
    /// The revision of the last change that is not kept any more.
    forgotten: u64,
}

impl ChangeRing {
    /// One that keeps so many.
    pub(super) fn new(most: usize) -> Self {
        Self { most, kept: VecDeque::new(), forgotten: 0 }
    }

    /// Revisions never fall.
    pub(super) fn add(&mut self, revision: u64, change: RowChange) {
        // What is decided of a container that was just seen changes the same row.
        if let Some((last, same)) = self.kept.back_mut()
            && matches!(change, RowChange::Changed(_) | RowChange::Everything)
            && *same == change
        {
            *last = revision;
            return;
        }
        if self.kept.len() >= self.most
            && let Some((revision, _)) = self.kept.pop_front()
        {
            self.forgotten = revision;
        }
        self.kept.push_back((revision, change));
    }

    /// All changes after `revision`, in order.
    pub(super) fn since(&self, revision: u64) -> Result<RowChanges, ChangesMissed> {
        if revision < self.forgotten {
            return Err(ChangesMissed::Outrun);
        }
        let from = self.kept.partition_point(|(of, _)| *of <= revision);
        Ok(self.kept.range(from..).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(id: &str) -> RowChange {
        RowChange::Changed(ContainerKey::new("local", id))
    }

    #[test]
    fn what_changed_since_a_revision_is_told_in_order_as_long_as_it_is_kept() {
        let mut ring = ChangeRing::new(3);
        assert_eq!(ring.since(0), Ok(Vec::new()));
        for (revision, id) in [(3, "a"), (5, "b"), (6, "a")] {
            ring.add(revision, changed(id));
        }
        assert_eq!(ring.since(0).map(|all| all.len()), Ok(3));
        assert_eq!(ring.since(4), Ok(vec![(5, changed("b")), (6, changed("a"))]));
        assert_eq!(ring.since(6), Ok(Vec::new()));
        ring.add(9, RowChange::Everything);
        assert_eq!(ring.since(2), Err(ChangesMissed::Outrun));
        let kept = vec![(5, changed("b")), (6, changed("a")), (9, RowChange::Everything)];
        assert_eq!(ring.since(3), Ok(kept), "what was forgotten is not after 3");
    }

    #[test]
    fn a_change_that_comes_again_at_once_takes_no_second_place() {
        let mut ring = ChangeRing::new(2);
        for revision in 1..=9 {
            ring.add(revision, changed("a"));
        }
        assert_eq!(ring.since(8), Ok(vec![(9, changed("a"))]));
        assert_eq!(ring.since(0), Ok(vec![(9, changed("a"))]));
    }
}
