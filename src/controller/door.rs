//! The one door by which faces read an engine: what it shows of itself on somebody's request, and not for a decision.
//!
//! # Guarantees
//! - No engine is asked for more at once than [`EngineRead`] lets it be, whoever wants it, and nobody waits for longer than it
//!   says: an engine that hangs takes a bounded number of requests with it, and none of another engine's.
//! - What is asked is counted (`portreeve_engine_reads_total`), by engine, read and end.
//!
//! A further kind of read is a variant here.

use std::time::Duration;

use metrics::counter;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// What is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EngineRead {
    /// What a container uses.
    Stats,
    /// One attempt of a probe that runs a command in a container, and is given this long for itself.
    Exec(Duration),
}

impl EngineRead {
    const fn word(self) -> &'static str {
        match self {
            Self::Stats => "stats",
            Self::Exec(_) => "exec",
        }
    }

    /// How many may be under way at one engine at once.
    pub(super) const fn at_once(self) -> usize {
        match self {
            // `top` asks for all containers at once; an engine waits over nearly all of each.
            Self::Stats => 64,
            Self::Exec(_) => 8,
        }
    }

    /// How long it may take, and how long its turn is waited for.
    const fn within(self) -> Duration {
        match self {
            // An engine that does not know `one-shot` takes a second or two over each.
            Self::Stats => Duration::from_secs(10),
            Self::Exec(itself) => itself.saturating_add(Duration::from_secs(5)),
        }
    }
}

/// Why nothing was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ReadError {
    /// The engine is away.
    #[error("the engine is not connected")]
    Away,
    /// As many are under way as may be, and none of them ended in time.
    #[error("the engine is still busy with earlier requests of this kind")]
    Busy,
    /// It was asked, and did not answer in time.
    #[error("the engine did not answer within {0:?}")]
    TimedOut(Duration),
}

/// The turns to read one engine.
#[derive(Debug)]
pub(super) struct Door {
    stats: Semaphore,
    execs: Semaphore,
}

impl Default for Door {
    fn default() -> Self {
        let turns = |read: EngineRead| Semaphore::new(read.at_once());
        Self { stats: turns(EngineRead::Stats), execs: turns(EngineRead::Exec(Duration::ZERO)) }
    }
}

impl Door {
    pub(super) async fn enter<T>(
        &self,
        read: EngineRead,
        call: impl Future<Output = T>,
    ) -> Result<T, ReadError> {
        let turns = match read {
            EngineRead::Stats => &self.stats,
            EngineRead::Exec(_) => &self.execs,
        };
        // It is never closed.
        let _turn = timeout(read.within(), turns.acquire()).await.map_err(|_| ReadError::Busy)?;
        timeout(read.within(), call).await.map_err(|_| ReadError::TimedOut(read.within()))
    }
}

/// Counts a read, and how it ended.
pub(super) fn counted<T>(engine: &str, read: EngineRead, result: &Result<T, ReadError>) {
    let end = match result {
        Ok(_) => "answered",
        Err(ReadError::Away) => "away",
        Err(ReadError::Busy) => "busy",
        Err(ReadError::TimedOut(_)) => "timed_out",
    };
    counter!("portreeve_engine_reads_total", "engine" => engine.to_owned(), "read" => read.word(), "end" => end)
        .increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_longer_than_it_says_and_no_more_are_asked_at_once() {
        let (door, read) = (Door::default(), EngineRead::Exec(Duration::from_secs(20)));
        let begun = std::sync::atomic::AtomicUsize::new(0);
        let hangs = || async {
            begun.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            std::future::pending::<()>().await;
        };
        let sooner = EngineRead::Exec(Duration::from_secs(1));
        let eight = futures_util::future::join_all((0..8).map(|_| door.enter(read, hangs())));
        let (eight, ninth) = tokio::join!(eight, door.enter(sooner, hangs()));
        assert_eq!((begun.into_inner(), ninth), (8, Err(ReadError::Busy)));
        assert_eq!(eight, [Err(ReadError::TimedOut(read.within())); 8]);
        assert_eq!(door.enter(read, async { 7 }).await, Ok(7), "its turns come back");
        assert_eq!(door.enter(EngineRead::Stats, async { 8 }).await, Ok(8));
    }
}
