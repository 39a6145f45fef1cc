//! `tls`: a certificate that this system trusts, for the host asked, valid for a while yet.
//!
//! A host given as an address, as a container's own is, has no name that a certificate could be for; then the name is not
//! judged. Trusted are the system's authorities, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_rustls::TlsConnector;
use x509_parser::parse_x509_certificate;

use super::connect::{plain, seen, tcp};
use super::encrypted::{judged_by, server_name, unusable, version};
use super::steps::{count, shown};
use super::{Cause, Failure, Here, Protocol, Steps, Subject, There};
use crate::observed::Nanos;
use crate::resource::probe::handler::TlsProbe;

const DAY: i64 = 24 * 60 * 60;

#[async_trait]
impl Protocol for TlsProbe {
    fn port(&self) -> Option<u16> {
        Some(self.port.unwrap_or(443))
    }

    async fn attempt(&self, subject: &Subject<'_>, steps: &mut Steps) -> Result<(), Failure> {
        let place = subject.place()?;
        let config = config().await?;
        let name = server_name(&place.host)?;
        let stream = tcp(place, steps).await?;
        steps.begin("TLS");
        let stream = TlsConnector::from(config)
            .connect(name, stream)
            .await
            .map_err(|error| refused(&place.host, &error))?;
        let session = stream.get_ref().1;
        let chain = session.peer_certificates().unwrap_or_default();
        steps.end(format!(
            "{}, {}",
            version(session.protocol_version()),
            count(chain.len() as u64, "certificate")
        ));
        steps.begin("expect");
        let unreadable = || {
            Failure::new(Here::UnreadableCertificate, "expected a certificate, got one that cannot be read")
        };
        let (_, own) =
            parse_x509_certificate(chain.first().ok_or_else(unreadable)?).map_err(|_| unreadable())?;
        let ends = own.validity().not_after.timestamp();
        let left = seconds_until(ends).div_euclid(DAY);
        if left < i64::from(self.min_valid_days) {
            let reason = format!(
                "expected a certificate that is valid for {} yet, it ends in {}, on {}",
                count(self.min_valid_days, "day"),
                count(left, "day"),
                date(ends)
            );
            return Err(Failure::new(There::Certificate, reason));
        }
        steps.end(format!("{}: valid for {}, until {}", own.subject(), count(left, "day"), date(ends)));
        Ok(())
    }
}

/// Why there was no handshake.
fn refused(host: &str, error: &std::io::Error) -> Failure {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let why = match inner {
        Some(rustls::Error::InvalidCertificate(bad)) => {
            let cause: Cause = match bad {
                CertificateError::BadEncoding | CertificateError::Other(_) => {
                    Here::UnreadableCertificate.into()
                }
                _ => There::Certificate.into(),
            };
            return Failure::new(cause, unaccepted(host, bad));
        }
        Some(rustls::Error::InvalidMessage(_)) => ", the server speaks something else".to_owned(),
        Some(rustls::Error::AlertReceived(alert)) => format!(", the server ended it: {alert:?}"),
        Some(other) => format!(": {}", shown(&other.to_string())),
        None => format!(", {}", plain(error)),
    };
    Failure::new(seen(error), format!("expected a TLS handshake{why}"))
}

/// What is wrong with a certificate.
fn unaccepted(host: &str, bad: &CertificateError) -> String {
    let seconds = |time: &UnixTime| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    match bad {
        CertificateError::ExpiredContext { not_after, .. } => {
            let ended = seconds(not_after);
            let ago = seconds_until(ended).saturating_neg().div_euclid(DAY);
            format!("the certificate expired on {}, {} ago", date(ended), count(ago, "day"))
        }
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("the certificate is not valid before {}", date(seconds(not_before)))
        }
        CertificateError::UnknownIssuer => {
            "the certificate is not trusted: no authority that this system trusts has issued it".to_owned()
        }
        CertificateError::BadSignature => {
            "the certificate is not trusted: the authority that it names, which this \
                                           system trusts, has another key"
                .to_owned()
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            format!("expected a certificate for {host}, got one for {}", shown(&presented.join(", ")))
        }
        other => format!("the certificate is not trusted: {}", shown(&other.to_string())),
    }
}

fn seconds_until(timestamp: i64) -> i64 {
    timestamp.saturating_sub(crate::clock::now().0.div_euclid(1_000_000_000))
}

fn date(timestamp: i64) -> String {
    let text = Nanos(timestamp.saturating_mul(1_000_000_000)).rfc3339_millis();
    text.split('T').next().unwrap_or_default().to_owned()
}

/// What the system trusts, read once.
async fn config() -> Result<Arc<ClientConfig>, Failure> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = CONFIG.get() {
        return Ok(config.clone());
    }
    let found = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.map_err(|error| unusable(&error))?.certs);
    if roots.is_empty() {
        return Err(unusable(&"this system has no certificate authorities; install ca-certificates"));
    }
    let provider = Arc::new(ring::default_provider());
    let judge = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .map_err(|error| unusable(&error))?;
    let config = judged_by(Arc::new(Lenient(judge)), provider)?;
    Ok(CONFIG.get_or_init(|| config).clone())
}

/// Judges as browsers do, but for the names of hosts that have none.
#[derive(Debug)]
struct Lenient(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use CertificateError::{NotValidForName, NotValidForNameContext};
        // The chain is judged first: what fails by its name has a chain that is well.
        match self.0.verify_server_cert(own, others, name, ocsp, now) {
            Err(rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }))
                if matches!(name, ServerName::IpAddress(_)) =>
            {
                Ok(ServerCertVerified::assertion())
            }
            judged => judged,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
