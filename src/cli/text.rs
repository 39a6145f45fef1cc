//! Words and figures as they are shown: ages, counts, and text from strangers on one line.

use serde_json::Value;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::observed::Nanos;
pub(super) use crate::resource::count;
pub(super) use crate::terminal::line as plain;

/// `text` on lines of at most `width` columns, broken between words; a word that is longer is broken where it has to be.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = vec![String::new()];
    let mut used = 0;
    for (place, word) in text.split(' ').enumerate() {
        let wide = word.width();
        if place > 0 && used + 1 + wide <= width {
            push(&mut lines, " ");
            used += 1;
        } else if place > 0 && used > 0 {
            lines.push(String::new());
            used = 0;
        }
        if used + wide <= width {
            push(&mut lines, word);
            used += wide;
            continue;
        }
        for c in word.chars() {
            let wide = c.width().unwrap_or(0);
            if used + wide > width && used > 0 {
                lines.push(String::new());
                used = 0;
            }
            push(&mut lines, c.encode_utf8(&mut [0; 4]));
            used += wide;
        }
    }
    lines
}

fn push(lines: &mut [String], text: &str) {
    if let Some(line) = lines.last_mut() {
        line.push_str(text);
    }
}

/// The first `most` of these names, and how many there are more: `a, b, c and 9 more`.
pub(super) fn named(names: &[&str], most: usize) -> String {
    let first = names.iter().take(most).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(most) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// The instant that an RFC 3339 text names.
pub(super) fn instant(text: &str) -> Option<Nanos> {
    let at: jiff::Timestamp = text.parse().ok()?;
    i64::try_from(at.as_nanosecond()).ok().map(Nanos)
}

/// Bytes in the largest unit that makes a number of it, in powers of 1024: `512B`, `64.0MiB`, `1.5GiB`.
pub(super) fn bytes(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    #[expect(clippy::cast_precision_loss, reason = "one digit after the point is shown")]
    let mut number = bytes as f64 / 1024.0;
    let mut units = ["KiB", "MiB", "GiB", "TiB"].into_iter().peekable();
    let mut unit = units.next().unwrap_or_default();
    // What would be shown as 1024.0 is one of the next unit.
    while number >= 1023.95
        && let Some(larger) = units.next()
    {
        number /= 1024.0;
        unit = larger;
    }
    format!("{number:.1}{unit}")
}

/// How long ago `then` was, in one unit: `45s`, `5m`, `3h`, `12d`. Both clocks may differ a little.
pub(super) fn age(then: Nanos, now: Nanos) -> String {
    span(now.since(then).max(0))
}

/// Nanoseconds in one unit.
pub(super) fn span(nanos: i64) -> String {
    let seconds = nanos / 1_000_000_000;
    match seconds {
        ..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// The age of what the field of `item` at `pointer` names; `-` if there is nothing.
pub(super) fn age_of(item: &Value, pointer: &str, now: Nanos) -> String {
    let then = item.pointer(pointer).and_then(Value::as_str).and_then(instant);
    then.map_or_else(|| "-".to_owned(), |then| age(then, now))
}

/// `in 12s`, `5m ago`.
pub(super) fn relative(at: Nanos, now: Nanos) -> String {
    let ahead = at.since(now);
    if ahead > 0 { format!("in {}", span(ahead)) } else { format!("{} ago", age(at, now)) }
}

/// The scalar at `pointer` as text; `None` if nothing stands there.
pub(super) fn scalar(item: &Value, pointer: &str) -> Option<String> {
    match item.pointer(pointer)? {
        Value::Null => None,
        Value::String(text) => Some(plain(text)),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) => Some(number.to_string()),
        list @ Value::Array(_) => Some(plain(&words(list))),
        Value::Object(fields) => Some(plain(&pairs(fields))),
    }
}

/// A list as words between commas.
fn words(list: &Value) -> String {
    let items = list.as_array().into_iter().flatten();
    let words: Vec<_> =
        items.map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned)).collect();
    words.join(",")
}

/// A map as `a=b,c=d`.
pub(super) fn pairs(fields: &serde_json::Map<String, Value>) -> String {
    let pair = |(key, value): (&String, &Value)| match value {
        Value::String(text) => format!("{key}={text}"),
        Value::Array(_) => format!("{key}={}", words(value)),
        Value::Object(fields) => format!("{key}({})", pairs(fields)),
        other => format!("{key}={other}"),
    };
    fields.iter().map(pair).collect::<Vec<_>>().join(",")
}

/// With which code the last run of a container ended, in brackets; empty while it runs.
pub(super) fn exit_code(container: &Value) -> String {
    container["exit_code"].as_i64().map_or_else(String::new, |code| format!(" (exit code {code})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_in_one_unit_and_never_below_nothing() {
        let second = 1_000_000_000;
        for (seconds, expected) in
            [(0, "0s"), (119, "119s"), (120, "2m"), (7_199, "119m"), (7_200, "2h"), (172_800, "2d")]
        {
            assert_eq!(age(Nanos(0), Nanos(seconds * second)), expected);
        }
        assert_eq!(age(Nanos(second), Nanos(0)), "0s");
        assert_eq!(relative(Nanos(12 * second), Nanos(0)), "in 12s");
        assert_eq!(relative(Nanos(0), Nanos(12 * second)), "12s ago");
    }

    #[test]
    fn lines_are_broken_between_words_and_long_words_where_they_must_be() {
        assert_eq!(wrapped("a bc def", 4), ["a bc", "def"]);
        assert_eq!(wrapped("abcdef g", 4), ["abcd", "ef g"]);
        assert_eq!(wrapped("a bcdefg", 4), ["a", "bcde", "fg"]);
        assert_eq!(wrapped("日本語", 4), ["日本", "語"]);
        assert_eq!(wrapped("", 4), [""]);
    }

    #[test]
    fn bytes_are_told_in_a_unit_that_makes_a_small_number_of_them() {
        for (number, expected) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1.0KiB"),
            ((1 << 20) - 1, "1.0MiB"),
            (64 << 20, "64.0MiB"),
            (3 << 29, "1.5GiB"),
            (u64::MAX, "16777216.0TiB"),
        ] {
            assert_eq!(bytes(number), expected);
        }
    }

    #[test]
    fn values_are_shown_on_one_line() {
        let item =
            serde_json::json!({"a": {"names": ["x", "y"], "all": true, "compose": {"project": "p"}}, "b": 5});
        assert_eq!(scalar(&item, "/a").as_deref(), Some("all=true,compose(project=p),names=x,y"));
        assert_eq!(scalar(&item, "/b").as_deref(), Some("5"));
        assert_eq!(scalar(&item, "/c"), None);
        assert_eq!(age_of(&item, "/b", Nanos(0)), "-");
    }
}
