//! Connections: one for each engine that answers.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::door::{Door, EngineRead, ReadError, counted};
use crate::docker::Client;
use crate::docker::informer::Fingerprints;
use crate::observed::Nanos;

/// One engine's connection, while there is one.
#[derive(Clone, Debug)]
pub(super) struct Attachment {
    pub client: Client,
    pub seen: Arc<Fingerprints>,
    /// Engine time at which it was made.
    pub contact: Nanos,
    pub read_only: bool,
    /// How faces read it.
    pub door: Arc<Door>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Attachments(RwLock<HashMap<Arc<str>, Attachment>>);

impl Attachments {
    pub(super) fn get(&self, engine: &str) -> Option<Attachment> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(engine).cloned()
    }

    pub(super) fn attach(&self, engine: Arc<str>, attachment: Attachment) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(engine, attachment);
    }

    pub(super) fn detach(&self, engine: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(engine);
    }

    /// Reads an engine on behalf of a face.
    pub(super) async fn read<T, F>(
        &self,
        engine: &str,
        read: EngineRead,
        call: impl FnOnce(Client) -> F,
    ) -> Result<T, ReadError>
    where
        F: Future<Output = T>,
    {
        let result = match self.get(engine) {
            Some(attachment) => attachment.door.enter(read, call(attachment.client)).await,
            None => Err(ReadError::Away),
        };
        counted(engine, read, &result);
        result
    }
}
