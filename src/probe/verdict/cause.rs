//! What was seen, and what of it a row covers.

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
