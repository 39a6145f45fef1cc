//! Whom a probe trusts: this system's authorities, or those of a file; and what is said when a server is not among theirs.

use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::{CertificateError, Error};

use super::demand::Demand;
use super::error::unusable;
use crate::guard::Guard;
use crate::probe::{Failure, Here};
use crate::resource::probe::tls::ProbeTls;
use crate::tls::{Names, Trust, Verifier, beyond, certificates, mistrusted};

/// Who judges a server by these settings.
pub(super) async fn judge(
    settings: &ProbeTls,
    guard: &Guard,
) -> Result<Arc<dyn ServerCertVerifier>, Failure> {
    Ok(match &settings.ca {
        // Whoever names an authority of their own says with it whose servers these are; all the world's say nothing without
        // a name.
        Some(path) => Verifier::new(Arc::new(authorities(path, guard).await?), Names::NotOfAddresses),
        None => Verifier::new(Trust::system().await.map_err(|error| unusable(&error))?, Names::Judged),
    })
}

/// The certificates of a file.
async fn authorities(path: &str, guard: &Guard) -> Result<Trust, Failure> {
    let bad = |why: String| Failure::new(Here::Trust, format!("no authorities to trust: {why}"));
    let text = guard.file(path).await.map_err(|error| bad(error.to_string()))?;
    certificates(&text).and_then(Trust::of).map_err(|error| bad(format!("{path}: {error}")))
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
        ) => "set `tls: {serverName: …}` to a name in its certificate, or `tls: {ca: …}` to its authority",
        _ => "set `tls: {ca: …}` to the authority to trust",
    };
    Failure::new(
        cause,
        format!(
            "the server is not verified{secret}: {why}; {remedy}; `tls: {{verify: false}}` accepts any certificate"
        ),
    )
}

fn said(bad: &CertificateError, asked: &str) -> (Here, String) {
    use CertificateError as Bad;
    let why = match bad {
        Bad::Expired | Bad::ExpiredContext { .. } => "its certificate has expired".to_owned(),
        Bad::NotValidYet | Bad::NotValidYetContext { .. } => "its certificate is not valid yet".to_owned(),
        Bad::UnknownIssuer => "no trusted authority has issued its certificate".to_owned(),
        Bad::BadSignature => "its certificate is not signed by the authority that it names".to_owned(),
        Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
            format!("its certificate is not for {asked}")
        }
        bad if beyond(bad) => {
            return (Here::UnreadableCertificate, format!("this probe cannot read its certificate ({bad})"));
        }
        other => mistrusted(other, asked),
    };
    (Here::Unverified, why)
}
