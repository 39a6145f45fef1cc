//! Keeping a Discovery registry equal to what runs: one cell per container, only the latest state is sent.

use std::time::Duration;

use async_trait::async_trait;
use metrics::counter;
use reqwest::Method;
use tracing::{info, warn};

use super::call::Call;
use super::{
    DeliveryContext, DeliveryError, DeliveryOutcome, Due, Queue, Turn, after, billing::endpoint, retry,
};
use crate::observed::Nanos;
use crate::reconcile::discovery::Wanted;
use crate::resource::billing_service::Retry;
use crate::resource::discovery_registry::DiscoveryRegistrySpec;
use crate::resource::{KindId, ObjectKey};
use crate::store::{Cell, LaneKey, LaneSubject, Settlement, StoreError};

/// The cells of one DiscoveryRegistry.
#[derive(Debug)]
pub struct DiscoveryQueue {
    /// Name of the resource.
    pub name: String,
    /// Its spec.
    pub spec: DiscoveryRegistrySpec,
    /// Store, commits and HTTP.
    pub context: DeliveryContext,
}

#[async_trait]
impl Queue for DiscoveryQueue {
    type Item = Cell;

    fn name(&self) -> &str {
        &self.name
    }

    fn target(&self) -> ObjectKey {
        ObjectKey { kind: KindId::DiscoveryRegistry, name: self.name.clone() }
    }

    fn context(&self) -> &DeliveryContext {
        &self.context
    }

    async fn due(&self, now: Nanos, busy: &[LaneSubject], limit: usize) -> Result<Due<Cell>, StoreError> {
        let DeliveryContext { store, owned, .. } = &self.context;
        let cells = store.due_cells(&self.target(), owned, now, busy, limit).await?;
        Ok(cells.into_iter().map(|cell| (cell.subject.clone(), cell)).collect())
    }

    async fn resend(&self) -> Result<u64, StoreError> {
        let DeliveryContext { store, owned, .. } = &self.context;
        store.resend_cells(&self.target(), owned, crate::clock::now()).await
    }

    fn resend_period(&self) -> Option<Duration> {
        Some(self.spec.resync_period.get()).filter(|period| !period.is_zero())
    }

    async fn work(&self, cell: Cell, turn: &Turn) -> DeliveryOutcome {
        if !turn.may_begin() {
            return DeliveryOutcome::NotBegun;
        }
        let outcome = turn.make(self.bring_up_to_date(&cell)).await;
        let held = outcome.as_ref().err().and_then(DeliveryError::hold).map(|_| turn.hold());
        let (settlement, worked) = match outcome {
            Ok(action) => {
                if let Some(action) = action {
                    turn.answered(KindId::DiscoveryRegistry, &self.name);
                    info!(target: "portreeve::discovery", service = %self.name, container = cell.name, "Discovery Service notified: {action} for {}", cell.subject.id());
                    self.count("delivered");
                }
                let acked = Settlement::CellAcked {
                    cell: self.cell(&cell.subject),
                    generation: cell.generation,
                    state: cell.wanted.clone(),
                };
                (acked, DeliveryOutcome::Delivered)
            }
            Err(DeliveryError::BrokenOff) => {
                (self.waits(&cell, &DeliveryError::BrokenOff), DeliveryOutcome::Failed)
            }
            Err(error) => {
                turn.failed(cell.attempts == 0, KindId::DiscoveryRegistry, &self.name, &error, || {
                    warn!(target: "portreeve::discovery", service = %self.name, container = cell.name, id = cell.subject.id(), wanted = cell.wanted.as_str(), "Failed to notify Discovery Service: {error}");
                });
                self.count("retried");
                (self.waits(&cell, &error), DeliveryOutcome::Failed)
            }
        };
        let worked = self.context.settled(settlement, worked).await;
        drop(held);
        worked
    }

    fn panicked(&self, subject: &LaneSubject, times: u32, wait: Duration, why: String) -> Settlement {
        let (cell, next) = (self.cell(subject), after(wait));
        // It may have been heard.
        Settlement::CellWaits {
            cell,
            generation: None,
            attempts: times,
            next,
            hold: None,
            error: why,
            keeps_ack: false,
        }
    }
}

/// How a call can end, as it is counted.
pub const OUTCOMES: [&str; 2] = ["delivered", "retried"];

impl DiscoveryQueue {
    fn cell(&self, subject: &LaneSubject) -> LaneKey {
        LaneKey::discovery(&self.name, subject.clone())
    }

    /// Makes the calls that bring the registry to what is wanted, and says what they told it; `None`: nothing to say.
    async fn bring_up_to_date(&self, cell: &Cell) -> Result<Option<&'static str>, DeliveryError> {
        let id = cell.subject.id();
        match &cell.wanted {
            Wanted::Up(body) => {
                match self.call(Method::POST, "", Some(body)).await {
                    // The same body was acknowledged before: the registry remembers, all is well.
                    Err(DeliveryError::Status { status: 409, .. })
                        if cell.acked.as_ref() == Some(&cell.wanted) => {}
                    // What it holds is not what we say: of an earlier run, or of a call whose answer was lost.
                    Err(DeliveryError::Status { status: 409, .. }) => {
                        self.delete(id).await?;
                        self.call(Method::POST, "", Some(body)).await?;
                    }
                    other => other?,
                }
                Ok(Some("started"))
            }
            // It was never told of the container: there is nothing to take back.
            Wanted::Down | Wanted::Absent if !cell.attempted => Ok(None),
            Wanted::Down => {
                forgive_missing(self.call(Method::PUT, &format!("/{id}/status?status=DOWN"), None).await)?;
                Ok(Some("stopped"))
            }
            Wanted::Absent => {
                self.delete(id).await?;
                Ok(Some("removed"))
            }
        }
    }

    async fn delete(&self, id: &str) -> Result<(), DeliveryError> {
        forgive_missing(self.call(Method::DELETE, &format!("/{id}"), None).await)
    }

    async fn call(&self, method: Method, path: &str, body: Option<&String>) -> Result<(), DeliveryError> {
        let call = Call {
            method,
            url: endpoint(&self.spec.url, &format!("/registry/endpoints{path}"))?,
            body: body.map(|body| body.clone().into_bytes()),
            headers: Vec::new(),
            timeout: self.spec.timeout.get(),
            auth: self.spec.auth.as_ref(),
            signing: None,
        };
        self.context.http.send(call).await
    }

    fn waits(&self, cell: &Cell, error: &DeliveryError) -> Settlement {
        let retry_after = error.hold();
        // What was broken off has not failed: whoever works on it next begins at once.
        let broken_off = matches!(error, DeliveryError::BrokenOff);
        let attempts = cell.attempts.saturating_add(u32::from(!broken_off));
        let wait = match broken_off {
            true => Duration::ZERO,
            false => retry::wait(
                &Retry::default(),
                attempts,
                retry_after,
                retry::seed(&self.name, &cell.subject, attempts),
            ),
        };
        Settlement::CellWaits {
            cell: self.cell(&cell.subject),
            generation: Some(cell.generation),
            attempts,
            next: after(wait),
            hold: retry::hold(retry_after).map(after),
            error: error.to_string(),
            // Whoever asked for something else may have been heard although no answer came.
            keeps_ack: cell.acked.as_ref() == Some(&cell.wanted),
        }
    }

    fn count(&self, outcome: &'static str) {
        counter!("portreeve_deliveries_total", "kind" => "DiscoveryRegistry", "target" => self.name.clone(), "outcome" => outcome).increment(1);
    }
}

/// What is not there is as good as down or deleted.
fn forgive_missing(result: Result<(), DeliveryError>) -> Result<(), DeliveryError> {
    match result {
        Err(DeliveryError::Status { status: 404, .. }) => Ok(()),
        other => other,
    }
}
