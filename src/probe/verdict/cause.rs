//! What was seen, and what of it a row covers.

use std::fmt;

/// What was seen of a target, or of ourselves on the way to it: the protocol's own code where there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Something on our side.
    Here(Here),
    /// Something of the target that has no code.
    There(There),
    /// The status of an HTTP answer that is not among those expected.
    Http {
        /// 100 to 599.
        status: u16,
        /// Whether it says when to try again (`Retry-After`).
        retry_after: bool,
    },
    /// What follows `-` in a Redis answer. May hold anything.
    Redis(String),
    /// A PostgreSQL error's SQLSTATE.
    Postgres(String),
    /// A MySQL error.
    Mysql {
        /// Its code.
        code: u16,
        /// Its SQLSTATE, where it has one. May hold anything.
        state: String,
    },
    /// A Kafka error code.
    Kafka(i16),
    /// The reply code with which an AMQP 0-9-1 broker closes a connection.
    Amqp(u16),
    /// What follows `-ERR` in a NATS answer. May hold anything.
    Nats(String),
    /// The return code (MQTT 3) or reason code (MQTT 5) of a CONNACK or SUBACK.
    Mqtt(u8),
    /// The error code with which the other side ends a stream or a connection of HTTP/2.
    Http2(u32),
    /// A `grpc-status`.
    Grpc(u32),
    /// `HealthCheckResponse.status`, of gRPC's health protocol, other than `SERVING`.
    GrpcHealth(u64),
    /// The RCODE of a DNS answer.
    Dns(u16),
}

/// What is ours: it says nothing about the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Here {
    /// No address, container or engine to ask.
    NothingToAsk,
    /// A secret cannot be read.
    Secret,
    /// What is declared cannot be sent in this protocol.
    Unsendable,
    /// The server wants or speaks something that this probe cannot.
    Unsupported,
    /// An address that is not asked.
    Forbidden,
    /// The resolver has trouble of its own, or does not answer: EAI_AGAIN, EAI_FAIL, EAI_SYSTEM, silence.
    Resolver,
    /// ENETUNREACH, ENETDOWN, EADDRNOTAVAIL, EAFNOSUPPORT, EINVAL.
    NoRoute,
    /// EMFILE, ENFILE, ENOBUFS, ENOMEM.
    NoRoom,
    /// EPERM, EACCES: this machine's firewall, or a privilege that is lacking.
    NotPermitted,
    /// A place that was only guessed, and at which no check has ever passed.
    Guess,
    /// The engine is away, or cannot carry the check out.
    Engine,
    /// The command of an `exec` is not in the container.
    NoSuchCommand,
    /// Docker's own health check has not been run for longer than it should.
    DockerSilent,
    /// The authorities to trust cannot be read.
    Trust,
    /// A server that is to be verified, and is not.
    Unverified,
    /// A certificate that our library cannot read.
    UnreadableCertificate,
    /// No version of TLS, or no cipher, that both sides know.
    NoCommonTls,
}

/// What is the target's, where no protocol has a code for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum There {
    /// The name does not exist (EAI_NONAME, EAI_NODATA).
    NoSuchName,
    /// ECONNREFUSED.
    Refused,
    /// EHOSTUNREACH, ETIMEDOUT.
    Unreachable,
    /// The time is over, and there was no connection yet.
    Silent,
    /// The time is over, and it has taken the connection, or runs the command.
    Hangs,
    /// The connection was closed or reset before a word was said.
    HungUp,
    /// The connection was closed or reset in the middle.
    Broken,
    /// What came is not the protocol.
    Nonsense,
    /// The answer is not what is declared.
    Unexpected,
    /// The answer took longer than is declared.
    Slow,
    /// The server wants a login, and none is declared.
    WantsLogin,
    /// The login is declared, and was refused.
    LoginRefused,
    /// The server wants a certificate of its clients, and says so in its own protocol.
    WantsCertificate,
    /// Closed, when asked for what needs a login, by a server that answered what needs none.
    HungUpOnLogin,
    /// Asked in the clear, it answers with TLS.
    WantsTls,
    /// TLS is declared, and it offers none.
    NoTls,
    /// Asked with a TLS handshake, it answers with something else.
    NotTls,
    /// It ended the handshake with a TLS alert.
    TlsAlert,
    /// Its certificate is not what `tls` asks for.
    Certificate,
    /// The command ended with another exit code than 0.
    ExitCode,
    /// The engine refused to run the command.
    ExecRefused,
    /// The container does not run.
    NotRunning,
    /// Docker's own health check says `unhealthy`.
    DockerUnhealthy,
    /// Docker's own health check says `starting`.
    DockerStarting,
    /// After a pause, or a time without the engine, Docker's own health check has not been run again yet.
    DockerAwaited,
}

/// What a row covers. An empty list: whatever no row above it covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Any of these.
    Here(&'static [Here]),
    /// Any of these.
    There(&'static [There]),
    /// A status within one of these ranges.
    Http(&'static [(u16, u16)]),
    /// A status within one of these ranges that says when to ask again.
    HttpRetryAfter(&'static [(u16, u16)]),
    /// An error that begins with one of these.
    Redis(&'static [&'static str]),
    /// An SQLSTATE that begins with one of these.
    Postgres(&'static [&'static str]),
    /// One of these codes.
    Mysql(&'static [u16]),
    /// An SQLSTATE that begins with one of these.
    MysqlState(&'static [&'static str]),
    /// One of these codes.
    Kafka(&'static [i16]),
    /// One of these codes.
    Amqp(&'static [u16]),
    /// An error that begins with one of these, whatever the case of its letters.
    Nats(&'static [&'static str]),
    /// One of these codes.
    Mqtt(&'static [u8]),
    /// One of these codes.
    Http2(&'static [u32]),
    /// One of these statuses.
    Grpc(&'static [u32]),
    /// One of these statuses.
    GrpcHealth(&'static [u64]),
    /// One of these codes.
    Dns(&'static [u16]),
}

impl Seen {
    /// Whether it is what no other row of its protocol covers.
    pub const fn is_rest(&self) -> bool {
        match self {
            Self::Here(list) => list.is_empty(),
            Self::There(list) => list.is_empty(),
            Self::Http(list) | Self::HttpRetryAfter(list) => list.is_empty(),
            Self::Redis(list) | Self::Postgres(list) | Self::MysqlState(list) | Self::Nats(list) => {
                list.is_empty()
            }
            Self::Mysql(list) | Self::Amqp(list) | Self::Dns(list) => list.is_empty(),
            Self::Kafka(list) => list.is_empty(),
            Self::Mqtt(list) => list.is_empty(),
            Self::Http2(list) | Self::Grpc(list) => list.is_empty(),
            Self::GrpcHealth(list) => list.is_empty(),
        }
    }

    /// Whether the row is about `cause`.
    pub fn covers(&self, cause: &Cause) -> bool {
        fn among<T: PartialEq>(list: &[T], one: &T) -> bool {
            list.is_empty() || list.contains(one)
        }
        let within = |ranges: &[(u16, u16)], status: u16| {
            ranges.is_empty() || ranges.iter().any(|(from, to)| (*from..=*to).contains(&status))
        };
        match (self, cause) {
            (Self::Here(list), Cause::Here(one)) => among(list, one),
            (Self::There(list), Cause::There(one)) => among(list, one),
            (Self::Http(list), Cause::Http { status, .. }) => within(list, *status),
            (Self::HttpRetryAfter(list), Cause::Http { status, retry_after }) => {
                *retry_after && within(list, *status)
            }
            (Self::Redis(list), Cause::Redis(said)) => list.is_empty() || prefix(list, said).is_some(),
            (Self::Postgres(list), Cause::Postgres(state)) => {
                list.is_empty() || list.iter().any(|begin| state.starts_with(begin))
            }
            (Self::Mysql(list), Cause::Mysql { code, .. }) => among(list, code),
            (Self::MysqlState(list), Cause::Mysql { state, .. }) => {
                list.is_empty() || list.iter().any(|begin| state.starts_with(begin))
            }
            (Self::Kafka(list), Cause::Kafka(code)) => among(list, code),
            (Self::Amqp(list), Cause::Amqp(code)) => among(list, code),
            (Self::Nats(list), Cause::Nats(said)) => list.is_empty() || prefix(list, said).is_some(),
            (Self::Mqtt(list), Cause::Mqtt(code)) => among(list, code),
            (Self::Http2(list), Cause::Http2(code)) => among(list, code),
            (Self::Grpc(list), Cause::Grpc(code)) => among(list, code),
            (Self::GrpcHealth(list), Cause::GrpcHealth(code)) => among(list, code),
            (Self::Dns(list), Cause::Dns(code)) => among(list, code),
            _ => false,
        }
    }
}

/// The one of `list` that `said` begins with, as whole words and whatever the case of letters.
fn prefix(list: &'static [&'static str], said: &str) -> Option<&'static str> {
    let begins = |begin: &&&str| {
        said.split_at_checked(begin.len()).is_some_and(|(head, rest)| {
            head.eq_ignore_ascii_case(begin) && !rest.starts_with(|letter: char| letter.is_alphanumeric())
        })
    };
    list.iter().filter(begins).max_by_key(|begin| begin.len()).copied()
}

impl Cause {
    /// What this says of the way to the target: `Some(true)`: it was reached; `Some(false)`: nothing came from there;
    /// `None`: nothing, such as a name of which only a resolver has spoken.
    pub const fn reached(&self) -> Option<bool> {
        match self {
            Self::Here(here) => match here {
                Here::Unsupported | Here::Unverified | Here::UnreadableCertificate | Here::NoCommonTls => {
                    Some(true)
                }
                Here::NothingToAsk
                | Here::Secret
                | Here::Unsendable
                | Here::Forbidden
                | Here::Resolver
                | Here::NoRoute
                | Here::NoRoom
                | Here::NotPermitted
                | Here::Guess
                | Here::Engine
                | Here::NoSuchCommand
                | Here::DockerSilent
                | Here::Trust => None,
            },
            Self::There(There::NoSuchName) => None,
            Self::There(There::Unreachable | There::Silent) => Some(false),
            Self::There(_)
            | Self::Http { .. }
            | Self::Redis(_)
            | Self::Postgres(_)
            | Self::Mysql { .. }
            | Self::Kafka(_)
            | Self::Amqp(_)
            | Self::Nats(_)
            | Self::Mqtt(_)
            | Self::Http2(_)
            | Self::Grpc(_)
            | Self::GrpcHealth(_)
            | Self::Dns(_) => Some(true),
        }
    }

    /// The protocol's code, for a reason: never more of what a server sent.
    fn code(&self, row: &super::Row) -> String {
        match self {
            Self::Here(_) | Self::There(_) => String::new(),
            Self::Http { status, .. } => status.to_string(),
            Self::Redis(said) => match row.seen {
                // An error that is known is written down here, too.
                Seen::Redis(list) => prefix(list, said).map_or("an error".to_owned(), str::to_owned),
                _ => "an error".to_owned(),
            },
            Self::Nats(said) => match row.seen {
                Seen::Nats(list) => {
                    prefix(list, said).map_or("an error".to_owned(), |known| format!("'{known}'"))
                }
                _ => "an error".to_owned(),
            },
            Self::Postgres(state) => {
                let plain = state.len() == 5 && state.bytes().all(|byte| byte.is_ascii_alphanumeric());
                if plain { format!("SQLSTATE {state}") } else { "an error".to_owned() }
            }
            Self::Mysql { code, .. } => format!("error {code}"),
            Self::Kafka(code) => format!("error code {code}"),
            Self::Amqp(code) => format!("reply code {code}"),
            Self::Mqtt(code) => format!("return code {code}"),
            Self::Http2(code) => http2(*code),
            Self::Grpc(code) => format!("the gRPC status {}", grpc(*code)),
            Self::GrpcHealth(0) => "UNKNOWN".to_owned(),
            Self::GrpcHealth(2) => "NOT_SERVING".to_owned(),
            Self::GrpcHealth(3) => "SERVICE_UNKNOWN".to_owned(),
            Self::GrpcHealth(code) => format!("the health status {code}"),
            Self::Dns(code) => rcode(*code),
        }
    }
}

/// An error code of HTTP/2 by its name, where it has one.
pub(super) fn http2(code: u32) -> String {
    const NAMES: [&str; 14] = [
        "NO_ERROR",
        "PROTOCOL_ERROR",
        "INTERNAL_ERROR",
        "FLOW_CONTROL_ERROR",
        "SETTINGS_TIMEOUT",
        "STREAM_CLOSED",
        "FRAME_SIZE_ERROR",
        "REFUSED_STREAM",
        "CANCEL",
        "COMPRESSION_ERROR",
        "CONNECT_ERROR",
        "ENHANCE_YOUR_CALM",
        "INADEQUATE_SECURITY",
        "HTTP_1_1_REQUIRED",
    ];
    let name = usize::try_from(code).ok().and_then(|code| NAMES.get(code));
    name.map_or_else(|| format!("the HTTP/2 error {code}"), |name| (*name).to_owned())
}

/// A `grpc-status` by its name, where it has one.
pub(super) fn grpc(code: u32) -> String {
    const NAMES: [&str; 17] = [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];
    let name = usize::try_from(code).ok().and_then(|code| NAMES.get(code));
    name.map_or_else(|| code.to_string(), |name| (*name).to_owned())
}

/// An RCODE by its name, where it has one.
pub(in crate::probe) fn rcode(code: u16) -> String {
    const NAMES: [&str; 11] = [
        "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET",
        "NOTAUTH", "NOTZONE",
    ];
    let name = NAMES.get(usize::from(code));
    name.map_or_else(|| format!("the status {code}"), |name| (*name).to_owned())
}

impl From<Here> for Cause {
    fn from(here: Here) -> Self {
        Self::Here(here)
    }
}

impl From<There> for Cause {
    fn from(there: There) -> Self {
        Self::There(there)
    }
}

/// The code and what it says, for a reason: `SQLSTATE 57P03: it is starting up …`.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = super::row(self);
        match self.code(row) {
            code if code.is_empty() => f.write_str(row.says),
            // What is left says nothing more than that.
            code if row.seen.is_rest() => f.write_str(&code),
            code => write!(f, "{code}: {}", row.says),
        }
    }
}
