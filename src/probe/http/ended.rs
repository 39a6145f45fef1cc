//! Why there was no answer, or no more of one, as the library says it and what is below it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::probe::connect::{plain, seen};
use crate::probe::encrypted::{self, LastWord};
use crate::probe::{Cause, Failure, Here, There};

/// What was heard on a connection that its library does not tell.
#[derive(Clone, Default)]
pub(super) struct Heard {
    /// What TLS said.
    pub(super) tls: LastWord,
    http: Arc<AtomicBool>,
}

impl Heard {
    /// On a connection that TLS says its last word of there.
    pub(super) fn over(tls: LastWord) -> Self {
        Self { tls, ..Self::default() }
    }

    /// It begins like HTTP.
    pub(super) fn http(&self) {
        self.http.store(true, Ordering::Relaxed);
    }

    fn is_http(&self) -> bool {
        self.http.load(Ordering::Relaxed)
    }
}

/// An end that came too early.
pub(super) struct Ended {
    error: hyper::Error,
    heard: Heard,
}

impl Ended {
    pub(super) fn new(error: hyper::Error, heard: &Heard) -> Self {
        Self { error, heard: heard.clone() }
    }

    /// Whether the connection closed without a word.
    pub(super) fn is_eof(&self) -> bool {
        self.heard.tls.error().is_none()
            && io_error(&self.error).is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof)
    }

    /// Whether the server wants HTTP/1.1 (RFC 9113, 7).
    pub(super) fn wants_http_1(&self) -> bool {
        http2_code(&self.error) == Some(h2::Reason::HTTP_1_1_REQUIRED)
    }

    /// Why there was no answer, in the words of its innermost cause. The URL was declared and holds no secret.
    pub(super) fn unanswered(&self, url: &str) -> Failure {
        let (cause, why) = self.reason();
        Failure::new(cause, format!("no answer from {url}: {why}"))
    }

    /// Why there was less of an answer than it said.
    pub(super) fn broken_off(&self, url: &str, after: usize) -> Failure {
        let (cause, why) = match (self.heard.tls.error(), io_error(&self.error), http2_code(&self.error)) {
            (Some(error), _, _) => (seen(&error), encrypted::ended(&error)),
            // What the library makes of chunks that are not as they should be.
            (None, Some(error), _) if is_unreadable(error) => {
                let why = format!("this probe cannot read its body ({})", plain(error));
                (Here::Unsupported.into(), why)
            }
            (None, Some(error), _) => (seen(error), plain(error)),
            (None, None, Some(code)) => (Cause::Http2(code.into()), format!("{code:?}")),
            (None, None, None) => (There::Broken.into(), "it is cut off, or is not valid HTTP".to_owned()),
        };
        // It has said something.
        let cause = if cause == There::HungUp.into() { There::Broken.into() } else { cause };
        Failure::new(cause, format!("the answer from {url} broke off after {after} bytes: {why}"))
    }

    fn reason(&self) -> (Cause, String) {
        let error = &self.error;
        if let Some(error) = self.heard.tls.error() {
            return (seen(&error), encrypted::ended(&error));
        }
        if let Some(error) = io_error(error) {
            return (seen(error), plain(error));
        }
        if let Some(code) = http2_code(error) {
            let cause = Cause::Http2(code.into());
            let why = cause.to_string();
            return (cause, why);
        }
        if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
            return (There::HungUp.into(), "the connection was closed".to_owned());
        }
        if error.is_parse() {
            return match self.heard.is_http() {
                false => (There::Nonsense.into(), "the answer is not HTTP".to_owned()),
                // Others may read it.
                true if error.is_parse_too_large() => {
                    (Here::Unsupported.into(), "its head is longer than this probe reads".to_owned())
                }
                true => {
                    let why = "it begins like HTTP, but this probe cannot read its head";
                    (Here::Unsupported.into(), why.to_owned())
                }
            };
        }
        let mut innermost: &dyn std::error::Error = error;
        while let Some(source) = innermost.source() {
            innermost = source;
        }
        (There::Broken.into(), innermost.to_string())
    }
}

/// The error of the network below an error of HTTP.
fn io_error(error: &hyper::Error) -> Option<&io::Error> {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if let Some(found) = error.downcast_ref::<io::Error>() {
            return Some(found);
        }
        if let Some(found) = error.downcast_ref::<h2::Error>().and_then(h2::Error::get_io) {
            return Some(found);
        }
        source = error.source();
    }
    None
}

/// Whether it is the library's, of what it has read, and not the network's.
fn is_unreadable(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData)
}

/// The code with which the other side ended it, in HTTP/2.
fn http2_code(error: &hyper::Error) -> Option<h2::Reason> {
    let source = std::error::Error::source(error)?.downcast_ref::<h2::Error>()?;
    source.reason().filter(|_| source.is_remote())
}
