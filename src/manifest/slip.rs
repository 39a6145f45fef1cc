//! What the YAML parser stumbles over, in words that say what would be right. The parser names the place where it could not
//! go on; the slip is often in the line before.

use super::fault::{At, shown};
use super::split::lines;

/// A slip that is known by what the parser says of `text` at a place: where it really is, and what would be right.
pub(super) fn slip(text: &str, at: At, said: &str) -> Option<(At, String)> {
    let lines: Vec<&str> = lines(text).collect();
    let here = Line::at(&lines, at.line);
    let above = (1..at.line).rev().map(|line| Line::at(&lines, line)).find(Line::says_something);
    let marked = |message: &str| Some((at, message.to_owned()));
    if said.contains("cannot start any token") {
        let c = here.text.chars().nth(at.column.saturating_sub(1))?;
        return marked(&format!("a value that begins with `{}` must stand in quotes", shown(&c.to_string())));
    }
    if said.contains("block sequence entries are not allowed") {
        return marked("a list begins on a line of its own: put each `- item` on a line below");
    }
    if said.contains("while scanning a quoted scalar") {
        return Some((context(said).unwrap_or(at), "a quote is opened here and never closed".to_owned()));
    }
    if let Some(end) = [']', '}'].into_iter().find(|end| said.contains(&format!("',' or '{end}'"))) {
        return marked(&format!("a comma, or the closing `{end}`, is missing before this"));
    }
    if said.contains("could not find expected ':'") {
        return context(said)
            .map_or(above, |at| Some(Line::at(&lines, at.line)))
            .and_then(|line| line.no_field());
    }
    if said.contains("mapping values are not allowed") {
        if let Some(slip) = above.as_ref().filter(|above| !above.is_item()).and_then(Line::no_field) {
            return Some(slip);
        }
        let second = here.text.trim_start().char_indices().filter(|(_, c)| *c == ':').count() > 1;
        return match above {
            Some(above) if here.indent > above.fields() && above.opens() == Some(false) => Some((
                here.start(),
                format!(
                    "indented by {}, and the field above it by {}: fields of one mapping begin in the same column",
                    spaces(here.indent),
                    spaces(above.fields())
                ),
            )),
            _ if second => marked("a value that holds `: ` must stand in quotes"),
            _ => None,
        };
    }
    if said.contains("did not find expected '-' indicator") {
        return marked(
            "the list above goes on with `- `: here a dash is missing, or the indentation of the item above",
        );
    }
    if said.contains("did not find expected key") {
        if at.column > here.fields() + 1 {
            return marked("a value that holds a quote must stand in quotes of the other kind");
        }
        let above = above.filter(|above| above.fields() > here.indent)?;
        return Some((
            here.start(),
            format!(
                "indented by {}, where nothing above it begins: the field above it is indented by {}",
                spaces(here.indent),
                spaces(above.fields())
            ),
        ));
    }
    None
}

/// What the parser says of the place where the thing began that it was reading.
fn context(said: &str) -> Option<At> {
    let (_, place) = said.rsplit_once(" at line ")?;
    let (line, column) = place.split_once(" column ")?;
    Some(At { line: line.trim().parse().ok()?, column: column.trim().parse().ok()? })
}

fn spaces(number: usize) -> String {
    crate::resource::count(number, "space")
}

/// One line of the text.
struct Line<'t> {
    number: usize,
    text: &'t str,
    indent: usize,
}

impl<'t> Line<'t> {
    fn at(lines: &[&'t str], number: usize) -> Self {
        let text = lines.get(number.saturating_sub(1)).copied().unwrap_or_default();
        Self { number, text, indent: text.chars().take_while(|c| *c == ' ').count() }
    }

    fn says_something(&self) -> bool {
        let text = self.text.trim();
        !text.is_empty() && !text.starts_with(['#', '%']) && text != "---"
    }

    fn start(&self) -> At {
        At { line: self.number, column: self.indent + 1 }
    }

    /// Without dashes and blanks.
    fn content(&self) -> &'t str {
        self.text.trim_start_matches([' ', '-']).trim_end()
    }

    fn is_item(&self) -> bool {
        self.text.trim_start().starts_with("- ")
    }

    /// How far its first field is indented, behind a dash too.
    fn fields(&self) -> usize {
        self.text.chars().count() - self.text.trim_start_matches([' ', '-']).chars().count()
    }

    /// Whether what it says is continued below, if it is a field.
    fn opens(&self) -> Option<bool> {
        let content = self.content();
        let (_, value) = content.split_once(": ").or_else(|| Some((content.strip_suffix(':')?, "")))?;
        Some(value.is_empty() || value.starts_with(['|', '>', '&', '!']))
    }

    /// That it is neither a field nor an item, if so.
    fn no_field(&self) -> Option<(At, String)> {
        let content = self.content();
        if content.is_empty() || self.opens().is_some() || content.starts_with(['{', '[', '"', '\'', '#']) {
            return None;
        }
        let column = self.fields() + 1;
        let (name, value) = content.split_once(':').unwrap_or((content, ""));
        if !value.is_empty()
            && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/'))
        {
            let column = column + name.chars().count();
            let message = format!("a space is missing after `{}:`", shown(name));
            return Some((At { line: self.number, column }, message));
        }
        let message = "this is neither `name: value` nor `- item`: a colon or a dash is missing";
        Some((At { line: self.number, column }, message.to_owned()))
    }
}
