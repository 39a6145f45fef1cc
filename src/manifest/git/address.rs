//! Where a repository is, as it may be written down: without a secret in it, and by no way that runs a command.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use url::{Host, Url};

/// The URL or path of a repository. It can be shown: it holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    text: String,
    /// `https://host:port`, where the repository is reached by HTTP.
    http_origin: Option<String>,
}

/// Why a text is no address. It is not repeated: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressFault {
    /// It is none that is known.
    #[error(
        "is not a repository: https://host/path, ssh://user@host/path, user@host:path, file:///path or an absolute path"
    )]
    Unknown,
    /// What stands before an `@` in a URL is often a token.
    #[error(
        "contains a user or a password, which would be shown with it; use --git-token-file or PORTREEVE_GIT_TOKEN"
    )]
    Secret,
}

impl Address {
    /// The address that `text` writes.
    ///
    /// # Errors
    /// See [`AddressFault`].
    pub fn parse(text: &str) -> Result<Self, AddressFault> {
        let odd = |c: char| c.is_whitespace() || c.is_control();
        // `::` names a helper to be run.
        if text.is_empty() || text.starts_with('-') || text.contains(odd) || text.contains("::") {
            return Err(AddressFault::Unknown);
        }
        let address = |http_origin| Ok(Self { text: text.to_owned(), http_origin });
        if !text.contains("://") {
            let local = text.starts_with('/');
            // `user@host:path`, as ssh and scp have it.
            let remote = text.split_once(':').is_some_and(|(host, path)| {
                !host.is_empty() && !host.contains('/') && !path.is_empty() && !path.starts_with('-')
            });
            return if local || remote { address(None) } else { Err(AddressFault::Unknown) };
        }
        let url = Url::parse(text).map_err(|_| AddressFault::Unknown)?;
        // The parser makes a host of the path in `https:///path`; Git does not.
        let hosted = !text.contains(":///") && url.host_str().is_some_and(|host| !host.starts_with('-'));
        match url.scheme() {
            "https" | "http" if hosted => {
                let named = !url.username().is_empty() || url.password().is_some();
                if named || url.query().is_some() || url.fragment().is_some() {
                    return Err(AddressFault::Secret);
                }
                address(Some(url.origin().ascii_serialization()))
            }
            "ssh" | "git" if hosted && url.password().is_some() => Err(AddressFault::Secret),
            "ssh" | "git" if hosted => address(None),
            "file" => address(None),
            _ => Err(AddressFault::Unknown),
        }
    }

    /// As Git takes it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Where the repository is, if it is on this machine.
    pub(super) fn local(&self) -> Option<PathBuf> {
        let text = self.as_str();
        if text.starts_with('/') {
            return Some(text.into());
        }
        text.starts_with("file://").then(|| url::Url::parse(text).ok()?.to_file_path().ok()).flatten()
    }

    /// `https://host:port`, to which alone a token is ever sent; `None` where there is no use for one.
    pub(super) fn origin(&self) -> Option<&str> {
        self.http_origin.as_deref()
    }

    /// Whether a token can be given to it and nobody on the way can read it.
    pub fn takes_token(&self) -> bool {
        let Some(Ok(url)) = self.origin().map(Url::parse) else { return false };
        let loopback = match url.host() {
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        };
        url.scheme() == "https" || loopback
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether `text` names a branch, a tag or a commit, and nothing else to Git.
pub fn is_reference(text: &str) -> bool {
    let odd = |c: char| c.is_whitespace() || c.is_control() || "~^:?*[\\".contains(c);
    !text.is_empty()
        && !text.starts_with(['-', '/', '+'])
        && !text.ends_with(['/', '.'])
        && !text.contains(odd)
        && !["..", "//", "@{"].iter().any(|part| text.contains(part))
}

/// `text` as a directory within a repository; `None` if it leads out of it.
pub fn inner_path(text: &Path) -> Option<PathBuf> {
    let mut path = PathBuf::new();
    for part in text.components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ways_that_run_nothing_and_hold_no_secret_are_taken() {
        for good in [
            "https://git.example/ops.git",
            "http://127.0.0.1:3000/ops",
            "ssh://git@git.example:2222/ops.git",
            "git@git.example:ops/ops.git",
            "git.example:ops.git",
            "git://git.example/ops",
            "file:///srv/git/ops.git",
            "/srv/git/ops.git",
        ] {
            assert_eq!(Address::parse(good).map(|address| address.to_string()), Ok(good.to_owned()));
        }
        for bad in [
            "",
            "-u",
            "--upload-pack=x",
            "ops.git",
            "../ops",
            "ext::sh -c x",
            "ext::x",
            "ftp://h/x",
            "https://",
            "https:///x",
            "a b:c",
            "ssh://-oProxyCommand=x/y",
            "host:-x",
        ] {
            assert_eq!(Address::parse(bad), Err(AddressFault::Unknown), "{bad}");
        }
        for secret in [
            "https://user:hunter2@git.example/x",
            "https://hunter2@git.example/x",
            "https://:hunter2@git.example/x",
            "https://git.example/x?private_token=hunter2",
            "ssh://git:hunter2@git.example/x",
        ] {
            assert_eq!(Address::parse(secret), Err(AddressFault::Secret), "{secret}");
        }
        assert!(!AddressFault::Secret.to_string().contains("hunter2"));
    }

    #[test]
    fn a_token_goes_to_one_host_and_never_in_the_open() {
        let takes = |text: &str| Address::parse(text).expect(text).takes_token();
        assert!(
            takes("https://git.example/x") && takes("http://127.0.0.1:1/x") && takes("http://localhost/x")
        );
        assert!(!takes("http://git.example/x") && !takes("git@git.example:x") && !takes("/srv/x"));
        let address = Address::parse("https://git.example:8443/a/b").expect("an address");
        assert_eq!(address.origin(), Some("https://git.example:8443"));
    }

    #[test]
    fn references_and_paths_are_plain() {
        for good in [
            "main",
            "HEAD",
            "release/1.2",
            "v1.0",
            "refs/tags/v1",
            "1111111111111111111111111111111111111111",
        ] {
            assert!(is_reference(good), "{good}");
        }
        for bad in
            ["", "-f", "+main", "a..b", "a b", "main:refs/x", "main^", "a@{1}", "/main", "main/", "a*", "a\n"]
        {
            assert!(!is_reference(bad), "{bad:?}");
        }
        assert_eq!(inner_path(Path::new("./a/b/")), Some(PathBuf::from("a/b")));
        assert_eq!(inner_path(Path::new("")), Some(PathBuf::new()));
        for bad in ["/a", "../a", "a/../b"] {
            assert_eq!(inner_path(Path::new(bad)), None, "{bad}");
        }
    }
}
