//! Engines behind TLS: `tcp://` with certificates on both sides. Beside the DockerHost's own authority those of the system
//! are trusted, as by Docker's client library for years.

use std::pin::Pin;
use std::sync::Arc;

use bollard::{BollardRequest, Docker};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::client::ResolvesClientCert;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, SignatureScheme};

use super::DockerError;
use super::tcp::Resolver;
use super::wire::Wire;
use crate::guard::Guard;
use crate::resource::docker_host::DockerTls;
use crate::tls::{Names, Trust, Verifier, certificates, provider};

/// A client that shows `tls.cert` and trusts `tls.ca`.
pub(super) async fn docker(
    endpoint: &str,
    tls: &DockerTls,
    guard: &Guard,
) -> Result<(Docker, Wire), DockerError> {
    let unusable =
        |field: &str, why: &dyn std::fmt::Display| DockerError::Unusable(format!("tls.{field}: {why}"));
    let pem = guard.file(&tls.ca).await.map_err(|error| unusable("ca", &error))?;
    let mut trusted = certificates(&pem).map_err(|error| unusable("ca", &format!("{}: {error}", tls.ca)))?;
    // A system without any is no hindrance: the engine's own is what counts.
    trusted.extend(Trust::system_certificates().await.unwrap_or_default());
    let trust = Trust::of(trusted).map_err(|error| unusable("ca", &format!("{}: {error}", tls.ca)))?;
    let own = Own { certificate: tls.cert.clone(), key: tls.key.clone(), guard: guard.clone() };
    own.read().map_err(|(field, why)| unusable(field, &why))?;
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| DockerError::Unusable(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Verifier::new(Arc::new(trust), Names::Judged))
        .with_client_cert_resolver(Arc::new(own));
    let mut tcp = HttpConnector::new_with_resolver(Resolver(guard.clone()));
    tcp.enforce_http(false);
    // As the client library does: every call has a connection of its own.
    let client = Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(0)
        .build(HttpsConnector::from((tcp, config)));
    let request = move |request: BollardRequest| {
        let answer = client.request(request);
        Box::pin(async { answer.await.map_err(bollard::errors::Error::from) }) as Pin<Box<_>>
    };
    let address = endpoint.split_once("://").map_or(endpoint, |(_, address)| address);
    Wire::new(endpoint, &format!("https://{}", address.trim_end_matches('/')), request)
}

/// The certificate that we show, read for each handshake: it may be renewed at any time.
#[derive(Debug)]
struct Own {
    certificate: String,
    key: String,
    guard: Guard,
}

impl Own {
    /// The field that is to blame, and why.
    fn read(&self) -> Result<CertifiedKey, (&'static str, String)> {
        let cannot = |path: &str, error: &dyn std::fmt::Display| format!("cannot use {path}: {error}");
        let read = |path: &str| self.guard.file_at_once(path).map_err(|error| error.to_string());
        let certificate = read(&self.certificate)
            .and_then(|pem| certificates(&pem).map_err(|error| cannot(&self.certificate, &error)))
            .map_err(|why| ("cert", why));
        let key = read(&self.key)
            .and_then(|pem| PrivateKeyDer::from_pem_slice(&pem).map_err(|error| cannot(&self.key, &error)))
            .map_err(|why| ("key", why));
        let (certificate, key): (Vec<CertificateDer<'static>>, _) = (certificate?, key?);
        CertifiedKey::from_der(certificate, key, &provider())
            .map_err(|error| ("key", cannot(&self.key, &error)))
    }
}

impl ResolvesClientCert for Own {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        // Without one the engine refuses, in words of its own.
        self.read().ok().map(Arc::new)
    }

    fn has_certs(&self) -> bool {
        true
    }
}
