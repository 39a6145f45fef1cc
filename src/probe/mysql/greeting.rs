//! What a MySQL server says first, and what answers it.

use crate::probe::steps::shown;
use crate::probe::wire::Fields;

/// What a server says first.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Greeting {
    pub(super) version: String,
    capabilities: u32,
    pub(super) salt: Vec<u8>,
    pub(super) plugin: String,
}

/// Reads a greeting of version 10, which servers have sent since MySQL 3.21.
pub(super) fn greeting(packet: &[u8]) -> Option<Greeting> {
    let mut fields = Fields(packet);
    let version = (fields.u8()? == 10).then(|| fields.until_zero()).flatten().map(text)?;
    let _thread = fields.u32()?;
    let mut salt = fields.take(8)?.to_vec();
    let _zero = fields.u8()?;
    let [low_a, low_b] = fields.array()?;
    let (_charset, _status) = (fields.u8()?, fields.u16()?);
    let [high_a, high_b] = fields.array()?;
    let length = usize::from(fields.u8()?);
    let _reserved = fields.take(10)?;
    // The second part ends with a zero, which is not part of it.
    let rest = fields.take(length.saturating_sub(8).max(13))?;
    salt.extend_from_slice(rest.strip_suffix(&[0]).unwrap_or(rest));
    // Servers from before there was a choice name none.
    let plugin = match fields.until_zero().unwrap_or(fields.0) {
        [] => "mysql_native_password".to_owned(),
        name => text(name),
    };
    let capabilities = u32::from_le_bytes([low_a, low_b, high_a, high_b]);
    Some(Greeting { version, capabilities, salt, plugin })
}

pub(super) fn text(bytes: &[u8]) -> String {
    shown(&String::from_utf8_lossy(bytes))
}

impl Greeting {
    /// Whether the conversation may go on through TLS.
    pub(super) const fn offers_tls(&self) -> bool {
        self.capabilities & TLS != 0
    }
}

/// What client and server may agree on.
const WITH_DATABASE: u32 = 0x8;
const PROTOCOL_41: u32 = 0x200;
const TLS: u32 = 0x800;
const SECURE: u32 = 0x8000;
const PLUGINS: u32 = 0x8_0000;

/// What a client answers.
pub(super) mod answer {
    use super::{PLUGINS, PROTOCOL_41, SECURE, TLS, WITH_DATABASE};

    /// `utf8mb4_general_ci`
    const UTF8: u8 = 45;

    /// The beginning of each answer: what the client knows, the longest packet it takes, its character set.
    fn head(tls: bool, database: bool) -> Vec<u8> {
        let with = |wanted: bool, flag: u32| if wanted { flag } else { 0 };
        let knows = PROTOCOL_41 | SECURE | PLUGINS | with(tls, TLS) | with(database, WITH_DATABASE);
        [&knows.to_le_bytes()[..], &(1_u32 << 24).to_le_bytes(), &[UTF8], &[0; 23]].concat()
    }

    /// From here on TLS.
    pub(in super::super) fn question_for_tls(database: bool) -> Vec<u8> {
        head(true, database)
    }

    /// A user, the proof of the password, perhaps a database, and the way to log in that the proof is for.
    pub(in super::super) fn login(
        tls: bool,
        user: &str,
        proof: &[u8],
        database: Option<&str>,
        plugin: &str,
    ) -> Vec<u8> {
        #[expect(clippy::cast_possible_truncation, reason = "a hash of 32 bytes at most")]
        let length = [proof.len() as u8];
        let zero = [0];
        let mut answer =
            [&head(tls, database.is_some())[..], user.as_bytes(), &zero, &length, proof].concat();
        if let Some(database) = database {
            answer.extend([database.as_bytes(), &zero].concat());
        }
        answer.extend([plugin.as_bytes(), &zero].concat());
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_cut_before_its_end_is_none() {
        let whole = [
            &b"\x0a10.11.6\0\x01\0\0\0saltsalt\0\xff\xf7\x2d\x02\0\xff\x81\x15"[..],
            &[0; 10],
            b"and more salt.\0"[..12].as_ref(),
            b"\0mysql_native_password\0",
        ]
        .concat();
        let read = greeting(&whole).unwrap();
        assert_eq!((read.version.as_str(), read.plugin.as_str()), ("10.11.6", "mysql_native_password"));
        assert_eq!((read.salt.len(), read.capabilities), (20, 0x81ff_f7ff));
        let needed = whole.len() - "mysql_native_password\0".len();
        for end in 0..needed {
            assert_eq!(greeting(&whole[..end]), None, "{end}");
        }
    }
}
