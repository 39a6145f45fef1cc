//! A cause in words, as reasons repeat it.

use std::fmt;

use super::cause::Cause;
use super::pattern::{Pattern, prefix};
use super::row;
use super::row::Row;

impl Cause {
    /// The protocol's code, for a reason: never more of what a server sent.
    fn code(&self, row: &Row) -> String {
        match self {
            Self::Here(_) | Self::There(_) => String::new(),
            Self::Http { status, .. } => status.to_string(),
            Self::Redis(said) => match row.seen {
                // An error that is known is written down here, too.
                Pattern::Redis(list) => prefix(list, said).map_or("an error".to_owned(), str::to_owned),
                _ => "an error".to_owned(),
            },
            Self::Nats(said) => match row.seen {
                Pattern::Nats(list) => {
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

/// The code and what it says, for a reason: `SQLSTATE 57P03: it is starting up …`.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = row(self);
        match self.code(row) {
            code if code.is_empty() => f.write_str(row.says),
            // What is left says nothing more than that.
            code if row.seen.is_rest() => f.write_str(&code),
            code => write!(f, "{code}: {}", row.says),
        }
    }
}
