//! What containers use, measured when somebody asks and never else.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tracing::debug;

use super::shared::Shared;
use crate::observed::{ContainerKey, Usage};

/// Measurements on their way at once, whoever asks: more would keep the engine from its work.
pub(super) const AT_ONCE: usize = 16;
/// How long all of them may take together. What is not measured by then is left out.
const ALL: Duration = Duration::from_secs(20);

impl Shared {
    /// What each of these containers uses. Those that do not run or cannot be measured are left out.
    pub async fn usage(&self, containers: Vec<ContainerKey>) -> BTreeMap<ContainerKey, Usage> {
        let measured = stream::iter(containers)
            .map(|key| async move { self.measure(&key).await.map(|usage| (key, usage)) })
            .buffer_unordered(AT_ONCE)
            .take_until(tokio::time::sleep(ALL));
        measured.filter_map(std::future::ready).collect().await
    }

    async fn measure(&self, key: &ContainerKey) -> Option<Usage> {
        let client = self.attachment(&key.engine)?.client;
        // It is never closed.
        let _turn = self.measuring.acquire().await.ok()?;
        client.usage(&key.id).await.unwrap_or_else(|error| {
            debug!(target: "portreeve::engine", container = %key, "it cannot be measured: {error}");
            None
        })
    }
}
