//! Whom TLS trusts: the same for probes, for Discovery and Billing Services, and for engines.
//!
//! What is trusted is what curl and OpenSSL take from this machine. The library that judges, webpki, takes no certificate
//! of an authority for a server's, also where that very certificate is trusted; but this is what `openssl req -x509`
//! makes, and what people put among the trusted ones. So a server's certificate that is there itself, byte for byte, is
//! trusted: in its time, for its purpose and for the host asked.

use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio::sync::OnceCell;
use x509_parser::certificate::X509Certificate;
use x509_parser::parse_x509_certificate;

mod path;
mod words;

pub(crate) use path::{End, Part};
pub(crate) use words::{
    NO_HTTP, WITH, WITHOUT, asks_for_tls, beyond, date, is_no_http, is_plain, mistrusted, refused,
};

/// Why nobody can be trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// Normal in an image without `ca-certificates`, until they are mounted.
    #[error(
        "this system has no certificate authorities: install ca-certificates, or set SSL_CERT_FILE to a file with them"
    )]
    NoAuthorities,
    /// What was given holds no certificate that could be one of an authority.
    #[error("it contains no certificate (PEM)")]
    NoCertificates,
    /// A set-up of ours that the library refuses; not expected.
    #[error("{0}")]
    Unusable(String),
}

/// The certificates that are trusted.
#[derive(Debug)]
pub(crate) struct Trust {
    /// All of them, as they were given.
    certificates: Vec<CertificateDer<'static>>,
    /// Those that can issue others, and what there is of each above: in the same order.
    anchors: Vec<TrustAnchor<'static>>,
    issuers: Vec<CertificateDer<'static>>,
    judge: Arc<WebPkiServerVerifier>,
}

/// Whether a certificate must be for the host that is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    /// It must.
    Judged,
    /// Not where the host is an address, as a container's own is: no certificate could be for it.
    NotOfAddresses,
}

impl Trust {
    /// What the system trusts, or what `SSL_CERT_FILE` and `SSL_CERT_DIR` name in its place; read once.
    pub(crate) async fn system() -> Result<Arc<Self>, TrustError> {
        static SYSTEM: OnceCell<Arc<Trust>> = OnceCell::const_new();
        let read = async { Self::of(Self::system_certificates().await?).map(Arc::new) };
        SYSTEM.get_or_try_init(|| read).await.cloned()
    }

    /// The certificates of [`Trust::system`], read anew.
    pub(crate) async fn system_certificates() -> Result<Vec<CertificateDer<'static>>, TrustError> {
        let found = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await;
        // A file among them that cannot be read takes nothing from the others.
        let found = found.map_err(|error| TrustError::Unusable(error.to_string()))?.certs;
        if found.is_empty() { Err(TrustError::NoAuthorities) } else { Ok(found) }
    }

    /// These and no others.
    pub(crate) fn of(certificates: Vec<CertificateDer<'static>>) -> Result<Self, TrustError> {
        let can_issue = |der: &CertificateDer<'static>| {
            Some((webpki::anchor_from_trusted_cert(der).ok()?.to_owned(), der.clone()))
        };
        let (anchors, issuers): (Vec<_>, Vec<_>) = certificates.iter().filter_map(can_issue).unzip();
        let store = RootCertStore { roots: anchors.clone() };
        if store.is_empty() {
            return Err(TrustError::NoCertificates);
        }
        let judge = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider())
            .build()
            .map_err(|error| TrustError::Unusable(error.to_string()))?;
        Ok(Self { certificates, anchors, issuers, judge })
    }

    /// A server's certificate that is itself among the trusted ones. `None`: it is not.
    fn itself(
        &self,
        own: &CertificateDer<'_>,
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Option<Result<ServerCertVerified, Error>> {
        if !self.certificates.iter().any(|trusted| trusted.as_ref() == own.as_ref()) {
            return None;
        }
        let (_, read) = parse_x509_certificate(own).ok()?;
        let named = ParsedCertificate::try_from(own).ok()?;
        let judged = in_time(&read, now).and_then(|()| for_servers(&read)).map_err(Error::from);
        let judged = judged.and_then(|()| verify_server_name(&named, name));
        Some(judged.map(|()| ServerCertVerified::assertion()))
    }
}

fn in_time(certificate: &X509Certificate<'_>, time: UnixTime) -> Result<(), CertificateError> {
    let validity = certificate.validity();
    let unix = |seconds: i64| {
        UnixTime::since_unix_epoch(std::time::Duration::from_secs(u64::try_from(seconds).unwrap_or_default()))
    };
    let (not_before, not_after) =
        (unix(validity.not_before.timestamp()), unix(validity.not_after.timestamp()));
    if time < not_before {
        return Err(CertificateError::NotValidYetContext { time, not_before });
    }
    if time > not_after {
        return Err(CertificateError::ExpiredContext { time, not_after });
    }
    Ok(())
}

/// Whoever says what it is for must say that it is for servers (RFC 5280, 4.2.1.12).
fn for_servers(certificate: &X509Certificate<'_>) -> Result<(), CertificateError> {
    match certificate.extended_key_usage() {
        Ok(Some(usage)) if !usage.value.server_auth && !usage.value.any => {
            Err(CertificateError::InvalidPurpose)
        }
        _ => Ok(()),
    }
}

/// The certificates in a PEM text; what else it holds is passed over.
pub(crate) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem).filter_map(Result::ok).collect();
    if found.is_empty() { Err(TrustError::NoCertificates) } else { Ok(found) }
}

/// The only cryptography in use; made once, for each handshake asks for it.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(ring::default_provider())).clone()
}

/// A client, without a certificate of its own, that lets `verifier` judge the server's, and offers these protocols.
pub(crate) fn client(
    verifier: Arc<dyn ServerCertVerifier>,
    alpn: &[&[u8]],
) -> Result<ClientConfig, TrustError> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| TrustError::Unusable(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(config)
}

/// Judges a server's certificate.
#[derive(Debug)]
pub(crate) struct Verifier {
    trust: Arc<Trust>,
    names: Names,
}

impl Verifier {
    pub(crate) fn new(trust: Arc<Trust>, names: Names) -> Arc<Self> {
        Arc::new(Self { trust, names })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        use CertificateError::{NotValidForName, NotValidForNameContext};
        let judged = self.trust.judge.verify_server_cert(own, others, name, ocsp, now);
        let judged = judged.or_else(|error| self.trust.itself(own, name, now).unwrap_or(Err(error)));
        match judged {
            // Names are judged last: all else is well.
            Err(Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }))
                if self.names == Names::NotOfAddresses && matches!(name, ServerName::IpAddress(_)) =>
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
        self.trust.judge.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.trust.judge.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.judge.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, Certificate, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair};
    use time::{Duration, OffsetDateTime};

    use super::*;

    /// As `openssl req -x509` makes one, valid from so many days from now to so many.
    fn own(from: i64, to: i64, usage: Option<ExtendedKeyUsagePurpose>) -> Certificate {
        let mut params = CertificateParams::new(vec!["web.test".to_owned()]).expect("a name");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.extended_key_usages.extend(usage);
        params.not_before = OffsetDateTime::now_utc() + Duration::days(from);
        params.not_after = OffsetDateTime::now_utc() + Duration::days(to);
        params.self_signed(&KeyPair::generate().expect("a key")).expect("a certificate")
    }

    fn judged(trusted: &[&Certificate], shown: &Certificate, host: &str, names: Names) -> Result<(), String> {
        let trusted = trusted.iter().map(|one| one.der().clone()).collect();
        let verifier = Verifier::new(Arc::new(Trust::of(trusted).expect("trust")), names);
        let name = ServerName::try_from(host).expect("a name");
        match verifier.verify_server_cert(shown.der(), &[], &name, &[], UnixTime::now()) {
            Ok(_) => Ok(()),
            Err(Error::InvalidCertificate(bad)) => Err(mistrusted(&bad, host)),
            Err(other) => Err(other.to_string()),
        }
    }

    #[test]
    fn a_certificate_among_the_trusted_ones_is_trusted_in_its_time_and_for_its_host_and_purpose() {
        use ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
        let (web, same_names) = (own(-1, 30, None), own(-1, 30, None));
        let (ended, early) = (own(-9, -2, None), own(2, 9, None));
        let (server, client) = (own(-1, 30, Some(ServerAuth)), own(-1, 30, Some(ClientAuth)));
        let judge = |trusted, shown, host| judged(&[trusted], shown, host, Names::Judged);
        assert_eq!(judge(&web, &web, "web.test"), Ok(()));
        assert_eq!(judge(&server, &server, "web.test"), Ok(()));
        for (trusted, shown, host, why) in [
            (
                &web,
                &web,
                "shop.test",
                r#"expected a certificate for shop.test, got one for DnsName("web.test")"#,
            ),
            (
                &web,
                &web,
                "10.0.0.1",
                r#"expected a certificate for 10.0.0.1, got one for DnsName("web.test")"#,
            ),
            (&ended, &ended, "web.test", "the certificate expired on 20"),
            (&early, &early, "web.test", "the certificate is not valid before 20"),
            (&client, &client, "web.test", "the certificate is not trusted: "),
            (
                &web,
                &same_names,
                "web.test",
                "the certificate is not trusted: it is one of an authority (CA:TRUE)",
            ),
        ] {
            let said = judge(trusted, shown, host).expect_err(why);
            assert!(said.starts_with(why), "{said}");
        }
    }

    #[test]
    fn the_names_of_addresses_alone_may_go_unjudged() {
        let (web, ended) = (own(-1, 30, None), own(-9, -2, None));
        assert_eq!(judged(&[&web], &web, "10.0.0.1", Names::NotOfAddresses), Ok(()));
        assert!(judged(&[&web], &web, "shop.test", Names::NotOfAddresses).is_err());
        assert!(judged(&[&ended], &ended, "10.0.0.1", Names::NotOfAddresses).is_err());
    }

    #[test]
    fn without_certificates_nobody_is_trusted() {
        assert_eq!(Trust::of(Vec::new()).expect_err("nobody"), TrustError::NoCertificates);
        assert_eq!(certificates(b"no PEM"), Err(TrustError::NoCertificates));
        let pem = own(-1, 30, None).pem();
        assert_eq!(certificates(format!("a note\n{pem}{pem}").as_bytes()).expect("two").len(), 2);
    }
}
