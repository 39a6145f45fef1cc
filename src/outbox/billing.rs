//! Posting bills: one lane per container, in order, the exact bytes, until the service takes them.

use std::time::Duration;

use async_trait::async_trait;
use metrics::counter;
use reqwest::{Method, Url};
use tracing::{debug, info, warn};

use super::call::Call;
use super::retry::{self, Acceptance};
use super::{DeliveryContext, DeliveryError, DeliveryOutcome, Due, Queue, Turn, after, signing_key};
use crate::observed::Nanos;
use crate::resource::billing_service::BillingServiceSpec;
use crate::resource::{KindId, ObjectKey};
use crate::store::{Lane, LaneKey, LaneSubject, PendingBill, Settlement, StoreError};

/// The lanes of one BillingService.
#[derive(Debug)]
pub struct BillingQueue {
    /// Name of the resource.
    pub name: String,
    /// Its spec.
    pub spec: BillingServiceSpec,
    /// Store, commits and HTTP.
    pub context: DeliveryContext,
}

#[async_trait]
impl Queue for BillingQueue {
    type Item = Lane;

    fn name(&self) -> &str {
        &self.name
    }

    fn target(&self) -> ObjectKey {
        ObjectKey { kind: KindId::BillingService, name: self.name.clone() }
    }

    fn context(&self) -> &DeliveryContext {
        &self.context
    }

    async fn due(&self, now: Nanos, busy: &[LaneSubject], limit: usize) -> Result<Due<Lane>, StoreError> {
        let DeliveryContext { store, owned, .. } = &self.context;
        let lanes = store.due_lanes(&self.target(), owned, now, busy, limit).await?;
        Ok(lanes.into_iter().map(|lane| (lane.subject.clone(), lane)).collect())
    }

    async fn work(&self, lane: Lane, turn: &Turn) -> DeliveryOutcome {
        let (mut attempts, mut last) = (lane.attempts, DeliveryOutcome::NotBegun);
        for bill in &lane.bills {
            if !turn.may_begin() {
                return last;
            }
            // The next bill of the lane waits for this to be stored: after a crash at most the last one is sent again.
            last = match turn.make(self.deliver(&lane, bill)).await {
                Ok(()) => {
                    turn.answered(KindId::BillingService, &self.name);
                    let taken = Settlement::Delivered { lane: self.lane(&lane.subject), seq: bill.seq };
                    self.context.settled(taken, DeliveryOutcome::Delivered).await
                }
                Err(DeliveryError::BrokenOff) => {
                    // It is pending still, and is sent again with the same id.
                    debug!(target: "portreeve::billing", service = %self.name, container = lane.name, id = %lane.subject, "{}", DeliveryError::BrokenOff);
                    return DeliveryOutcome::Failed;
                }
                Err(error) => {
                    let _hold = error.hold().map(|_| turn.hold());
                    let failed = self.failed(&lane, attempts, bill, &error, turn);
                    self.context.settled(failed, DeliveryOutcome::Failed).await
                }
            };
            attempts = 0;
            if last != DeliveryOutcome::Delivered {
                break;
            }
        }
        last
    }

    fn panicked(&self, subject: &LaneSubject, times: u32, wait: Duration, why: String) -> Settlement {
        let (lane, next) = (self.lane(subject), after(wait));
        Settlement::LaneWaits { lane, attempts: times, next, hold: None, error: why }
    }
}

/// How a call can end, as it is counted.
pub const OUTCOMES: [&str; 3] = ["delivered", "retried", "parked"];

impl BillingQueue {
    fn lane(&self, subject: &LaneSubject) -> LaneKey {
        LaneKey::billing(&self.name, subject.clone())
    }

    async fn deliver(&self, lane: &Lane, bill: &PendingBill) -> Result<(), DeliveryError> {
        let url = endpoint(&self.spec.url, &self.spec.path)?;
        let call = Call {
            method: Method::POST,
            url,
            body: Some(bill.body.clone()),
            headers: vec![("idempotency-key", bill.id.to_string())],
            timeout: self.spec.timeout.get(),
            auth: self.spec.auth.as_ref(),
            signing: signing_key(self.spec.signing.as_ref()),
        };
        self.context.http.send(call).await?;
        info!(target: "portreeve::billing", service = %self.name, container = lane.name, "Billing Service notified: {} for {}", bill.event, lane.subject.id());
        counter!("portreeve_deliveries_total", "kind" => "BillingService", "target" => self.name.clone(), "outcome" => "delivered").increment(1);
        Ok(())
    }

    fn failed(
        &self,
        lane: &Lane,
        attempts: u32,
        bill: &PendingBill,
        error: &DeliveryError,
        turn: &Turn,
    ) -> Settlement {
        let verdict = match error {
            DeliveryError::Status { status, .. } => retry::verdict(*status),
            DeliveryError::Transport { .. }
            | DeliveryError::Secret { .. }
            | DeliveryError::Url(_)
            | DeliveryError::BrokenOff => Acceptance::Later,
        };
        let retry_after = error.hold();
        let outcome = if verdict == Acceptance::Never { "parked" } else { "retried" };
        counter!("portreeve_deliveries_total", "kind" => "BillingService", "target" => self.name.clone(), "outcome" => outcome).increment(1);
        let first = attempts == 0 || verdict == Acceptance::Never;
        turn.failed(first, KindId::BillingService, &self.name, error, || {
            warn!(target: "portreeve::billing", service = %self.name, event = %bill.event, container = lane.name, id = lane.subject.id(), outcome, "Failed to notify Billing Service: {error}");
        });
        let key = self.lane(&lane.subject);
        match verdict {
            Acceptance::Never => Settlement::LaneParked { lane: key, error: error.to_string() },
            Acceptance::Taken | Acceptance::Later => {
                let attempts = attempts.saturating_add(1);
                let wait = retry::wait(
                    &self.spec.retry,
                    attempts,
                    retry_after,
                    retry::seed(&self.name, &lane.subject, attempts),
                );
                Settlement::LaneWaits {
                    lane: key,
                    attempts,
                    next: after(wait),
                    hold: retry::hold(retry_after).map(after),
                    error: error.to_string(),
                }
            }
        }
    }
}

/// `path` appended to the base URL, whose own path and trailing slash are kept and dropped.
pub(super) fn endpoint(base: &str, path: &str) -> Result<Url, DeliveryError> {
    let joined = format!("{}/{}", base.trim_end_matches('/'), path.trim_start_matches('/'));
    Url::parse(&joined).map_err(|error| DeliveryError::Url(format!("cannot be used: {error}")))
}
