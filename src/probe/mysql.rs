//! `mysql`: a login and a query, at MySQL or MariaDB. TLS where the server offers it, as their own clients do it; a password
//! goes over TLS to a server only that is verified, unless it is said that any will do.
//!
//! A server counts connections that end before the login does, and after so many in a row it takes none any more from that
//! address, also from its real clients (error 1129). So whatever stands in the way of a login, it is ended by one:
//! without a user and without a password, which is refused and not counted.
//!
//! Two ways to log in, the usual ones of both: `mysql_native_password` and `caching_sha2_password`. Without `auth` the user
//! is `root` without a password.

use std::time::Duration;

use async_trait::async_trait;
use secrecy::ExposeSecret;
use tokio::net::TcpStream;

use super::encrypted::Demand;
use super::steps::count;
use super::wire::{Fields, Wire, said};
use super::{Cause, Cost, Failure, Here, Protocol, Steps, Subject, There, credentials};
use crate::resource::probe::handler::MysqlProbe;

mod greeting;
mod scramble;

use greeting::{Greeting, answer, greeting, text};
use scramble::scramble;

const SERVER: &str = "a MySQL server's answer";
/// Commands, and how answers begin.
const QUIT: u8 = 1;
const QUERY: u8 = 3;
const OK: u8 = 0;
const MORE: u8 = 1;
const FILE: u8 = 0xfb;
const SWITCH: u8 = 0xfe;
const ERROR: u8 = 0xff;
/// Who logs in where no login is wanted; the server's log shows it.
const NOBODY: &str = "portreeve-probe";
/// So long a server that was asked for nothing but a connection has to greet: less than any probe's time.
const GREETING: Duration = Duration::from_millis(500);
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
        let encrypted = greeting.offers_tls();
        if self.tls.is_some() && !encrypted {
            session.leave(&greeting).await;
            return Err(Failure::new(There::NoTls, "expected TLS, the server offers none"));
        }
        if encrypted {
            session.send(&answer::question_for_tls(self.database.is_some())).await?;
            let demand = Demand { settings: self.tls.as_ref(), secret: self.auth.is_some(), alpn: &[] };
            let (wire, verified) = session.wire.handshake(&place.host, &demand, steps).await?;
            session.wire = wire;
            if let Err(unverified) = verified {
                session.leave(&greeting).await;
                return Err(unverified);
            }
        }
        steps.begin("login");
        let mut plugin = greeting.plugin;
        let proof = scramble(&plugin, password, &greeting.salt).unwrap_or_default();
        let login = answer::login(encrypted, user, &proof, self.database.as_deref(), &plugin);
        session.send(&login).await?;
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
                    let Some(proof) = scramble(plugin, password, salt) else {
                        self.give_up(plugin).await;
                        let why = "the server requires a login method that this probe does not support";
                        return Err(Failure::new(Here::Unsupported, why).saying(plugin.clone()));
                    };
                    self.send(&proof).await?;
                }
                // `caching_sha2_password` remembers who came in before, and wants the password itself of who did not.
                [MORE, 3] => {}
                [MORE, 4] if encrypted => self.send(&[password.as_bytes(), &[0]].concat()).await?,
                [MORE, 4] => {
                    self.give_up(plugin).await;
                    let why = "the server requires the password itself, which is sent only over TLS, and it offers no \
                        TLS";
                    return Err(Failure::new(Here::Unsupported, why));
                }
                _ => return Err(self.wire.unexpected("an answer to the login", &packet)),
            }
        }
        Err(Failure::new(There::Nonsense, "expected a login, the server keeps asking"))
    }

    /// Ends what was not even begun: with a login that the server refuses, for there is no such user.
    async fn leave(&mut self, greeting: &Greeting) {
        // Behind a handshake the flag for TLS is repeated.
        let encrypted = self.number > 1;
        let login = answer::login(encrypted, NOBODY, &[], None, &greeting.plugin);
        if self.send(&login).await.is_ok() {
            self.refusal().await;
        }
    }

    /// Ends a login that cannot be gone through with: with a proof of the right length that proves nothing.
    async fn give_up(&mut self, plugin: &str) {
        let proof: &[u8] = if plugin == "client_ed25519" { &[0; 64] } else { &[0] };
        if self.send(proof).await.is_ok() {
            self.refusal().await;
        }
    }

    /// Waits for the refusal, perhaps after being asked in another way. Somebody may even have let us in.
    async fn refusal(&mut self) {
        for _ in 0..3 {
            match self.read().await.as_deref() {
                Ok([SWITCH | MORE, ..]) if self.send(&[]).await.is_ok() => {}
                Ok([OK, ..]) => {
                    self.number = 0;
                    let _ = self.send(&[QUIT]).await;
                    return;
                }
                _ => return,
            }
        }
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

/// Ends the connection of a probe that wanted nothing but a connection, `heard` being what was read of it, if a MySQL server
/// is behind it; whether one is.
pub(super) async fn take_leave(stream: TcpStream, heard: &[u8]) -> bool {
    let mut session = Session { wire: Wire::of(stream), number: 0 };
    let leaving = async {
        let packet = match heard {
            [] => session.read().await.ok()?,
            // Its first packet, of which the rest may be on its way.
            [a, b, c, 0, rest @ ..] => {
                session.number = 1;
                let length = u32::from_le_bytes([*a, *b, *c, 0]) as usize;
                let more = session.wire.exactly(length.checked_sub(rest.len())?, SERVER).await.ok()?;
                [rest, &more].concat()
            }
            _ => return None,
        };
        let greeting = greeting(&packet)?;
        session.leave(&greeting).await;
        Some(())
    };
    tokio::time::timeout(GREETING, leaving).await.ok().flatten().is_some()
}

/// The server's code, perhaps a state, and its own words.
fn refused(what: &str, packet: &[u8]) -> Failure {
    let mut fields = Fields(packet);
    let _error = fields.u8();
    let code = fields.array().map(u16::from_le_bytes).unwrap_or_default();
    let (state, words) = match fields.0 {
        [b'#', rest @ ..] => rest.split_at_checked(5).unwrap_or_default(),
        words => (&[][..], words),
    };
    let state = String::from_utf8_lossy(state).into_owned();
    Failure::got(Cause::Mysql { code, state }, what).saying(said(words))
}
