//! How people name a container: by its name, or by the beginning of its id. Each is found by an index of its own.

use crate::store::EventFilter;

/// One of the two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named<'f> {
    /// By its name.
    Name(&'f str),
    /// By the beginning of its id.
    Id(&'f str),
}

/// Every way in which what is asked for may name a container; if nothing is, one that names none.
pub(super) fn ways(asked: Option<&str>) -> Vec<Option<Named<'_>>> {
    let Some(asked) = asked else { return vec![None] };
    let by_id = EventFilter::names_ids(asked).then_some(Some(Named::Id(asked)));
    std::iter::once(Some(Named::Name(asked))).chain(by_id).collect()
}

/// What comes after everything that begins with `prefix`.
pub(super) fn beyond(prefix: &str) -> String {
    format!("{prefix}\u{10ffff}")
}
