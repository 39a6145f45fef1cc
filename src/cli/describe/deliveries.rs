//! The deliveries of a container or to a target.

use std::io;

use serde_json::Value;

use super::beside::Beside;
use crate::cli::face::Face;
use crate::cli::get::columns::Columns;
use crate::cli::noun::Noun;
use crate::cli::paragraph::paragraph;
use crate::cli::table::Tone;
use crate::cli::text::scalar;

/// How many lines of those that are not delivered are shown.
const MOST: usize = 15;

/// How many deliveries are how far, and what is not delivered. What a registry was told is not remembered as deliveries.
pub(super) fn deliveries(beside: &Beside, bills: bool, face: &mut Face<'_>) -> io::Result<()> {
    let of =
        |state: &str| beside.deliveries.iter().filter(|item| item["state"].as_str() == Some(state)).count();
    writeln!(face.out, "\nDeliveries:")?;
    if bills {
        write!(face.out, "  {} delivered lately, {} waiting,", of("delivered"), of("pending"))?;
        writeln!(face.out, " {} parked", of("parked"))?;
    } else {
        writeln!(face.out, "  {} waiting", of("pending"))?;
    }
    let (now, columns) = (face.now(), Columns::of(Noun::Deliveries, false));
    let mut table = columns.table();
    // They come newest first, and the oldest is the one that is tried.
    let open = beside.deliveries.iter().rev().filter(|item| item["state"].as_str() != Some("delivered"));
    let alike = alike(open);
    for (first, _) in alike.iter().take(MOST) {
        table.row(columns.row(first, now));
    }
    if table.is_empty() {
        return Ok(());
    }
    table.print(face.out, 2, face.width)?;
    for (first, more) in alike.iter().take(MOST).filter(|(_, more)| *more > 0) {
        let text = |pointer: &str| scalar(first, pointer).unwrap_or_default();
        let (target, state) = (text("/target"), text("/state"));
        let line = format!("and {more} more after {} for {target}, {state}", text("/metadata/name"));
        paragraph(face.out, &line, Tone::Dim, (2, 2), face.width)?;
    }
    Ok(())
}

/// The first of those that differ only in what happened and when, and how many there are like it.
fn alike<'v>(deliveries: impl Iterator<Item = &'v Value>) -> Vec<(&'v Value, usize)> {
    let likeness = |item: &Value| {
        ["/target", "/kind", "/containerId", "/state", "/lastError", "/waitsBehind"]
            .map(|pointer| scalar(item, pointer))
    };
    let mut found: Vec<(&Value, usize)> = Vec::new();
    for item in deliveries {
        match found.iter_mut().find(|(first, _)| likeness(first) == likeness(item)) {
            Some((_, more)) => *more += 1,
            None => found.push((item, 0)),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::tests::Streams;

    #[test]
    fn deliveries_that_wait_for_the_same_are_one_line_and_their_number() {
        let bill = |seq: u32, target: &str| {
            json!({
                "metadata": {"name": format!("bill-{seq}")}, "target": target, "state": "pending",
                "attempts": 3, "event": "started", "lastError": "refused", "containerId": "c1",
            })
        };
        let bills = (0..40).map(|seq| bill(40 - seq, "billing"));
        let deliveries = std::iter::once(bill(41, "other")).chain(bills).collect();
        let beside = Beside { deliveries, ..Beside::default() };
        let mut streams = Streams::default();
        super::deliveries(&beside, true, &mut streams.face()).expect("output");
        let expected = "
Deliveries:
  0 delivered lately, 41 waiting, 0 parked
  NAME     TARGET   EVENT    CONTAINER  STATE    FAILED  NEXT  AGE  ERROR
  bill-1   billing  started  c1         pending  3       -     -    refused
  bill-41  other    started  c1         pending  3       -     -    refused
  and 39 more after bill-1 for billing, pending
";
        assert_eq!(streams.both(), expected);
    }
}
