//! Figures as they are shown.

use crate::cli::table::Cell;
use crate::cli::text::bytes;

/// Of one CPU, as `docker stats` counts: four that are busy make 400%.
pub(super) fn percent(percent: Option<f64>) -> String {
    percent.map_or_else(|| "-".to_owned(), |percent| format!("{percent:.1}%"))
}

pub(super) fn memory(bytes_used: Option<u64>) -> Cell {
    bytes_used.map_or_else(String::new, bytes).into()
}
