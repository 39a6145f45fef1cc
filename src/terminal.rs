//! What may reach a terminal. A terminal obeys what it is sent, and labels, reasons, answers and file names come from
//! strangers: whatever would be obeyed, or could not be seen, is written out instead, as in `\u{9b}`.
//!
//! Commands write through a [`Screen`], log lines through [`crate::telemetry`], so that nothing has to be remembered
//! where text is made. [`line()`] is for text of strangers that has to stay on one line, [`json`] and [`quoted`] for
//! documents, which stay what they are to whoever reads them.

mod hidden;
mod screen;

use std::borrow::Cow;
use std::fmt::Write;

pub use self::hidden::is_hidden;
use self::hidden::push;
pub use self::screen::Screen;

/// `text` on one line, with everything of it to be seen: line breaks and tabs are blanks.
pub fn line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(c) = letters.next() {
        match c {
            '\n' | '\t' => line.push(' '),
            // As other systems break lines. Alone it would have the line written over.
            '\r' if letters.peek() == Some(&'\n') => {}
            c => push(&mut line, c),
        }
    }
    line
}

/// The same of a text that may have several lines.
pub fn lines(text: &str) -> String {
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// An event of a log, with the line break at its end, as the one line that it is; `coloured` lets our colours pass.
pub fn logged(event: &str, coloured: bool) -> String {
    let event = event.strip_suffix('\n').unwrap_or(event);
    format!("{}\n", screen::shown(&event.replace('\n', " "), coloured))
}

/// JSON text that says the same and has nothing hidden in it. Outside of strings JSON has blanks and line breaks alone.
pub fn json(text: &str) -> Cow<'_, str> {
    escaped(text, |c, escaped| {
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(escaped, "\\u{unit:04x}");
        }
    })
}

/// `text` in double quotes, as YAML reads it, and JSON too but for what lies beyond U+FFFF.
pub fn quoted(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    let quoted = escaped(&quoted, |c, escaped| {
        let code = u32::from(c);
        let _ =
            if code > 0xffff { write!(escaped, "\\U{code:08x}") } else { write!(escaped, "\\u{code:04x}") };
    });
    quoted.into_owned()
}

/// `text` with what is hidden in it as `escape` writes it, but for line breaks and tabs.
fn escaped(text: &str, escape: impl Fn(char, &mut String)) -> Cow<'_, str> {
    let hidden = |c: char| is_hidden(c) && !matches!(c, '\n' | '\t');
    if !text.contains(hidden) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if hidden(c) { escape(c, &mut escaped) } else { escaped.push(c) }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_strangers_is_one_line_of_which_all_is_seen() {
        for (text, expected) in [
            ("a\u{1b}[2Jb", "a\\u{1b}[2Jb"),
            ("a\u{9b}2Jb\u{7}\u{8}\u{7f}\0", "a\\u{9b}2Jb\\u{7}\\u{8}\\u{7f}\\u{0}"),
            ("one\ntwo\r\nthree\tfour", "one two three four"),
            ("good\rbad", "good\\u{d}bad"),
            ("c\u{202e}d\u{2066}e\u{61c}", "c\\u{202e}d\\u{2066}e\\u{61c}"),
            ("ad\u{200b}min\u{ad}\u{feff}\u{e0041}", "ad\\u{200b}min\\u{ad}\\u{feff}\\u{e0041}"),
            // What is merely foreign stays: accents, composed or not, and wide blanks.
            ("é e\u{301} 日本\u{3000}語 ✓ \u{a0}", "é e\u{301} 日本\u{3000}語 ✓ \u{a0}"),
        ] {
            assert_eq!(line(text), expected);
        }
        assert_eq!(lines("one\r\n  two\r\u{9b}"), "one\\u{d}\n  two\\u{d}\\u{9b}");
    }

    #[test]
    fn an_event_of_a_log_is_one_line() {
        let event = "\u{1b}[2mnow\u{1b}[0m INFO a\n2025 WARN forged\r\u{202e}\n";
        assert_eq!(logged(event, false), "\\u{1b}[2mnow\\u{1b}[0m INFO a 2025 WARN forged\\u{d}\\u{202e}\n");
        assert!(logged(event, true).starts_with("\u{1b}[2mnow\u{1b}[0m INFO a 2025"));
    }

    #[test]
    fn every_character_that_unicode_calls_a_control_or_a_change_of_direction_is_hidden() {
        let bidi =
            "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}";
        let controls = ('\0'..=char::MAX).filter(|c| c.is_control());
        for c in controls.chain(bidi.chars()) {
            assert!(is_hidden(c), "{}", c.escape_unicode());
        }
        assert!(('\u{a0}'..='\u{ac}').chain(' '..='~').all(|c| !is_hidden(c)));
    }

    #[test]
    fn documents_say_the_same_with_nothing_hidden_in_them() {
        let hostile = "\u{1b}[35m\u{9b}31m\r\n\t\"\\\u{7f}\u{202e}\u{e0041}é🦀";
        let document = serde_json::json!({ hostile: [hostile, 1] });
        let hidden = |text: &str| text.chars().any(|c| is_hidden(c) && c != '\n');
        for text in [document.to_string(), format!("{document:#}")] {
            let shown = json(&text);
            assert!(hidden(&text) && !hidden(&shown), "{shown}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).expect("JSON"), document);
        }
        assert!(matches!(json("{\"a\": \"é\"}"), Cow::Borrowed(_)));
        assert_eq!(quoted("a\u{9b}\u{e0041}\"é"), r#""a\u009b\U000e0041\"é""#);
    }
}
