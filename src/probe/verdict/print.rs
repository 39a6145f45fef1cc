//! The table, for people.

use std::fmt::{self, Display, Write};

use super::words::{grpc, http2, rcode};
use super::{Here, Pattern, Row, There, rows};

impl Pattern {
    /// The protocol that the answer is of, or whose side it is.
    pub const fn of(&self) -> &'static str {
        match self {
            Self::Here(_) => "our side",
            Self::There(_) => "any protocol",
            Self::Http(_) | Self::HttpRetryAfter(_) => "HTTP",
            Self::Redis(_) => "Redis",
            Self::Postgres(_) => "PostgreSQL",
            Self::Mysql(_) | Self::MysqlState(_) => "MySQL",
            Self::Kafka(_) => "Kafka",
            Self::Amqp(_) => "AMQP",
            Self::Nats(_) => "NATS",
            Self::Mqtt(_) => "MQTT",
            Self::Http2(_) => "HTTP/2",
            Self::Grpc(_) => "gRPC",
            Self::GrpcHealth(_) => "gRPC health",
            Self::Dns(_) => "DNS",
        }
    }
}

/// The answers that a row covers: `57P03, 57P01`, `any other`.
impl Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ranges = |ranges: &[(u16, u16)]| {
            listed(ranges, |(from, to)| if from == to { from.to_string() } else { format!("{from}-{to}") })
        };
        f.write_str(&match self {
            Self::Here(list) => listed(list, |one: &Here| format!("{one:?}")),
            Self::There(list) => listed(list, |one: &There| format!("{one:?}")),
            Self::Http(list) => ranges(list),
            Self::HttpRetryAfter(list) => format!("{} with Retry-After", ranges(list)),
            Self::Redis(list) | Self::Nats(list) => listed(list, |one| (*one).to_owned()),
            // A class, or one state of it.
            Self::Postgres(list) => listed(list, |one| format!("{one:x<5}")),
            Self::MysqlState(list) => format!("SQLSTATE {}", listed(list, |one| format!("{one:x<5}"))),
            Self::Mysql(list) | Self::Amqp(list) => listed(list, u16::to_string),
            Self::Kafka(list) => listed(list, i16::to_string),
            Self::Mqtt(list) => {
                listed(list, |code| if *code < 0x80 { code.to_string() } else { format!("{code:#x}") })
            }
            Self::Http2(list) => listed(list, |code| http2(*code)),
            Self::Grpc(list) => listed(list, |code| grpc(*code)),
            Self::GrpcHealth(list) => listed(list, |code| match code {
                0 => "UNKNOWN".to_owned(),
                2 => "NOT_SERVING".to_owned(),
                3 => "SERVICE_UNKNOWN".to_owned(),
                code => code.to_string(),
            }),
            Self::Dns(list) => listed(list, |code| rcode(*code)),
        })
    }
}

fn listed<T>(list: &[T], word: impl Fn(&T) -> String) -> String {
    let words: Vec<String> = list.iter().map(word).collect();
    if words.is_empty() { "any other".to_owned() } else { words.join(", ") }
}

impl Row {
    /// The names of its tests, on one line.
    pub fn tests(&self) -> String {
        self.shown_by.join(", ")
    }
}

/// The table as Markdown.
pub fn markdown() -> String {
    let mut table =
        "| protocol | answer | outcome | meaning | why | shown by |\n|---|---|---|---|---|---|\n".to_owned();
    for row in rows() {
        let tests: Vec<String> = row.shown_by.iter().map(|test| format!("`{test}`")).collect();
        // Writing into a string cannot fail.
        let _ = writeln!(
            table,
            "| {} | {} | {} | {} | {} | {} |",
            row.seen.of(),
            row.seen,
            row.means.as_str(),
            row.says,
            row.why,
            tests.join("<br>")
        );
    }
    table
}
