//! Tasks without which Portreeve is only half alive: one that panics ends the process, so that whatever supervises it starts it
//! again. What was committed is taken up there.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::LazyLock;

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::error;

/// The task that panicked first, and what it said.
static FAILED: LazyLock<watch::Sender<Option<String>>> = LazyLock::new(|| watch::Sender::new(None));

/// Spawns a task without which nothing goes on as it should; `name` is for people.
pub fn spawn<T: Send + 'static>(
    name: &'static str,
    task: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<T> {
    tokio::spawn(async move {
        match AssertUnwindSafe(task).catch_unwind().await {
            Ok(value) => value,
            Err(panic) => {
                let why = panic_text(&*panic);
                error!("{name} panicked: {why}; a fault of Portreeve's own, which ends with exit code 70");
                FAILED.send_if_modified(|failed| {
                    let first = failed.is_none();
                    failed.get_or_insert_with(|| format!("{name} panicked: {why}"));
                    first
                });
                // Nobody is told that it came to an end of its own.
                std::future::pending().await
            }
        }
    })
}

/// Waits for one of them to panic; gives which, and what it said.
pub async fn failed() -> String {
    let mut failed = FAILED.subscribe();
    let found = failed.wait_for(Option::is_some).await;
    found.ok().and_then(|failed| failed.clone()).unwrap_or_default()
}

/// What a panic said.
pub fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("it did not say why")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_says_what_it_was_given() {
        assert_eq!(panic_text(&"a"), "a");
        assert_eq!(panic_text(&"b".to_owned()), "b");
        assert_eq!(panic_text(&7), "it did not say why");
    }

    #[tokio::test]
    async fn a_task_that_panics_is_told_of_and_one_that_ends_is_not() {
        assert_eq!(spawn("the sum", async { 2 + 2 }).await.expect("it ends"), 4);
        let task = spawn("the writer", async { panic!("no ink") });
        assert_eq!(failed().await, "the writer panicked: no ink");
        assert!(!task.is_finished());
    }
}
