//! What the HTTP server lets clients take: time and connections.

use clap::Args;

use crate::resource::Duration;

/// What an answer may take, or a watch is silent: an idle connection is not closed sooner.
const SHORTEST_IDLE: Duration = Duration::from_secs(35);

/// Limits of the HTTP server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// From the first byte of a request, or the opening of a connection, to the end of its headers.
    pub header: Duration,
    /// Longest silence while a body is sent, and longest time in which a client takes nothing of an answer.
    pub body: Duration,
    /// Longest silence on a connection.
    pub idle: Duration,
    /// Connections in all over TCP, and as many over the socket; at the bound the longest-idle one is closed for a new one.
    pub connections: usize,
    /// Connections of one address (of an IPv6 network /64, of all of loopback, of a user of the socket), in the same way.
    pub connections_per_address: usize,
    /// Watches in all without a token, as many with tokens, and as many over the socket; at the bound a further one is
    /// refused.
    pub watches: usize,
    /// Watches without a token of one address, in the same way.
    pub watches_per_address: usize,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            header: Duration::from_secs(10),
            body: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            connections: 512,
            connections_per_address: 256,
            watches: 256,
            watches_per_address: 32,
        }
    }
}

/// The flags that change them.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Limits of the HTTP server")]
pub struct LimitArgs {
    /// Longest time for the headers of a request
    /// [env: PORTREEVE_HTTP_HEADER_TIMEOUT] [default: 10s]
    #[arg(long, value_name = "DURATION")]
    pub http_header_timeout: Option<String>,

    /// Longest pause of a client that sends a body or reads an answer
    /// [env: PORTREEVE_HTTP_BODY_TIMEOUT] [default: 10s]
    #[arg(long, value_name = "DURATION")]
    pub http_body_timeout: Option<String>,

    /// Longest silence on a connection, 35s at least
    /// [env: PORTREEVE_HTTP_IDLE_TIMEOUT] [default: 75s]
    #[arg(long, value_name = "DURATION")]
    pub http_idle_timeout: Option<String>,

    /// Most connections over TCP, and as many more over the Unix socket; at the limit a new connection closes the one that
    /// is idle longest, first among callers without any role
    /// [env: PORTREEVE_MAX_CONNECTIONS] [default: 512]
    #[arg(long, value_name = "COUNT")]
    pub max_connections: Option<String>,

    /// Most connections from one address (this machine counts as one); at the limit as above
    /// [env: PORTREEVE_MAX_CONNECTIONS_PER_ADDRESS] [default: 256]
    #[arg(long, value_name = "COUNT")]
    pub max_connections_per_address: Option<String>,

    /// Most watches without a token, as many more with tokens, and as many more over the Unix socket; at the limit a new one
    /// is refused
    /// [env: PORTREEVE_MAX_WATCHES] [default: 256]
    #[arg(long, value_name = "COUNT")]
    pub max_watches: Option<String>,

    /// Most watches without a token from one address (this machine counts as one); at the limit as above
    /// [env: PORTREEVE_MAX_WATCHES_PER_ADDRESS] [default: 32]
    #[arg(long, value_name = "COUNT")]
    pub max_watches_per_address: Option<String>,
}

/// Why a limit cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{flag} {why}")]
pub struct LimitError {
    flag: &'static str,
    why: String,
}

impl LimitArgs {
    /// The limits that these flags mean, with `variable` for those that were not given.
    ///
    /// # Errors
    /// The first flag or variable whose value is none.
    pub(super) fn resolve(
        &self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<HttpLimits, LimitError> {
        // Destructured in full, so that a flag cannot be forgotten here.
        let Self {
            http_header_timeout,
            http_body_timeout,
            http_idle_timeout,
            max_connections,
            max_connections_per_address,
            max_watches,
            max_watches_per_address,
        } = self;
        let text = |flag: &Option<String>, name: &str| flag.clone().or_else(|| variable(name));
        let duration = |flag, given: Option<String>, default: Duration, least: Duration| {
            let Some(text) = given else { return Ok(default) };
            let duration: Duration =
                text.parse().map_err(|error| LimitError { flag, why: format!("{error}") })?;
            if duration.is_zero() || duration.get() < least.get() {
                return Err(LimitError { flag, why: format!("must be at least {least}") });
            }
            Ok(duration)
        };
        let count = |flag, given: Option<String>, default: usize| match given {
            None => Ok(default),
            Some(text) => match text.parse() {
                Ok(count @ 1..=100_000) => Ok(count),
                _ => Err(LimitError { flag, why: "must be a whole number from 1 to 100000".to_owned() }),
            },
        };
        let defaults = HttpLimits::default();
        let second = Duration::from_secs(1);
        Ok(HttpLimits {
            header: duration(
                "--http-header-timeout",
                text(http_header_timeout, "PORTREEVE_HTTP_HEADER_TIMEOUT"),
                defaults.header,
                second,
            )?,
            body: duration(
                "--http-body-timeout",
                text(http_body_timeout, "PORTREEVE_HTTP_BODY_TIMEOUT"),
                defaults.body,
                second,
            )?,
            idle: duration(
                "--http-idle-timeout",
                text(http_idle_timeout, "PORTREEVE_HTTP_IDLE_TIMEOUT"),
                defaults.idle,
                SHORTEST_IDLE,
            )?,
            connections: count(
                "--max-connections",
                text(max_connections, "PORTREEVE_MAX_CONNECTIONS"),
                defaults.connections,
            )?,
            connections_per_address: count(
                "--max-connections-per-address",
                text(max_connections_per_address, "PORTREEVE_MAX_CONNECTIONS_PER_ADDRESS"),
                defaults.connections_per_address,
            )?,
            watches: count("--max-watches", text(max_watches, "PORTREEVE_MAX_WATCHES"), defaults.watches)?,
            watches_per_address: count(
                "--max-watches-per-address",
                text(max_watches_per_address, "PORTREEVE_MAX_WATCHES_PER_ADDRESS"),
                defaults.watches_per_address,
            )?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_from_flags_then_variables_and_nonsense_is_refused_by_name() {
        let none = |_: &str| None;
        assert_eq!(LimitArgs::default().resolve(none), Ok(HttpLimits::default()));
        let args = LimitArgs { max_connections: Some("9".to_owned()), ..LimitArgs::default() };
        let variable = |name: &str| {
            (name == "PORTREEVE_MAX_CONNECTIONS" || name == "PORTREEVE_MAX_WATCHES").then(|| "7".to_owned())
        };
        let limits = args.resolve(variable).expect("limits");
        assert_eq!((limits.connections, limits.watches), (9, 7));
        for (name, value, says) in [
            ("PORTREEVE_HTTP_IDLE_TIMEOUT", "5s", "--http-idle-timeout must be at least 35s"),
            ("PORTREEVE_HTTP_HEADER_TIMEOUT", "0s", "--http-header-timeout must be at least 1s"),
            ("PORTREEVE_HTTP_BODY_TIMEOUT", "5", "--http-body-timeout \"5\" is not a duration"),
            ("PORTREEVE_MAX_CONNECTIONS", "0", "--max-connections must be a whole number"),
        ] {
            let error = LimitArgs::default().resolve(|asked| (asked == name).then(|| value.to_owned()));
            let error = error.expect_err(name).to_string();
            assert!(error.starts_with(says), "{error}");
        }
    }
}
