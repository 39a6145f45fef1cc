//! What Git says while it works: how far it has come, and what it complains of.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::info;

/// How much of what a command prints is looked at.
pub(super) const MOST_OUTPUT: usize = 64 * 1024;
/// How often progress is logged.
const OFTEN: Duration = Duration::from_secs(30);
/// The longest line of progress that is repeated.
const LONGEST: usize = 200;

/// How far a command has come, as it said last. Copies tell the same.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    said: Arc<watch::Sender<String>>,
    /// What is not repeated.
    secret: Option<SecretString>,
}

impl Default for Progress {
    fn default() -> Self {
        Self { said: Arc::new(watch::channel(String::new()).0), secret: None }
    }
}

impl Progress {
    /// The same, without this secret: servers have been seen to repeat what they were sent.
    pub(super) fn hiding(&self, secret: Option<&SecretString>) -> Self {
        Self { said: self.said.clone(), secret: secret.cloned() }
    }

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
        let mut text: String = String::from_utf8_lossy(line).chars().filter(|c| !c.is_control()).collect();
        if let Some(secret) = &self.secret {
            text = text.replace(secret.expose_secret(), "***");
        }
        let text: String = text.trim().chars().take(LONGEST).collect();
        // The same once more is no progress.
        self.said.send_if_modified(|said| {
            let further = *said != text;
            *said = text;
            further
        });
    }

    /// How far the command has come, and every change of that.
    pub(super) fn said(&self) -> watch::Receiver<String> {
        self.said.subscribe()
    }

    /// Returns when the command has come no further for as long as `limit`.
    pub(super) async fn stalled(&self, limit: Duration) {
        let mut said = self.said();
        let mut last = Instant::now();
        while let Ok(changed) = tokio::time::timeout_at(last + limit, said.changed()).await {
            // We hold the sender.
            debug_assert!(changed.is_ok());
            last = Instant::now();
        }
    }

    /// Logs it, for as long as somebody waits.
    pub(super) async fn tell(&self, what: &str) -> Infallible {
        let mut passed = Duration::ZERO;
        loop {
            tokio::time::sleep(OFTEN).await;
            passed += OFTEN;
            let now = self.said.borrow().clone();
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
        assert_eq!(*progress.said().borrow(), "Receiving objects:  42% (5/12)");
        let hiding = progress.hiding(Some(&SecretString::from("hunter2")));
        hiding.lines(Some(&b"remote: hello hunter2\r"[..])).await.expect("text");
        assert_eq!(*progress.said().borrow(), "remote: hello ***");
        let long = [vec![b'x'; 3 * MOST_OUTPUT], b"\nfatal: no\n".to_vec()].concat();
        let kept = progress.lines(Some(&long[..])).await.expect("text");
        assert!(kept.len() <= MOST_OUTPUT && kept.ends_with(b"\nfatal: no\n"));
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_further_is_not_stalled_and_what_repeats_itself_is() {
        let progress = Progress::default();
        let begin = Instant::now();
        let saying = async {
            for step in 1..=40_u64 {
                tokio::time::sleep(Duration::from_secs(2)).await;
                // From the twentieth on it says the same.
                progress.set(format!("Receiving objects: {}%", step.min(20)).as_bytes());
            }
        };
        let ((), ()) = tokio::join!(saying, async {
            progress.stalled(Duration::from_secs(3)).await;
            assert_eq!(begin.elapsed().as_secs(), 43);
        });
    }
}
