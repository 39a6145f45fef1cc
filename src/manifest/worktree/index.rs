//! Which files of a work tree Git knows, and in which state: its index, versions 2 to 4.
//!
//! The format: <https://git-scm.com/docs/index-format>. Caveats: an index that is split over several files tells nothing, and
//! what is in the index and not committed yet counts as committed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// The largest index that is read.
const LARGEST: u64 = 64 << 20;
/// Before the entries: the signature, the version, and how many there are.
const HEADER: usize = 12;
/// What an entry begins with, before the object's name.
const STAT: usize = 40;

/// The objects of tracked files, by path within the work tree.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Index(BTreeMap<Vec<u8>, Vec<u8>>);

impl Index {
    /// What the index in `directory` says, if there is one that can be read.
    pub(super) fn read(directory: &Path) -> Option<Self> {
        let path = directory.join("index");
        let length = fs::metadata(&path).ok().filter(fs::Metadata::is_file)?.len();
        if length > LARGEST {
            return None;
        }
        let bytes = fs::read(path).ok()?;
        // A repository's objects are all of one kind. What comes after the last entry shows which it is.
        [20, 32].into_iter().find_map(|name| parse(&bytes, name))
    }

    /// Whether Git knows a file of this path, and with this content.
    pub(super) fn knows(&self, path: &[u8], content: &[u8]) -> Option<bool> {
        let object = self.0.get(path)?;
        let head = format!("blob {}\0", content.len());
        let now = match object.len() {
            20 => Sha1::new().chain_update(head).chain_update(content).finalize().to_vec(),
            _ => Sha256::new().chain_update(head).chain_update(content).finalize().to_vec(),
        };
        Some(now == *object)
    }
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let four: [u8; 4] = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
    usize::try_from(u32::from_be_bytes(four)).ok()
}

/// The entries, where objects have names of `name` bytes.
fn parse(bytes: &[u8], name: usize) -> Option<Index> {
    let version = number(bytes, 4)?;
    if !bytes.starts_with(b"DIRC") || !(2..=4).contains(&version) {
        return None;
    }
    let (mut entries, mut at, mut path) = (BTreeMap::new(), HEADER, Vec::new());
    for _ in 0..number(bytes, 8)? {
        let start = at;
        let object = bytes.get(at + STAT..at + STAT + name)?;
        let flags = bytes.get(at + STAT + name..at + STAT + name + 2)?;
        // Version 3 has more flags where a bit says so.
        at += STAT + name + if flags[0] & 0x40 == 0 { 2 } else { 4 };
        if version == 4 {
            let (cut, length) = varint(bytes.get(at..)?)?;
            at += length;
            path.truncate(path.len().checked_sub(cut)?);
        } else {
            path.clear();
        }
        let end = at + bytes.get(at..)?.iter().position(|byte| *byte == 0)?;
        path.extend_from_slice(bytes.get(at..end)?);
        // Padded with NUL to a multiple of eight, with one at least.
        at = if version == 4 { end + 1 } else { start + (end - start + 8) / 8 * 8 };
        entries.insert(path.clone(), object.to_vec());
    }
    // Extensions, and the name of the whole at the end.
    while at + name < bytes.len() {
        let kind = bytes.get(at..at + 4)?;
        if kind == b"link" || !kind.iter().all(u8::is_ascii_alphabetic) {
            return None;
        }
        at = at.checked_add(8)?.checked_add(number(bytes, at + 4)?)?;
    }
    (at + name == bytes.len()).then_some(Index(entries))
}

/// A number as `git` packs offsets, and how many bytes it takes.
fn varint(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = usize::from(bytes.first()? & 0x7f);
    let mut length = 1;
    while bytes.get(length - 1)? & 0x80 != 0 {
        value = value.checked_add(1)?.checked_mul(128)? + usize::from(bytes.get(length)? & 0x7f);
        length += 1;
    }
    Some((value, length))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), version in 2_u8..5) {
            let mut text = b"DIRC\0\0\0".to_vec();
            text.push(version);
            text.extend(bytes);
            for name in [20, 32] {
                let _ = parse(&text, name);
            }
        }
    }
}
