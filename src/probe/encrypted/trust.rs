//! Whom a probe trusts: this system's authorities, or those of a file; and what is said when a server is not among theirs.

use std::io::{self, Read};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio::sync::OnceCell;
use x509_parser::parse_x509_certificate;

use super::{Demand, provider, unusable};
use crate::probe::{Failure, Here};
use crate::resource::probe::tls::ProbeTls;

/// The longest file of authorities.
const LONGEST: u64 = 1024 * 1024;

/// Who judges a server by these settings.
pub(super) async fn judge(
    settings: &ProbeTls,
    name: &ServerName<'_>,
) -> Result<Arc<dyn ServerCertVerifier>, Failure> {
    let (roots, exact) = match &settings.ca {
        Some(path) => authorities(path).await?,
        None => (system().await?, Vec::new()),
    };
    let judge = WebPkiServerVerifier::builder_with_provider(roots, provider())
        .build()
        .map_err(|error| unusable(&error))?;
    // Whoever names an authority of their own says with it whose servers these are; all the world's say nothing without a name.
    let nameless = settings.ca.is_some() && matches!(name, ServerName::IpAddress(_));
    Ok(Arc::new(Trusted { judge, exact, nameless }))
}

/// This system's authorities, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`; read once.
async fn system() -> Result<Arc<RootCertStore>, Failure> {
    static ROOTS: OnceCell<Arc<RootCertStore>> = OnceCell::const_new();
    let read = || async {
        let found = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await;
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(found.map_err(|error| unusable(&error))?.certs);
        if roots.is_empty() {
            return Err(unusable(&"this system has no certificate authorities; install ca-certificates"));
        }
        Ok(Arc::new(roots))
    };
    ROOTS.get_or_try_init(read).await.cloned()
}

/// The certificates of a file: as authorities, and as they are.
async fn authorities(path: &str) -> Result<(Arc<RootCertStore>, Vec<CertificateDer<'static>>), Failure> {
    let bad = |why: &dyn std::fmt::Display| {
        Failure::new(Here::Trust, format!("the authorities in {path} cannot be read: {why}"))
    };
    let file = path.to_owned();
    let text = tokio::task::spawn_blocking(move || read(&file))
        .await
        .map_err(|error| bad(&error))?
        .map_err(|error| bad(&super::plain(&error)))?;
    let found: Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|error| bad(&error))?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.iter().cloned());
    if roots.is_empty() {
        return Err(bad(&"there is no certificate in it (PEM)"));
    }
    Ok((Arc::new(roots), found))
}

/// A regular file of at most 1 MiB: what else has a name would be waited for, or read without end.
fn read(path: &str) -> io::Result<Vec<u8>> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let mut text = Vec::new();
    std::fs::File::open(path)?.take(LONGEST + 1).read_to_end(&mut text)?;
    if text.len() as u64 > LONGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is longer than 1 MiB"));
    }
    Ok(text)
}

/// Judges as browsers do; and takes a server's own certificate that is itself, byte for byte, among those trusted,
/// as curl and OpenSSL do.
#[derive(Debug)]
struct Trusted {
    judge: Arc<WebPkiServerVerifier>,
    exact: Vec<CertificateDer<'static>>,
    /// Whether the name is not judged.
    nameless: bool,
}

impl Trusted {
    /// What is left to judge of a certificate that is itself trusted: its time and its name.
    fn itself(&self, own: &CertificateDer<'_>, name: &ServerName<'_>, now: UnixTime) -> Result<(), Error> {
        let (_, read) = parse_x509_certificate(own).map_err(|_| CertificateError::BadEncoding)?;
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        if now > read.validity().not_after.timestamp() {
            return Err(CertificateError::Expired.into());
        }
        if now < read.validity().not_before.timestamp() {
            return Err(CertificateError::NotValidYet.into());
        }
        if self.nameless {
            return Ok(());
        }
        rustls::client::verify_server_name(&ParsedCertificate::try_from(own)?, name)
    }
}

impl ServerCertVerifier for Trusted {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        use CertificateError::{NotValidForName, NotValidForNameContext};
        if self.exact.iter().any(|trusted| trusted == own) {
            return self.itself(own, name, now).map(|()| ServerCertVerified::assertion());
        }
        // The chain is judged first: what fails by its name has a chain that is well.
        match self.judge.verify_server_cert(own, others, name, ocsp, now) {
            Err(Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }))
                if self.nameless =>
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
    ) -> Result<HandshakeSignatureValid, Error> {
        self.judge.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.judge.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.judge.supported_verify_schemes()
    }
}

/// What is said of a server that is to be verified and is not: why, and what would help.
pub(super) fn unverified(error: &Error, asked: &str, demand: &Demand<'_>) -> Failure {
    let (cause, why) = match error {
        Error::InvalidCertificate(bad) => said(bad, asked),
        _ => (Here::Unverified, "it does not have the key to its certificate".to_owned()),
    };
    let secret = if demand.secret { ", and no secret is sent to it" } else { "" };
    let remedy = match error {
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "`tls: {serverName: …}` names whom it is to be, `tls: {ca: …}` its authority",
        _ => "`tls: {ca: …}` names whom to trust",
    };
    Failure::new(
        cause,
        format!(
            "the server is not verified{secret}: {why}; {remedy}, `tls: {{verify: false}}` takes any certificate"
        ),
    )
}

fn said(bad: &CertificateError, asked: &str) -> (Here, String) {
    use CertificateError as Bad;
    let why = match bad {
        Bad::Expired | Bad::ExpiredContext { .. } => "its certificate has expired".to_owned(),
        Bad::NotValidYet | Bad::NotValidYetContext { .. } => "its certificate is not valid yet".to_owned(),
        Bad::UnknownIssuer => "no authority that is trusted has issued its certificate".to_owned(),
        Bad::BadSignature => "its certificate is not signed by the authority that it names".to_owned(),
        Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
            format!("its certificate is not for {asked}")
        }
        Bad::BadEncoding | Bad::Other(_) => {
            return (Here::UnreadableCertificate, format!("this probe cannot read its certificate ({bad})"));
        }
        other => format!("its certificate is not accepted ({other})"),
    };
    (Here::Unverified, why)
}
