//! A body as text, as it comes in: decompressed, in its charset, and no more of it than anybody wants to hold.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName};

use content::Content;
use text::Text;

mod content;
mod text;

pub(super) use content::ContentError;

/// What was read of a body.
pub(super) struct Body {
    content: Content,
    text: Text,
    /// In bytes, decompressed.
    length: usize,
    longest: usize,
}

impl Body {
    /// The body behind these headers, up to so many bytes.
    pub(super) fn of(headers: &HeaderMap, longest: usize) -> Result<Self, ContentError> {
        // The codings of the transfer are around those of the content; chunks are put together by the library.
        let codings =
            [CONTENT_ENCODING, TRANSFER_ENCODING].into_iter().flat_map(|name| values(headers, name));
        let codings = codings.flat_map(|value| value.split(',')).map(str::trim);
        let codings = codings.filter(|coding| !coding.eq_ignore_ascii_case("chunked"));
        let content = Content::new(codings, longest)?;
        let text = Text::new(values(headers, CONTENT_TYPE).next());
        Ok(Self { content, text, length: 0, longest })
    }

    /// Takes in what follows; what is beyond the longest is left out.
    pub(super) fn push(&mut self, piece: &[u8]) -> Result<(), ContentError> {
        let mut plain = Vec::new();
        self.content.push(piece, &mut plain)?;
        plain.truncate(self.longest - self.length);
        self.length += plain.len();
        self.text.push(&plain);
        Ok(())
    }

    /// Nothing follows, or nothing is wanted any more.
    pub(super) fn end(&mut self) {
        self.text.end();
    }

    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Whether no more of it is read.
    pub(super) fn is_full(&self) -> bool {
        self.length == self.longest
    }

    /// Whether `wanted` is in it so far.
    pub(super) fn contains(&mut self, wanted: &str) -> bool {
        self.text.contains(wanted)
    }

    pub(super) fn text(&self) -> &str {
        self.text.as_str()
    }
}

/// The values of a header that are text.
pub(super) fn values(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok())
}
