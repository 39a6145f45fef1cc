//! `-o jsonpath=TEMPLATE`: kubectl's templates, as far as scripts use them.
//!
//! `{.items[*].metadata.name}`, `{.metadata.labels['a.b/c']}`, `{.a\.b}`, `[0]`, `[-1]`, `[1:3]`, `[*]`, `..name`,
//! `[?(@.status=="running")]`, `{range .items[*]}{.name}{"\n"}{end}` and text between the braces. As kubectl has it: values are put
//! side by side with a blank between, what is not there is nothing, and what stands outside braces is printed as it is.

use std::fmt::Write;
use std::str::FromStr;

use serde_json::Value;

use crate::terminal;

/// How deep ranges may be nested.
const DEEPEST: usize = 16;

/// A template that was understood.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::cli) struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    Values(Path),
    Range(Path, Vec<Part>),
}

type Path = Vec<Step>;

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Key(String),
    Every,
    Index(i64),
    Slice(Option<i64>, Option<i64>),
    /// Every value below under this key.
    Below(String),
    Filter(Filter),
}

#[derive(Clone, Debug, PartialEq)]
struct Filter {
    path: Path,
    /// Left out: the value only has to be there.
    is: Option<(Compare, Value)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compare {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

const COMPARES: [(&str, Compare); 6] = [
    ("==", Compare::Equal),
    ("!=", Compare::Unequal),
    ("<=", Compare::LessOrEqual),
    (">=", Compare::GreaterOrEqual),
    ("<", Compare::Less),
    (">", Compare::Greater),
];

/// Why a text is no such template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("jsonpath: {0}; write paths between braces, such as {{.items[*].metadata.name}}")]
pub(in crate::cli) struct TemplateError(String);

impl Template {
    /// What the template makes of `document`; from strangers' text nothing gets through that a terminal would follow.
    pub(in crate::cli) fn of(&self, document: &Value) -> String {
        let mut text = String::new();
        print(&self.0, document, &mut text);
        // Tabs are what separates columns here.
        text.split('\t').map(terminal::lines).collect::<Vec<_>>().join("\t")
    }
}

fn print(parts: &[Part], at: &Value, text: &mut String) {
    for part in parts {
        match part {
            Part::Text(words) => text.push_str(words),
            Part::Values(path) => {
                for (place, value) in select(path, at).into_iter().enumerate() {
                    if place > 0 {
                        text.push(' ');
                    }
                    match value {
                        Value::String(word) => text.push_str(word),
                        Value::Null => {}
                        other => drop(write!(text, "{other}")),
                    }
                }
            }
            Part::Range(path, within) => {
                for value in select(path, at) {
                    print(within, value, text);
                }
            }
        }
    }
}

fn select<'v>(path: &[Step], from: &'v Value) -> Vec<&'v Value> {
    let mut values = vec![from];
    for step in path {
        values = values.into_iter().flat_map(|value| follow(step, value)).collect();
    }
    values
}

fn follow<'v>(step: &Step, value: &'v Value) -> Vec<&'v Value> {
    let children = || -> Vec<&Value> {
        match value {
            Value::Array(items) => items.iter().collect(),
            Value::Object(fields) => fields.values().collect(),
            _ => Vec::new(),
        }
    };
    match step {
        Step::Key(key) => value.get(key).into_iter().collect(),
        Step::Every => children(),
        Step::Index(index) => {
            let items = value.as_array().map_or(&[][..], Vec::as_slice);
            place(*index, items.len()).and_then(|place| items.get(place)).into_iter().collect()
        }
        Step::Slice(from, to) => {
            let items = value.as_array().map_or(&[][..], Vec::as_slice);
            let bound = |bound: Option<i64>, other: usize| {
                bound.map_or(other, |bound| place(bound, items.len()).unwrap_or(0).min(items.len()))
            };
            items.get(bound(*from, 0)..bound(*to, items.len())).unwrap_or_default().iter().collect()
        }
        Step::Below(key) => {
            let mut found: Vec<&Value> = value.get(key).into_iter().collect();
            found.extend(children().into_iter().flat_map(|child| follow(step, child)));
            found
        }
        Step::Filter(filter) => children().into_iter().filter(|child| filter.holds(child)).collect(),
    }
}

/// An index below 0 counts from the end.
fn place(index: i64, length: usize) -> Option<usize> {
    let back = usize::try_from(index.unsigned_abs()).ok()?;
    if index < 0 { length.checked_sub(back) } else { Some(back) }
}

impl Filter {
    fn holds(&self, value: &Value) -> bool {
        let found = select(&self.path, value);
        let Some((compare, wanted)) = &self.is else { return !found.is_empty() };
        found.first().is_some_and(|found| {
            let order = match (found.as_f64(), wanted.as_f64()) {
                (Some(a), Some(b)) => a.partial_cmp(&b),
                _ => found.as_str().zip(wanted.as_str()).map(|(a, b)| a.cmp(b)),
            };
            let same = *found == wanted || order == Some(std::cmp::Ordering::Equal);
            match compare {
                Compare::Equal => same,
                Compare::Unequal => !same,
                Compare::Less => order.is_some_and(std::cmp::Ordering::is_lt),
                Compare::LessOrEqual => same || order.is_some_and(std::cmp::Ordering::is_lt),
                Compare::Greater => order.is_some_and(std::cmp::Ordering::is_gt),
                Compare::GreaterOrEqual => same || order.is_some_and(std::cmp::Ordering::is_gt),
            }
        })
    }
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // As kubectl takes `-o jsonpath=.metadata.name`.
        let bare = text.starts_with(['.', '$', '[']) && !text.contains('{');
        let text = if bare { format!("{{{text}}}") } else { text.to_owned() };
        let mut reader = Reader { rest: &text };
        let parts = reader.parts(0)?;
        if parts.is_empty() { Err(fault("the template is empty")) } else { Ok(Self(parts)) }
    }
}

fn fault(why: impl Into<String>) -> TemplateError {
    TemplateError(why.into())
}

struct Reader<'t> {
    rest: &'t str,
}

impl Reader<'_> {
    /// Parts up to the end, or within a range up to its `{end}`.
    fn parts(&mut self, depth: usize) -> Result<Vec<Part>, TemplateError> {
        if depth > DEEPEST {
            return Err(fault("too many ranges in each other"));
        }
        let mut parts = Vec::new();
        loop {
            match self.rest.find('{') {
                None if depth > 0 => return Err(fault("a {range …} has no {end}")),
                None => {
                    if !self.rest.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut self.rest).to_owned()));
                    }
                    return Ok(parts);
                }
                Some(brace) => {
                    let (text, rest) = self.rest.split_at(brace);
                    if !text.is_empty() {
                        parts.push(Part::Text(text.to_owned()));
                    }
                    self.rest = rest.get(1..).unwrap_or_default().trim_start();
                }
            }
            if let Some(rest) = self.rest.strip_prefix("range") {
                self.rest = rest.trim_start();
                let path = self.path()?;
                self.expect("}")?;
                parts.push(Part::Range(path, self.parts(depth + 1)?));
            } else if let Some(rest) = self.rest.strip_prefix("end") {
                self.rest = rest.trim_start();
                self.expect("}")?;
                return if depth > 0 { Ok(parts) } else { Err(fault("an {end} ends no {range …}")) };
            } else {
                parts.push(match self.literal()? {
                    Some(Value::String(text)) => Part::Text(text),
                    _ => Part::Values(self.path()?),
                });
                self.rest = self.rest.trim_start();
                self.expect("}")?;
            }
        }
    }

    fn expect(&mut self, word: &str) -> Result<(), TemplateError> {
        let rest = self.rest.strip_prefix(word);
        self.rest = rest.ok_or_else(|| {
            let found: String = self.rest.chars().take(20).collect();
            let found = if found.is_empty() { "the end".to_owned() } else { format!("{found:?}") };
            fault(format!("expected {word:?}, found {found}"))
        })?;
        Ok(())
    }

    fn path(&mut self) -> Result<Path, TemplateError> {
        let mut steps = Vec::new();
        self.rest = self.rest.strip_prefix(['$', '@']).unwrap_or(self.rest);
        loop {
            if let Some(rest) = self.rest.strip_prefix("..") {
                self.rest = rest;
                steps.push(Step::Below(self.key()?));
            } else if let Some(rest) = self.rest.strip_prefix('.') {
                self.rest = rest;
                match self.rest.strip_prefix('*') {
                    Some(rest) => {
                        self.rest = rest;
                        steps.push(Step::Every);
                    }
                    // `{.}` is all of it.
                    None if self.rest.starts_with(['}', '[', ' ']) => {}
                    None => steps.push(Step::Key(self.key()?)),
                }
            } else if let Some(rest) = self.rest.strip_prefix('[') {
                self.rest = rest.trim_start();
                steps.push(self.bracket()?);
                self.rest = self.rest.trim_start();
                self.expect("]")?;
            } else {
                return Ok(steps);
            }
        }
    }

    fn key(&mut self) -> Result<String, TemplateError> {
        let mut key = String::new();
        let mut chars = self.rest.char_indices();
        let mut end = self.rest.len();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => key.extend(chars.next().map(|(_, c)| c)),
                '.' | '[' | ']' | '}' | ')' | ' ' | '=' | '!' | '<' | '>' => {
                    end = at;
                    break;
                }
                c => key.push(c),
            }
        }
        self.rest = self.rest.get(end..).unwrap_or_default();
        if key.is_empty() { Err(fault("a key is missing after a dot")) } else { Ok(key) }
    }

    fn bracket(&mut self) -> Result<Step, TemplateError> {
        if let Some(rest) = self.rest.strip_prefix('*') {
            self.rest = rest;
            return Ok(Step::Every);
        }
        if let Some(rest) = self.rest.strip_prefix("?(") {
            self.rest = rest.trim_start();
            let path = self.path()?;
            self.rest = self.rest.trim_start();
            let compare = COMPARES.iter().find(|(word, _)| self.rest.starts_with(word));
            let is = match compare {
                None => None,
                Some((word, compare)) => {
                    self.rest = self.rest.get(word.len()..).unwrap_or_default().trim_start();
                    let wanted =
                        self.literal()?.ok_or_else(|| fault("a filter compares with a text or a number"))?;
                    Some((*compare, wanted))
                }
            };
            self.rest = self.rest.trim_start();
            self.expect(")")?;
            return Ok(Step::Filter(Filter { path, is }));
        }
        if self.rest.starts_with(['\'', '"']) {
            return match self.literal()? {
                Some(Value::String(key)) => Ok(Step::Key(key)),
                _ => Err(fault("a key in brackets is a text")),
            };
        }
        let inside = self.rest.split(']').next().unwrap_or_default();
        self.rest = self.rest.get(inside.len()..).unwrap_or_default();
        let number =
            |text: &str| text.trim().parse::<i64>().map_err(|_| fault(format!("{text:?} is no index")));
        let bound = |text: &str| if text.trim().is_empty() { Ok(None) } else { number(text).map(Some) };
        match inside.split_once(':') {
            None => number(inside).map(Step::Index),
            Some((from, to)) => Ok(Step::Slice(bound(from)?, bound(to)?)),
        }
    }

    /// A text between quotes, a number, `true` or `false`, if one stands here.
    fn literal(&mut self) -> Result<Option<Value>, TemplateError> {
        let Some(first) = self.rest.chars().next() else { return Ok(None) };
        if matches!(first, '\'' | '"') {
            let mut text = String::new();
            let mut chars = self.rest.char_indices().skip(1);
            while let Some((at, c)) = chars.next() {
                match c {
                    c if c == first => {
                        self.rest = self.rest.get(at + 1..).unwrap_or_default();
                        return Ok(Some(Value::String(text)));
                    }
                    '\\' => text.extend(chars.next().map(|(_, c)| match c {
                        'n' => '\n',
                        't' => '\t',
                        c => c,
                    })),
                    c => text.push(c),
                }
            }
            return Err(fault("a text has no end"));
        }
        let end = self.rest.find([')', '}', ' ']).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        let value =
            serde_json::from_str(word).ok().filter(|value: &Value| value.is_number() || value.is_boolean());
        if value.is_some() {
            self.rest = rest;
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document() -> Value {
        json!({
            "kind": "List",
            "items": [
                {"name": "web", "status": "running", "restarts": 3, "labels": {"a.b/c": "x"}, "ports": [80, 443]},
                {"name": "db", "status": "exited", "restarts": 0, "labels": {}, "ports": []},
            ],
        })
    }

    #[test]
    fn templates_say_what_kubectl_says() {
        for (template, expected) in [
            ("{.kind}", "List"),
            (".kind", "List"),
            ("{$.kind}", "List"),
            ("{.items[*].name}", "web db"),
            ("{.items[0].name} and {.items[-1].name}", "web and db"),
            ("{.items[0:1].name}", "web"),
            ("{.items[0].ports}", "[80,443]"),
            ("{.items[0].ports[*]}", "80 443"),
            (r"{.items[0].labels.a\.b/c}", "x"),
            ("{.items[0].labels['a.b/c']}", "x"),
            ("{..name}", "web db"),
            ("{.items[?(@.status==\"running\")].name}", "web"),
            ("{.items[?(@.restarts>0)].name}", "web"),
            ("{.items[?(@.restarts < 3)].name}", "db"),
            ("{.items[?(@.labels['a.b/c'])].name}", "web"),
            ("{range .items[*]}{.name}{\"\\t\"}{.restarts}{\"\\n\"}{end}", "web\t3\ndb\t0\n"),
            ("{.nothing}|{.items[9].name}", "|"),
        ] {
            let parsed: Template = template.parse().expect(template);
            assert_eq!(parsed.of(&document()), expected, "{template}");
        }
    }

    #[test]
    fn what_is_no_template_is_told_with_an_example() {
        for bad in [
            "",
            "{",
            "{.a",
            "{.items[}",
            "{.items[x]}",
            "{range .items[*]}",
            "{end}",
            "{.a..}",
            "{\"x}",
            "{.a[?(@.b==)]}",
        ] {
            let error = bad.parse::<Template>().expect_err(bad).to_string();
            assert!(error.contains("such as {.items[*].metadata.name}"), "{error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_does_harm(text in "[{}.$@*?()=<>'\"a-c0-9\\[\\]: \\\\-]{0,40}") {
            if let Ok(template) = text.parse::<Template>() {
                let _ = template.of(&document());
            }
        }
    }
}
