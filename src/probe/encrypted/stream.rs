//! A connection through TLS that keeps what TLS says at its end. A server that refuses its client after the handshake (in
//! TLS 1.3 whoever sends no certificate where one is wanted) sends an alert and closes, and then a library may see the
//! closing alone, or hand on its own words for what it saw.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client::TlsStream;

use super::super::duplex::Duplex;
use super::error::tls_error;

/// As much is kept of what came before a connection broke under a write.
const LONGEST: usize = 64 * 1024;
const PIECE: usize = 4096;

/// The error of TLS that ended a connection, once there is one.
#[derive(Clone, Debug, Default)]
pub(in crate::probe) struct LastWord(Arc<OnceLock<rustls::Error>>);

impl LastWord {
    /// As the connection gave it.
    pub(in crate::probe) fn error(&self) -> Option<io::Error> {
        self.0.get().map(|error| io::Error::new(io::ErrorKind::InvalidData, error.clone()))
    }

    fn keep(&self, error: &io::Error) {
        if let Some(error) = tls_error(error) {
            // The first is the reason of all others.
            let _ = self.0.set(error.clone());
        }
    }
}

/// The connection.
pub(in crate::probe) struct Encrypted<S> {
    stream: TlsStream<S>,
    /// What had come already when a write failed.
    early: Vec<u8>,
    /// Why one failed, while it is not known yet what came before.
    unwritten: Option<io::Error>,
    last: LastWord,
}

impl<S: Duplex> Encrypted<S> {
    pub(super) fn new(stream: TlsStream<S>) -> Self {
        Self { stream, early: Vec::new(), unwritten: None, last: LastWord::default() }
    }

    /// What both sides agreed on.
    pub(in crate::probe) fn session(&self) -> &rustls::ClientConnection {
        self.stream.get_ref().1
    }

    /// Where its last word is kept, also when a library has taken the connection.
    pub(in crate::probe) fn last_word(&self) -> LastWord {
        self.last.clone()
    }

    /// What is to be told of a write that failed: the alert that came before, if one did. Whoever reads may not know yet that it
    /// has come; that the connection is closed they will hear in any case.
    fn poll_unwritten(&mut self, cx: &mut Context<'_>, error: io::Error) -> Poll<io::Error> {
        while is_closed(&error) && self.early.len() < LONGEST {
            let mut piece = [0; PIECE];
            let mut piece = ReadBuf::new(&mut piece);
            match Pin::new(&mut self.stream).poll_read(cx, &mut piece) {
                Poll::Pending => {
                    self.unwritten = Some(error);
                    return Poll::Pending;
                }
                Poll::Ready(Ok(())) if !piece.filled().is_empty() => {
                    self.early.extend_from_slice(piece.filled());
                }
                Poll::Ready(Err(said)) if tls_error(&said).is_some() => {
                    self.last.keep(&said);
                    return Poll::Ready(said);
                }
                Poll::Ready(_) => break,
            }
        }
        self.last.keep(&error);
        Poll::Ready(error)
    }

    /// `write`, unless one has failed already.
    fn poll_writing<T>(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut TlsStream<S>>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let error = match self.unwritten.take() {
            Some(error) => error,
            None => match ready!(write(Pin::new(&mut self.stream), cx)) {
                Ok(written) => return Poll::Ready(Ok(written)),
                Err(error) => error,
            },
        };
        self.poll_unwritten(cx, error).map(Err)
    }
}

/// Whether the other side has closed the connection.
fn is_closed(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    tls_error(error).is_none() && matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset)
}

impl<S: Duplex> AsyncRead for Encrypted<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.early.is_empty() && buf.remaining() > 0 {
            let rest = this.early.split_off(buf.remaining().min(this.early.len()));
            buf.put_slice(&std::mem::replace(&mut this.early, rest));
            return Poll::Ready(Ok(()));
        }
        let read = ready!(Pin::new(&mut this.stream).poll_read(cx, buf));
        Poll::Ready(read.inspect_err(|error| this.last.keep(error)))
    }
}

impl<S: Duplex> AsyncWrite for Encrypted<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().poll_writing(cx, |stream, cx| stream.poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_writing(cx, |stream, cx| stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
