//! What files said when they were last good, kept across restarts: a file that is broken while Portreeve restarts stays
//! in force as if it had not restarted.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::super::LARGEST_FILE;
use crate::resource::secret::policy::Trust;

/// A directory of Portreeve's own with a copy of each good file. Manifests hold no secrets, and neither do copies.
#[derive(Debug)]
pub(super) struct Keep {
    directory: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    path: PathBuf,
    content: String,
    /// Whether only root or our own user can have written it.
    #[serde(default)]
    trusted: bool,
}

impl Keep {
    pub(super) const fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Every copy, by the path of its file. What cannot be read is as if it had never been kept.
    pub(super) fn copies(&self) -> BTreeMap<PathBuf, (String, Trust)> {
        let entries = fs::read_dir(&self.directory).into_iter().flatten().flatten();
        entries.filter_map(|entry| read(&entry.path())).map(copy).collect()
    }

    /// Keeps a copy of a good file.
    pub(super) fn save(&self, path: &Path, content: &[u8], trust: Trust) {
        let Ok(content) = String::from_utf8(content.to_vec()) else { return };
        let copy = Kept { path: path.to_owned(), content, trusted: trust == Trust::Trusted };
        let place = self.place(path);
        if let Err(error) = self.write(&place, &copy) {
            tracing::warn!("no copy of {} is kept for the next start: {error}", path.display());
        }
    }

    /// Forgets a file that is gone.
    pub(super) fn forget(&self, path: &Path) {
        match fs::remove_file(self.place(path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!("the copy of {} cannot be removed: {error}", path.display());
            }
            _ => {}
        }
    }

    /// A name of fixed length for a path of any.
    fn place(&self, path: &Path) -> PathBuf {
        let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
        self.directory.join(format!("{}.json", hex::encode(digest)))
    }

    /// Written aside and renamed, so that a crash leaves the copy from before.
    fn write(&self, place: &Path, copy: &Kept) -> io::Result<()> {
        fs::create_dir_all(&self.directory)?;
        let aside = place.with_extension("new");
        fs::write(&aside, serde_json::to_vec(copy)?)?;
        fs::rename(aside, place)
    }
}

fn copy(Kept { path, content, trusted }: Kept) -> (PathBuf, (String, Trust)) {
    (path, (content, if trusted { Trust::Trusted } else { Trust::Restricted }))
}

fn read(place: &Path) -> Option<Kept> {
    let longest = u64::try_from(LARGEST_FILE).unwrap_or(u64::MAX).saturating_mul(8);
    let readable = place.extension().is_some_and(|end| end == "json")
        && fs::metadata(place).is_ok_and(|entry| entry.is_file() && entry.len() <= longest);
    if readable { serde_json::from_slice(&fs::read(place).ok()?).ok() } else { None }
}
