//! `portreeve explain verdicts`: the table that says what each answer to a probe means, for people.

use crate::cli::Exit;
use crate::cli::face::Face;
use crate::probe::{Meaning, verdict};

/// No line is longer, but for a word that is.
const WIDTH: usize = 110;
/// What a row means stands before the rest of it.
const INDENT: usize = 14;

/// What follows from each meaning, and the rows, by protocol: what is seen, what it says and why it means that, and the tests
/// that show it.
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
        let tests = match row.tests() {
            none if none.is_empty() => "shown by no test yet".to_owned(),
            tests => format!("shown by {tests}"),
        };
        item(face, row.means.as_str(), [seen, why, tests])?;
    }
    Ok(Exit::Fine)
}

/// A word, and beside it these texts below each other.
fn item(face: &mut Face<'_>, word: &str, texts: impl IntoIterator<Item = String>) -> std::io::Result<()> {
    let lines = texts.into_iter().flat_map(|text| wrapped(&text, WIDTH - INDENT));
    lines.enumerate().try_for_each(|(n, line)| {
        let word = if n == 0 { word } else { "" };
        writeln!(face.out, "  {word:<width$}{line}", width = INDENT - 2)
    })
}

/// The words of `text`, on lines of at most `width` letters.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let Some(last) = lines.last_mut() else { continue };
        let length = last.chars().count();
        if length > 0 && length + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
            continue;
        }
        if length > 0 {
            last.push(' ');
        }
        last.push_str(word);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tests::Streams;

    #[test]
    fn each_row_is_there_with_its_tests_and_no_line_runs_away() {
        let mut streams = Streams::default();
        show(&mut streams.face()).expect("text");
        let text = streams.both();
        let row = "
Redis
  NotYet      LOADING
              it reads its data into memory: a restart would make it begin anew
              shown by probes::verdicts::redis::a_server_that_reads_its_data_is_asked_too_early
";
        assert!(text.contains(row), "{text}");
        for row in verdict::rows() {
            assert!(row.shown_by.iter().all(|test| text.contains(test)), "{text}");
        }
        for line in text.lines() {
            assert!(line.len() <= 140, "{line}");
        }
        let items = text.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
        assert_eq!(items.count(), Meaning::ALL.len() + verdict::rows().count());
    }

    #[test]
    fn words_are_not_cut() {
        assert_eq!(wrapped("a bc def", 4), ["a bc", "def"]);
        assert_eq!(wrapped("abcdef g", 4), ["abcdef", "g"]);
        assert_eq!(wrapped("", 4), [""]);
    }
}
