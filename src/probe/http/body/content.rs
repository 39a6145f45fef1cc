//! Content codings (RFC 9110, 8.4), which are those of a transfer too (RFC 9112, 7): what a body is compressed with, undone
//! as it comes in.
//!
//! None is asked for, as by curl and Kubernetes; some servers compress whatever they are asked. Like browsers this takes
//! `deflate` with and without the wrapper that it should have, gzip files one after another, and what is cut off.

use std::io::{self, ErrorKind, Write};

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use flate2::write::GzDecoder;
use flate2::{Decompress, FlushDecompress, Status};

/// Codings on top of each other; curl takes as many.
const MOST: usize = 5;
/// What is decoded at once.
const PIECE: usize = 16 * 1024;

/// Why a body cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in super::super) enum ContentError {
    /// A coding that is not known here. The server's clients may know it.
    #[error("the body is compressed ({0}), which this probe does not read")]
    Unknown(String),
    /// It is not what its header says.
    #[error("the body is not {0}, as its headers say")]
    Broken(&'static str),
}

/// Undoes the codings of one body.
pub(super) struct Content {
    /// In the order in which they are undone.
    codings: Vec<Coding>,
    /// What the body may come to, so that a few bytes do not unfold into all memory.
    longest: usize,
}

enum Coding {
    Gzip {
        file: Box<GzDecoder<Vec<u8>>>,
        /// Files that came to their end.
        whole: usize,
    },
    Deflate(Deflate),
    Brotli(Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>),
}

enum Deflate {
    /// The first byte tells less than two.
    Unsure(Vec<u8>),
    Sure(Decompress),
    Ended,
}

impl Content {
    /// For the values of headers, which name the codings in the order in which they were applied.
    pub(super) fn new<'a>(
        encodings: impl Iterator<Item = &'a str>,
        longest: usize,
    ) -> Result<Self, ContentError> {
        let mut codings = Vec::new();
        let names = encodings.flat_map(|value| value.split(',')).map(|name| name.trim().to_ascii_lowercase());
        for name in names {
            codings.push(match name.as_str() {
                "" | "identity" | "none" => continue,
                "gzip" | "x-gzip" => Coding::gzip(),
                "deflate" => Coding::Deflate(Deflate::Unsure(Vec::new())),
                "br" => Coding::Brotli(Box::new(BrotliState::new(
                    StandardAlloc::default(),
                    StandardAlloc::default(),
                    StandardAlloc::default(),
                ))),
                _ => return Err(ContentError::Unknown(name.chars().take(32).collect())),
            });
            if codings.len() > MOST {
                return Err(ContentError::Unknown("many times over".to_owned()));
            }
        }
        codings.reverse();
        Ok(Self { codings, longest })
    }

    /// Appends to `plain` what `piece` is; what makes more than the longest body is cut off.
    pub(super) fn push(&mut self, piece: &[u8], plain: &mut Vec<u8>) -> Result<(), ContentError> {
        let mut piece = std::borrow::Cow::Borrowed(piece);
        for coding in &mut self.codings {
            let mut decoded = Vec::new();
            coding
                .push(&piece, &mut decoded, self.longest)
                .map_err(|_| ContentError::Broken(coding.name()))?;
            piece = decoded.into();
        }
        plain.extend(piece.iter().take(self.longest));
        Ok(())
    }
}

impl Coding {
    fn gzip() -> Self {
        Self::Gzip { file: Box::new(GzDecoder::new(Vec::new())), whole: 0 }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Gzip { .. } => "gzip",
            Self::Deflate(_) => "deflate",
            Self::Brotli(_) => "br",
        }
    }

    /// Decodes `piece`; gives up where the output gets longer than `longest`.
    fn push(&mut self, piece: &[u8], out: &mut Vec<u8>, longest: usize) -> io::Result<()> {
        match self {
            Self::Gzip { file, whole } => gunzip(file, whole, piece, out, longest),
            Self::Deflate(state) => inflate(state, piece, out, longest),
            Self::Brotli(state) => unbrotli(state, piece, out, longest),
        }
    }
}

fn gunzip(
    file: &mut GzDecoder<Vec<u8>>,
    whole: &mut usize,
    mut piece: &[u8],
    out: &mut Vec<u8>,
    longest: usize,
) -> io::Result<()> {
    while !piece.is_empty() && out.len() < longest {
        match file.write(piece) {
            // It has come to its end.
            Ok(0) => {
                file.flush()?;
                out.append(file.get_mut());
                *whole += 1;
                *file = GzDecoder::new(Vec::new());
            }
            Ok(read) => {
                piece = piece.get(read..).unwrap_or_default();
                out.append(file.get_mut());
            }
            // What follows a whole file and is none is let be.
            Err(_) if *whole > 0 && file.header().is_none() => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    if file.header().is_some() && out.len() < longest {
        file.flush()?;
        out.append(file.get_mut());
    }
    Ok(())
}

fn inflate(state: &mut Deflate, piece: &[u8], out: &mut Vec<u8>, longest: usize) -> io::Result<()> {
    let held;
    let mut piece = piece;
    if let Deflate::Unsure(first) = state {
        first.extend_from_slice(piece);
        let [one, two, ..] = first[..] else { return Ok(()) };
        // RFC 1950, 2.2: the method is 8, and the two bytes as a number a multiple of 31.
        let wrapped = one & 0x0f == 8 && u16::from_be_bytes([one, two]).is_multiple_of(31);
        held = std::mem::take(first);
        piece = &held;
        *state = Deflate::Sure(Decompress::new(wrapped));
    }
    let Deflate::Sure(decompress) = state else { return Ok(()) };
    let mut buffer = vec![0; PIECE];
    while out.len() < longest {
        let (read, written) = (decompress.total_in(), decompress.total_out());
        let status = decompress.decompress(piece, &mut buffer, FlushDecompress::None)?;
        let read = usize::try_from(decompress.total_in() - read).unwrap_or(usize::MAX);
        let written = usize::try_from(decompress.total_out() - written).unwrap_or(usize::MAX);
        piece = piece.get(read..).unwrap_or_default();
        out.extend_from_slice(buffer.get(..written).unwrap_or_default());
        if status == Status::StreamEnd {
            *state = Deflate::Ended;
            return Ok(());
        }
        // All is read, and nothing waits.
        if read == 0 && written == 0 {
            return Ok(());
        }
    }
    Ok(())
}

fn unbrotli(
    state: &mut BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    piece: &[u8],
    out: &mut Vec<u8>,
    longest: usize,
) -> io::Result<()> {
    let (mut left, mut at, mut total) = (piece.len(), 0, 0);
    let mut buffer = vec![0; PIECE];
    while out.len() < longest {
        let (mut room, mut written) = (buffer.len(), 0);
        let came = BrotliDecompressStream(
            &mut left,
            &mut at,
            piece,
            &mut room,
            &mut written,
            &mut buffer,
            &mut total,
            state,
        );
        out.extend_from_slice(buffer.get(..written).unwrap_or_default());
        match came {
            BrotliResult::NeedsMoreOutput => {}
            BrotliResult::NeedsMoreInput | BrotliResult::ResultSuccess => return Ok(()),
            BrotliResult::ResultFailure => return Err(ErrorKind::InvalidData.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    const TEXT: &[u8] = br#"{"status":"up"}"#;
    /// `TEXT`, as Google's `brotli` writes it.
    const BROTLI: &[u8] = b"\x0b\x07\x80{\"status\":\"up\"}\x03";

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).expect("memory");
        encoder.finish().expect("memory")
    }

    fn zlib(text: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).expect("memory");
        encoder.finish().expect("memory")
    }

    fn bare(text: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).expect("memory");
        encoder.finish().expect("memory")
    }

    /// What comes of `body` in pieces of so many bytes.
    fn decoded(encoding: &str, body: &[u8], piece: usize) -> Result<Vec<u8>, String> {
        let mut content = Content::new([encoding].into_iter(), 1024).map_err(|error| error.to_string())?;
        let mut out = Vec::new();
        for piece in body.chunks(piece) {
            content.push(piece, &mut out).map_err(|error| error.to_string())?;
        }
        Ok(out)
    }

    #[test]
    fn what_browsers_read_is_read_however_it_comes_in_pieces() {
        let twice = [gzip(&TEXT[..5]), gzip(&TEXT[5..])].concat();
        let followed = [gzip(TEXT), b"and more".to_vec()].concat();
        for (encoding, body) in [
            ("identity", TEXT.to_vec()),
            ("", TEXT.to_vec()),
            ("gzip", gzip(TEXT)),
            ("X-GZIP", gzip(TEXT)),
            ("gzip", twice),
            ("gzip", followed),
            ("deflate", zlib(TEXT)),
            ("deflate", bare(TEXT)),
            ("br", BROTLI.to_vec()),
            ("deflate, gzip", gzip(&zlib(TEXT))),
            ("br,identity, gzip", gzip(BROTLI)),
        ] {
            for piece in [1, 2, 7, 4096] {
                let out = decoded(encoding, &body, piece);
                assert_eq!(out.as_deref().map_err(String::as_str), Ok(TEXT), "{encoding} by {piece}");
            }
            assert_eq!(decoded(encoding, b"", 1), Ok(Vec::new()), "{encoding}");
        }
    }

    #[test]
    fn what_is_cut_off_is_read_as_far_as_it_goes() {
        for (encoding, body) in [("gzip", gzip(&TEXT.repeat(9))), ("deflate", zlib(&TEXT.repeat(9)))] {
            let out = decoded(encoding, &body[..body.len() - 6], 4096).expect(encoding);
            assert!(out.starts_with(&TEXT[..12]), "{encoding}: {out:?}");
        }
    }

    #[test]
    fn what_comes_is_there_at_once() {
        // As a server that never ends sends it: flushed, and not finished.
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(TEXT).expect("memory");
        encoder.flush().expect("memory");
        assert_eq!(decoded("gzip", encoder.get_ref(), 4096).as_deref(), Ok(TEXT));
    }

    #[test]
    fn what_unfolds_without_end_is_cut_off() {
        let bomb = vec![0; 8 * 1024 * 1024];
        for (encoding, body) in [
            ("gzip", gzip(&bomb)),
            ("deflate", zlib(&bomb)),
            ("gzip, gzip", gzip(&gzip(&bomb))),
            ("identity", vec![0; 4096]),
        ] {
            assert_eq!(decoded(encoding, &body, usize::MAX).expect(encoding).len(), 1024, "{encoding}");
        }
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        for (encoding, body, why) in [
            ("zstd", TEXT, "the body is compressed (zstd), which this probe does not read"),
            ("gzip, Compress", TEXT, "the body is compressed (compress), which this probe does not read"),
            (
                "gzip,gzip,gzip,gzip,gzip,gzip",
                TEXT,
                "the body is compressed (many times over), which this probe does not read",
            ),
            ("gzip", TEXT, "the body is not gzip, as its headers say"),
            ("deflate", b"\xff\xff\xff\xff", "the body is not deflate, as its headers say"),
            ("br", b"\xff\xff\xff\xff\xff\xff", "the body is not br, as its headers say"),
        ] {
            assert_eq!(decoded(encoding, body, 4096), Err(why.to_owned()), "{encoding}");
        }
    }
}
