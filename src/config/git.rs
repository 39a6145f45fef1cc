//! The flags about a Git repository: what they mean together.

use std::path::PathBuf;

use crate::manifest::git::{Address, AddressFault, Credentials, GitSource, inner_path, is_reference};
use crate::resource::{Duration, DurationError};

use super::Process;

/// How often a repository is pulled if nothing is said.
const INTERVAL: Duration = Duration::from_secs(60);
/// How long an answer may take if nothing is said: also the first one, with all there ever was.
const TIMEOUT: Duration = Duration::from_secs(600);
/// What is checked out if nothing is said.
const DEFAULT_REFERENCE: &str = "HEAD";

/// Why what is said of a repository cannot be used. No variant repeats what may hold a secret.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum GitFault {
    /// The URL is none, or holds a secret.
    #[error("--git-url {0}")]
    Address(#[from] AddressFault),
    /// A flag that means nothing without a repository.
    #[error("{0} needs --git-url")]
    Alone(&'static str),
    /// The reference is none.
    #[error("--git-ref {0:?} is not a branch, a tag or a commit")]
    Reference(String),
    /// The path leads out of the repository.
    #[error("--git-path {} must be a directory within the repository, without `..`", .0.display())]
    Path(PathBuf),
    /// The interval is none.
    #[error("--git-interval: {0}")]
    Interval(DurationError),
    /// The timeout is none.
    #[error("--git-timeout: {0}")]
    Timeout(DurationError),
    /// The timeout is no time at all.
    #[error("--git-timeout must be longer than 0s")]
    NoTimeout,
    /// The interval is no time at all.
    #[error("--git-interval must be longer than 0s")]
    NoInterval,
    /// The token would be readable on the way, or there is nobody to give it to.
    #[error(
        "{0} needs an https:// --git-url: a token is sent only over https; ssh uses the keys of the user that runs \
        Portreeve"
    )]
    Token(&'static str),
}

/// Flags as they were written.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub url: Option<String>,
    pub reference: Option<String>,
    pub path: Option<PathBuf>,
    pub interval: Option<String>,
    pub timeout: Option<String>,
    pub token_file: Option<PathBuf>,
}

impl Written {
    /// What they mean, with the variables of `process` for what was not written.
    pub(super) fn resolve(self, process: &Process) -> Result<Option<GitSource>, GitFault> {
        let text = |flag: Option<String>, name: &str| flag.or_else(|| process.get(name).map(str::to_owned));
        let url = text(self.url, "PORTREEVE_GIT_URL");
        let reference = text(self.reference, "PORTREEVE_GIT_REF");
        let path = self.path.or_else(|| process.path("PORTREEVE_GIT_PATH"));
        let interval = text(self.interval, "PORTREEVE_GIT_INTERVAL");
        let timeout = text(self.timeout, "PORTREEVE_GIT_TIMEOUT");
        let file = self.token_file.or_else(|| process.path("PORTREEVE_GIT_TOKEN_FILE"));
        let token = process.get("PORTREEVE_GIT_TOKEN");
        let Some(url) = url else {
            let alone = [
                ("--git-ref", reference.is_some()),
                ("--git-path", path.is_some()),
                ("--git-interval", interval.is_some()),
                ("--git-timeout", timeout.is_some()),
                ("--git-token-file", file.is_some()),
                ("PORTREEVE_GIT_TOKEN", token.is_some()),
            ];
            let alone = alone.into_iter().find(|(_, given)| *given);
            return alone.map_or(Ok(None), |(name, _)| Err(GitFault::Alone(name)));
        };
        let address = Address::parse(&url)?;
        let reference = reference.unwrap_or_else(|| DEFAULT_REFERENCE.to_owned());
        if !is_reference(&reference) {
            return Err(GitFault::Reference(reference.chars().take(128).collect()));
        }
        let path = path.unwrap_or_default();
        let Some(path) = inner_path(&path) else { return Err(GitFault::Path(path)) };
        let interval = interval.map_or(Ok(INTERVAL), |text| text.parse()).map_err(GitFault::Interval)?;
        if interval.is_zero() {
            return Err(GitFault::NoInterval);
        }
        let timeout = timeout.map_or(Ok(TIMEOUT), |text| text.parse()).map_err(GitFault::Timeout)?;
        if timeout.is_zero() {
            return Err(GitFault::NoTimeout);
        }
        let given = token.map(|token| Credentials::Given(token.into()));
        let name = if file.is_some() { "--git-token-file" } else { "PORTREEVE_GIT_TOKEN" };
        let credentials = file.map(Credentials::File).or(given);
        if credentials.is_some() && !address.takes_token() {
            return Err(GitFault::Token(name));
        }
        Ok(Some(GitSource { address, reference, path, interval, timeout, credentials }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(pairs: &[(&str, &str)]) -> Result<Option<GitSource>, GitFault> {
        let variables = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let process = Process { variables: variables.collect(), ..Process::default() };
        Written::default().resolve(&process)
    }

    const URL: (&str, &str) = ("PORTREEVE_GIT_URL", "https://git.example/ops.git");

    #[test]
    fn a_url_is_enough_and_flags_beat_variables() {
        assert!(resolve(&[]).expect("nothing").is_none());
        let source = resolve(&[URL]).expect("good").expect("a source");
        assert_eq!((source.reference.as_str(), source.interval.to_string()), ("HEAD", "1m".to_owned()));
        assert!(source.path.as_os_str().is_empty() && source.credentials.is_none());
        let written = Written {
            url: Some("/srv/ops.git".to_owned()),
            reference: Some("main".to_owned()),
            path: Some("./manifests/".into()),
            interval: Some("10s".to_owned()),
            timeout: Some("1h".to_owned()),
            token_file: None,
        };
        let variables = [URL, ("PORTREEVE_GIT_REF", "other"), ("PORTREEVE_GIT_INTERVAL", "5m")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let process = Process { variables: variables.into(), ..Process::default() };
        let source = written.resolve(&process).expect("good").expect("a source");
        assert_eq!((source.address.as_str(), source.reference.as_str()), ("/srv/ops.git", "main"));
        assert_eq!((source.path, source.interval.to_string()), ("manifests".into(), "10s".to_owned()));
        assert_eq!(source.timeout.to_string(), "1h");
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_its_name_and_no_secret_is_repeated() {
        for (pairs, says) in [
            (&[("PORTREEVE_GIT_REF", "main")][..], "--git-ref needs --git-url"),
            (&[("PORTREEVE_GIT_TOKEN", "hunter2")], "PORTREEVE_GIT_TOKEN needs --git-url"),
            (
                &[("PORTREEVE_GIT_URL", "https://hunter2@git.example/x")],
                "--git-url contains a user or a password",
            ),
            (&[("PORTREEVE_GIT_URL", "hunter2")], "--git-url is not a repository: https://"),
            (&[URL, ("PORTREEVE_GIT_REF", "a b")], "--git-ref \"a b\" is not a branch"),
            (&[URL, ("PORTREEVE_GIT_PATH", "../x")], "--git-path ../x must be a directory within"),
            (&[URL, ("PORTREEVE_GIT_INTERVAL", "5")], "--git-interval: \"5\" is not a duration"),
            (&[URL, ("PORTREEVE_GIT_INTERVAL", "0s")], "--git-interval must be longer than 0s"),
            (&[URL, ("PORTREEVE_GIT_TIMEOUT", "0s")], "--git-timeout must be longer than 0s"),
            (&[URL, ("PORTREEVE_GIT_TIMEOUT", "long")], "--git-timeout: \"long\" is not a duration"),
            (
                &[("PORTREEVE_GIT_URL", "http://git.example/x"), ("PORTREEVE_GIT_TOKEN", "hunter2")],
                "PORTREEVE_GIT_TOKEN needs an https:// --git-url",
            ),
            (
                &[("PORTREEVE_GIT_URL", "git@git.example:x"), ("PORTREEVE_GIT_TOKEN_FILE", "/t")],
                "--git-token-file needs an https:// --git-url",
            ),
        ] {
            let said = resolve(pairs).expect_err(says).to_string();
            assert!(said.starts_with(says) && !said.contains("hunter2"), "{said}");
        }
        let source = resolve(&[URL, ("PORTREEVE_GIT_TOKEN", "hunter2")]).expect("good");
        assert!(!format!("{source:?}").contains("hunter2"));
    }
}
