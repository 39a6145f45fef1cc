//! `tls`: certificates that this system trusts, for the host asked, valid for a while yet: the server's own and those that
//! it needs beside it ([`Trust::end`]).
//!
//! A host given as an address, as a container's own is, has no name that a certificate could be for; then the name is not
//! judged. Trusted are the system's authorities, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::pki_types::UnixTime;
use tokio_rustls::TlsConnector;

use super::connect::{plain, seen, tcp};
use super::encrypted::error::{in_tls, tls_error, unusable};
use super::encrypted::{server_name, version};
use super::steps::{count, shown};
use super::{Cause, Failure, Here, Protocol, Steps, Subject, There};
use crate::resource::probe::handler::TlsProbe;
use crate::tls::{End, Names, Part, Trust, TrustError, Verifier, beyond, date, mistrusted};

const DAY: i64 = 24 * 60 * 60;

#[async_trait]
impl Protocol for TlsProbe {
    fn port(&self) -> Option<u16> {
        Some(self.port.unwrap_or(443))
    }

    async fn attempt(&self, subject: &Subject<'_>, steps: &mut Steps) -> Result<(), Failure> {
        let place = subject.place()?;
        let (trust, config) = trusted().await.map_err(|error| unusable(&error))?;
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
        // What was trusted a moment ago has a path; but it may just have ended.
        let end = trust.end(chain, UnixTime::now()).ok_or_else(|| {
            Failure::new(
                There::Certificate,
                "expected a certificate that is trusted, got one that has just expired",
            )
        })?;
        let left = seconds_until(end.at).div_euclid(DAY);
        if left < i64::from(self.min_valid_days) {
            let ends = if left < 0 {
                format!("expired {} ago", count(-left, "day"))
            } else {
                format!("expires in {}", count(left, "day"))
            };
            let reason = format!(
                "expected a certificate that is still valid for {}, {} {ends}, on {}",
                count(self.min_valid_days, "day"),
                whose(&end),
                date(end.at)
            );
            return Err(Failure::new(There::Certificate, reason));
        }
        steps.end(format!("{}: valid for {}, until {}", end.subject, count(left, "day"), date(end.at)));
        Ok(())
    }
}

/// Whom the system trusts, and a client that trusts them.
async fn trusted() -> Result<(Arc<Trust>, Arc<ClientConfig>), TrustError> {
    static CLIENT: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    let trust = Trust::system().await?;
    if let Some(client) = CLIENT.get() {
        return Ok((trust, client.clone()));
    }
    let mut client = crate::tls::client(Verifier::new(trust.clone(), Names::NotOfAddresses), &[])?;
    // In a session that is resumed no certificate is shown: an old one would be judged.
    client.resumption = Resumption::disabled();
    Ok((trust, CLIENT.get_or_init(|| Arc::new(client)).clone()))
}

/// Which certificate ends.
fn whose(end: &End) -> String {
    match end.part {
        Part::Server => "it".to_owned(),
        Part::Intermediate => {
            format!("but that of its issuer {}, which the server sends with it,", shown(&end.subject))
        }
        Part::Authority => {
            format!("but that of the authority {}, which this system trusts,", shown(&end.subject))
        }
    }
}

/// Why there was no handshake.
fn refused(host: &str, error: &std::io::Error) -> Failure {
    let why = match tls_error(error) {
        Some(rustls::Error::InvalidCertificate(bad)) => {
            let cause: Cause =
                if beyond(bad) { Here::UnreadableCertificate.into() } else { There::Certificate.into() };
            return Failure::new(cause, shown(&mistrusted(bad, host)));
        }
        Some(other) if in_tls(other) == There::NotTls.into() => {
            ", the server speaks something else".to_owned()
        }
        Some(rustls::Error::AlertReceived(alert)) => format!(", the server ended it: {alert:?}"),
        Some(other) => format!(": {}", shown(&other.to_string())),
        None => format!(", {}", plain(error)),
    };
    Failure::new(seen(error), format!("expected a TLS handshake{why}"))
}

fn seconds_until(timestamp: i64) -> i64 {
    timestamp.saturating_sub(crate::clock::now().0.div_euclid(1_000_000_000))
}
