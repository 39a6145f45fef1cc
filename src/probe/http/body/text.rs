//! A body as text, as it comes in: by the charset that browsers would read it in.
//!
//! A byte order mark says it before all else, then the answer's Content-Type, then what HTML and XML say of themselves (the
//! HTML standard, 13.2.3). What says nothing is UTF-8 and, if it cannot be that, what browsers take then: windows-1252.

use std::sync::LazyLock;

use encoding_rs::{Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use regex::bytes::Regex;

/// So far into it a page may say what it is written in.
const PROLOGUE: usize = 1024;

/// A body that comes in pieces.
pub(super) struct Text {
    state: State,
    /// All that came, until it is known how to read it and that it can be read so.
    raw: Vec<u8>,
    text: String,
    /// So much of the text has been looked through.
    searched: usize,
}

enum State {
    /// What it says of itself, by this pattern, decides.
    Undecided(&'static LazyLock<Option<Regex>>),
    /// Nothing speaks against UTF-8 so far.
    Assumed(Decoder),
    Known(Decoder),
}

/// `charset` in a `meta` of HTML, outside comments. Both of its forms have it: an attribute, or the content of another.
static META: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"(?is)<!--.*?(?:-->|$)|<meta[\s/][^>]*?charset\s*=\s*["']?\s*([^\s"'/>;]+)"#).ok()
});
/// The declaration with which XML may begin.
static DECLARATION: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"^<\?xml[^>]*?encoding\s*=\s*["']([^"']+)"#).ok());

impl Text {
    /// For an answer with this Content-Type.
    pub(super) fn new(content_type: Option<&str>) -> Self {
        let content_type = content_type.unwrap_or_default().to_ascii_lowercase();
        let (kind, parameters) = content_type.split_once(';').unwrap_or((&content_type, ""));
        let charset = parameters.split(';').filter_map(|parameter| parameter.split_once('='));
        let charset =
            charset.filter(|(name, _)| name.trim() == "charset").map(|(_, label)| label.trim_matches(QUOTES));
        let declared = charset.filter_map(|label| Encoding::for_label(label.as_bytes())).next();
        let kind = kind.trim();
        let state = match declared {
            Some(encoding) => State::Known(encoding.new_decoder()),
            None if kind == "text/html" => State::Undecided(&META),
            None if kind.ends_with("/xml") || kind.ends_with("+xml") => State::Undecided(&DECLARATION),
            None => State::Assumed(UTF_8.new_decoder()),
        };
        Self { state, raw: Vec::new(), text: String::new(), searched: 0 }
    }

    /// Takes in what follows.
    pub(super) fn push(&mut self, piece: &[u8]) {
        self.take_in(piece, false);
    }

    /// All of it has come.
    pub(super) fn end(&mut self) {
        self.take_in(&[], true);
    }

    /// As much of it as can be read so far.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether `wanted` is in it; what was looked through is not looked through again.
    pub(super) fn contains(&mut self, wanted: &str) -> bool {
        // The last time's end may be the middle of it.
        let from = self.text.floor_char_boundary(self.searched.saturating_sub(wanted.len()));
        self.searched = self.text.len();
        self.text.get(from..).is_some_and(|rest| rest.contains(wanted))
    }

    fn take_in(&mut self, piece: &[u8], last: bool) {
        match &mut self.state {
            State::Known(decoder) => read(decoder, piece, &mut self.text, last),
            State::Assumed(decoder) => {
                self.raw.extend_from_slice(piece);
                if !read_well(decoder, piece, &mut self.text, last) {
                    // From its beginning, as what it must be then.
                    let raw = std::mem::take(&mut self.raw);
                    (self.text, self.searched) = (String::new(), 0);
                    self.know(WINDOWS_1252, &raw, last);
                }
            }
            State::Undecided(pattern) => {
                self.raw.extend_from_slice(piece);
                let marked = Encoding::for_bom(&self.raw).is_some();
                if !marked && !last && self.raw.len() < PROLOGUE {
                    return;
                }
                let prologue = self.raw.get(..PROLOGUE).unwrap_or(&self.raw);
                let labels = pattern.as_ref().into_iter().flat_map(|pattern| pattern.captures_iter(prologue));
                let label = labels.filter_map(|found| found.get(1)).map(|label| label.as_bytes()).next();
                let declared = label.and_then(Encoding::for_label);
                let raw = std::mem::take(&mut self.raw);
                match declared {
                    // What could be read up to here is no UTF-16.
                    Some(declared) if !marked && declared != UTF_16BE && declared != UTF_16LE => {
                        self.know(declared, &raw, last);
                    }
                    _ => {
                        self.state = State::Assumed(UTF_8.new_decoder());
                        self.take_in(&raw, last);
                    }
                }
            }
        }
    }

    fn know(&mut self, encoding: &'static Encoding, raw: &[u8], last: bool) {
        let mut decoder = encoding.new_decoder();
        read(&mut decoder, raw, &mut self.text, last);
        self.state = State::Known(decoder);
    }
}

const QUOTES: [char; 4] = ['"', '\'', ' ', '\t'];

/// What cannot be read is shown as U+FFFD.
fn read(decoder: &mut Decoder, mut piece: &[u8], text: &mut String, last: bool) {
    loop {
        text.reserve(decoder.max_utf8_buffer_length(piece.len()).unwrap_or(piece.len()));
        let (came, read, _) = decoder.decode_to_string(piece, text, last);
        piece = piece.get(read..).unwrap_or_default();
        if came == encoding_rs::CoderResult::InputEmpty {
            return;
        }
    }
}

/// Whether all could be read.
fn read_well(decoder: &mut Decoder, piece: &[u8], text: &mut String, last: bool) -> bool {
    text.reserve(decoder.max_utf8_buffer_length(piece.len()).unwrap_or(piece.len()));
    let (_, _, replaced) = decoder.decode_to_string(piece, text, last);
    !replaced || decoder.encoding() != UTF_8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `body` as text, when it comes in pieces of so many bytes.
    fn text(content_type: &str, body: &[u8], piece: usize) -> String {
        let mut text = Text::new(Some(content_type).filter(|given| !given.is_empty()));
        body.chunks(piece).for_each(|piece| text.push(piece));
        text.end();
        text.as_str().to_owned()
    }

    #[test]
    fn a_body_is_read_as_browsers_read_it() {
        let page = |meta: &str| format!("<!doctype html><title>x</title>{meta}<p>").into_bytes();
        let with = |mut page: Vec<u8>, tail: &[u8]| {
            page.extend_from_slice(tail);
            page
        };
        let utf16 = |begin: [u8; 2], unit: fn(u16) -> [u8; 2]| {
            [begin.to_vec(), "{état}".encode_utf16().flat_map(unit).collect()].concat()
        };
        for (content_type, body, expected) in [
            ("", "état".as_bytes().to_vec(), "état"),
            ("text/plain; charset=utf-8", "état".as_bytes().to_vec(), "état"),
            ("text/plain; charset=ISO-8859-1", b"\xe9tat".to_vec(), "état"),
            ("text/plain;format=flowed; CharSet=\"latin1\"", b"\xe9tat \x80".to_vec(), "état €"),
            ("text/plain; charset=Shift_JIS", b"\x93\xfa\x96{".to_vec(), "日本"),
            ("text/plain; charset=koi8-r", b"\xc4\xc1".to_vec(), "да"),
            // Said by nobody, and no UTF-8.
            ("text/plain", b"\xe9tat".to_vec(), "état"),
            ("text/plain; charset=nonsense", b"\xe9tat".to_vec(), "état"),
            // The mark comes before what is declared, and is not part of the text.
            ("application/json", b"\xef\xbb\xbf{\"a\":1}".to_vec(), "{\"a\":1}"),
            ("application/json; charset=iso-8859-1", b"\xef\xbb\xbf{\xc3\xa9}".to_vec(), "{é}"),
            ("text/html", b"\xef\xbb\xbf<meta charset=latin1>\xc3\xa9".to_vec(), "<meta charset=latin1>é"),
            ("", utf16([0xff, 0xfe], u16::to_le_bytes), "{état}"),
            ("application/json", utf16([0xfe, 0xff], u16::to_be_bytes), "{état}"),
            // Declared as UTF-8, and not that.
            ("text/plain; charset=utf-8", b"a\xe9b".to_vec(), "a\u{fffd}b"),
        ] {
            for piece in [1, 3, 4096] {
                assert_eq!(text(content_type, &body, piece), expected, "{content_type} {body:?} by {piece}");
            }
        }
        for (content_type, body, end) in [
            ("text/html", with(page("<meta charset=iso-8859-1>"), b"\xe9"), "é"),
            ("text/html", with(page("<META content='text/html; charset=windows-1251'>"), b"\xe4\xe0"), "да"),
            ("text/html", with(page("<!-- <meta charset=koi8-r> -->"), "é".as_bytes()), "é"),
            ("text/html", with(page("<meta charset='utf-16le'>"), "é".as_bytes()), "é"),
            ("text/html; charset=utf-8", with(page("<meta charset=iso-8859-1>"), "é".as_bytes()), "é"),
            ("text/html", with(page(""), "é".as_bytes()), "é"),
            ("text/html", with(page(&"-".repeat(2000)), b"\xe9"), "é"),
            ("application/xml", with(b"<?xml version='1.0' encoding='ISO-8859-1'?>".to_vec(), b"\xe9"), "é"),
            ("application/rss+xml", with(b"<?xml version='1.0'?>".to_vec(), "é".as_bytes()), "é"),
        ] {
            for piece in [1, 1000, 4096] {
                let text = text(content_type, &body, piece);
                assert!(
                    text.ends_with(end),
                    "{content_type} {:?} by {piece}",
                    String::from_utf8_lossy(&body)
                );
            }
        }
    }

    #[test]
    fn what_is_looked_for_is_found_across_pieces_and_as_soon_as_it_is_there() {
        for (content_type, body) in
            [("", "lorem ipsum état, dolor"), ("text/plain; charset=utf-8", "xx état")]
        {
            for piece in 1..12 {
                let mut text = Text::new(Some(content_type));
                let pieces: Vec<bool> = body
                    .as_bytes()
                    .chunks(piece)
                    .map(|piece| {
                        text.push(piece);
                        text.contains("état")
                    })
                    .collect();
                let first = (body.find("état").expect("it is there") + "état".len()).div_ceil(piece);
                assert_eq!(pieces.iter().position(|found| *found), Some(first - 1), "{body} by {piece}");
            }
        }
        let mut text = Text::new(None);
        text.push(b"and then \xe9ta");
        assert!(!text.contains("état"));
        text.push(b"t");
        assert!(text.contains("état"), "also when it turns out to be no UTF-8");
    }
}
