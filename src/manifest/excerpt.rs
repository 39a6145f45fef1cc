//! The line shown with a problem: short, and without secrets.

use super::problem::Excerpt;
use super::split::lines;
use crate::terminal::is_hidden;

/// The longest part of a line that is shown, in characters.
const WIDEST: usize = 400;
/// Keys whose values are never shown, in lower case; a key counts if it ends with one of them.
const SECRETS: [&str; 7] = ["password", "passwd", "secret", "token", "bearer", "apikey", "api_key"];

/// The excerpt of `line` (counted from 1) of `text` that marks the word at `column`. With `secret`, the word and
/// all after it is masked, but for brackets that close what was open.
pub(super) fn excerpt(text: &str, line: usize, column: usize, secret: bool) -> Excerpt {
    let whole = lines(text).nth(line.saturating_sub(1)).unwrap_or_default();
    // A far column would need a window and wrong columns with it: the message alone has to do then.
    if column > WIDEST {
        return Excerpt::default();
    }
    // One character for one, so that columns stay right: what is there is told by the message.
    let shown = |c: char| if is_hidden(c) && c != '\t' { char::REPLACEMENT_CHARACTER } else { c };
    let mut shown: Vec<char> = whole.chars().take(WIDEST).map(shown).collect();
    let start = column.saturating_sub(1).min(shown.len());
    let end = word_end(&shown, start);
    mask_known(&mut shown);
    if secret {
        let end = secret_end(&shown, start);
        mask(&mut shown, start, end);
    }
    let bytes = |chars: &[char]| chars.iter().map(|c| c.len_utf8()).sum();
    Excerpt { start: bytes(&shown[..start]), end: bytes(&shown[..end]), text: shown.iter().collect() }
}

/// Where the key or value that starts at `start` ends.
fn word_end(line: &[char], start: usize) -> usize {
    let Some(first) = line.get(start) else { return start };
    let rest = &line[start..];
    let length = match first {
        '"' | '\'' => rest.iter().skip(1).position(|c| c == first).map_or(rest.len(), |place| place + 2),
        '{' | '[' | '}' | ']' | ',' | ':' => 1,
        _ => {
            let ends = |(place, c): (usize, &char)| {
                let next = rest.get(place + 1);
                matches!(c, ',' | ']' | '}')
                    || (*c == ':' && next.is_none_or(|next| next.is_whitespace()))
                    || (c.is_whitespace() && next == Some(&'#'))
            };
            rest.iter().enumerate().position(ends).unwrap_or(rest.len())
        }
    };
    let trailing = rest[..length].iter().rev().take_while(|c| c.is_whitespace()).count();
    start + (length - trailing).max(1)
}

/// Masks in place, one character for one, so that columns stay right.
fn mask(line: &mut [char], from: usize, to: usize) {
    for c in line.iter_mut().take(to).skip(from) {
        if !c.is_whitespace() {
            *c = '*';
        }
    }
}

/// Where what may be a secret ends: with the line, but for the brackets that close what was opened before it.
fn secret_end(line: &[char], from: usize) -> usize {
    let count = |bracket: char| line.iter().take(from).filter(|c| **c == bracket).count();
    let mut open = (count('{') + count('[')).saturating_sub(count('}') + count(']'));
    let mut end = line.len();
    while let Some(last) = end.checked_sub(1).filter(|last| *last > from) {
        match line[last] {
            '}' | ']' if open > 0 => open -= 1,
            c if c.is_whitespace() => {}
            _ => break,
        }
        end = last;
    }
    end
}

/// Masks passwords in URLs and the values of keys that sound like secrets.
fn mask_known(line: &mut [char]) {
    for place in 0..line.len() {
        if line[place..].starts_with(&[':', '/', '/']) {
            let from = place + 3;
            let ends = |c: &char| c.is_whitespace() || matches!(c, '/' | '"' | '\'');
            let to = line[from..].iter().position(ends).map_or(line.len(), |length| from + length);
            let at = line[from..to].iter().rposition(|c| *c == '@').map(|at| from + at);
            let colon =
                at.and_then(|at| line[from..at].iter().position(|c| *c == ':').map(|colon| from + colon));
            if let (Some(at), Some(colon)) = (at, colon) {
                mask(line, colon + 1, at);
            }
        } else if line[place] == ':' && ends_with_secret(&line[..place]) {
            let blank = line[place + 1..].iter().take_while(|c| c.is_whitespace()).count();
            let from = place + 1 + blank;
            // A reference ({env: NAME}) is no secret.
            if line.get(from).is_some_and(|c| !matches!(c, '{' | '[' | '/')) {
                mask(line, from, secret_end(line, from));
            }
        }
    }
}

fn ends_with_secret(before: &[char]) -> bool {
    let longest = 9;
    let tail = &before[before.len().saturating_sub(longest)..];
    let tail: String = tail.iter().flat_map(|c| c.to_lowercase()).collect();
    let tail = tail.trim_end().trim_end_matches(['"', '\'']);
    SECRETS.iter().any(|name| tail.ends_with(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_at_a_column_is_marked() {
        for (line, column, expected) in [
            ("  selectro: {all: true}", 3, "selectro"),
            ("  timeout: 5 # seconds", 12, "5"),
            ("  url: http://a:80/b", 8, "http://a:80/b"),
            ("  \"a b\": 1", 3, "\"a b\""),
            ("{a: b, c: d}", 5, "b"),
            ("  é: ü", 6, "ü"),
            ("", 1, ""),
            ("ab", 9, ""),
        ] {
            let excerpt = excerpt(line, 1, column, false);
            assert_eq!(&excerpt.text[excerpt.start..excerpt.end], expected, "{line}");
        }
    }

    #[test]
    fn secrets_are_masked_wherever_they_stand() {
        for line in [
            "url: http://ada:hunter2@host/x",
            "url: 'http://ada:hunt@er2@host'",
            "password: hunter2",
            "  \"token\": \"hunter2\"",
            "auth: {bearer: hunter2, x: y}",
            "authToken: hunter2",
        ] {
            let text = excerpt(line, 1, 1, false).text;
            assert!(!text.contains("hunter2") && !text.contains("er2"), "{text}");
        }
        let kept = "auth: {bearer: {env: TOKEN}}  # http://host:80/a@b";
        assert_eq!(excerpt(kept, 1, 1, false).text, kept);
        assert_eq!(excerpt("auth: hunter2 again", 1, 7, true).text, "auth: ******* *****");
        for (line, column, shown) in [
            ("spec: {auth: {bearer: hunter2}}", 1, "spec: {auth: {bearer: *******}}"),
            ("spec: {auth: {bearer: hunter2} }", 23, "spec: {auth: {bearer: *******} }"),
            // A bracket that nothing opened may belong to the secret.
            ("  bearer: hunter2}}", 1, "  bearer: *********"),
            ("{token: a}b}", 9, "{token: ***}"),
        ] {
            assert_eq!(excerpt(line, 1, column, column > 1).text, shown);
        }
    }

    #[test]
    fn a_long_line_is_cut() {
        let line = format!("a: {}", "x".repeat(1_000_000));
        assert!(excerpt(&line, 1, 4, false).text.len() <= WIDEST);
        assert_eq!(excerpt(&line, 1, 500_000, false), Excerpt::default());
    }
}
