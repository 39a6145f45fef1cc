//! Errors of TLS as causes.

use std::io;

use crate::probe::failure::Failure;
use crate::probe::verdict::{Cause, Here, There};

/// What of TLS is in an error, if anything is.
pub(in crate::probe) fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    let inner = error.get_ref()?;
    inner.downcast_ref().or_else(|| inner.downcast_ref::<io::Error>().and_then(tls_error))
}

/// What an error of TLS is.
pub(in crate::probe) fn in_tls(error: &rustls::Error) -> Cause {
    use rustls::{AlertDescription, Error, InvalidMessage, PeerMisbehaved};
    match error {
        Error::AlertReceived(AlertDescription::CloseNotify) => There::HungUp.into(),
        Error::AlertReceived(_) => There::TlsAlert.into(),
        Error::DecryptError | Error::PeerSentOversizedRecord => There::Broken.into(),
        // No version, no cipher, or nothing else that a handshake needs, in common.
        Error::PeerIncompatible(_)
        | Error::PeerMisbehaved(
            PeerMisbehaved::SelectedUnofferedCipherSuite | PeerMisbehaved::SelectedUnofferedKxGroup,
        )
        | Error::InvalidMessage(
            InvalidMessage::UnsupportedCompression
            | InvalidMessage::UnsupportedCurveType
            | InvalidMessage::UnsupportedKeyExchangeAlgorithm(_),
        ) => Here::NoCommonTls.into(),
        Error::InvalidMessage(InvalidMessage::CertificatePayloadTooLarge) => {
            Here::UnreadableCertificate.into()
        }
        // What no server of TLS sends, or not at that time: such as a client's hello, which comes back from an echo.
        Error::InvalidMessage(_)
        | Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. } => There::NotTls.into(),
        // What is left is how strictly our library takes it.
        _ => Here::Unsupported.into(),
    }
}

/// A fault of our own set-up.
pub(in crate::probe) fn unusable(why: &dyn std::fmt::Display) -> Failure {
    Failure::new(Here::Trust, format!("TLS cannot be used: {why}"))
}
