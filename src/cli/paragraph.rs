//! Text that goes on below, to the right of where it began, where a terminal has no room for it on one line.

use std::io::{self, Write};

use super::table::Tone;
use super::text::wrapped;

/// Text is not broken into narrower lines, however narrow the terminal is.
const LEAST: usize = 12;

/// Prints `text`, each line of it with `indent` before it, in at most `width` columns; what goes on below stands to the right
/// of where it began by `hang`.
pub(super) fn paragraph(
    out: &mut dyn Write,
    text: &str,
    tone: Tone,
    (indent, hang): (usize, usize),
    width: Option<usize>,
) -> io::Result<()> {
    let Some(width) = width else { return writeln!(out, "{:indent$}{}", "", tone.paint(text)) };
    let room = width.saturating_sub(indent + hang).max(LEAST);
    // The first line has the room that the others are indented by.
    let mut lines = wrapped(text, width.saturating_sub(indent).max(LEAST)).into_iter();
    let Some(first) = lines.next() else { return Ok(()) };
    writeln!(out, "{:indent$}{}", "", tone.paint(&first))?;
    let rest = text.get(first.len()..).unwrap_or_default().trim_start_matches(' ');
    if rest.is_empty() {
        return Ok(());
    }
    let indent = indent + hang;
    wrapped(rest, room).iter().try_for_each(|line| writeln!(out, "{:indent$}{}", "", tone.paint(line)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paragraph_goes_on_to_the_right_of_where_it_began() {
        let shown = |width| {
            let mut out = Vec::new();
            paragraph(&mut out, "one two three four five", Tone::Plain, (2, 4), width).expect("output");
            String::from_utf8(out).expect("text")
        };
        assert_eq!(shown(None), "  one two three four five\n");
        assert_eq!(shown(Some(18)), "  one two three\n      four five\n");
    }
}
