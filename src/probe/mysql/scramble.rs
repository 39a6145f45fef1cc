//! How a client of MySQL shows that it knows a password.

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// The proof for `salt`; `None` for a way to log in that is not known here.
pub(super) fn scramble(plugin: &str, password: &str, salt: &[u8]) -> Option<Vec<u8>> {
    let proof: fn(&[u8], &[u8]) -> Vec<u8> = match plugin {
        "mysql_native_password" => native,
        "caching_sha2_password" => sha2,
        _ => return None,
    };
    // No password needs no proof.
    Some(if password.is_empty() { Vec::new() } else { proof(password.as_bytes(), salt) })
}

/// `SHA1(password) XOR SHA1(salt, SHA1(SHA1(password)))`
fn native(password: &[u8], salt: &[u8]) -> Vec<u8> {
    let once = Sha1::digest(password);
    let twice = Sha1::digest(once);
    xor(&once, &Sha1::digest([salt, &twice].concat()))
}

/// `SHA256(password) XOR SHA256(SHA256(SHA256(password)), salt)`
fn sha2(password: &[u8], salt: &[u8]) -> Vec<u8> {
    let once = Sha256::digest(password);
    let twice = Sha256::digest(once);
    xor(&once, &Sha256::digest([&twice, salt].concat()))
}

fn xor(one: &[u8], other: &[u8]) -> Vec<u8> {
    one.iter().zip(other).map(|(one, other)| one ^ other).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a server checks it, who knows the password's double hash alone.
    #[test]
    fn a_server_that_knows_the_hash_of_the_hash_is_convinced() {
        let salt: Vec<u8> = (1..=20).collect();
        let proof = scramble("mysql_native_password", "s3cret", &salt).unwrap();
        let stored = Sha1::digest(Sha1::digest("s3cret"));
        let once = xor(&proof, &Sha1::digest([&salt[..], &stored].concat()));
        assert_eq!(Sha1::digest(once), stored);
        let proof = scramble("caching_sha2_password", "s3cret", &salt).unwrap();
        let stored = Sha256::digest(Sha256::digest("s3cret"));
        let once = xor(&proof, &Sha256::digest([&stored[..], &salt].concat()));
        assert_eq!(Sha256::digest(once), stored);
        assert_eq!(scramble("caching_sha2_password", "", &salt), Some(Vec::new()));
        assert_eq!(scramble("client_ed25519", "s3cret", &salt), None);
    }
}
