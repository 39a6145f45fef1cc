//! Who may ask for what: tokens compared in constant time, users of the Unix socket, rules for everybody else, and no
//! requests that a browser was tricked into.
//!
//! # Guarantees
//! - Without a token, over TCP, nothing is permitted but what [`Anonymous`] says; nothing at all, over the socket neither, to
//!   what a proxy passes on, whose origin nobody knows.
//! - Deleting a token opens nothing: once there was one, whoever brings none may do only what `--anonymous` says.

pub(super) mod guard;
mod headers;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::{HeaderMap, header};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use tokio::sync::watch;

use self::headers::{given, is_passed_on, without_port};
use super::caller::{Caller, Claim, Peer, Who};
use super::kept::Kept;
use crate::config::Anonymous;
use crate::config::tokens::{Role, digest};

/// What is asked of a request.
#[derive(Debug, Default)]
pub struct Access {
    /// SHA-256 of the token given at start; it permits everything.
    token: Option<[u8; 32]>,
    open_metrics: bool,
    anonymous: Anonymous,
    /// Names that may be asked for without a token, beside those that no page elsewhere can point here.
    hosts: Vec<String>,
    kept: Option<Arc<Kept>>,
    /// Whether there was ever a token, as far as this process knows.
    closed: AtomicBool,
    /// The Unix socket, to be named to those who are refused.
    socket: Option<PathBuf>,
}

impl Access {
    /// Access by `token`, and without one by `anonymous`.
    pub fn new(token: Option<SecretString>, anonymous: Anonymous) -> Self {
        let token = token.map(|token| digest(token.expose_secret()));
        Self { closed: AtomicBool::new(token.is_some()), token, anonymous, ..Self::default() }
    }

    /// Answers `/metrics` to everybody.
    #[must_use]
    pub const fn open_metrics(mut self, open: bool) -> Self {
        self.open_metrics = open;
        self
    }

    /// Access by the tokens of this file too, which is read again when it changes.
    #[must_use]
    pub fn with_tokens(mut self, path: PathBuf) -> Self {
        self.kept = Some(Arc::new(Kept::new(path)));
        self
    }

    /// Lets these names be asked for without a token.
    #[must_use]
    pub fn for_hosts(mut self, hosts: Vec<String>) -> Self {
        self.hosts = hosts;
        self
    }

    /// Names the Unix socket to those who are refused.
    #[must_use]
    pub fn with_socket(mut self, path: Option<PathBuf>) -> Self {
        self.socket = path;
        self
    }

    /// What is open without a token, for people.
    pub fn open(&self) -> Vec<String> {
        self.anonymous.in_force(self.is_closed())
    }

    /// Why this is dangerous.
    pub fn warnings(&self) -> Vec<String> {
        self.anonymous.warnings()
    }

    /// The Unix socket, if there is one.
    pub fn socket(&self) -> Option<&std::path::Path> {
        self.socket.as_deref()
    }

    /// Whether `path` answers anybody.
    fn is_open(&self, path: &str) -> bool {
        path == "/livez" || path == "/readyz" || (path == "/metrics" && self.open_metrics)
    }

    /// Whether there is or was a token; a file of tokens that cannot be read opens nothing.
    fn is_closed(&self) -> bool {
        let kept = self.kept.as_ref().is_some_and(|kept| kept.closes());
        if kept {
            self.closed.store(true, Ordering::Relaxed);
        }
        kept || self.closed.load(Ordering::Relaxed)
    }

    /// Who asks, and what that permits.
    fn caller(&self, peer: Option<Peer>, headers: &HeaderMap) -> Caller {
        let claim = claim(peer, headers);
        let (who, role) = match &claim {
            Claim::Token(digest) => self.known(digest).unwrap_or((Who::Anonymous(address(peer)), None)),
            Claim::Peer(Some(Peer::Unix { uid })) | Claim::Nobody(Some(Peer::Unix { uid })) => {
                (Who::user(*uid), self.role(&claim))
            }
            Claim::Peer(peer) | Claim::Nobody(peer) => (Who::Anonymous(address(*peer)), self.role(&claim)),
        };
        Caller { who, role, claim }
    }

    /// What a claim permits now.
    pub(super) fn role(&self, claim: &Claim) -> Option<Role> {
        match claim {
            Claim::Token(digest) => self.known(digest).and_then(|(_, role)| role),
            Claim::Peer(Some(Peer::Unix { .. })) => Some(Role::Edit),
            Claim::Peer(Some(Peer::Tcp(peer))) => {
                self.anonymous.role(peer.ip().to_canonical(), self.is_closed())
            }
            Claim::Peer(None) | Claim::Nobody(_) => None,
        }
    }

    /// Tells when claims may permit something else than before; `None`: they never do.
    pub(super) fn changes(&self) -> Option<watch::Receiver<()>> {
        self.kept.as_ref().map(Kept::follow)
    }

    /// Whose token this is. Hashes are compared, all of them, each in the same time, so that the time tells neither a
    /// token nor its length.
    fn known(&self, given: &[u8; 32]) -> Option<(Who, Option<Role>)> {
        let own = self.token.is_some_and(|token| token.ct_eq(given).into());
        let kept = self.kept.as_ref().map(|kept| kept.tokens());
        let found = kept.as_deref().and_then(Option::as_ref).and_then(|tokens| tokens.find(given));
        match found {
            _ if own => Some((Who::StartToken, Some(Role::Edit))),
            Some(token) => Some((Who::Token(token.name.as_str().into()), Some(token.role))),
            None => None,
        }
    }

    /// A page elsewhere can make its own name point here (DNS rebinding), but cannot make the browser say another name. So
    /// whoever brings no token asks for an address, for a name without a dot, which nobody can register, or for one that
    /// was allowed.
    fn host_is_fit(&self, hosts: &[&str]) -> bool {
        let is_fit = |host: &&str| {
            let Some(name) = without_port(host) else { return false };
            name.parse::<IpAddr>().is_ok()
                || (!name.is_empty()
                    && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)))
                || self.hosts.iter().any(|allowed| name.eq_ignore_ascii_case(allowed))
        };
        hosts.iter().all(is_fit)
    }

    /// A browser says where a request comes from; only this server's own page may ask.
    fn origin_is_fit(headers: &HeaderMap, hosts: &[&str]) -> bool {
        let Some(origin) = headers.get(header::ORIGIN) else { return true };
        let from = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        from.is_some_and(|(_, from)| hosts.contains(&from))
    }
}

/// What a request is judged by. A token that is brought counts alone, and one that is not known permits nothing.
fn claim(peer: Option<Peer>, headers: &HeaderMap) -> Claim {
    match given(headers) {
        Some(given) => Claim::Token(digest(given)),
        None if is_passed_on(headers) => Claim::Nobody(peer),
        None => Claim::Peer(peer),
    }
}

fn address(peer: Option<Peer>) -> Option<IpAddr> {
    match peer {
        Some(Peer::Tcp(peer)) => Some(peer.ip().to_canonical()),
        Some(Peer::Unix { .. }) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Uri;

    use super::guard::changes_nothing;
    use super::headers::{hosts, repeated};
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")))
            .collect()
    }

    fn tcp(address: &str) -> Option<Peer> {
        Some(Peer::Tcp(address.parse().expect(address)))
    }

    #[test]
    fn a_token_is_taken_from_either_header_and_one_that_is_not_known_permits_nothing() {
        let access = Access::new(Some("s3cret".to_owned().into()), Anonymous::default());
        let rules = vec!["edit".parse().expect("a rule")];
        let open = Access::new(Some("s3cret".to_owned().into()), Anonymous::new(rules));
        for (given, expected) in [
            (headers(&[("authorization", "Bearer s3cret")]), true),
            (headers(&[("authorization", "bearer s3cret")]), true),
            (headers(&[("x-api-key", "s3cret")]), true),
            (headers(&[("authorization", "Basic dTpw"), ("x-api-key", "s3cret")]), true),
            (headers(&[("authorization", "Basic s3cret")]), false),
            (headers(&[("authorization", "s3cret")]), false),
            (headers(&[("x-api-key", "s3cre")]), false),
            (headers(&[("x-api-key", "")]), false),
        ] {
            let expected = expected.then_some(Role::Edit);
            for peer in [tcp("127.0.0.1:1"), tcp("10.0.0.1:1"), Some(Peer::Unix { uid: 0 }), None] {
                assert_eq!(access.caller(peer, &given).role, expected, "{given:?} {peer:?}");
                assert_eq!(open.caller(peer, &given).role, expected, "{given:?} {peer:?}");
            }
        }
        assert_eq!(access.caller(tcp("127.0.0.1:1"), &headers(&[])).role, None);
    }

    #[test]
    fn without_a_token_the_socket_edits_this_machine_reads_and_nobody_else_does_anything() {
        let access = Access::default();
        let role = |peer, pairs: &[_]| access.caller(peer, &headers(pairs)).role;
        let unix = Some(Peer::Unix { uid: 65_534 });
        assert_eq!(role(unix, &[]), Some(Role::Edit));
        assert_eq!(role(tcp("127.0.0.1:1"), &[]), Some(Role::View));
        assert_eq!(role(tcp("[::ffff:127.0.0.1]:1"), &[]), Some(Role::View));
        assert_eq!(role(tcp("[::1]:1"), &[]), Some(Role::View));
        assert_eq!(role(tcp("10.0.0.1:1"), &[]), None);
        assert_eq!(role(None, &[]), None);
    }

    #[test]
    fn what_a_proxy_passes_on_comes_from_nobody_knows_where() {
        let rules = ["edit", "edit@10.0.0.0/8"].map(|rule| rule.parse().expect(rule)).to_vec();
        let access = Access::new(None, Anonymous::new(rules));
        for peer in [tcp("127.0.0.1:1"), tcp("10.0.0.1:1"), Some(Peer::Unix { uid: 0 })] {
            assert_eq!(access.caller(peer, &headers(&[])).role, Some(Role::Edit));
            assert_eq!(access.caller(peer, &headers(&[("accept", "x")])).role, Some(Role::Edit));
            for name in [
                "forwarded",
                "via",
                "x-forwarded",
                "x-forwarded-for",
                "x-forwarded-host",
                "x-forwarded-proto",
                "x-original-forwarded-for",
                "x-real-ip",
                "x-client-ip",
                "true-client-ip",
                "fastly-client-ip",
                "cf-connecting-ip",
            ] {
                assert_eq!(access.caller(peer, &headers(&[(name, "x")])).role, None, "{name}");
            }
        }
    }

    #[test]
    fn only_the_probes_are_open_and_metrics_if_so_set() {
        let closed = Access::default();
        assert!(closed.is_open("/livez") && closed.is_open("/readyz"));
        assert!(!closed.is_open("/metrics") && !closed.is_open("/api/events"));
        assert!(Access::default().open_metrics(true).is_open("/metrics"));
    }

    #[test]
    fn without_a_token_only_names_that_no_page_elsewhere_can_point_here_are_answered() {
        let access = Access::default().for_hosts(vec!["portreeve.example".to_owned()]);
        for (host, fit) in [
            ("localhost:8000", true),
            ("127.0.0.1:8000", true),
            ("[::1]:8000", true),
            ("portreeve:8000", true),
            ("my_stack-portreeve-1", true),
            ("portreeve.example", true),
            ("Portreeve.Example:8000", true),
            ("x.portreeve.example", false),
            ("evil.example:8000", false),
            ("evil.", false),
            ("", false),
            ("a b", false),
            ("127.0.0.1.evil.example", false),
            ("localhost:", true),
            ("localhost:1@evil.example", false),
            ("localhost:x", false),
            ("localhost:80:80", false),
            ("user@localhost", false),
            ("[::1]", true),
            ("[::1]evil.example", false),
            ("[::1]:evil.example", false),
            ("[::1", false),
            ("[localhost]", false),
            ("[portreeve.example]", false),
        ] {
            assert_eq!(access.host_is_fit(&[host]), fit, "{host}");
        }
    }

    #[test]
    fn every_name_that_is_asked_for_is_judged() {
        let fit = |uri: &'static str, host| {
            let headers = headers(&[("host", host)]);
            Access::default().host_is_fit(&hosts(&Uri::from_static(uri), &headers))
        };
        assert!(fit("/livez", "localhost"));
        assert!(fit("http://localhost/livez", "localhost"));
        assert!(!fit("http://evil.example/livez", "localhost"));
        assert!(!fit("http://localhost/livez", "evil.example"));
        assert!(!fit("/livez", "l\u{f6}calhost"));
    }

    #[test]
    fn whoever_reads_may_ask_what_a_write_would_come_to_and_nothing_else() {
        let v1 = "/apis/portreeve/v1";
        for (path, expected) in [
            ("/bill/b?dryRun=All", true),
            ("/billingservices/b?dryRun=All&preview=true", true),
            ("/billingservices?dryRun=All", true),
            ("/bill/b", false),
            ("/bill/b?dryRun=all", false),
            ("/bill/b?dryRun=All&dryRun=None", false),
            ("/bill/b?dryrun=All", false),
            ("/bill/b/c?dryRun=All", false),
            ("/containers/web/release?dryRun=All", false),
            ("/containers/web?dryRun=All", false),
            ("/deliveries/replay?dryRun=All", false),
            ("/test/probe?dryRun=All", false),
            ("?dryRun=All", false),
        ] {
            let uri: Uri = format!("{v1}{path}").parse().expect(path);
            assert_eq!(changes_nothing(&uri), expected, "{path}");
        }
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        let fit = |origin, host| Access::origin_is_fit(&headers(&[("origin", origin)]), &[host]);
        assert!(fit("http://localhost:8000", "localhost:8000"));
        assert!(!fit("http://evil.example", "localhost:8000"));
        assert!(!fit("null", "localhost:8000"));
        assert!(!Access::origin_is_fit(&headers(&[("origin", "http://localhost")]), &[]));
        assert!(Access::origin_is_fit(&headers(&[]), &[]));
    }

    #[test]
    fn what_decides_who_asks_for_what_is_sent_once() {
        for name in ["host", "origin", "authorization", "x-api-key", "content-type"] {
            let mut sent = headers(&[(name, "a")]);
            assert_eq!(repeated(&sent), None);
            sent.append(name, "a".parse().expect("a value"));
            assert_eq!(repeated(&sent).expect("repeated"), name);
        }
        let mut sent = headers(&[("accept", "a")]);
        sent.append("accept", "b".parse().expect("a value"));
        assert_eq!(repeated(&sent), None);
    }
}
