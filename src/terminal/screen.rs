//! A stream to a terminal that passes text, line breaks, tabs and our own colours.

use std::io::{self, Write};

use super::hidden::{is_hidden, push};

/// What sets a colour here and ends it again, as `ESC [ n m`: plain, bold, dim, underlined, and letters in all colours but
/// black. Nothing that hides or blinks is among it.
const COLOURS: [&str; 16] =
    ["0", "1", "2", "3", "4", "31", "32", "33", "34", "35", "36", "91", "92", "93", "94", "96"];

/// Writes out what a terminal would obey or hide, but for our colours.
///
/// A colour counts where it is written at once, as all that make them do. Bytes that are no text are shown as such
/// (U+FFFD): `0x9B` alone is a control sequence to some terminals.
#[derive(Debug)]
pub struct Screen<W>(W);

impl<W: Write> Screen<W> {
    /// A screen before `stream`, which may strip the colours where none are wanted.
    pub const fn new(stream: W) -> Self {
        Self(stream)
    }

    /// What is written to.
    pub const fn inner(&self) -> &W {
        &self.0
    }
}

impl<W: Write> Write for Screen<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_all(shown(&String::from_utf8_lossy(bytes), true).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// `text` as it may be written; `coloured` lets our colours pass.
pub(super) fn shown(text: &str, coloured: bool) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(place) = rest.find(|c| is_hidden(c) && !matches!(c, '\n' | '\t')) {
        let (before, hidden) = rest.split_at(place);
        shown.push_str(before);
        let colour = if coloured { colour(hidden) } else { None };
        rest = match colour {
            Some(colour) => {
                shown.push_str(colour);
                &hidden[colour.len()..]
            }
            None => {
                let mut letters = hidden.chars();
                if let Some(c) = letters.next() {
                    push(&mut shown, c);
                }
                letters.as_str()
            }
        };
    }
    shown.push_str(rest);
    shown
}

/// The colour that `text` begins with, if it does.
fn colour(text: &str) -> Option<&str> {
    let (number, _) = text.strip_prefix("\u{1b}[")?.split_once('m')?;
    COLOURS.contains(&number).then(|| &text[..number.len() + 3])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn screened(write: impl FnOnce(&mut dyn Write)) -> String {
        let mut screen = Screen::new(Vec::new());
        write(&mut screen);
        screen.flush().expect("a stream");
        String::from_utf8(screen.inner().clone()).expect("text")
    }

    #[test]
    fn our_colours_pass_and_nothing_else_that_is_obeyed() {
        let red = anstyle::AnsiColor::Red.on_default().bold();
        let said = screened(|screen| writeln!(screen, "{red}error{red:#}:\ta\nb").expect("a stream"));
        assert_eq!(said, "\u{1b}[1m\u{1b}[31merror\u{1b}[0m:\ta\nb\n");
        for hostile in [
            "\u{1b}[8mhidden",
            "\u{1b}[30mblack",
            "\u{1b}[5m",
            "\u{1b}[38;5;0m",
            "\u{1b}[2J",
            "\u{1b}]0;t\u{7}",
            "\u{1b}",
            "\u{1b}[",
            "\u{1b}[31",
            "\u{1b}P\u{1b}\\",
            "\u{9b}31m",
            "\u{9d}0;t\u{9c}",
            "good\rbad",
            "\u{202e}",
            "\u{8}",
            "\0",
        ] {
            let said = screened(|screen| write!(screen, "{hostile}").expect("a stream"));
            assert!(!said.contains(is_hidden) && said.contains("\\u{"), "{hostile:?}: {said:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_no_controls_either() {
        let said = screened(|screen| screen.write_all(b"a\x9b2Jb\xc2\x9bc").expect("a stream"));
        assert_eq!(said, "a\u{fffd}2Jb\\u{9b}c");
    }
}
