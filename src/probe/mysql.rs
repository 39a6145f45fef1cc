//! `mysql`: a login and a query, at MySQL or MariaDB. TLS where the server offers it, as their own clients do it.
//!
//! Two ways to log in, the usual ones of both: `mysql_native_password` and `caching_sha2_password`. Without `auth` the user
//! is `root` without a password.

use async_trait::async_trait;
use secrecy::ExposeSecret;

use super::steps::{count, shown};
use super::wire::{Fields, Wire};
use super::{Cost, Failure, Protocol, Steps, Subject, credentials};
use crate::resource::probe::handler::MysqlProbe;

mod scramble;

use scramble::scramble;

const SERVER: &str = "a MySQL server's answer";
/// What client and server may agree on.
const WITH_DATABASE: u32 = 0x8;
const PROTOCOL_41: u32 = 0x200;
const TLS: u32 = 0x800;
const SECURE: u32 = 0x8000;
const PLUGINS: u32 = 0x8_0000;
/// Commands, and how answers begin.
const QUIT: u8 = 1;
const QUERY: u8 = 3;
const OK: u8 = 0;
const MORE: u8 = 1;
const FILE: u8 = 0xfb;
const SWITCH: u8 = 0xfe;
const ERROR: u8 = 0xff;
/// The bytes of rows after which a query counts as answered.
const ENOUGH: usize = 1024 * 1024;

/// A conversation in numbered packets.
struct Session {
    wire: Wire,
    number: u8,
}

#[async_trait]
impl Protocol for MysqlProbe {
    fn port(&self) -> Option<u16> {
        Some(self.port.unwrap_or(3306))
    }

    fn cost(&self) -> Cost {
        Cost::Session
    }

    async fn attempt(&self, subject: &Subject<'_>, steps: &mut Steps) -> Result<(), Failure> {
        let (user, password) = credentials(self.auth.as_ref(), steps).await?;
        let user = user.as_deref().unwrap_or("root");
        let password = password.as_ref().map_or("", |password| password.expose_secret());
        let place = subject.place()?;
        let mut session = Session { wire: Wire::to(place, steps).await?, number: 0 };
        steps.begin("receive");
        let packet = session.read().await?;
        let greeting = match packet.first() {
            Some(&ERROR) => return Err(refused("a greeting", &packet)),
            _ => greeting(&packet)
                .ok_or_else(|| session.wire.unexpected("a MySQL server's greeting", &packet))?,
        };
        steps.end(format!("version {}", greeting.version));
        let mut wanted = PROTOCOL_41 | SECURE | PLUGINS;
        if self.database.is_some() {
            wanted |= WITH_DATABASE;
        }
        let utf8 = 45;
        let encrypted = greeting.capabilities & TLS != 0;
        if encrypted {
            wanted |= TLS;
        }
        let head = [&wanted.to_le_bytes()[..], &(1_u32 << 24).to_le_bytes(), &[utf8], &[0; 23]].concat();
        if encrypted {
            session.send(&head).await?;
            session.wire = session.wire.encrypt(&place.host, steps).await?;
        }
        steps.begin("login");
        let mut plugin = greeting.plugin;
        let proof = scramble(&plugin, password, &greeting.salt).unwrap_or_default();
        #[expect(clippy::cast_possible_truncation, reason = "a hash of 32 bytes at most")]
        let length = [proof.len() as u8];
        let zero = [0];
        let mut answer = [&head[..], user.as_bytes(), &zero, &length, &proof].concat();
        if let Some(database) = &self.database {
            answer.extend([database.as_bytes(), &zero].concat());
        }
        answer.extend([plugin.as_bytes(), &zero].concat());
        session.send(&answer).await?;
        session.login(&mut plugin, password, encrypted).await?;
        steps.end(format!("as {user}"));
        steps.begin("query");
        let query = self.query.as_deref().unwrap_or("SELECT 1");
        session.number = 0;
        session.send(&[&[QUERY], query.as_bytes()].concat()).await?;
        let rows = session.answered().await?;
        steps.end(count(rows, "row"));
        // The check is done; a server that does not hear this only counts it.
        session.number = 0;
        let _ = session.send(&[QUIT]).await;
        Ok(())
    }
}

impl Session {
    /// Sends a packet: its length, its number, itself.
    async fn send(&mut self, payload: &[u8]) -> Result<(), Failure> {
        #[expect(clippy::cast_possible_truncation, reason = "queries have 4096 bytes at most")]
        let [a, b, c, _] = (payload.len() as u32).to_le_bytes();
        let packet = [&[a, b, c, self.number], payload].concat();
        self.number = self.number.wrapping_add(1);
        self.wire.send(&packet).await
    }

    async fn read(&mut self) -> Result<Vec<u8>, Failure> {
        let head = self.wire.exactly(4, SERVER).await?;
        let length = Fields(&head).array().map(|[a, b, c]: [u8; 3]| u32::from_le_bytes([a, b, c, 0]));
        let length = length.unwrap_or_default() as usize;
        // The numbers begin with 0 and are those of nobody else.
        if length == 0 || head.get(3) != Some(&self.number) {
            return Err(self.wire.unexpected(SERVER, &head));
        }
        self.number = self.number.wrapping_add(1);
        self.wire.exactly(length, SERVER).await
    }

    /// Up to the point where the server waits for queries.
    async fn login(&mut self, plugin: &mut String, password: &str, encrypted: bool) -> Result<(), Failure> {
        // Each way to log in is tried once, and asks for more once.
        for _ in 0..6 {
            let packet = self.read().await?;
            match packet[..] {
                [OK, ..] => return Ok(()),
                [ERROR, ..] => return Err(refused("a login", &packet)),
                [SWITCH, ref rest @ ..] => {
                    let mut fields = Fields(rest);
                    *plugin = text(fields.until_zero().unwrap_or_default());
                    let salt = fields.0.strip_suffix(&[0]).unwrap_or(fields.0);
                    let unknown = || {
                        Failure::Fault(format!(
                            "the server wants a login with {plugin}, which this probe cannot"
                        ))
                    };
                    let proof = scramble(plugin, password, salt).ok_or_else(unknown)?;
                    self.send(&proof).await?;
                }
                // `caching_sha2_password` remembers who came in before, and wants the password itself of who did not.
                [MORE, 3] => {}
                [MORE, 4] if encrypted => self.send(&[password.as_bytes(), &[0]].concat()).await?,
                [MORE, 4] => {
                    let text = "the server wants the password itself, which is sent over TLS only, and it offers none";
                    return Err(Failure::Fault(text.to_owned()));
                }
                _ => return Err(self.wire.unexpected("an answer to the login", &packet)),
            }
        }
        Err(Failure::Unhealthy("expected a login, the server asks on and on".to_owned()))
    }

    /// The number of rows that answer the query.
    async fn answered(&mut self) -> Result<u64, Failure> {
        let first = self.read().await?;
        match first[..] {
            [OK, ..] => return Ok(0),
            [ERROR, ..] => return Err(refused("an answer to the query", &first)),
            // It asks for a file of ours; nobody has offered one.
            [FILE, ..] => return Err(self.wire.unexpected("rows", &first)),
            _ => {}
        }
        // Columns, rows: each list ends with the same mark.
        let (mut marks, mut rows, mut bytes) = (0, 0, 0);
        while marks < 2 && bytes < ENOUGH {
            let packet = self.read().await?;
            bytes += packet.len();
            match packet.first() {
                Some(&ERROR) => return Err(refused("an answer to the query", &packet)),
                Some(&SWITCH) if packet.len() < 9 => marks += 1,
                _ => rows += marks,
            }
        }
        Ok(rows)
    }
}

/// What a server says first.
#[derive(Debug, PartialEq, Eq)]
struct Greeting {
    version: String,
    capabilities: u32,
    salt: Vec<u8>,
    plugin: String,
}

/// Reads a greeting of version 10, which servers have sent since MySQL 3.21.
fn greeting(packet: &[u8]) -> Option<Greeting> {
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

fn text(bytes: &[u8]) -> String {
    shown(&String::from_utf8_lossy(bytes))
}

/// The login, a database or what the query needs is not allowed to this user, from this host, or not with this password; or
/// the account is locked (3118, 3955; MariaDB: 4151) or its password has run out (1820, 1862).
const DENIED: [u16; 13] = [1044, 1045, 1130, 1142, 1143, 1227, 1370, 1698, 1820, 1862, 3118, 3955, 4151];

/// The server's own words: a code, perhaps a state, a text.
fn refused(what: &str, packet: &[u8]) -> Failure {
    let mut fields = Fields(packet);
    let _error = fields.u8();
    let code = fields.array().map(u16::from_le_bytes).unwrap_or_default();
    let words = match fields.0 {
        [b'#', state @ ..] => state.get(5..).unwrap_or_default(),
        words => words,
    };
    let text = format!("expected {what}, got {} (error {code})", text(words));
    if DENIED.contains(&code) { Failure::Denied(text) } else { Failure::Unhealthy(text) }
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
