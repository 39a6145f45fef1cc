//! Fields and small tables, as everything described here has them.

use std::io;

use serde_json::Value;

use crate::cli::face::Face;
use crate::cli::get::columns::Columns;
use crate::cli::noun::Noun;
use crate::cli::paragraph::paragraph;
use crate::cli::table::{Cell, Table, Tone};
use crate::cli::text::{instant, plain, relative, scalar};
use crate::observed::Nanos;

/// One field and its value, aligned with the others; a long value goes on below.
pub(super) fn field(face: &mut Face<'_>, name: &str, value: &str) -> io::Result<()> {
    let value = if value.is_empty() { "-" } else { value };
    let line = format!("{:<14}{value}", format!("{name}:"));
    // Colours take no room, and what has one is a word.
    let width = face.width.filter(|_| !value.contains('\u{1b}'));
    paragraph(face.out, &line, Tone::Plain, (0, 14), width)
}

/// A map, one pair a line.
pub(super) fn fields(face: &mut Face<'_>, name: &str, item: &Value, pointer: &str) -> io::Result<()> {
    let map = item.pointer(pointer).and_then(Value::as_object).filter(|map| !map.is_empty());
    let Some(map) = map else { return Ok(()) };
    for (place, (key, value)) in map.iter().enumerate() {
        let name = if place == 0 { format!("{name}:") } else { String::new() };
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let line = format!("{name:<14}{}", plain(&format!("{key}={text}")));
        paragraph(face.out, &line, Tone::Plain, (0, 14), face.width)?;
    }
    Ok(())
}

/// `2025-08-19T07:17:22Z (3h ago)`.
pub(super) fn time(item: &Value, pointer: &str, now: Nanos) -> String {
    let Some(text) = scalar(item, pointer) else { return String::new() };
    match instant(&text) {
        Some(at) => format!("{text} ({})", relative(at, now)),
        None => text,
    }
}

/// Containers with what matters of them here.
pub(super) fn containers<'v>(of: impl Iterator<Item = &'v Value>) -> Table {
    let mut table = Table::new(["NAME", "STATE", "HEALTH", "BLOCKED"]);
    let columns = Columns::of(Noun::Containers, false);
    for item in of {
        let row = columns.row(item, Nanos(0));
        table.row([0, 1, 2, 5].into_iter().filter_map(|place| row.get(place).cloned()).collect());
    }
    table
}

/// A yes that is good, a no that is not interesting.
pub(super) fn told(yes: bool, word: &str) -> Cell {
    if yes { Cell::new(word, Tone::Good) } else { Cell::new("no", Tone::Dim) }
}
