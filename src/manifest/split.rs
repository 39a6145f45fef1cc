//! Text → lines → documents, as the YAML parser counts them.
//!
//! Documents are cut apart before they are parsed, so that a syntax error in one leaves the others readable. A line
//! that starts with `---` or `...` ends a document wherever it stands (YAML 1.2, §9.1.2), so cutting needs no parsing.

/// One document of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Document<'a> {
    pub(super) text: &'a str,
    /// How many lines of the file come before it.
    pub(super) lines_before: usize,
}

/// The lines of a text, each without its end. Besides LF, CR and CRLF the parser counts NEL, LS and PS as line ends.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    spans(text).map(|(start, end, _)| &text[start..end])
}

/// Start, end and start of the next line, in bytes.
fn spans(text: &str) -> impl Iterator<Item = (usize, usize, usize)> {
    let mut next = Some(0);
    std::iter::from_fn(move || {
        let start = next?;
        let found = text[start..].char_indices().find(|(_, c)| is_break(*c));
        let Some((offset, c)) = found else {
            next = None;
            return Some((start, text.len(), text.len()));
        };
        let end = start + offset;
        let after = end + if text[end..].starts_with("\r\n") { 2 } else { c.len_utf8() };
        next = Some(after);
        Some((start, end, after))
    })
}

pub(super) const fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// The documents of a text; those that hold nothing but comments are left out.
pub(super) fn documents(text: &str) -> Vec<Document<'_>> {
    let mut documents = Vec::new();
    let (mut start, mut lines_before, mut filled) = (0, 0, false);
    for (number, (line_start, line_end, next)) in spans(text).enumerate() {
        let line = &text[line_start..line_end];
        let marker = |mark: &str| {
            line.strip_prefix(mark).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
        };
        if marker("---") {
            if filled {
                documents.push(Document { text: &text[start..line_start], lines_before });
            }
            // A directive (`%YAML 1.2`) belongs to the marker after it.
            if filled || !text[start..line_start].starts_with('%') {
                (start, lines_before) = (line_start, number);
            }
            filled = has_content(&line[3..]);
        } else if marker("...") {
            if filled {
                documents.push(Document { text: &text[start..line_start], lines_before });
            }
            (start, lines_before, filled) = (next, number + 1, false);
        } else if !line.starts_with('%') || filled {
            filled |= has_content(line);
        }
    }
    if filled {
        documents.push(Document { text: &text[start..], lines_before });
    }
    documents
}

fn has_content(line: &str) -> bool {
    let line = line.trim_matches([' ', '\t', '\u{feff}']);
    !line.is_empty() && !line.starts_with('#')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_cut_at_markers_and_know_their_first_line() {
        let texts = |text| documents(text).iter().map(|d| (d.lines_before, d.text)).collect::<Vec<_>>();
        assert_eq!(texts("a: 1\n"), [(0, "a: 1\n")]);
        assert_eq!(texts("# only\n---\n\n# this\n"), []);
        assert_eq!(texts("a: 1\n---\nb: 2\n"), [(0, "a: 1\n"), (1, "---\nb: 2\n")]);
        assert_eq!(
            texts("---\r\na: 1\r\n--- # second\r\nb: 2"),
            [(0, "---\r\na: 1\r\n"), (2, "--- # second\r\nb: 2")]
        );
        assert_eq!(texts("a: 1\n...\nb: 2\n"), [(0, "a: 1\n"), (2, "b: 2\n")]);
        assert_eq!(texts("%YAML 1.2\n---\na: 1\n"), [(0, "%YAML 1.2\n---\na: 1\n")]);
        assert_eq!(texts("--- {a: 1}\n---x: 1\n"), [(0, "--- {a: 1}\n---x: 1\n")]);
    }

    #[test]
    fn lines_end_where_the_parser_says() {
        let all: Vec<_> = lines("a\nb\r\nc\rd\u{2028}e\u{85}f").collect();
        assert_eq!(all, ["a", "b", "c", "d", "e", "f"]);
        assert_eq!(lines("").collect::<Vec<_>>(), [""]);
    }
}
