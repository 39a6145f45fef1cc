//! Why a certificate is not trusted, and who speaks no TLS, in words that say what to do.

use std::error::Error as StdError;
use std::io;

use rustls::CertificateError;
use rustls::pki_types::UnixTime;

use crate::observed::Nanos;

const DAY: i64 = 24 * 60 * 60;

/// The day of a time in seconds since 1970: `2026-11-27`.
pub(crate) fn date(at: i64) -> String {
    let text = Nanos(at.saturating_mul(1_000_000_000)).rfc3339_millis();
    text.split('T').next().unwrap_or_default().to_owned()
}

/// Whether it is our library that cannot judge a certificate: it knows not all that others know.
pub(crate) fn beyond(bad: &CertificateError) -> bool {
    use webpki::Error as Webpki;
    match bad {
        CertificateError::BadEncoding
        | CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => true,
        CertificateError::Other(other) => !matches!(
            other.0.downcast_ref(),
            Some(
                Webpki::CaUsedAsEndEntity
                    | Webpki::EndEntityUsedAsCa
                    | Webpki::CertDistrusted
                    | Webpki::NameConstraintViolation
                    | Webpki::PathLenConstraintViolated
            )
        ),
        _ => false,
    }
}

/// Why a call to `host` failed, where the reason is its certificate.
pub(crate) fn refused(error: &(dyn StdError + 'static), host: &str) -> Option<String> {
    match cause(error)? {
        rustls::Error::InvalidCertificate(bad) => Some(mistrusted(bad, host)),
        _ => None,
    }
}

/// This side asked for TLS, and there was none.
pub(crate) const WITHOUT: &str = "the server answers without TLS: write http://";
/// This side asked without TLS, and there was some.
pub(crate) const WITH: &str = "the server uses TLS: write https://";
/// This side asked without TLS, and something else than HTTP was answered: an alert of TLS most likely.
pub(crate) const NO_HTTP: &str = "the answer is no HTTP; if the server uses TLS: write https://";

/// Whether a server that was asked without TLS says that it uses TLS, in the words of nginx, Apache, Tomcat or Go.
pub(crate) fn asks_for_tls(answer: &str) -> bool {
    [
        "plain HTTP request was sent to HTTPS port",
        "speaking plain HTTP to an SSL-enabled server port",
        "combination of host and port requires TLS",
        "HTTP request to an HTTPS server",
    ]
    .iter()
    .any(|words| answer.contains(words))
}

/// Whether the answer to a question without TLS was no HTTP, as the client library says it.
pub(crate) fn is_no_http(why: &str) -> bool {
    why.contains("invalid HTTP version") || why.contains("invalid HTTP status")
}

/// Whether what answered is no TLS at all.
pub(crate) fn is_plain(error: &(dyn StdError + 'static)) -> bool {
    matches!(cause(error), Some(rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType)))
}

/// What TLS says at the bottom of an error. Errors of I/O hold others that they do not give as their source.
fn cause<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e rustls::Error> {
    let within = error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref)
        .map(|inner| inner as &'e (dyn StdError + 'static));
    error.downcast_ref().or_else(|| cause(within.or_else(|| error.source())?))
}

/// Why the certificate that a server showed as `host` is not trusted.
pub(crate) fn mistrusted(bad: &CertificateError, host: &str) -> String {
    let seconds = |time: &UnixTime| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let why = match bad {
        CertificateError::ExpiredContext { not_after, time } => {
            let days = seconds(time).saturating_sub(seconds(not_after)).div_euclid(DAY);
            let days = if days == 1 { "1 day".to_owned() } else { format!("{days} days") };
            return format!("the certificate expired on {}, {days} ago", date(seconds(not_after)));
        }
        CertificateError::NotValidYetContext { not_before, .. } => {
            return format!("the certificate is not valid before {}", date(seconds(not_before)));
        }
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => {
            return format!("expected a certificate for {host}, got one without a subject alternative name");
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            return format!("expected a certificate for {host}, got one for {}", presented.join(", "));
        }
        CertificateError::UnknownIssuer => "no authority that this system trusts has issued it".to_owned(),
        CertificateError::BadSignature => {
            "the authority that it names, which this system trusts, has another key".to_owned()
        }
        CertificateError::Other(other) => match other.0.downcast_ref() {
            Some(webpki::Error::CaUsedAsEndEntity) => {
                "it is one of an authority (CA:TRUE), and trusted as a server's only where it is itself among those \
                 that this system trusts; add it to them, or issue one with CA:FALSE"
                    .to_owned()
            }
            Some(webpki::Error::UnsupportedCertVersion) => {
                "it is of X.509 version 1, which has no place for the names of hosts; issue one of version 3".to_owned()
            }
            _ => bad.to_string(),
        },
        other => other.to_string(),
    };
    format!("the certificate is not trusted: {why}")
}
