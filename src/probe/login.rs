//! Secrets that a probe sends.

use secrecy::SecretString;

use super::failure::Failure;
use super::steps::Steps;
use super::verdict::Here;
use crate::resource::{Login, SecretRef};

/// A secret, read anew each time; a server that repeats it is not quoted with it.
pub(crate) async fn secret(reference: &SecretRef, steps: &mut Steps) -> Result<SecretString, Failure> {
    let read = steps.guard().clone().secret(reference).await;
    let secret = read.map_err(|error| Failure::new(Here::Secret, format!("no secret: {error}")))?;
    steps.conceal(&secret);
    Ok(secret)
}

/// User and password of a protocol's own login.
pub(crate) async fn credentials(
    login: Option<&Login>,
    steps: &mut Steps,
) -> Result<(Option<String>, Option<SecretString>), Failure> {
    let Some(login) = login else { return Ok((None, None)) };
    let password = secret(&login.password, steps).await?;
    Ok((login.username.clone(), Some(password)))
}
