//! How a call is authorised, with secrets read at the moment they are needed: a rotated one takes effect with the next call.

use secrecy::SecretString;

use crate::guard::{Guard, SecretError};
use crate::resource::Auth;

/// How a call is authorised.
pub(super) enum Authorisation {
    None,
    Bearer(SecretString),
    Basic(String, SecretString),
}

pub(super) async fn authorisation(guard: &Guard, auth: Option<&Auth>) -> Result<Authorisation, SecretError> {
    match auth {
        None => Ok(Authorisation::None),
        Some(Auth { bearer: Some(secret), .. }) => Ok(Authorisation::Bearer(guard.secret(secret).await?)),
        Some(Auth { basic: Some(basic), .. }) => {
            Ok(Authorisation::Basic(basic.username.clone(), guard.secret(&basic.password).await?))
        }
        Some(Auth { bearer: None, basic: None }) => Ok(Authorisation::None),
    }
}
