//! Tables: columns as wide as what is in them, cut to the terminal's width where there is one, never wrapped.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::text::plain;

/// Between two columns.
const GAP: usize = 2;
/// No column is cut to less.
const LEAST: usize = 12;

/// How something is meant, which decides its colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tone {
    /// Neither good nor bad.
    #[default]
    Plain,
    /// As it should be.
    Good,
    /// Worth a look.
    Odd,
    /// Somebody should look.
    Bad,
    /// Of little interest.
    Dim,
}

impl Tone {
    /// Its colour; what prints it strips it where there is no terminal.
    pub(super) const fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Odd => AnsiColor::Yellow.on_default(),
            Self::Bad => AnsiColor::Red.on_default(),
            Self::Dim => Style::new().dimmed(),
        }
    }

    /// `text` in its colour.
    pub(super) fn paint(self, text: &str) -> String {
        let style = self.style();
        format!("{style}{text}{style:#}")
    }
}

/// One field of a table: text on one line, and how it is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) tone: Tone,
}

impl Cell {
    pub(super) fn new(text: impl AsRef<str>, tone: Tone) -> Self {
        let text = plain(text.as_ref());
        Self { text: if text.is_empty() { "-".to_owned() } else { text }, tone }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text, Tone::Plain)
    }
}

/// A table with a header. Rows are as long as it.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    header: Vec<String>,
    rows: Vec<Vec<Cell>>,
    /// Whether the last column goes on below where it has no room, instead of being cut.
    whole: bool,
    /// Widths that rows printed before have taken.
    widths: Vec<usize>,
}

impl Table {
    pub(super) fn new<H: Into<String>>(header: impl IntoIterator<Item = H>) -> Self {
        Self { header: header.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// Nothing of the last column is left out.
    #[must_use]
    pub(super) fn whole(mut self) -> Self {
        self.whole = true;
        self
    }

    pub(super) fn row(&mut self, row: Vec<Cell>) {
        self.rows.push(row);
    }

    /// Keeps the first `rows` and says how many there were more.
    pub(super) fn truncate(&mut self, rows: usize) -> usize {
        let left_out = self.rows.len().saturating_sub(rows);
        self.rows.truncate(rows);
        left_out
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Prints header and rows, `indent` from the left, in at most `width` columns.
    pub(super) fn print(
        &mut self,
        out: &mut dyn Write,
        indent: usize,
        width: Option<usize>,
    ) -> io::Result<()> {
        let header: Vec<Cell> = self.header.iter().map(Cell::from).collect();
        self.widths = widths(std::iter::once(&header).chain(&self.rows));
        let mut fitted = fitted(&self.widths, width.map(|width| width.saturating_sub(indent)));
        // What is broken needs no cutting.
        let last = fitted.last_mut().filter(|_| self.whole).map(|last| std::mem::replace(last, usize::MAX));
        for row in std::iter::once(&header).chain(&self.rows) {
            match (last, row.split_last()) {
                (Some(width), Some((last, others))) => {
                    let mut others = others.to_vec();
                    for text in broken(&last.text, width) {
                        let row: Vec<Cell> =
                            others.drain(..).chain([Cell { text, tone: last.tone }]).collect();
                        line(out, &row, &fitted, indent)?;
                        others.resize(row.len() - 1, Cell::default());
                    }
                }
                _ => line(out, row, &fitted, indent)?,
            }
        }
        Ok(())
    }

    /// Prints one more row below a table that was printed, aligned with it as far as possible.
    pub(super) fn print_more(
        &mut self,
        out: &mut dyn Write,
        row: &[Cell],
        width: Option<usize>,
    ) -> io::Result<()> {
        for (known, cell) in self.widths.iter_mut().zip(row) {
            *known = (*known).max(cell.text.width());
        }
        line(out, row, &fitted(&self.widths, width), 0)
    }
}

fn widths<'a>(rows: impl Iterator<Item = &'a Vec<Cell>>) -> Vec<usize> {
    let mut widths = Vec::new();
    for row in rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.text.width());
        }
    }
    widths
}

/// Widths that fit into `most` together, the widest column cut first, none below [`LEAST`].
fn fitted(widths: &[usize], most: Option<usize>) -> Vec<usize> {
    let mut widths = widths.to_vec();
    let Some(most) = most else { return widths };
    let room = most.saturating_sub(GAP * widths.len().saturating_sub(1));
    while widths.iter().sum::<usize>() > room {
        // Of two that are as wide the later one: names come first.
        let Some(widest) = widths.iter_mut().rev().max_by_key(|width| **width) else { break };
        if *widest <= LEAST {
            break;
        }
        *widest -= 1;
    }
    widths
}

fn line(out: &mut dyn Write, row: &[Cell], widths: &[usize], indent: usize) -> io::Result<()> {
    write!(out, "{:indent$}", "")?;
    for (place, (cell, width)) in row.iter().zip(widths).enumerate() {
        let text = cut(&cell.text, *width);
        write!(out, "{}", cell.tone.paint(&text))?;
        // Nothing follows the last column, so that lines have no blanks at their end.
        if place + 1 < row.len() {
            let fill = width.saturating_sub(text.width()) + GAP;
            write!(out, "{:fill$}", "")?;
        }
    }
    writeln!(out)
}

/// `text` in lines of at most `width` columns, broken between words; a word that is longer is cut nowhere.
fn broken(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() {
            line.push_str(word);
        } else if line.width() + 1 + word.width() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// `text` in at most `width` columns, `…` where something is missing.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut room = width.saturating_sub(1);
    let fits = |c: &char| {
        let wide = c.width().unwrap_or(0);
        let fits = wide <= room;
        room = room.saturating_sub(wide);
        fits
    };
    let mut short: String = text.chars().take_while(fits).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(table: &mut Table, width: Option<usize>) -> String {
        let mut out = Vec::new();
        table.print(&mut out, 0, width).expect("output");
        anstream::adapter::strip_str(&String::from_utf8(out).expect("text")).to_string()
    }

    fn table() -> Table {
        let mut table = Table::new(["NAME", "MESSAGE", "AGE"]);
        table.row(vec!["web".into(), Cell::new("", Tone::Bad), "5s".into()]);
        table.row(vec!["ünicode".into(), "a message that goes on and on".into(), "12m".into()]);
        table
    }

    #[test]
    fn columns_are_aligned_and_nothing_is_cut_without_a_terminal() {
        let expected = "\
NAME     MESSAGE                        AGE
web      -                              5s
ünicode  a message that goes on and on  12m
";
        assert_eq!(printed(&mut table(), None), expected);
    }

    #[test]
    fn on_a_narrow_terminal_the_widest_column_is_cut_and_no_line_is_longer() {
        let expected = "\
NAME     MESSAGE          AGE
web      -                5s
ünicode  a message that…  12m
";
        let text = printed(&mut table(), Some(29));
        assert!(text.lines().all(|line| line.width() <= 29), "{text}");
        assert_eq!(text, expected);
        // Narrower than can be: it is cut as far as makes sense.
        assert!(printed(&mut table(), Some(1)).contains("a message t…"));
    }

    #[test]
    fn a_column_that_must_not_be_cut_goes_on_below() {
        let mut table = Table::new(["TYPE", "MESSAGE"]).whole();
        table.row(vec!["a".into(), "a message that goes on and on".into()]);
        table.row(vec!["b".into(), "/a/path/that/has/no/place/to/break".into()]);
        let expected = "\
TYPE  MESSAGE
a     a message that
      goes on and on
b     /a/path/that/has/no/place/to/break
";
        assert_eq!(printed(&mut table, Some(20)), expected);
        assert!(printed(&mut table, None).contains("a     a message that goes on and on\n"));
    }

    #[test]
    fn a_row_that_comes_later_is_aligned_too() {
        let mut table = table();
        printed(&mut table, None);
        let mut out = Vec::new();
        table.print_more(&mut out, &["db".into(), "x".into(), "1s".into()], None).expect("output");
        let text = anstream::adapter::strip_str(&String::from_utf8(out).expect("text")).to_string();
        assert_eq!(text, format!("db       x{}1s\n", " ".repeat(30)));
    }
}
