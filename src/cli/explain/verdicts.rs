//! `portreeve explain verdicts`: the table that says what each answer to a probe means, for people.

use crate::cli::Exit;
use crate::cli::face::Face;
use crate::cli::text::wrapped;
use crate::probe::{Meaning, verdict};

/// No line is longer, on a terminal that is wider neither.
const WIDTH: usize = 110;
/// Where there is no terminal.
const USUAL: usize = 80;
/// What a row means stands before the rest of it.
const INDENT: usize = 14;

/// What follows from each meaning, and the rows, by protocol: what is seen, what it says and why it means that.
pub(super) fn show(face: &mut Face<'_>) -> anyhow::Result<Exit> {
    writeln!(face.out, "what it means")?;
    for meaning in Meaning::ALL {
        item(face, meaning.as_str(), [meaning.doc().to_owned()])?;
    }
    let mut of = "";
    for row in verdict::rows() {
        if of != row.seen.of() {
            of = row.seen.of();
            writeln!(face.out, "\n{of}")?;
        }
        let (seen, why) = (row.seen.to_string(), format!("{}: {}", row.says, row.why));
        item(face, row.means.as_str(), [seen, why])?;
    }
    Ok(Exit::Fine)
}

/// A word, and beside it these texts below each other.
fn item(face: &mut Face<'_>, word: &str, texts: impl IntoIterator<Item = String>) -> std::io::Result<()> {
    let width = face.width.unwrap_or(USUAL).clamp(2 * INDENT, WIDTH) - INDENT;
    let lines = texts.into_iter().flat_map(|text| wrapped(&text, width));
    lines.enumerate().try_for_each(|(n, line)| {
        let word = if n == 0 { word } else { "" };
        writeln!(face.out, "  {word:<width$}{line}", width = INDENT - 2)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tests::Streams;

    #[test]
    fn each_row_is_there_and_no_line_is_longer_than_the_terminal() {
        for (width, most) in [(None, 80), (Some(60), 60), (Some(80), 80), (Some(300), 110)] {
            let mut streams = Streams::default();
            let mut face = streams.face();
            face.width = width;
            show(&mut face).expect("text");
            let text = streams.both();
            let row = "
Redis
  NotYet      LOADING
              it is loading its data into memory: ";
            assert!(text.contains(row), "{text}");
            // Whoever reads it has no tests to look at.
            assert!(!text.contains("shown by") && !text.contains("::"), "{text}");
            for line in text.lines() {
                assert!(line.chars().count() <= most, "{line}");
            }
            let items = text.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
            assert_eq!(items.count(), Meaning::ALL.len() + verdict::rows().count());
        }
    }
}
