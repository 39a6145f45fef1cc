//! What users' words may reach: which addresses are behind their URLs, and which files hold their secrets.
//!
//! Whoever may declare an object chooses where Portreeve connects to and what it reads, with Portreeve's own rights. Every
//! connection that a manifest or a flag names passes here, and every secret is read here.

mod address;
mod resolver;
mod secret;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use secrecy::SecretString;

pub use self::address::AddressError;
pub use self::secret::SecretError;
use crate::resource::SecretRef;
use crate::resource::check::is_forbidden;
use crate::resource::secret::policy::SecretPolicy;

/// The content of a file with a secret that whoever started Portreeve named, read while nothing else waits.
///
/// # Errors
/// See [`SecretError`].
pub fn file_now(path: &str) -> Result<Vec<u8>, SecretError> {
    secret::blocking(path, None, secret::LARGEST_SECRET)
}

/// See the module's documentation. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    rules: Arc<Rules>,
    /// What secrets may go to whom is asked is the whole world's to say.
    strangers: bool,
}

#[derive(Debug, Default)]
struct Rules {
    allowed: Vec<IpNet>,
    secrets: SecretPolicy,
}

impl Guard {
    /// Lets `allowed` be reached whatever is known of it, and `secrets` be named by everybody's objects.
    pub fn new(allowed: Vec<IpNet>, secrets: Vec<std::path::PathBuf>) -> Self {
        Self { rules: Arc::new(Rules { allowed, secrets: SecretPolicy::new(secrets) }), strangers: false }
    }

    /// The same, where strangers say what is asked: an engine that they declared shows whatever they like. Secrets go there
    /// only that were put aside for everybody's objects.
    #[must_use]
    pub fn among_strangers(&self) -> Self {
        Self { strangers: true, ..self.clone() }
    }

    /// What objects of restricted trust may name.
    pub fn secrets(&self) -> &SecretPolicy {
        &self.rules.secrets
    }

    /// Whether nothing may be sent to `address`.
    pub fn forbids(&self, address: IpAddr) -> bool {
        is_forbidden(address)
            && !self.rules.allowed.iter().any(|network| network.contains(&address.to_canonical()))
    }

    /// Refuses a URL whose host is an address that may not be reached; names are checked when they are resolved.
    ///
    /// # Errors
    /// The host is such an address, or there is none.
    pub fn check(&self, url: &url::Url) -> Result<(), AddressError> {
        // In a URL of a scheme that browsers do not know every host is a name to the parser.
        let host = url.host_str().map(url::Host::parse).transpose().unwrap_or_default();
        match host {
            Some(url::Host::Ipv4(address)) => self.check_address(address.into()),
            Some(url::Host::Ipv6(address)) => self.check_address(address.into()),
            // A name, or what no resolver takes for one either.
            Some(url::Host::Domain(_)) => Ok(()),
            None if url.has_host() => Ok(()),
            None => Err(AddressError::NoHost),
        }
    }

    fn check_address(&self, address: IpAddr) -> Result<(), AddressError> {
        if self.forbids(address) { Err(AddressError::Forbidden(address.to_string())) } else { Ok(()) }
    }

    /// Those of the `found` addresses of `host` that may be reached.
    ///
    /// # Errors
    /// There is none among them.
    pub fn allowed(&self, host: &str, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, AddressError> {
        let any = !found.is_empty();
        let allowed: Vec<SocketAddr> =
            found.into_iter().filter(|address| !self.forbids(address.ip())).collect();
        if allowed.is_empty() && any { Err(AddressError::Forbidden(host.to_owned())) } else { Ok(allowed) }
    }

    /// The secret that `reference` names, as it is now.
    ///
    /// # Errors
    /// See [`SecretError`]; the secret is in none of them.
    pub async fn secret(&self, reference: &SecretRef) -> Result<SecretString, SecretError> {
        if self.strangers
            && reference.source().is_some_and(|source| self.secrets().refuses(&source).is_some())
        {
            return Err(SecretError::AmongStrangers);
        }
        secret::read(self.secrets(), reference).await
    }

    /// A file of certificates or their key, for callers that cannot wait: a small file is read at once.
    ///
    /// # Errors
    /// See [`SecretError`].
    pub fn file_at_once(&self, path: &str) -> Result<Vec<u8>, SecretError> {
        let secrets = self.secrets();
        secret::blocking(
            path,
            secrets.directory_of(path.as_ref()).map(|_| secrets.directories()),
            secret::LARGEST_BUNDLE,
        )
    }

    /// A file of certificates that an object names: its content, held to the same as a file with a secret, but up to 1 MiB.
    ///
    /// # Errors
    /// See [`SecretError`].
    pub async fn file(&self, path: &str) -> Result<Vec<u8>, SecretError> {
        secret::file(self.secrets(), path, secret::LARGEST_BUNDLE).await
    }
}
