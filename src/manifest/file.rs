//! One file: bytes → objects and problems.

use serde_json::Value;

use super::document::{Declared, Faulty};
use super::excerpt::excerpt;
use super::fault::{At, Fault};
use super::foreign::{Foreign, is_foreign, names_us};
use super::locate::{Part, locate};
use super::split::{Document, documents, is_break};
use super::{Loaded, Partial, Place, Problem, document, value};
use crate::resource::check::{Reference, Warning};
use crate::resource::{FieldPath, Origin};

/// The largest file that is read, in bytes.
pub const LARGEST_FILE: usize = 1 << 20;
/// How many documents a file may hold.
const MOST_DOCUMENTS: usize = 1_000;
/// How many brackets a document may open. The parser looks at every open one with each word it reads, so that a text
/// of nothing but brackets would keep it busy for hours.
const MOST_BRACKETS: usize = 2_000;
/// How many problems of one file are reported.
const MOST_PROBLEMS: usize = 50;
/// What is said of another tool's document.
const NOT_OURS: &str =
    "this is not a document of Portreeve's: it has neither `apiVersion: portreeve/v1` nor one of its kinds";
/// How many references of one object have their places looked up; the others are reported at the object's.
const MOST_PLACES: usize = 64;

/// What a file says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parsed {
    /// The objects of its good documents.
    pub objects: Vec<Loaded>,
    /// What is wrong with the others.
    pub problems: Vec<Problem>,
    /// The objects of its faulty documents, as far as they can be read.
    pub partial: Vec<Partial>,
    /// The documents that are not Portreeve's.
    pub foreign: Vec<Foreign>,
}

impl Parsed {
    /// Takes every document for one of Portreeve's: somebody named the file itself.
    pub fn insist(&mut self) {
        self.problems.extend(self.foreign.drain(..).map(|foreign| foreign.problem));
        self.problems.sort_by_key(|problem| (problem.line, problem.column));
    }

    /// Whether the file is another tool's.
    pub fn is_foreign(&self) -> bool {
        self.objects.is_empty() && self.problems.is_empty() && !self.foreign.is_empty()
    }
}

/// What a file of this content says: YAML, or JSON, which is YAML too. `file` is how problems name it.
///
/// No input makes this panic, and memory stays within a small multiple of [`LARGEST_FILE`].
pub fn parse(file: &str, content: &[u8]) -> Parsed {
    let beginning = &content[..content.len().min(LARGEST_FILE)];
    let ours = || names_us(&String::from_utf8_lossy(beginning));
    let only = |problem| only(problem, ours());
    if content.len() > LARGEST_FILE {
        return only(Problem::whole(file, &format!("is larger than {LARGEST_FILE} bytes")));
    }
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let text = match std::str::from_utf8(content) {
        Ok(text) => text,
        Err(error) => {
            let good = String::from_utf8_lossy(&content[..error.valid_up_to()]);
            return only(place(file, &good, end_of(&good), 0, false).problem("is not UTF-8 from here on"));
        }
    };
    if let Some((before, bad)) = unprintable(text) {
        let message = format!("the character U+{:04X} is not allowed in YAML", u32::from(bad));
        return only(place(file, text, end_of(before), 0, false).problem(&message));
    }
    let documents = documents(text);
    if documents.len() > MOST_DOCUMENTS {
        return only(Problem::whole(file, &format!("contains more than {MOST_DOCUMENTS} documents")));
    }
    let mut parsed = Parsed::default();
    for document in documents {
        read(file, document, &mut parsed);
        if parsed.problems.len() >= MOST_PROBLEMS {
            parsed.problems.truncate(MOST_PROBLEMS);
            parsed.problems.push(Problem::whole(file, "has more problems than are shown"));
            break;
        }
    }
    if !(parsed.objects.is_empty() && parsed.problems.is_empty()) {
        // Beside documents of ours one that cannot be read is ours too.
        let (foreign, ours) = parsed.foreign.into_iter().partition(|foreign| foreign.legible);
        parsed.foreign = foreign;
        parsed.problems.extend(Vec::into_iter(ours).map(|foreign: Foreign| foreign.problem));
        parsed.problems.sort_by_key(|problem| (problem.line, problem.column));
    }
    parsed
}

/// A file of which nothing else is known.
fn only(problem: Problem, ours: bool) -> Parsed {
    let mut parsed = Parsed::default();
    parsed.refuse(problem, ours);
    parsed
}

impl Parsed {
    /// A document that cannot be read.
    fn refuse(&mut self, problem: Problem, ours: bool) {
        if ours {
            self.problems.push(problem);
        } else {
            self.foreign.push(Foreign { problem, legible: false });
        }
    }
}

/// The first character that YAML does not allow, and what comes before it.
fn unprintable(text: &str) -> Option<(&str, char)> {
    let allowed = |c: char| {
        matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}'
            | '\u{10000}'..)
            && c != '\u{feff}'
    };
    text.char_indices().find(|(_, c)| !allowed(*c)).map(|(place, c)| (&text[..place], c))
}

fn end_of(text: &str) -> At {
    let line = super::split::lines(text).count();
    let column = text.chars().rev().take_while(|c| !is_break(*c)).count() + 1;
    At { line, column }
}

/// The place of `at` in `text`, which starts after `lines_before` lines of the file.
fn place(file: &str, text: &str, at: At, lines_before: usize, secret: bool) -> Place {
    let At { line, column } = at;
    let excerpt = excerpt(text, line, column, secret);
    Place { file: file.to_owned(), line: line + lines_before, column, excerpt }
}

fn read(file: &str, document: Document<'_>, parsed: &mut Parsed) {
    let Document { text, lines_before } = document;
    let place = |at: At, secret: bool| place(file, text, at, lines_before, secret);
    if text.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count() > MOST_BRACKETS {
        let message = format!("the document opens more than {MOST_BRACKETS} brackets");
        parsed.refuse(place(At { line: 1, column: 1 }, false).problem(&message), names_us(text));
        return;
    }
    let value = match value::read(text) {
        Ok(Value::Null) => return,
        Ok(value) => value,
        Err(error) => {
            let message = match error.parsers {
                true => absolute_lines(&error.message, lines_before),
                false => error.message,
            };
            parsed.refuse(place(error.at, false).problem(&message), names_us(text));
            return;
        }
    };
    if is_foreign(&value) {
        let first = first_line(text);
        let problem = place(At { line: first, column: 1 }, false).problem(NOT_OURS);
        parsed.foreign.push(Foreign { problem, legible: true });
        return;
    }
    let origin = Origin::Directory(file.to_owned());
    let find_value = |path: &FieldPath| place(find(text, &value, path, false), false);
    match document::object(&value, origin) {
        Ok(Declared { object, references, warnings, named }) => {
            let own = find_value(&FieldPath::root().key("metadata").key("name"));
            let references = placed(references, &own, find_value);
            let warnings = warnings
                .into_iter()
                .take(MOST_PLACES)
                .map(|Warning { path, message }| (find_value(&path), format!("{path}: {message}")))
                .map(|(place, message)| place.warning(&message))
                .collect();
            let named = named.into_iter().enumerate().map(|(index, named)| {
                let place = if index < MOST_PLACES { find_value(&named.path) } else { own.clone() };
                (named, place)
            });
            let named = named.collect();
            parsed.objects.push(Loaded { object, place: own, references, warnings, named, held: None });
        }
        Err(Faulty { faults, key, references }) => {
            if let Some(key) = key {
                let own = find_value(&FieldPath::root().key("metadata").key("name"));
                parsed.partial.push(Partial { key, references: placed(references, &own, find_value) });
            }
            let mut problems: Vec<Problem> = faults
                .into_iter()
                .map(|Fault { path, key, message, secret }| {
                    place(find(text, &value, &path, key), secret).problem(&message)
                })
                .collect();
            problems.sort_by_key(|problem| (problem.line, problem.column));
            parsed.problems.append(&mut problems);
        }
    }
}

/// References with their places, of too many the object's own.
fn placed(
    references: Vec<Reference>,
    own: &Place,
    find: impl Fn(&FieldPath) -> Place,
) -> Vec<(Reference, Place)> {
    let place = |(index, reference): (usize, Reference)| {
        let place = if index < MOST_PLACES { find(&reference.path) } else { own.clone() };
        (reference, place)
    };
    references.into_iter().enumerate().map(place).collect()
}

/// The first line of a document that says something.
fn first_line(text: &str) -> usize {
    let says = |line: &str| {
        let line = line.strip_prefix("---").unwrap_or(line).trim();
        !line.is_empty() && !line.starts_with(['#', '%'])
    };
    super::split::lines(text).position(says).map_or(1, |place| place + 1)
}

/// Where the value at `path` is, or the nearest one above it that was written down. Lists and mappings are found by
/// their key, because their own start is that of their first item.
fn find(text: &str, document: &Value, path: &FieldPath, key: bool) -> At {
    let mut path = path.clone();
    loop {
        let value = document.pointer(&pointer(&path));
        let scalar = value.is_some_and(|value| !value.is_object() && !value.is_array() && !value.is_null());
        let parts = if scalar && !key { [Part::Value, Part::Key] } else { [Part::Key, Part::Value] };
        let found = parts.into_iter().find_map(|part| locate(text, path.segments(), part));
        match (found, path.parent()) {
            (Some(at), _) => return at,
            (None, Some(above)) => path = above,
            (None, None) => return At { line: 1, column: 1 },
        }
    }
}

/// RFC 6901.
fn pointer(path: &FieldPath) -> String {
    use crate::resource::Segment;
    path.segments()
        .iter()
        .map(|segment| match segment {
            Segment::Key(key) => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
            Segment::Index(index) => format!("/{index}"),
        })
        .collect()
}

/// The parser counts lines from the document's start. What it says of its own position is dropped, since that is shown;
/// what it says of others (`while parsing a mapping at line 2`) is counted from the file's start.
fn absolute_lines(message: &str, lines_before: usize) -> String {
    let mut parts = message.splitn(2, ", ");
    let problem = parts.next().unwrap_or_default();
    let problem = problem.rfind(" at ").map_or(problem, |end| &problem[..end]);
    let Some(context) = parts.next() else { return problem.to_owned() };
    let Some((words, place)) = context.rsplit_once(" at line ") else {
        let words = context.rfind(" at position").map_or(context, |end| &context[..end]);
        return format!("{problem}, {words}");
    };
    match place.split_once(' ').and_then(|(line, rest)| Some((line.parse::<usize>().ok()?, rest))) {
        Some((line, rest)) => format!("{problem}, {words} at line {} {rest}", line + lines_before),
        None => format!("{problem}, {words}"),
    }
}

#[cfg(test)]
mod tests;
