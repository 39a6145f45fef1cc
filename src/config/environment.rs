//! Environment variables → the objects that YAML would declare (CONTRACTS.md §6). A pure function of the variables.
//!
//! A variable that is not set, or empty, makes no object and gives no field. A value that cannot be used is an error
//! that names the variable; values are repeated only where they cannot hold a secret.

mod autoheal;
mod docker;
mod read;
mod services;
mod settings;

use std::collections::BTreeMap;

pub use docker::DOCKER_SOCKET;
use read::Reader;
pub use read::VariableError;

use super::LogFormat;
use crate::resource::Object;

/// What the environment says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Environment {
    /// The objects it declares, with origin `environment`.
    pub objects: Vec<Object>,
    /// What whoever set the variables should know, for the log.
    pub notes: Vec<String>,
    /// What variables say that is no object.
    pub flags: Flags,
}

/// Variables that stand for flags and are more than text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `HEALTH_SERVICE_PORT`.
    pub port: Option<u16>,
    /// `PORTREEVE_OPEN_METRICS`.
    pub open_metrics: bool,
    /// `PORTREEVE_OBSERVE`.
    pub observe: bool,
    /// `PORTREEVE_ALLOW_EMPTY`.
    pub allow_empty: bool,
    /// `PORTREEVE_LOG_FORMAT`.
    pub log_format: LogFormat,
}

/// Variables of reference systems whose function this version does not have.
const NOT_YET: [&str; 6] =
    ["ALERT_EMAIL", "SMTP_URL", "WEBHOOK_URL", "WEBHOOK_JSON_KEY", "APPRISE_URL", "POST_RESTART_SCRIPT"];

impl Environment {
    /// What `variables` say.
    ///
    /// # Errors
    /// Every variable whose value cannot be used.
    pub fn read(variables: &BTreeMap<String, String>) -> Result<Self, Vec<VariableError>> {
        let mut reader = Reader::new(variables);
        let read = &mut reader;
        let objects = [
            autoheal::policy(read),
            services::billing(read),
            services::discovery(read),
            docker::host(read),
            settings::settings(read),
        ];
        let flags = Flags {
            port: read.whole("HEALTH_SERVICE_PORT", 1..=65_535).and_then(|port| u16::try_from(port).ok()),
            open_metrics: read.flag("PORTREEVE_OPEN_METRICS").unwrap_or_default(),
            observe: read.flag("PORTREEVE_OBSERVE").unwrap_or_default(),
            allow_empty: read.flag("PORTREEVE_ALLOW_EMPTY").unwrap_or_default(),
            log_format: log_format(read),
        };
        for name in NOT_YET {
            if read.text(name).is_some() {
                read.note(format!("{name} is not used by this version"));
            }
        }
        let (notes, errors) = reader.finish();
        if errors.is_empty() {
            Ok(Self { objects: objects.into_iter().flatten().collect(), notes, flags })
        } else {
            Err(errors)
        }
    }
}

fn log_format(read: &mut Reader<'_>) -> LogFormat {
    match read.text("PORTREEVE_LOG_FORMAT") {
        None | Some("text") => LogFormat::Text,
        Some("json") => LogFormat::Json,
        Some(_) => {
            read.refuse("PORTREEVE_LOG_FORMAT", "must be text or json");
            LogFormat::Text
        }
    }
}

#[cfg(test)]
mod tests;
