//! Tokens of the HTTP API beside the one of `--token-file`: a small file in the state directory, hashed.
//!
//! A file and not the store, because the store belongs to the running server alone: so a token can be made before
//! the first start, and while Portreeve runs, which reads the file again when it changes.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The largest file that is read, in bytes.
const LARGEST: u64 = 1 << 20;

/// What whoever holds a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Read everything.
    View,
    /// Read and change everything.
    Edit,
}

impl Role {
    /// The word written and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Edit => "edit",
        }
    }
}

/// One token, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// For people.
    pub name: String,
    /// What it permits.
    pub role: Role,
    /// SHA-256 of the token in hexadecimal digits. The token is 256 random bits: nothing slower is needed.
    pub sha256: String,
    /// When it was made.
    pub created: jiff::Timestamp,
}

/// All tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tokens {
    /// In the order in which they were made.
    pub tokens: Vec<Token>,
}

/// Why tokens cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file holds something else.
    #[error("{} is damaged: {error}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        error: serde_json::Error,
    },
    /// The name is taken.
    #[error("there is a token named {0:?} already; choose another name, or delete it")]
    Taken(String),
    /// The name is none.
    #[error("{0}")]
    Name(String),
    /// There is no token of that name.
    #[error("there is no token named {0:?}")]
    Unknown(String),
    /// No random numbers can be had.
    #[error("the system gives no random numbers")]
    Random,
}

/// Where the tokens of a state directory are kept.
pub fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("tokens.json")
}

/// The SHA-256 by which a token is known.
pub fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

impl Tokens {
    /// What the file at `path` holds; nothing if there is none.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub fn read(path: &Path) -> Result<Self, TokenError> {
        let failed = |error| TokenError::File { path: path.to_owned(), error };
        match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(failed(error)),
            Ok(entry) if entry.len() > LARGEST => {
                return Err(failed(io::Error::other("is too large")));
            }
            Ok(_) => {}
        }
        let text = fs::read(path).map_err(failed)?;
        serde_json::from_slice(&text).map_err(|error| TokenError::Damaged { path: path.to_owned(), error })
    }

    /// The token of this digest. Looks at every token, so that the time tells nothing.
    pub fn find(&self, digest: &[u8; 32]) -> Option<&Token> {
        let is_it = |token: &&Token| {
            let known = hex::decode(&token.sha256).unwrap_or_default();
            bool::from(known.ct_eq(digest))
        };
        // Nobody makes one token twice; of two the one that permits more would count.
        self.tokens.iter().filter(is_it).max_by_key(|token| token.role)
    }
}

/// Notes that there is or was a token: from now on nothing is open without one but what `--anonymous` says. A token that
/// Portreeve was started with leaves no other trace, and its absence must not open anything later.
///
/// # Errors
/// The file cannot be written.
pub fn close(path: &Path) -> Result<(), TokenError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(()),
        Err(_) => change(path, |_| Ok(())),
    }
}

/// Makes a token and keeps its hash; the token itself is in no place but the answer.
///
/// # Errors
/// The name is taken, or the file cannot be changed.
pub fn create(path: &Path, role: Role, name: Option<&str>) -> Result<(Token, SecretString), TokenError> {
    let mut random = [0; 32];
    rustls::crypto::ring::default_provider()
        .secure_random
        .fill(&mut random)
        .map_err(|_| TokenError::Random)?;
    let secret = format!("portreeve_{}", hex::encode(random));
    let token = change(path, |tokens| {
        let name = match name {
            Some(name) => name.to_owned(),
            None => format!("{}-{}", role.as_str(), &hex::encode(digest(&secret))[..8]),
        };
        if let Some(fault) = crate::resource::name_fault(&name) {
            return Err(TokenError::Name(fault));
        }
        if tokens.tokens.iter().any(|token| token.name == name) {
            return Err(TokenError::Taken(name));
        }
        let created = jiff::Timestamp::from_second(crate::clock::now().0.div_euclid(1_000_000_000));
        let token =
            Token { name, role, sha256: hex::encode(digest(&secret)), created: created.unwrap_or_default() };
        tokens.tokens.push(token.clone());
        Ok(token)
    })?;
    Ok((token, secret.into()))
}

/// Forgets a token: it opens nothing from now on.
///
/// # Errors
/// There is none of that name, or the file cannot be changed.
pub fn delete(path: &Path, name: &str) -> Result<(), TokenError> {
    change(path, |tokens| {
        let before = tokens.tokens.len();
        tokens.tokens.retain(|token| token.name != name);
        if tokens.tokens.len() == before { Err(TokenError::Unknown(name.to_owned())) } else { Ok(()) }
    })
}

/// Written aside and renamed, under a lock: no reader sees half a file, and no writer undoes another's change.
fn change<T>(path: &Path, edit: impl FnOnce(&mut Tokens) -> Result<T, TokenError>) -> Result<T, TokenError> {
    let failed = |error| TokenError::File { path: path.to_owned(), error };
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).map_err(failed)?;
    }
    let private =
        |path: PathBuf| File::options().create(true).truncate(false).write(true).mode(0o600).open(path);
    let lock = private(path.with_extension("lock")).map_err(failed)?;
    lock.lock().map_err(failed)?;
    let mut tokens = Tokens::read(path)?;
    let done = edit(&mut tokens)?;
    let damaged = |error| TokenError::Damaged { path: path.to_owned(), error };
    let text = serde_json::to_vec_pretty(&tokens).map_err(damaged)?;
    let aside = path.with_extension("new");
    // One left over by a crash may be of any mode.
    match fs::remove_file(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let mut file = private(aside.clone()).map_err(failed)?;
    file.write_all(&text).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(&aside, path).map_err(failed)?;
    Ok(done)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_token_is_known_by_its_hash_alone_and_opens_nothing_once_deleted() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = path(&directory.path().join("new"));
        assert_eq!(Tokens::read(&path).expect("none"), Tokens::default());
        let (view, secret) = create(&path, Role::View, Some("dashboard")).expect("a token");
        let (edit, other) = create(&path, Role::Edit, None).expect("a token");
        let text = fs::read_to_string(&path).expect("a file");
        assert!(!text.contains(secret.expose_secret()) && text.contains(&view.sha256));
        assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
        let role = |secret: &SecretString| {
            let tokens = Tokens::read(&path).expect("tokens");
            tokens.find(&digest(secret.expose_secret())).map(|token| token.role)
        };
        assert_eq!((role(&secret), role(&other)), (Some(Role::View), Some(Role::Edit)));
        assert_eq!(role(&"portreeve_x".into()), None);
        assert!(edit.name.starts_with("edit-"));
        assert!(matches!(create(&path, Role::Edit, Some("dashboard")), Err(TokenError::Taken(_))));
        assert!(matches!(create(&path, Role::Edit, Some("a b")), Err(TokenError::Name(_))));
        delete(&path, "dashboard").expect("deleted");
        assert_eq!(role(&secret), None);
        assert!(matches!(delete(&path, "dashboard"), Err(TokenError::Unknown(_))));
    }

    #[test]
    fn a_damaged_file_is_an_error_and_not_the_absence_of_tokens() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = path(directory.path());
        fs::write(&path, "{").expect("a file");
        assert!(matches!(Tokens::read(&path), Err(TokenError::Damaged { .. })));
    }
}
