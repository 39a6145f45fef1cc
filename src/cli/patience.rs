//! Verbs that go on and on: a Portreeve that restarts is waited for.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::client::{Client, ClientError};
use super::face::Face;

/// Before the first look.
const BREATH: Duration = Duration::from_millis(200);
/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// How long one that answers may take until it knows its engines again.
const READY: Duration = Duration::from_secs(30);

/// Waits until Portreeve answers again after `error`; one that does not pass by itself is the end.
pub(super) async fn until_back(
    client: &Client,
    error: ClientError,
    face: &mut Face<'_>,
) -> anyhow::Result<()> {
    if !error.is_passing() {
        return Err(error.into());
    }
    face.out.flush()?;
    face.note(&format!("Portreeve at {} does not answer: {}; waiting", client.server(), error.why()))?;
    // One that answers and ends every stream is not asked without a pause.
    sleep(BREATH).await;
    while !client.says_yes("livez").await {
        sleep(LOOK).await;
    }
    face.note("Portreeve answers again")?;
    Ok(())
}

/// Waits until it knows its engines again: until then what runs would seem to be gone. An engine that is away is no
/// reason to wait for ever.
pub(super) async fn until_ready(client: &Client) {
    let patience = Instant::now() + READY;
    while Instant::now() < patience && !client.says_yes("readyz").await {
        sleep(LOOK).await;
    }
}
