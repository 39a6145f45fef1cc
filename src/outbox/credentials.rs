//! Secrets, read at the moment they are needed: a rotated one takes effect with the next call.

use secrecy::SecretString;

use super::DeliveryError;
use crate::resource::{Auth, SecretRef};

/// The secret that `reference` names. Its value appears in no error.
pub(crate) async fn read(reference: &SecretRef) -> Result<SecretString, DeliveryError> {
    let missing = DeliveryError::Secret;
    match reference {
        SecretRef { env: Some(name), file: None } => std::env::var(name)
            .map(SecretString::from)
            .map_err(|_| missing(format!("of the environment variable {name} is not set"))),
        SecretRef { env: None, file: Some(path) } => {
            let text = tokio::fs::read_to_string(path)
                .await
                .map_err(|error| missing(format!("file {path} cannot be read: {error}")))?;
            Ok(SecretString::from(text.trim_end_matches(['\r', '\n']).to_owned()))
        }
        SecretRef { .. } => Err(missing("reference must name exactly one of env and file".to_owned())),
    }
}

/// How a call is authorised.
pub(super) enum Authorisation {
    None,
    Bearer(SecretString),
    Basic(String, SecretString),
}

pub(super) async fn authorisation(auth: Option<&Auth>) -> Result<Authorisation, DeliveryError> {
    match auth {
        None => Ok(Authorisation::None),
        Some(Auth { bearer: Some(secret), .. }) => Ok(Authorisation::Bearer(read(secret).await?)),
        Some(Auth { basic: Some(basic), .. }) => {
            Ok(Authorisation::Basic(basic.username.clone(), read(&basic.password).await?))
        }
        Some(Auth { bearer: None, basic: None }) => Ok(Authorisation::None),
    }
}
