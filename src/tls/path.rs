//! When a server stops being trusted: the first end of a certificate on its path.
//!
//! A server may send more than one path needs, and there may be several. What counts is the path that lasts longest, and
//! on it whatever ends first: the server's certificate, one of those that it sends with it, or the authority's own.
//! OpenSSL and Go, and so most of those who will connect, do not trust an authority beyond its end either.

use std::cell::RefCell;

use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage, VerifiedPath};
use x509_parser::parse_x509_certificate;

use super::Trust;

/// The end of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// Whose.
    pub part: Part,
    /// Its subject, for people.
    pub subject: String,
    /// The last second of its time, in seconds since 1970.
    pub at: i64,
}

/// What a certificate is on a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The server's own.
    Server,
    /// Sent by the server, between its own and the authority's.
    Intermediate,
    /// The authority's, which is trusted.
    Authority,
}

impl Trust {
    /// When the server that sent `chain`, its own certificate first, stops being trusted; `None` where it is not now.
    pub(crate) fn end(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Option<End> {
        let (own, others) = chain.split_first()?;
        let own_end = end(own, Part::Server)?;
        // Nothing else is needed of one that is trusted itself.
        if self.certificates.iter().any(|trusted| trusted.as_ref() == own.as_ref()) {
            return Some(own_end);
        }
        let latest: RefCell<Option<End>> = RefCell::default();
        let look = |path: &VerifiedPath<'_>| {
            let intermediates =
                path.intermediate_certificates().filter_map(|one| end(&one.der(), Part::Intermediate));
            let anchor = self.anchors.iter().position(|anchor| std::ptr::eq(anchor, path.anchor()));
            let issuer = anchor.and_then(|anchor| end(self.issuers.get(anchor)?, Part::Authority));
            let first = intermediates
                .chain(issuer)
                .fold(own_end.clone(), |first, other| if other.at < first.at { other } else { first });
            let mut latest = latest.borrow_mut();
            if latest.as_ref().is_none_or(|latest| latest.at < first.at) {
                *latest = Some(first);
            }
            // So that it goes on to the next.
            Err(webpki::Error::UnknownIssuer)
        };
        let server = EndEntityCert::try_from(own).ok()?;
        let algorithms = super::provider().signature_verification_algorithms.all;
        // The answer is in `latest`: every path was turned down.
        let _ = server.verify_for_usage(
            algorithms,
            &self.anchors,
            others,
            now,
            KeyUsage::server_auth(),
            None,
            Some(&look),
        );
        latest.into_inner()
    }
}

fn end(certificate: &CertificateDer<'_>, part: Part) -> Option<End> {
    let (_, read) = parse_x509_certificate(certificate).ok()?;
    Some(End { part, subject: read.subject().to_string(), at: read.validity().not_after.timestamp() })
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
    use time::{Duration, OffsetDateTime};

    use super::*;

    /// Somebody with a key and a name, whom others may give certificates.
    struct Person {
        name: &'static str,
        key: KeyPair,
        ca: bool,
    }

    impl Person {
        fn new(name: &'static str, ca: bool) -> Self {
            Self { name, key: KeyPair::generate().expect("a key"), ca }
        }

        /// Whatever ends in so many days.
        fn params(&self, days: i64) -> CertificateParams {
            let mut params = CertificateParams::new(vec!["web.test".to_owned()]).expect("a name");
            params.distinguished_name.push(DnType::CommonName, self.name);
            params.not_before = OffsetDateTime::now_utc() - Duration::days(400);
            params.not_after = OffsetDateTime::now_utc() + Duration::days(days);
            if self.ca {
                params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            }
            params
        }

        fn root(&self, days: i64) -> CertificateDer<'static> {
            self.params(days).self_signed(&self.key).expect("a certificate").der().clone()
        }

        fn by(&self, issuer: &Self, days: i64) -> CertificateDer<'static> {
            let named = issuer.params(0);
            let issuer = Issuer::from_params(&named, &issuer.key);
            self.params(days).signed_by(&self.key, &issuer).expect("a certificate").der().clone()
        }
    }

    /// `intermediate: CN=…, in 3 days`
    fn ends(roots: &[&CertificateDer<'static>], chain: &[&CertificateDer<'static>]) -> Option<String> {
        let own =
            |these: &[&CertificateDer<'static>]| these.iter().map(|&one| one.clone()).collect::<Vec<_>>();
        let now = UnixTime::now();
        let End { part, subject, at } = Trust::of(own(roots)).expect("trust").end(&own(chain), now)?;
        let day = 24 * 60 * 60;
        let left = at - i64::try_from(now.as_secs()).expect("a time");
        let name = subject.trim_start_matches("CN=");
        Some(format!("{part:?} {name} {}", (left + day / 2).div_euclid(day)))
    }

    #[test]
    fn the_first_end_on_the_path_that_lasts_longest_counts() {
        let [old, new] = ["old", "new"].map(|name| Person::new(name, true));
        let [between, beside] = ["between", "beside"].map(|name| Person::new(name, true));
        let web = Person::new("web", false);
        let (old_root, new_root) = (old.root(20), new.root(3_000));
        let leaf = web.by(&between, 60);
        let (soon, later) = (between.by(&new, 3), between.by(&old, 500));
        let lasting = between.by(&new, 500);
        let unneeded = beside.by(&new, 1);
        for (roots, chain, expected) in [
            (vec![&new_root], vec![&leaf, &lasting], Some("Server web 60")),
            (vec![&new_root], vec![&leaf, &soon], Some("Intermediate between 3")),
            // Sent, and on no path.
            (vec![&new_root], vec![&leaf, &unneeded, &lasting], Some("Server web 60")),
            (vec![&new_root], vec![&leaf, &lasting, &new_root], Some("Server web 60")),
            // Signed by two, or sent as it was and as it is now.
            (vec![&old_root], vec![&leaf, &later], Some("Authority old 20")),
            (vec![&old_root, &new_root], vec![&leaf, &soon, &later], Some("Authority old 20")),
            (vec![&old_root, &new_root], vec![&leaf, &later, &lasting], Some("Server web 60")),
            (vec![&new_root], vec![&leaf, &soon, &lasting], Some("Server web 60")),
            (vec![&new_root], vec![&leaf, &lasting, &soon], Some("Server web 60")),
            // Trusted by itself.
            (vec![&new_root, &leaf], vec![&leaf, &soon], Some("Server web 60")),
            (vec![&new_root], vec![&leaf], None),
            (vec![&new_root], vec![], None),
        ] {
            assert_eq!(ends(&roots, &chain).as_deref(), expected);
        }
    }

    #[test]
    fn an_authority_with_two_certificates_lasts_as_long_as_the_later_one() {
        let (root, web) = (Person::new("root", true), Person::new("web", false));
        let (ended, renewed, leaf) = (root.root(-1), root.root(1_000), web.by(&root, 60));
        assert_eq!(ends(&[&ended], &[&leaf]).as_deref(), Some("Authority root -1"));
        assert_eq!(ends(&[&ended, &renewed], &[&leaf]).as_deref(), Some("Server web 60"));
        assert_eq!(ends(&[&renewed, &ended], &[&leaf]).as_deref(), Some("Server web 60"));
    }
}
