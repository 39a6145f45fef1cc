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

use read::Reader;
pub use read::VariableError;

use crate::resource::Object;

/// What the environment says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Environment {
    /// The objects it declares, with origin `environment`.
    pub objects: Vec<Object>,
    /// What whoever set the variables should know, for the log.
    pub notes: Vec<String>,
    /// `HEALTH_SERVICE_PORT`.
    pub port: Option<u16>,
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
        let port = read.whole("HEALTH_SERVICE_PORT", 1..=65_535);
        for name in NOT_YET {
            if read.text(name).is_some() {
                read.note(format!("{name} is not used by this version"));
            }
        }
        let (notes, errors) = reader.finish();
        if errors.is_empty() {
            let port = port.and_then(|port| u16::try_from(port).ok());
            Ok(Self { objects: objects.into_iter().flatten().collect(), notes, port })
        } else {
            Err(errors)
        }
    }
}

#[cfg(test)]
mod tests;
