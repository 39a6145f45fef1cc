//! A subscription that a test feeds by hand.

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

use super::container;

/// One subscriber's end.
pub struct Feed {
    pub(super) stream: UnixStream,
    pub(super) bytes: usize,
    /// The time in nanoseconds from which on events are asked for.
    pub since: i64,
}

impl Feed {
    /// Writes an event; returns when the socket has taken it.
    pub async fn event(&mut self, id: &str, name: &str, action: &str, at: i64) {
        self.write(&event(id, name, action, at)).await;
    }

    /// Writes more than a socket buffers of what a reader skips: when this returns, all before it has been read.
    pub async fn flush(&mut self) {
        let padding = "x".repeat(32 * 1024);
        for _ in 0..64 {
            self.write(&json!({
                "Type": "container", "Action": "top", "time": 1, "timeNano": 1_000_000_000_i64,
                "Actor": {"ID": "padding", "Attributes": {"padding": padding}},
            }))
            .await;
        }
    }

    /// Writes a line that may be anything.
    pub async fn line(&mut self, line: &Value) {
        self.write(line).await;
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    async fn write(&mut self, event: &Value) {
        let text = format!("{event}\n");
        self.bytes += text.len();
        self.stream.write_all(chunk(&text).as_bytes()).await.expect("the subscriber stays");
    }
}

/// A part of a chunked body.
pub(super) fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

/// An event of a container of which nothing is known but this.
pub(super) fn event(id: &str, name: &str, action: &str, at: i64) -> Value {
    let mut attributes = json!({"name": name, "image": "fake:1"});
    if action == "die" {
        attributes["exitCode"] = "0".into();
    }
    container::event(id, &attributes, action, at)
}
