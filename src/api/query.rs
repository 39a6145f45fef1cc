//! Parameters of a URL: those a route knows, and a hint for the others.

use std::collections::BTreeMap;

use super::status::Failure;
use crate::manifest::nearest;

/// Parameters as they were given.
pub(super) type Query = BTreeMap<String, String>;

/// Refuses a parameter that the route does not know.
pub(super) fn only(query: &Query, known: &[&str]) -> Result<(), Failure> {
    for name in query.keys() {
        if !known.contains(&name.as_str()) {
            let shown: String = name.chars().take(64).collect();
            let hint = match nearest(name, known.iter().copied()) {
                Some(near) => format!("did you mean {near:?}?"),
                None if known.is_empty() => "this route takes none".to_owned(),
                None => format!("there are: {}", known.join(", ")),
            };
            return Err(Failure::bad_request(format!("{shown:?} is no parameter; {hint}")));
        }
    }
    Ok(())
}

/// A parameter that is on or off.
pub(super) fn flag(query: &Query, name: &str) -> Result<bool, Failure> {
    match query.get(name).map(String::as_str) {
        None | Some("false" | "0") => Ok(false),
        Some("" | "true" | "1") => Ok(true),
        Some(_) => Err(Failure::bad_request(format!("{name} is either true or false"))),
    }
}

/// A whole number of a range.
pub(super) fn number(
    query: &Query,
    name: &str,
    range: std::ops::RangeInclusive<u32>,
) -> Result<Option<u32>, Failure> {
    let Some(text) = query.get(name).filter(|text| !text.is_empty()) else { return Ok(None) };
    let (least, most) = (range.start(), range.end());
    text.parse()
        .ok()
        .filter(|number| range.contains(number))
        .map(Some)
        .ok_or_else(|| Failure::bad_request(format!("{name} is a whole number between {least} and {most}")))
}

/// Whether nothing is to be written.
pub(super) fn dry_run(query: &Query) -> Result<bool, Failure> {
    match query.get("dryRun").map(String::as_str) {
        None => Ok(false),
        Some("All") => Ok(true),
        Some(_) => Err(Failure::bad_request("dryRun is All, or left out")),
    }
}
