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
mod meaning;
mod messaging;
mod pattern;
mod print;
mod requests;
mod row;
mod there;
mod words;

pub use cause::{Cause, Here, There};
pub use meaning::Meaning;
pub use pattern::Pattern;
pub use print::markdown;
pub use row::Row;
pub(super) use words::rcode;

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
