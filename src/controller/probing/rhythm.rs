//! When a check begins: its period and its place in the throng.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::FutureExt;
use metrics::counter;
use tracing::error;

use tokio::time::Instant;

use super::prober::{Check, CheckId, Prober};
use crate::observed::ProbeTarget;

/// Checks begin at multiples of this: hundreds a second then wake the processor a few dozen times.
const GRID: Duration = Duration::from_millis(20);

/// The life of one check.
pub(super) async fn go_on(prober: Arc<Prober>, id: CheckId, check: Arc<Check>, spread: Duration) {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    let mut dice = hasher.finish() | 1;
    let period = Duration::from_secs(u64::from(check.spec.period_seconds));
    let delay = match &id.target {
        ProbeTarget::Outside => Duration::ZERO,
        ProbeTarget::Container(key) => {
            let up =
                check.started.map_or(0, |started| prober.parts.world.engine_now(&key.engine).since(started));
            let up = Duration::from_nanos(u64::try_from(up).unwrap_or(0));
            Duration::from_secs(u64::from(check.spec.initial_delay_seconds)).saturating_sub(up)
        }
    };
    on_grid(Instant::now() + delay + spread.min(period)).await;
    loop {
        let began = Instant::now();
        let asked = async {
            if let Some(trial) = prober.ask(&id, &check).await {
                prober.take_in(&id, &check, trial);
            }
        };
        if let Err(panic) = AssertUnwindSafe(asked).catch_unwind().await {
            let why = crate::vital::panic_text(&*panic);
            counter!("portreeve_reconcile_panics_total", "kind" => "check").increment(1);
            error!(target: "portreeve::services", service = %id.service, probe = %id.probe, "a check panicked, a fault of Portreeve's own, and counts for nothing: {why}");
        }
        let streak = prober.parts.health_cache.read(|services| {
            let target = services.get(&*id.service)?.targets.get(&id.target)?;
            target.probes.get(&*id.probe).map(|probe| probe.streak.clone())
        });
        let period = streak.unwrap_or_default().period(&check.spec);
        // A twentieth more or less, so that what began together does not stay together.
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let period = period.mul_f64(0.95 + (dice >> 33) as u32 as f64 / f64::from(u32::MAX >> 1) * 0.1);
        on_grid(began + period).await;
    }
}

/// Sleeps until `due`, and a moment more if others are up by then.
async fn on_grid(due: Instant) {
    static FIRST: OnceLock<Instant> = OnceLock::new();
    let first = *FIRST.get_or_init(Instant::now);
    let beyond = due.saturating_duration_since(first).as_nanos() % GRID.as_nanos();
    let beyond = Duration::from_nanos(u64::try_from(beyond).unwrap_or(0));
    let wait = if beyond.is_zero() { beyond } else { GRID.saturating_sub(beyond) };
    tokio::time::sleep_until(due + wait).await;
}
