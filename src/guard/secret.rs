//! Reading secrets. A file is read only if it is a regular one and small: a device has no end, and a pipe has nobody at its
//! other end. It is opened without waiting, and few are read at once, so that a file system that hangs takes a few threads at
//! most.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::Semaphore;

use crate::resource::SecretRef;
use crate::resource::secret::policy::SecretPolicy;

/// The largest file with a secret that is read, in bytes.
pub(super) const LARGEST_SECRET: u64 = 64 * 1024;
/// The largest file of certificates, in bytes: some hold all the authorities of a system.
pub(super) const LARGEST_BUNDLE: u64 = 1024 * 1024;
/// How many files are read at once.
const AT_ONCE: usize = 8;
/// How long a read may take, the wait for its turn included.
const LONGEST: Duration = Duration::from_secs(5);

/// Why a secret cannot be had. Its value is in no variant.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The environment variable is not set, or is not text.
    #[error("the environment variable {0} is not set")]
    Variable(String),
    /// The file cannot be opened or read. Normal while a volume is not mounted yet.
    #[error("{path} cannot be read: {error}")]
    File {
        /// The file.
        path: String,
        /// Why not.
        error: io::Error,
    },
    /// There is something other than a file.
    #[error("{0} is not a regular file")]
    NotAFile(String),
    /// It is larger than any secret, or than all the authorities of the world.
    #[error("{path} is larger than {largest} bytes")]
    TooLarge {
        /// The file.
        path: String,
        /// How large it may be.
        largest: u64,
    },
    /// A link leads out of the directories of secrets.
    #[error("{path} leads to {target}, which is not in a --secret-dir")]
    LeadsOut {
        /// The file as it was named.
        path: String,
        /// The file that it is.
        target: String,
    },
    /// It would go to what strangers say is asked.
    #[error(
        "it is not sent to a container of an engine that was declared through the API, by a repository, or in a \
        directory that others may write: only secrets that every object may name are sent there"
    )]
    AmongStrangers,
    /// It is not text.
    #[error("{0} is not text")]
    NotText(String),
    /// The file system does not answer.
    #[error("{0} could not be read in time")]
    TimedOut(String),
    /// The reference names nothing, or two things. It was refused when it was declared.
    #[error("the reference must name exactly one of env and file")]
    Reference,
}

/// The secret that `reference` names.
pub(super) async fn read(policy: &SecretPolicy, reference: &SecretRef) -> Result<SecretString, SecretError> {
    match reference {
        SecretRef { env: Some(name), file: None } => {
            std::env::var(name).map(SecretString::from).map_err(|_| SecretError::Variable(name.clone()))
        }
        SecretRef { env: None, file: Some(path) } => {
            let text = String::from_utf8(file(policy, path, LARGEST_SECRET).await?);
            let text = text.map_err(|_| SecretError::NotText(path.clone()))?;
            Ok(SecretString::from(text.trim_end_matches(['\r', '\n']).to_owned()))
        }
        SecretRef { .. } => Err(SecretError::Reference),
    }
}

/// The content of a file that an object names, of at most `largest` bytes.
pub(super) async fn file(policy: &SecretPolicy, path: &str, largest: u64) -> Result<Vec<u8>, SecretError> {
    static TURNS: std::sync::LazyLock<Arc<Semaphore>> =
        std::sync::LazyLock::new(|| Arc::new(Semaphore::new(AT_ONCE)));
    let named = path.to_owned();
    let within = policy.directory_of(Path::new(path)).map(|_| policy.directories().to_vec());
    let reading = async {
        // Never closed.
        let Ok(turn) = TURNS.clone().acquire_owned().await else { return Err(SecretError::Reference) };
        let reading = tokio::task::spawn_blocking(move || {
            let content = blocking(&named, within.as_deref(), largest);
            drop(turn);
            content
        });
        reading
            .await
            .unwrap_or_else(|error| Err(SecretError::File { path: path.to_owned(), error: error.into() }))
    };
    tokio::time::timeout(LONGEST, reading)
        .await
        .unwrap_or_else(|_| Err(SecretError::TimedOut(path.to_owned())))
}

/// With `within`, the file must be in one of these directories in the end, wherever links lead on the way.
pub(super) fn blocking(path: &str, within: Option<&[PathBuf]>, largest: u64) -> Result<Vec<u8>, SecretError> {
    let failed = |error| SecretError::File { path: path.to_owned(), error };
    let nonblocking = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let flags = i32::try_from(nonblocking.bits()).unwrap_or_default();
    let file = File::options().read(true).custom_flags(flags).open(path).map_err(failed)?;
    let entry = file.metadata().map_err(failed)?;
    if !entry.is_file() {
        return Err(SecretError::NotAFile(path.to_owned()));
    }
    if let Some(directories) = within {
        // What was opened is asked, and not the path once more, which may have been changed since.
        let target = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).map_err(failed)?;
        let inside = |directory: &PathBuf| {
            std::fs::canonicalize(directory).is_ok_and(|directory| target.starts_with(directory))
        };
        if !directories.iter().any(inside) {
            return Err(SecretError::LeadsOut {
                path: path.to_owned(),
                target: target.display().to_string(),
            });
        }
    }
    let mut content = Vec::new();
    file.take(largest + 1).read_to_end(&mut content).map_err(failed)?;
    if content.len() as u64 > largest {
        return Err(SecretError::TooLarge { path: path.to_owned(), largest });
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use secrecy::ExposeSecret;

    use super::*;

    async fn secret(policy: &SecretPolicy, path: &Path) -> Result<String, String> {
        let reference = SecretRef::file(&path.display().to_string());
        let read = read(policy, &reference).await;
        read.map(|secret| secret.expose_secret().to_owned()).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn a_secret_is_a_small_regular_file_and_nothing_that_has_no_end() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at("good"), "s3cret\n").expect("a file");
        std::fs::write(at("large"), "x".repeat(65 * 1024)).expect("a file");
        std::fs::write(at("largest"), "x".repeat(64 * 1024)).expect("a file");
        std::fs::write(at("bytes"), b"\xff").expect("a file");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            at("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .expect("a pipe");
        let none = SecretPolicy::default();
        assert_eq!(secret(&none, &at("good")).await, Ok("s3cret".to_owned()));
        assert!(secret(&none, &at("largest")).await.is_ok());
        for (path, says) in [
            (at("large"), "is larger than 65536 bytes"),
            (at("bytes"), "is not text"),
            (at("pipe"), "is not a regular file"),
            (directory.path().to_owned(), "is not a regular file"),
            (PathBuf::from("/dev/zero"), "is not a regular file"),
            (at("none"), "cannot be read: No such file"),
        ] {
            let error = secret(&none, &path).await.expect_err(says);
            assert!(error.contains(says) && error.contains(&path.display().to_string()), "{error}");
        }
    }

    #[tokio::test]
    async fn a_link_out_of_the_directories_of_secrets_is_not_followed() {
        let directory = tempfile::tempdir().expect("a directory");
        let secrets = directory.path().join("secrets");
        std::fs::create_dir_all(secrets.join("..data")).expect("a directory");
        std::fs::write(secrets.join("..data/good"), "s3cret").expect("a file");
        std::fs::write(directory.path().join("outside"), "other").expect("a file");
        symlink("..data/good", secrets.join("good")).expect("a link");
        symlink("../outside", secrets.join("bad")).expect("a link");
        symlink("..", secrets.join("up")).expect("a link");
        symlink(&secrets, directory.path().join("named")).expect("a link");
        let policy = SecretPolicy::new(vec![secrets.clone(), directory.path().join("named")]);
        assert_eq!(secret(&policy, &secrets.join("good")).await, Ok("s3cret".to_owned()));
        // The directory itself may be reached by a link: whoever started Portreeve named it.
        let named = directory.path().join("named/good");
        assert_eq!(secret(&policy, &named).await, Ok("s3cret".to_owned()));
        for bad in ["bad", "up/outside"] {
            let error = secret(&policy, &secrets.join(bad)).await.expect_err(bad);
            assert!(error.contains("leads to") && !error.contains("other"), "{error}");
        }
        // What is named elsewhere may lie anywhere.
        assert_eq!(secret(&policy, &directory.path().join("outside")).await, Ok("other".to_owned()));
    }

    #[tokio::test]
    async fn a_variable_that_is_not_set_is_named() {
        let error = read(&SecretPolicy::default(), &SecretRef::env("PORTREEVE_SECRET_NO_SUCH")).await;
        assert_eq!(
            error.expect_err("none").to_string(),
            "the environment variable PORTREEVE_SECRET_NO_SUCH is not set"
        );
    }
}
