//! Waiting for a condition with a deadline. No test sleeps and hopes.

use std::fmt::Debug;
use std::future::Future;
use std::time::{Duration, Instant};

/// Long enough for anything that should happen at once, on a machine that is busy with other tests.
pub const SOON: Duration = Duration::from_secs(45);

/// Looks again and again until `look` answers `Ok`, and gives that value; panics after `within` with what was
/// seen last. `Err` is "not yet", with what is there instead.
pub async fn until<T, E, F, Fut>(what: &str, within: Duration, mut look: F) -> T
where
    E: Debug,
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    let begin = Instant::now();
    let mut pause = Duration::from_millis(5);
    let mut last = None;
    while begin.elapsed() < within {
        // A look that hangs must not outlive the deadline either.
        match tokio::time::timeout(within.saturating_sub(begin.elapsed()), look()).await {
            Ok(Ok(value)) => return value,
            Ok(Err(seen)) => last = Some(seen),
            Err(_) => break,
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(100));
    }
    match last {
        Some(seen) => panic!("not within {within:?}: {what}; last seen: {seen:#?}"),
        None => panic!("not within {within:?}: {what}; no look at it came back"),
    }
}

/// Looks for the whole of `span` and panics as soon as `look` answers `Err`: for what must *not* happen.
/// The span is the claim ("no restart within 2 s"), not a guess at somebody's speed.
pub async fn throughout<E, F, Fut>(what: &str, span: Duration, mut look: F)
where
    E: Debug,
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<(), E>>,
{
    let begin = Instant::now();
    while begin.elapsed() < span {
        if let Err(seen) = look().await {
            panic!("not so after {:?} of {span:?}: {what}; seen: {seen:#?}", begin.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// `Ok` when `holds`, else what was seen: makes a condition for [`until`] and [`throughout`].
pub fn is<S>(holds: bool, seen: S) -> Result<(), S> {
    if holds { Ok(()) } else { Err(seen) }
}
