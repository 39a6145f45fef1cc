//! Whether an answer is what is declared.

use std::time::Duration;

use regex::Regex;
use serde_json::Value;

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
    let wanted: Vec<String> = expect.status.iter().map(ToString::to_string).collect();
    let expected = format!("status {}", wanted.join(" or "));
    Err(Failure::got(Cause::Http { status, retry_after }, &expected))
}

/// Whether anything of the body is asked for.
pub(super) fn wants_body(expect: &HttpExpect) -> bool {
    expect.body_contains.is_some() || wants_all(expect)
}

/// Whether all of the body is asked for.
pub(super) fn wants_all(expect: &HttpExpect) -> bool {
    expect.body_matches.is_some() || !expect.json.is_empty()
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
    let document = serde_json::from_str(body);
    let document =
        document.map_err(|error| unexpected(format!("expected JSON, got something else ({error})")))?;
    expect.json.iter().try_for_each(|wanted| json(wanted, &document))
}

fn json(JsonExpect { path, equals }: &JsonExpect, document: &Value) -> Result<(), Failure> {
    let unexpected =
        |got: String| Failure::new(There::Unexpected, format!("expected {equals} at {path}, {got}"));
    match path.find(document) {
        Ok(found) if same(found, equals) => Ok(()),
        Ok(found) => Err(unexpected("found something else".to_owned()).saying(found.to_string())),
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
