//! An answer that goes on: one document a line.

use serde_json::Value;

use super::{ClientError, reason};

/// Lines of an answer that does not end.
#[derive(Debug)]
pub(in crate::cli) struct Lines {
    pub(super) answer: reqwest::Response,
    pub(super) server: String,
    pub(super) buffer: Vec<u8>,
}

impl Lines {
    /// The next document; `None` once the server ends the stream.
    pub(in crate::cli) async fn next(&mut self) -> Result<Option<Value>, ClientError> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                if line.iter().all(u8::is_ascii_whitespace) {
                    continue;
                }
                return serde_json::from_slice(&line).map(Some).map_err(|_| ClientError::Stranger {
                    server: self.server.clone(),
                    why: "a line that is not JSON".to_owned(),
                });
            }
            let chunk = self.answer.chunk().await.map_err(|error| ClientError::Unreachable {
                server: self.server.clone(),
                why: reason(&error),
            })?;
            match chunk {
                Some(chunk) => self.buffer.extend_from_slice(&chunk),
                None => return Ok(None),
            }
        }
    }
}
