//! What bytes go through.

use tokio::io::{AsyncRead, AsyncWrite};

/// What bytes go through: TCP, or TLS over it.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Duplex for S {}
