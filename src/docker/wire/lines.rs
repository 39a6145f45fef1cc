//! A stream of lines, of which none is kept that is too long.

use std::collections::VecDeque;

use futures_util::{Stream, stream};
use http_body_util::BodyExt;
use hyper::body::Incoming;

/// The longest line that is read; an event with a container's labels has a hundredth of it.
const LONGEST: usize = 1024 * 1024;

/// One line of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::docker) enum Line {
    /// A line, without its end.
    Text(Vec<u8>),
    /// One that was too long to be kept.
    TooLong,
}

/// The lines of `body`, until it ends or breaks off.
pub(in crate::docker) fn lines(body: Incoming) -> impl Stream<Item = Result<Line, hyper::Error>> + Send {
    let cutter = Cutter::default();
    stream::try_unfold((body, cutter, false), |(mut body, mut cutter, mut ended)| async move {
        loop {
            if let Some(line) = cutter.ready.pop_front() {
                return Ok(Some((line, (body, cutter, ended))));
            }
            if ended {
                return Ok(None);
            }
            match body.frame().await {
                Some(frame) => {
                    if let Some(bytes) = frame?.data_ref() {
                        cutter.take(bytes);
                    }
                }
                None => {
                    cutter.end();
                    ended = true;
                }
            }
        }
    })
}

/// Cuts what comes, in pieces of any size, into lines.
#[derive(Default)]
struct Cutter {
    begun: Vec<u8>,
    too_long: bool,
    ready: VecDeque<Line>,
}

impl Cutter {
    fn take(&mut self, bytes: &[u8]) {
        let mut pieces = bytes.split(|byte| *byte == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            if self.begun.len() + piece.len() > LONGEST {
                (self.too_long, self.begun) = (true, Vec::new());
            } else if !self.too_long {
                self.begun.extend_from_slice(piece);
            }
            if pieces.peek().is_some() {
                self.end();
            }
        }
    }

    fn end(&mut self) {
        let line = std::mem::take(&mut self.begun);
        if std::mem::take(&mut self.too_long) {
            self.ready.push_back(Line::TooLong);
        } else if !line.trim_ascii().is_empty() {
            self.ready.push_back(Line::Text(line));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(pieces: &[&[u8]]) -> Vec<Line> {
        let mut cutter = Cutter::default();
        pieces.iter().for_each(|piece| cutter.take(piece));
        cutter.end();
        cutter.ready.into()
    }

    fn text(text: &str) -> Line {
        Line::Text(text.as_bytes().to_vec())
    }

    #[test]
    fn lines_are_whole_however_they_come() {
        assert_eq!(cut(&[b"{1}\n{2", b"}\n", b"\n{3}"]), [text("{1}"), text("{2}"), text("{3}")]);
        assert_eq!(cut(&[b"\r\n"]), []);
    }

    #[test]
    fn a_line_that_is_too_long_is_not_kept_and_the_next_is_read() {
        let piece = vec![b'x'; LONGEST / 2 + 1];
        let mut cutter = Cutter::default();
        for _ in 0..64 {
            cutter.take(&piece);
            assert!(cutter.begun.len() <= LONGEST);
        }
        cutter.take(b"x\nnext\n");
        assert_eq!(Vec::from(cutter.ready), [Line::TooLong, text("next")]);
    }
}
