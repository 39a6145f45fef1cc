//! TLS for protocols that change over to it in the middle. Any certificate will do, as in `httpGet`: what is asked is
//! whether the server works; `tls` asks about certificates.

use std::io;
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::connect::plain;
use super::wire::Duplex;
use super::{Failure, Steps};

/// A handshake.
pub(super) async fn encrypt<S: Duplex>(
    stream: S,
    host: &str,
    steps: &mut Steps,
) -> Result<TlsStream<S>, Failure> {
    steps.begin("TLS");
    let stream =
        TlsConnector::from(config()?).connect(server_name(host)?, stream).await.map_err(|error| {
            let why =
                if is_no_tls(&error) { "the server does not speak TLS there".into() } else { plain(&error) };
            Failure::Unhealthy(format!("no TLS handshake: {why}"))
        })?;
    steps.end(version(stream.get_ref().1.protocol_version()));
    Ok(stream)
}

/// Whether a handshake failed because the other side answered in another protocol.
pub(super) fn is_no_tls(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| {
        matches!(inner.downcast_ref(), Some(rustls::Error::InvalidMessage(_)))
            || inner.downcast_ref::<io::Error>().is_some_and(is_no_tls)
    })
}

/// The name that a server is asked for.
pub(super) fn server_name(host: &str) -> Result<ServerName<'static>, Failure> {
    let unfit = |_| Failure::Fault(format!("{host} is not a name that TLS knows"));
    ServerName::try_from(host.to_owned()).map_err(unfit)
}

/// As in `TLS 1.3`.
pub(super) fn version(version: Option<rustls::ProtocolVersion>) -> &'static str {
    match version {
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2",
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3",
        _ => "TLS",
    }
}

fn config() -> Result<Arc<ClientConfig>, Failure> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = CONFIG.get() {
        return Ok(config.clone());
    }
    let provider = Arc::new(ring::default_provider());
    let config = judged_by(Arc::new(Any(provider.clone())), provider)?;
    Ok(CONFIG.get_or_init(|| config).clone())
}

/// A client whose server's certificate is judged by `judge`.
pub(super) fn judged_by(
    judge: Arc<dyn ServerCertVerifier>,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<ClientConfig>, Failure> {
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&error))?
        .dangerous()
        .with_custom_certificate_verifier(judge)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// A fault of our own set-up.
pub(super) fn unusable(why: &dyn std::fmt::Display) -> Failure {
    Failure::Fault(format!("TLS cannot be used: {why}"))
}

/// Takes any certificate whose key the server really has.
#[derive(Debug)]
struct Any(Arc<CryptoProvider>);

impl ServerCertVerifier for Any {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
