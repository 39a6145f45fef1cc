//! TLS, from the first byte or in the middle of a conversation. Unless the server is to be verified any certificate will
//! do: what is asked then is whether the server works; `tls` asks about certificates.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::AlertDescription;
use rustls::client::Resumption;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

mod demand;
pub(super) mod error;
mod judge;
mod stream;
mod trust;

pub(super) use demand::Demand;
pub(super) use error::unusable;
pub(super) use stream::{Encrypted, LastWord};

use error::tls_error;
use judge::{Any, Heard};

use super::connect::{ascii, plain, seen};
use super::duplex::Duplex;
use super::{Cause, Failure, Here, Place, Steps, There};
use crate::resource::probe::tls::ProbeTls;

/// A handshake with a server at `host` that meets `demand`.
pub(super) async fn encrypt<S: Duplex>(
    stream: S,
    host: &str,
    demand: &Demand<'_>,
    steps: &mut Steps,
) -> Result<Encrypted<S>, Failure> {
    let (stream, verified) = handshake(stream, host, demand, steps).await?;
    verified.map(|()| stream)
}

/// A handshake, and whether the server is one that the demand is met by. Whoever goes on although it is not sends no secret:
/// what may be said is what lets a server end the conversation well.
pub(super) async fn handshake<S: Duplex>(
    stream: S,
    host: &str,
    demand: &Demand<'_>,
    steps: &mut Steps,
) -> Result<(Encrypted<S>, Result<(), Failure>), Failure> {
    steps.begin("TLS");
    let asked = demand.settings.and_then(|settings| settings.server_name.as_deref()).unwrap_or(host);
    let name = server_name(asked)?;
    let default = ProbeTls::default();
    let settings = demand.settings.unwrap_or(&default);
    let judged = match settings.verifies(demand.secret) {
        true => Some(Arc::new(Heard::new(trust::judge(settings, steps.guard()).await?))),
        false => None,
    };
    let judge: Arc<dyn ServerCertVerifier> = match &judged {
        Some(judge) => judge.clone(),
        None => Arc::new(Any),
    };
    let mut config = crate::tls::client(judge, demand.alpn).map_err(|error| unusable(&error))?;
    // A resumed session shows no certificate.
    config.resumption = Resumption::disabled();
    let stream =
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(|error| unmade(&error))?;
    let stream = Encrypted::new(stream);
    let version = version(stream.session().protocol_version());
    let verdict = match judged.as_deref().map(Heard::verdict) {
        None => {
            steps.end(version);
            Ok(())
        }
        Some(Ok(())) => {
            steps.end(format!("{version}, verified"));
            Ok(())
        }
        Some(Err(why)) => {
            steps.end(format!("{version}, not verified"));
            Err(trust::unverified(&why, asked, demand))
        }
    };
    Ok((stream, verdict))
}

/// Why there was no handshake.
fn unmade(error: &io::Error) -> Failure {
    let cause = seen(error);
    let why = match &cause {
        Cause::There(There::NotTls) => "the server does not speak TLS there".to_owned(),
        Cause::There(There::TlsAlert) => format!("the server ended it: {}", alert(error)),
        Cause::Here(Here::Unsupported) => {
            format!("the server uses TLS in a way that this probe does not support ({})", plain(error))
        }
        Cause::Here(Here::NoCommonTls) => {
            format!(
                "the server supports no TLS version that this probe supports ({}): TLS 1.2 and 1.3",
                plain(error)
            )
        }
        _ => plain(error),
    };
    Failure::new(cause, format!("no TLS handshake: {why}"))
}

/// Whether whoever listens at `place` answers a TLS handshake, well or with an alert.
pub(super) async fn speaks_tls(place: &Place, limit: Duration, mut steps: Steps) -> bool {
    let asked = async {
        let stream = super::connect::tcp(place, &mut steps).await?;
        encrypt(stream, &place.host, &Demand::default(), &mut steps).await
    };
    match tokio::time::timeout(limit.min(GLANCE), asked).await {
        Ok(Ok(_)) => true,
        Ok(Err(failure)) => {
            matches!(
                failure.cause,
                Cause::There(There::TlsAlert) | Cause::Here(Here::NoCommonTls | Here::Unsupported)
            )
        }
        Err(_) => false,
    }
}

/// So long a server that said nothing in the clear has to answer a handshake.
const GLANCE: Duration = Duration::from_secs(1);

/// Whether these are the first bytes of a TLS record: an alert, or a handshake.
pub(super) fn is_record(bytes: &[u8]) -> bool {
    matches!(bytes, [0x15 | 0x16, 3, 0..=4, ..])
}

fn alert(error: &io::Error) -> String {
    match tls_error(error) {
        Some(rustls::Error::AlertReceived(alert)) => format!("{alert:?}"),
        _ => plain(error),
    }
}

/// Why a connection ended after its handshake.
pub(super) fn ended(error: &io::Error) -> String {
    match tls_error(error) {
        Some(rustls::Error::AlertReceived(AlertDescription::CertificateRequired)) => {
            "the server ended TLS with CertificateRequired: it requires a client certificate".to_owned()
        }
        Some(rustls::Error::AlertReceived(alert)) => format!("the server ended TLS with {alert:?}"),
        _ => plain(error),
    }
}

/// The name that a server is asked for.
pub(super) fn server_name(host: &str) -> Result<ServerName<'static>, Failure> {
    let unfit = |_| Failure::new(Here::Unsendable, format!("{host} is not a valid name for TLS"));
    ServerName::try_from(ascii(host).into_owned()).map_err(unfit)
}

/// As in `TLS 1.3`.
pub(super) fn version(version: Option<rustls::ProtocolVersion>) -> &'static str {
    match version {
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2",
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3",
        _ => "TLS",
    }
}
