//! What a terminal would obey or hide, and how it is written out.

use std::fmt::Write;

/// Whether a terminal obeys `c` or shows nothing for it: control characters with the eight-bit ones (ECMA-48's C1: U+009B
/// begins a sequence as `ESC [` does), what changes the direction of text (Unicode's Bidi_Control) or breaks lines, and
/// what cannot be seen (format characters, fillers, tags).
pub const fn is_hidden(c: char) -> bool {
    matches!(c,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        | '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// `c` itself, or what stands for it.
pub(super) fn push(text: &mut String, c: char) {
    if is_hidden(c) {
        // Writing to a string does not fail.
        let _ = write!(text, "{}", c.escape_unicode());
    } else {
        text.push(c);
    }
}
