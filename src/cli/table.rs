//! Tables: columns as wide as what is in them. On a terminal no line is longer than it is wide: what matters (names, states,
//! reasons, messages) goes on below in its column and is never cut; the rest is cut or left out.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::text::{plain, wrapped};

/// Between two columns.
const GAP: usize = 2;
/// No column is narrower while another is wider.
const LEAST: usize = 12;
/// Names are not broken to less while what matters less can be left out.
const NAME: usize = 24;
/// A text at the end of a row has at least so much room, or stands below the row.
const TEXT: usize = 40;
/// How far below its row a text stands to the right.
const HANG: usize = 4;
/// Columns that are never cut nor left out, beside the first one.
const KEPT: [&str; 18] = [
    "ASKS",
    "BLOCKED",
    "CONDITION",
    "CONNECTED",
    "CONTAINER",
    "ERROR",
    "FAILURE",
    "HEALTH",
    "LAST ERROR",
    "MESSAGE",
    "NAME",
    "PROBE",
    "REASON",
    "STATE",
    "STATUS",
    "TARGET",
    "TYPE",
    "VERDICT",
];

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
    /// A person should look.
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
    /// Whether the last column is a text, of which nothing is left out.
    whole: bool,
    /// Columns that are left out first, where there is no room for all.
    least: Vec<&'static str>,
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

    /// These columns are left out first, in this order, where there is no room for all.
    #[must_use]
    pub(super) fn least(mut self, columns: impl IntoIterator<Item = &'static str>) -> Self {
        self.least = columns.into_iter().collect();
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
        let fitted = self.fitted(width.map(|width| width.saturating_sub(indent)));
        self.line(out, &header, &fitted, indent)?;
        self.rows.iter().try_for_each(|row| self.line(out, row, &fitted, indent))
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
        self.line(out, row, &self.fitted(width), 0)
    }

    /// The columns that are left out where no line may be longer than `width`, once the table is printed.
    pub(super) fn left_out(&self, width: Option<usize>) -> Vec<&str> {
        let fitted = self.fitted(width);
        let columns = self.header.iter().zip(&fitted.widths).enumerate();
        let left_out = columns.filter(|(place, (_, width))| {
            **width == 0 && !(fitted.below.is_some() && place + 1 == self.header.len())
        });
        left_out.map(|(_, (header, _))| header.as_str()).collect()
    }

    /// How columns fit into `most` together. Where they do not, what matters less is cut; then names are broken; then columns
    /// are left out, from the right, but for those that matter; then all that is left is broken.
    fn fitted(&self, most: Option<usize>) -> Fitted {
        let Some(most) = most else { return Fitted { widths: self.widths.clone(), below: None } };
        let Some((last, others)) = self.widths.split_last().filter(|_| self.whole) else {
            return Fitted { widths: self.cut_to(most, self.widths.clone()), below: None };
        };
        let widths = self.cut_to(most, self.widths.clone());
        if widths.last().is_some_and(|width| width < (last.min(&TEXT))) {
            let widths = self.cut_to(most, others.iter().copied().chain([0]).collect());
            return Fitted { widths, below: Some(most.saturating_sub(HANG).max(LEAST)) };
        }
        Fitted { widths, below: None }
    }

    fn cut_to(&self, most: usize, mut whole: Vec<usize>) -> Vec<usize> {
        let kept = |place: usize| self.is_kept(place);
        loop {
            let mut widths = whole.clone();
            narrow(&mut widths, |place| !kept(place), LEAST, most);
            narrow(&mut widths, kept, NAME, most);
            if needed(&widths) <= most {
                return widths;
            }
            let may_go = |place: &usize| !kept(*place) && whole.get(*place).is_some_and(|width| *width > 0);
            let named = |name: &&str| self.header.iter().position(|header| header == name);
            let mut first = self.least.iter().filter_map(named).filter(may_go);
            match first.next().or_else(|| (1..whole.len()).rev().find(may_go)) {
                Some(place) => whole[place] = 0,
                None => {
                    narrow(&mut widths, kept, LEAST, most);
                    return widths;
                }
            }
        }
    }

    fn is_kept(&self, place: usize) -> bool {
        let last = self.whole && place + 1 == self.header.len();
        place == 0 || last || self.header.get(place).is_some_and(|name| KEPT.contains(&name.as_str()))
    }

    /// One row, on as many lines as it needs.
    fn line(&self, out: &mut dyn Write, row: &[Cell], fitted: &Fitted, indent: usize) -> io::Result<()> {
        let piece = |(place, (cell, width)): (usize, (&Cell, &usize))| match width {
            0 => Vec::new(),
            _ if self.is_kept(place) => wrapped(&cell.text, *width),
            width => vec![cut(&cell.text, *width)],
        };
        let pieces: Vec<_> = row.iter().zip(&fitted.widths).enumerate().map(piece).collect();
        for line in 0..pieces.iter().map(Vec::len).max().unwrap_or(0) {
            write!(out, "{:indent$}", "")?;
            let mut fill = 0;
            for ((cell, width), pieces) in row.iter().zip(&fitted.widths).zip(&pieces) {
                if *width == 0 {
                    continue;
                }
                let text = pieces.get(line).map_or("", String::as_str);
                // Nothing follows the last text of a line, so that lines have no blanks at their end.
                if !text.is_empty() {
                    write!(out, "{:fill$}{}", "", cell.tone.paint(text))?;
                    fill = 0;
                }
                fill += width.saturating_sub(text.width()).saturating_add(GAP);
            }
            writeln!(out)?;
        }
        let Some((width, cell)) = fitted.below.zip(row.last()).filter(|(_, cell)| cell.text != "-") else {
            return Ok(());
        };
        let indent = indent + HANG;
        for text in wrapped(&cell.text, width) {
            writeln!(out, "{:indent$}{}", "", cell.tone.paint(&text))?;
        }
        Ok(())
    }
}

/// How a table fits: the width of each column, 0 where it is left out.
#[derive(Debug)]
struct Fitted {
    widths: Vec<usize>,
    /// The width of the text that stands below its row, if it does.
    below: Option<usize>,
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

/// Narrows the widest of these columns, none below `least`, until all columns fit into `most`. Of two that are as wide the
/// later one is narrowed: names come first.
fn narrow(widths: &mut [usize], of: impl Fn(usize) -> bool, least: usize, most: usize) {
    while needed(widths) > most {
        let widest = widths.iter_mut().enumerate().filter(|(place, _)| of(*place)).map(|(_, width)| width);
        match widest.rev().max_by_key(|width| **width) {
            Some(widest) if *widest > least => *widest -= 1,
            _ => break,
        }
    }
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
        let mut table = Table::new(["NAME", "IMAGE", "AGE"]);
        table.row(vec!["web".into(), Cell::new("", Tone::Bad), "5s".into()]);
        table.row(vec!["ünicode".into(), "a message that goes on and on".into(), "12m".into()]);
        table
    }

    #[test]
    fn columns_are_aligned_and_nothing_is_cut_without_a_terminal() {
        let expected = "\
NAME     IMAGE                          AGE
web      -                              5s
ünicode  a message that goes on and on  12m
";
        assert_eq!(printed(&mut table(), None), expected);
    }

    #[test]
    fn on_a_narrow_terminal_the_widest_column_is_cut_and_no_line_is_longer() {
        let expected = "\
NAME     IMAGE            AGE
web      -                5s
ünicode  a message that…  12m
";
        let text = printed(&mut table(), Some(29));
        assert!(text.lines().all(|line| line.width() <= 29), "{text}");
        assert_eq!(text, expected);
        // Narrower than can be: what must not be cut is broken as far as makes sense.
        assert_eq!(printed(&mut table(), Some(1)).lines().next(), Some("NAME"));
    }

    #[test]
    fn on_a_narrow_terminal_names_and_reasons_stay_and_what_matters_less_is_left_out_whole() {
        let mut table =
            Table::new(["NAME", "STATE", "POLICY", "BLOCKED", "AGE", "ID", "IMAGE"]).least(["AGE"]);
        let row = ["shop-web-1", "exited", "default", "StoppedByHand", "12m", "0123456789ab", "nginx:alpine"];
        table.row(row.map(Cell::from).into());
        for (width, expected) in [
            (75, "shop-web-1  exited  default  StoppedByHand  12m  0123456789ab  nginx:alpine\n"),
            (74, "shop-web-1  exited  default  StoppedByHand  0123456789ab  nginx:alpine\n"),
            (60, "shop-web-1  exited  default  StoppedByHand  0123456789ab\n"),
            (48, "shop-web-1  exited  default  StoppedByHand\n"),
            (40, "shop-web-1  exited  StoppedByHand\n"),
        ] {
            let text = printed(&mut table, Some(width));
            assert!(text.lines().all(|line| line.width() <= width) && text.ends_with(expected), "{text}");
        }
    }

    #[test]
    fn a_long_name_is_broken_and_not_cut() {
        let mut table = Table::new(["NAME", "STATE", "IMAGE"]);
        let name = "a-name-that-is-far-too-long-for-a-terminal-of-eighty-columns";
        table.row([name, "running", "nginx:alpine"].map(Cell::from).into());
        let expected = "\
NAME                      STATE    IMAGE
a-name-that-is-far-too-l  running  nginx:alpine
ong-for-a-terminal-of-ei
ghty-columns
";
        assert_eq!(printed(&mut table, Some(47)), expected);
    }

    #[test]
    fn what_is_not_there_has_no_colour() {
        assert_eq!(Cell::new("", Tone::Odd), Cell::from("-"));
    }

    #[test]
    fn a_text_goes_on_below_in_its_column_or_below_its_row() {
        let mut table = Table::new(["TYPE", "MESSAGE"]).whole();
        table.row(vec!["a".into(), "a message that goes on and on and on and on and on".into()]);
        table.row(vec!["b".into(), "/a/path/that/has/no/place/to/break/but/is/too/long/all/the/same".into()]);
        table.row(vec!["c".into(), "".into()]);
        let expected = "\
TYPE  MESSAGE
a     a message that goes on and on and on and
      on and on
b     /a/path/that/has/no/place/to/break/but/i
      s/too/long/all/the/same
c     -
";
        assert_eq!(printed(&mut table, Some(46)), expected);
        let expected = "\
TYPE
    MESSAGE
a
    a message that goes on and on and
    on and on and on
b
    /a/path/that/has/no/place/to/break/
    but/is/too/long/all/the/same
c
";
        assert_eq!(printed(&mut table, Some(39)), expected);
        assert!(
            printed(&mut table, None).contains("a     a message that goes on and on and on and on and on\n")
        );
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
