//! `postgres`: a login and a query. TLS where the server offers it, as PostgreSQL's own clients do it; a password goes over
//! TLS to a server only that is verified, unless it is said that any will do.
//!
//! The messages and the ways to log in are those of `postgres-protocol`; reading is done here, where lengths are bounded.
//! Without `auth` the user is `postgres`, who needs no password where such a login is allowed.

use std::io;

use async_trait::async_trait;
use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use postgres_protocol::authentication::{md5_hash, sasl};
use postgres_protocol::message::{backend, frontend};
use secrecy::{ExposeSecret, SecretString};

use super::encrypted::Demand;
use super::steps::count;
use super::wire::{Fields, Wire};
use super::{Cause, Cost, Failure, Here, Protocol, Steps, Subject, There, credentials};
use crate::resource::probe::handler::PostgresProbe;

const SERVER: &str = "a PostgreSQL server's answer";

#[async_trait]
impl Protocol for PostgresProbe {
    fn port(&self) -> Option<u16> {
        Some(self.port.unwrap_or(5432))
    }

    fn cost(&self) -> Cost {
        Cost::Session
    }

    async fn attempt(&self, subject: &Subject<'_>, steps: &mut Steps) -> Result<(), Failure> {
        let (user, password) = credentials(self.auth.as_ref(), steps).await?;
        let user = user.as_deref().unwrap_or("postgres");
        let place = subject.place()?;
        let mut wire = Wire::to(place, steps).await?;
        steps.begin("TLS");
        wire.send(&written(ssl_request)?).await?;
        match wire.exactly(1, SERVER).await?[..] {
            [b'S'] => {
                let demand = Demand { settings: self.tls.as_ref(), secret: password.is_some(), alpn: &[] };
                wire = wire.encrypt(&place.host, &demand, steps).await?;
            }
            [b'N'] if self.tls.is_some() => {
                return Err(Failure::new(There::NoTls, "expected TLS, the server offers none"));
            }
            [b'N'] => steps.end("not offered"),
            // It has not got as far as to listen for what is offered: too many connections, or it is starting.
            [b'E'] => return Err(early(&mut wire).await),
            ref other => return Err(wire.unexpected(SERVER, other)),
        }
        steps.begin("login");
        let database = self.database.as_deref().unwrap_or(user);
        let parameters = [("user", user), ("database", database), ("application_name", "portreeve-probe")];
        wire.send(&written(|out| frontend::startup_message(parameters, out))?).await?;
        login(&mut wire, user, password.as_ref()).await?;
        steps.end(format!("as {user}, at the database {database}"));
        steps.begin("query");
        let query = self.query.as_deref().unwrap_or("SELECT 1");
        wire.send(&written(|out| frontend::query(query, out))?).await?;
        let rows = answered(&mut wire).await?;
        steps.end(count(rows, "row"));
        // The check is done; a server that does not hear this only logs it.
        let _ = wire.send(&written(terminate)?).await;
        Ok(())
    }
}

/// Up to the point where the server waits for queries.
async fn login(wire: &mut Wire, user: &str, password: Option<&SecretString>) -> Result<(), Failure> {
    let password = || {
        let none = || {
            Failure::new(There::WantsLogin, format!("expected a login without a password, {user} needs one"))
        };
        password.map(|password| password.expose_secret().as_bytes()).ok_or_else(none)
    };
    let mut scram = None;
    loop {
        match message(wire).await? {
            backend::Message::AuthenticationCleartextPassword => {
                let password = password()?;
                wire.send(&written(|out| frontend::password_message(password, out))?).await?;
            }
            backend::Message::AuthenticationMd5Password(body) => {
                let hash = md5_hash(user.as_bytes(), password()?, body.salt());
                wire.send(&written(|out| frontend::password_message(hash.as_bytes(), out))?).await?;
            }
            backend::Message::AuthenticationSasl(_) => {
                let new = sasl::ScramSha256::new(password()?, sasl::ChannelBinding::unsupported());
                let first =
                    |out: &mut _| frontend::sasl_initial_response(sasl::SCRAM_SHA_256, new.message(), out);
                wire.send(&written(first)?).await?;
                scram = Some(new);
            }
            backend::Message::AuthenticationSaslContinue(body) => {
                let scram = scram.as_mut().ok_or_else(nonsense)?;
                scram.update(body.data()).map_err(|_| nonsense())?;
                wire.send(&written(|out| frontend::sasl_response(scram.message(), out))?).await?;
            }
            backend::Message::AuthenticationSaslFinal(body) => {
                let scram = scram.as_mut().ok_or_else(nonsense)?;
                let stranger = "expected a server that knows the password, this one does not";
                scram.finish(body.data()).map_err(|_| Failure::new(Here::Unverified, stranger))?;
            }
            backend::Message::AuthenticationOk
            | backend::Message::BackendKeyData(_)
            | backend::Message::ParameterStatus(_)
            | backend::Message::NoticeResponse(_) => {}
            backend::Message::ReadyForQuery(_) => return Ok(()),
            backend::Message::ErrorResponse(body) => return Err(refused("a login", &body)),
            backend::Message::AuthenticationGss
            | backend::Message::AuthenticationKerberosV5
            | backend::Message::AuthenticationScmCredential
            | backend::Message::AuthenticationSspi => {
                let why = format!(
                    "the server requires {user} to log in with Kerberos or a similar method, which this probe does not \
                    support"
                );
                return Err(Failure::new(Here::Unsupported, why));
            }
            _ => return Err(nonsense()),
        }
    }
}

/// The number of rows that answer the query.
async fn answered(wire: &mut Wire) -> Result<u64, Failure> {
    let mut rows = 0;
    loop {
        match message(wire).await? {
            backend::Message::DataRow(_) => rows += 1,
            backend::Message::ReadyForQuery(_) => return Ok(rows),
            backend::Message::ErrorResponse(body) => return Err(refused("an answer to the query", &body)),
            backend::Message::CopyInResponse(_) | backend::Message::CopyOutResponse(_) => {
                return Err(Failure::new(There::Unexpected, "expected rows, got a COPY"));
            }
            backend::Message::RowDescription(_)
            | backend::Message::CommandComplete(_)
            | backend::Message::EmptyQueryResponse
            | backend::Message::ParameterStatus(_)
            | backend::Message::NotificationResponse(_)
            | backend::Message::NoticeResponse(_) => {}
            _ => return Err(nonsense()),
        }
    }
}

/// The next message.
async fn message(wire: &mut Wire) -> Result<backend::Message, Failure> {
    let head = wire.exactly(5, SERVER).await?;
    match head.split_first() {
        Some((kind, length)) => whole(wire, *kind, length).await,
        None => Err(nonsense()),
    }
}

/// The message of which this much was read.
async fn whole(wire: &mut Wire, kind: u8, length: &[u8]) -> Result<backend::Message, Failure> {
    let count = Fields(length).u32().unwrap_or_default() as usize;
    // What is no PostgreSQL server would otherwise be waited for.
    let Some(count) = count.checked_sub(4).filter(|_| kind.is_ascii_alphanumeric()) else {
        return Err(wire.unexpected(SERVER, &[&[kind], length].concat()));
    };
    let body = wire.exactly(count, SERVER).await?;
    let mut whole = BytesMut::from(&[&[kind], length, &body].concat()[..]);
    backend::Message::parse(&mut whole).ok().flatten().ok_or_else(nonsense)
}

fn nonsense() -> Failure {
    Failure::new(There::Nonsense, format!("expected {SERVER}, got one that makes no sense"))
}

/// The server's code and its own words.
fn refused(what: &str, body: &backend::ErrorResponseBody) -> Failure {
    let field = |wanted: u8| {
        let found = body.fields().find(|field| Ok(field.type_() == wanted)).ok().flatten();
        found.map(|field| String::from_utf8_lossy(field.value_bytes()).into_owned()).unwrap_or_default()
    };
    Failure::got(Cause::Postgres(field(b'C')), what).saying(field(b'M'))
}

/// An error in answer to the question for TLS, whose first byte was read.
async fn early(wire: &mut Wire) -> Failure {
    let answer = async {
        let length = wire.exactly(4, SERVER).await?;
        whole(wire, b'E', &length).await
    };
    match answer.await {
        Ok(backend::Message::ErrorResponse(body)) => refused("an answer about TLS", &body),
        Ok(_) => nonsense(),
        Err(failure) => failure,
    }
}

fn ssl_request(out: &mut BytesMut) -> io::Result<()> {
    frontend::ssl_request(out);
    Ok(())
}

fn terminate(out: &mut BytesMut) -> io::Result<()> {
    frontend::terminate(out);
    Ok(())
}

/// A message to the server.
fn written(write: impl FnOnce(&mut BytesMut) -> io::Result<()>) -> Result<BytesMut, Failure> {
    let mut out = BytesMut::new();
    // A zero byte in a name, say.
    write(&mut out)
        .map_err(|error| Failure::new(Here::Unsendable, format!("this cannot be sent: {error}")))?;
    Ok(out)
}
