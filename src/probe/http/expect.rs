//! Whether an answer is what is declared.

use std::time::Duration;

use regex::Regex;
use serde_json::value::RawValue;

use super::body::Body;
use crate::probe::steps::shown;
use crate::probe::{Cause, Failure, Here, There};
use crate::resource::probe::http::{HttpExpect, JsonExpect};
use crate::resource::same;

/// The status that is declared.
pub(super) fn status(expect: &HttpExpect, status: u16, retry_after: bool) -> Result<(), Failure> {
    if expect.status.iter().any(|range| (range.from..=range.to).contains(&status)) {
        return Ok(());
    }
    let cause = Cause::Http { status, retry_after };
    let reason = format!("{}, got {cause}", expected(expect));
    Err(Failure::new(cause, reason))
}

/// As in `expected status 200 or 204`.
pub(super) fn expected(expect: &HttpExpect) -> String {
    let wanted: Vec<String> = expect.status.iter().map(ToString::to_string).collect();
    format!("expected status {}", wanted.join(" or "))
}

/// Whether anything of the body is asked for.
pub(super) fn wants_body(expect: &HttpExpect) -> bool {
    expect.body_contains.is_some() || expect.body_matches.is_some() || !expect.json.is_empty()
}

/// What is looked for in a body as it comes in.
pub(super) struct Sought<'a> {
    text: Option<&'a str>,
    pattern: Option<Regex>,
    /// Whether nothing less than all of it will do.
    all: bool,
    /// So many bytes have been matched with the pattern.
    matched: usize,
}

impl<'a> Sought<'a> {
    pub(super) fn of(expect: &'a HttpExpect) -> Self {
        Self {
            text: expect.body_contains.as_deref(),
            // It was checked when it was declared.
            pattern: expect.body_matches.as_deref().and_then(|pattern| Regex::new(pattern).ok()),
            all: !expect.json.is_empty(),
            matched: 0,
        }
    }

    /// Whether it is all there, whatever follows. Where nothing follows for a while a pattern is tried at once; else only when
    /// there is enough more than the last time that all of it together takes no longer than a few times the whole body.
    pub(super) fn is_found(&mut self, body: &mut Body, lull: bool) -> bool {
        if self.all {
            return false;
        }
        if let Some(text) = self.text {
            if !body.contains(text) {
                return false;
            }
            self.text = None;
        }
        let Some(pattern) = &self.pattern else { return true };
        let length = body.text().len();
        let due = if lull { length > self.matched } else { length > self.matched + self.matched / 8 };
        if !due {
            return false;
        }
        self.matched = length;
        // One that ends where the text does may be none when more comes: `up$`.
        pattern.shortest_match(body.text()).is_some_and(|end| end < length)
    }
}

/// What is declared of the body.
pub(super) fn body(expect: &HttpExpect, read: &Body) -> Result<(), Failure> {
    let (body, cut) = (read.text(), read.is_full());
    // What is not in the part that is read may be in the rest: that it is not read is ours.
    let (cause, got): (Cause, _) = match cut {
        true => (Here::Unsupported.into(), "which is not in its first 1 MiB, and no more is read"),
        false => (There::Unexpected.into(), "got another"),
    };
    let unexpected = |reason: String| Failure::new(cause.clone(), reason).saying(body);
    if let Some(text) = expect.body_contains.as_ref().filter(|text| !body.contains(text.as_str())) {
        return Err(unexpected(format!("expected a body with {:?}, {got}", shown(text))));
    }
    if let Some(pattern) = &expect.body_matches {
        // It was checked when it was declared.
        let matches = Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(body));
        if !matches {
            return Err(unexpected(format!("expected a body that matches {pattern:?}, {got}")));
        }
    }
    if expect.json.is_empty() {
        return Ok(());
    }
    if cut {
        return Err(unexpected("expected JSON of 1 MiB at most, and no more is read".to_owned()));
    }
    let document: Result<&RawValue, _> = serde_json::from_str(body);
    let document =
        document.map_err(|error| unexpected(format!("expected JSON, got something else ({error})")))?;
    expect.json.iter().try_for_each(|wanted| json(wanted, document))
}

fn json(JsonExpect { path, equals }: &JsonExpect, document: &RawValue) -> Result<(), Failure> {
    let unexpected =
        |got: String| Failure::new(There::Unexpected, format!("expected {equals} at {path}, {got}"));
    match path.find(document) {
        // What has no worth here, such as 1e400, is nothing that can be declared.
        Ok(found) if serde_json::from_str(found.get()).is_ok_and(|found| same(&found, equals)) => Ok(()),
        Ok(found) => Err(unexpected("found something else".to_owned()).saying(found.get())),
        Err(astray) => Err(unexpected(format!("found nothing: {astray}"))),
    }
}

/// What is declared of the time.
pub(super) fn latency(expect: &HttpExpect, took: Duration) -> Result<(), Failure> {
    match expect.max_latency {
        Some(limit) if took > limit.get() => {
            let reason = format!("expected an answer within {limit}, it took {} ms", took.as_millis());
            Err(Failure::new(There::Slow, reason))
        }
        _ => Ok(()),
    }
}
