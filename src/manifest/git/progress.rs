//! What Git says while it works: how far it has come, and what it complains of.

use std::convert::Infallible;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tracing::info;

use super::command::MOST_OUTPUT;

/// How often progress is logged.
const OFTEN: Duration = Duration::from_secs(30);
/// The longest line of progress that is repeated.
const LONGEST: usize = 200;

/// How far a command has come, as it said last.
#[derive(Debug, Default)]
pub(super) struct Progress(Mutex<String>);

impl Progress {
    /// Reads to the end and gives the lines that stay; one that is written over, ended by a carriage return, tells progress.
    pub(super) async fn lines(&self, stream: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
        let (mut kept, mut line, mut buffer) = (Vec::new(), Vec::new(), vec![0; 8192]);
        let Some(mut stream) = stream else { return Ok(kept) };
        loop {
            let read = stream.read(&mut buffer).await?;
            for &byte in &buffer[..read] {
                if byte == b'\r' {
                    self.set(&line);
                    line.clear();
                } else if line.len() < MOST_OUTPUT {
                    line.push(byte);
                }
                if byte == b'\n' || line.len() == MOST_OUTPUT {
                    keep(&mut kept, &line);
                    line.clear();
                }
            }
            if read == 0 {
                keep(&mut kept, &line);
                return Ok(kept);
            }
        }
    }

    fn set(&self, line: &[u8]) {
        let text: String =
            String::from_utf8_lossy(line).chars().filter(|c| !c.is_control()).take(LONGEST).collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = text.trim().to_owned();
    }

    /// How far the command has come.
    fn now(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Logs it, for as long as somebody waits.
    pub(super) async fn tell(&self, what: &str) -> Infallible {
        let mut passed = Duration::ZERO;
        loop {
            tokio::time::sleep(OFTEN).await;
            passed += OFTEN;
            let now = self.now();
            let now = if now.is_empty() { "no progress reported" } else { &now };
            info!(target: "portreeve::manifests", "git {what} has taken {} s so far: {now}", passed.as_secs());
        }
    }
}

/// The end is kept: that is where the reason stands.
fn keep(kept: &mut Vec<u8>, line: &[u8]) {
    kept.extend_from_slice(line);
    let over = kept.len().saturating_sub(MOST_OUTPUT);
    kept.drain(..over);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_written_over_is_progress_and_the_rest_is_kept() {
        let progress = Progress::default();
        let said = b"remote: a\nReceiving objects:  10%\rReceiving objects:  42% (5/12)\rfatal: early EOF\n";
        let kept = progress.lines(Some(&said[..])).await.expect("text");
        assert_eq!(String::from_utf8(kept).expect("text"), "remote: a\nfatal: early EOF\n");
        assert_eq!(progress.now(), "Receiving objects:  42% (5/12)");
        let long = [vec![b'x'; 3 * MOST_OUTPUT], b"\nfatal: no\n".to_vec()].concat();
        let kept = progress.lines(Some(&long[..])).await.expect("text");
        assert!(kept.len() <= MOST_OUTPUT && kept.ends_with(b"\nfatal: no\n"));
    }
}
