//! Which causes a row covers.

use super::cause::{Cause, Here, There};

/// What a row covers. An empty list: whatever no row above it covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
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

impl Pattern {
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
pub(super) fn prefix(list: &'static [&'static str], said: &str) -> Option<&'static str> {
    let begins = |begin: &&&str| {
        said.split_at_checked(begin.len()).is_some_and(|(head, rest)| {
            head.eq_ignore_ascii_case(begin) && !rest.starts_with(|letter: char| letter.is_alphanumeric())
        })
    };
    list.iter().filter(begins).max_by_key(|begin| begin.len()).copied()
}
