//! Why an attempt did not end well.

use super::verdict::{self, Cause, Meaning};

/// Why an attempt did not end well.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Failure {
    /// What was seen.
    pub cause: Cause,
    /// The same for people, in our words: what was expected and what came. It holds nothing that a server sent, but for its
    /// protocol's codes: reasons are told to everybody.
    pub reason: String,
    /// What the other side said, on one line and bounded; for those who may see bodies.
    pub output: Option<String>,
}

impl Failure {
    /// `cause`, and what it is for people.
    pub fn new(cause: impl Into<Cause>, reason: impl Into<String>) -> Self {
        Self { cause: cause.into(), reason: reason.into(), output: None }
    }

    /// Instead of what was `expected` this came, which its protocol has a code for.
    pub fn got(cause: impl Into<Cause>, expected: &str) -> Self {
        let cause = cause.into();
        let reason = format!("expected {expected}, got {cause}");
        Self::new(cause, reason)
    }

    /// With what the other side said, whatever that is.
    #[must_use]
    pub fn saying(self, output: impl Into<String>) -> Self {
        Self { output: Some(output.into()), ..self }
    }

    /// What this means for the target.
    pub fn means(&self) -> Meaning {
        verdict::meaning(&self.cause)
    }
}
