//! Tables: columns as wide as what is in them, cut to the terminal's width where there is one, never wrapped.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::text::plain;

/// Between two columns.
const GAP: usize = 2;
/// No column is cut to less while another is wider.
const LEAST: usize = 12;
/// What is left of a column that gives way to those that matter more.
const STUB: usize = 5;
/// Columns of words that say what is wrong: they give way last.
const TELLING: [&str; 7] = ["NOT DONE", "REASON", "STATE", "STATUS", "HEALTH", "VERDICT", "CONNECTED"];
/// What is longer is no word any more.
const WORD: usize = 24;

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
        // Nothing is neither good nor bad.
        if text.is_empty() { Self { text: "-".to_owned(), tone: Tone::Plain } } else { Self { text, tone } }
    }

    /// Its text in its colour.
    pub(super) fn painted(&self) -> String {
        self.tone.paint(&self.text)
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
        let mut fitted = self.fitted(width.map(|width| width.saturating_sub(indent)));
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
        line(out, row, &self.fitted(width), 0)
    }

    /// Widths that fit into `most` together: what tells what is wrong is kept as long as anything else can give way, and
    /// what stands to the right gives way first. Where stubs are too much the columns are left out: their width is 0.
    fn fitted(&self, most: Option<usize>) -> Vec<usize> {
        let Some(most) = most else { return self.widths.clone() };
        let mut whole = self.widths.clone();
        let last = whole.len().saturating_sub(usize::from(self.whole));
        loop {
            let widths = self.cut_to(most, &whole);
            let mut cut =
                (1..last).rev().filter(|place| !self.tells(*place) && widths[*place] < whole[*place]);
            match cut.next() {
                Some(place) if needed(&widths) > most => whole[place] = 0,
                _ => return widths,
            }
        }
    }

    fn cut_to(&self, most: usize, whole: &[usize]) -> Vec<usize> {
        let mut widths = whole.to_vec();
        let tells = |place: usize| self.tells(place);
        narrow(&mut widths, |place| !tells(place), most);
        let last = widths.len().saturating_sub(usize::from(self.whole));
        for place in (1..last).rev().filter(|place| !tells(*place)) {
            let excess = needed(&widths).saturating_sub(most);
            let width = &mut widths[place];
            *width = width.saturating_sub(excess).max(STUB.min(*width));
        }
        narrow(&mut widths, tells, most);
        widths
    }

    fn tells(&self, place: usize) -> bool {
        let (name, width) = (self.header.get(place), self.widths.get(place));
        name.is_some_and(|name| TELLING.contains(&name.as_str())) && width.is_some_and(|width| *width <= WORD)
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

/// How wide columns of these widths are together.
fn needed(widths: &[usize]) -> usize {
    let shown = widths.iter().filter(|width| **width > 0).count();
    widths.iter().sum::<usize>() + GAP * shown.saturating_sub(1)
}

/// Cuts the widest of these columns, none below [`LEAST`], until all columns fit into `most`. Of two that are as wide
/// the later one is cut: names come first.
fn narrow(widths: &mut [usize], of: impl Fn(usize) -> bool, most: usize) {
    while needed(widths) > most {
        let widest = widths.iter_mut().enumerate().filter(|(place, _)| of(*place)).map(|(_, width)| width);
        match widest.rev().max_by_key(|width| **width) {
            Some(widest) if *widest > LEAST => *widest -= 1,
            _ => break,
        }
    }
}

fn line(out: &mut dyn Write, row: &[Cell], widths: &[usize], indent: usize) -> io::Result<()> {
    write!(out, "{:indent$}", "")?;
    let mut fill = 0;
    for (cell, width) in row.iter().zip(widths).filter(|(_, width)| **width > 0) {
        // Nothing follows the last column, so that lines have no blanks at their end.
        write!(out, "{:fill$}", "")?;
        let text = cut(&cell.text, *width);
        write!(out, "{}", cell.tone.paint(&text))?;
        fill = width.saturating_sub(text.width()).saturating_add(GAP);
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
        assert_eq!(printed(&mut table(), Some(1)).lines().next(), Some("NAME     AGE"));
    }

    #[test]
    fn on_a_narrow_terminal_the_reason_stays_and_what_stands_to_the_right_gives_way() {
        let mut table = Table::new(["NAME", "STATE", "POLICY", "NOT DONE", "AGE", "ID", "IMAGE"]);
        let row = ["shop-web-1", "exited", "default", "StoppedByHand", "12m", "0123456789ab", "nginx:alpine"];
        table.row(row.map(Cell::from).into());
        let text = printed(&mut table, Some(66));
        assert!(
            text.contains("shop-web-1  exited  default  StoppedByHand  12m  012345678…  ngin…\n"),
            "{text}"
        );
        for width in [60, 56, 48, 40] {
            let text = printed(&mut table, Some(width));
            assert!(text.lines().all(|line| line.width() <= width), "{text}");
            assert!(text.contains("shop-web-1") && text.contains("StoppedByHand"), "{text}");
        }
        assert!(printed(&mut table, Some(48)).contains("shop-web-1  exited  default  StoppedByHand  12m\n"));
    }

    #[test]
    fn what_is_not_there_has_no_colour() {
        assert_eq!(Cell::new("", Tone::Odd), Cell::from("-"));
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
