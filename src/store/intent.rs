//! Intents as they are stored: a row for each that is open.

use crate::reconcile::intent::Intent;

/// An intent that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenIntent {
    /// To whose memory it belongs: healing's is a logical identity.
    pub owner: String,
    /// What is being done.
    pub intent: Intent,
}

/// What becomes of an intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IntentChange {
    /// It is opened, or more is known of it. No other one may be open for its container.
    Put(Box<OpenIntent>),
    /// It is over: its id.
    Close(String),
}

impl IntentChange {
    /// The intent's id.
    pub fn id(&self) -> &str {
        match self {
            Self::Put(open) => &open.intent.id,
            Self::Close(id) => id,
        }
    }

    /// What is open by it.
    pub const fn put(&self) -> Option<&OpenIntent> {
        match self {
            Self::Put(open) => Some(open),
            Self::Close(_) => None,
        }
    }

    /// The id of what is over by it.
    pub fn closed(&self) -> Option<&str> {
        match self {
            Self::Put(_) => None,
            Self::Close(id) => Some(id),
        }
    }
}

/// An intent that an earlier process left open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredIntent {
    /// Its id.
    pub id: String,
    /// To whose memory it belongs.
    pub owner: String,
    /// The intent, as a document.
    pub document: String,
}
