//! What a connection through TLS is to be.

use crate::resource::probe::tls::ProbeTls;

/// What a connection through TLS is to be.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::probe) struct Demand<'a> {
    /// What is declared; `None`: TLS is spoken because the server offers it.
    pub(in crate::probe) settings: Option<&'a ProbeTls>,
    /// Whether a secret goes over it: then the server is verified, unless the settings say otherwise.
    pub(in crate::probe) secret: bool,
    /// The protocols that may be spoken inside (ALPN), best first; none: whatever the server takes for granted.
    pub(in crate::probe) alpn: &'a [&'a [u8]],
}
