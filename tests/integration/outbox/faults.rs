//! Faults of our own: an attempt that panics.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use portreeve::observed::{ContainerKey, Nanos};
use portreeve::outbox::billing::BillingQueue;
use portreeve::outbox::{DeliveryContext, DeliveryOutcome, Due, Queue, Turn};
use portreeve::reconcile::lifecycle::EventName;
use portreeve::resource::ObjectKey;
use portreeve::store::{DeliveryFilter, Lane, LaneSubject, Settlement, StoreError};
use serde_json::json;

use super::post::{Post, TARGET};
use super::scripted::{Scripted, status};
use crate::integration::fixtures::{bill, bills, container};
use crate::support::wait;

/// The queue of a BillingService, whose work on one container panics for as long as it is told to.
struct Faulty {
    inner: BillingQueue,
    of: ContainerKey,
    left: Arc<AtomicUsize>,
    panics: Arc<AtomicUsize>,
}

#[async_trait]
impl Queue for Faulty {
    type Item = Lane;

    fn name(&self) -> &str {
        self.inner.name()
    }

    fn target(&self) -> ObjectKey {
        self.inner.target()
    }

    fn context(&self) -> &DeliveryContext {
        self.inner.context()
    }

    async fn due(&self, now: Nanos, busy: &[LaneSubject], limit: usize) -> Result<Due<Lane>, StoreError> {
        self.inner.due(now, busy, limit).await
    }

    async fn work(&self, lane: Lane, turn: &Turn) -> DeliveryOutcome {
        if lane.subject.container() == Some(&self.of) && self.left.load(Ordering::SeqCst) > 0 {
            self.left.fetch_sub(1, Ordering::SeqCst);
            self.panics.fetch_add(1, Ordering::SeqCst);
            panic!("an index out of bounds, say");
        }
        self.inner.work(lane, turn).await
    }

    fn panicked(&self, key: &LaneSubject, times: u32, wait: Duration, why: String) -> Settlement {
        self.inner.panicked(key, times, wait, why)
    }
}

/// What is logged on this thread while it is kept.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn an_attempt_that_panics_is_told_as_our_own_fault_and_tried_again_later_and_no_other_waits() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let service = Scripted::start(|_, _| status(201)).await;
    let mut post = Post::new().await;
    let (left, panics) = (Arc::new(AtomicUsize::new(usize::MAX)), Arc::<AtomicUsize>::default());
    let spec = serde_json::from_value(json!({"url": service.url()})).unwrap();
    let inner = BillingQueue { name: TARGET.to_owned(), spec, context: post.context() };
    post.serve(Faulty { inner, of: container(1), left: left.clone(), panics: panics.clone() });
    // The service is called for others, whatever becomes of the one.
    let bill = |number| bill(TARGET, &container(number), EventName::Started, 1);
    post.commit(bills(vec![bill(1), bill(2)])).await;
    wait::until("the other is delivered", wait::SOON, || async {
        wait::is(service.lines().len() == 1, service.lines())
    })
    .await;
    // A second, then two, and so on, however often it is woken.
    wait::throughout("it is tried now and then", Duration::from_secs(2), || async {
        post.wake();
        let seen = panics.load(Ordering::SeqCst);
        wait::is(seen <= 3, seen)
    })
    .await;
    assert!(panics.load(Ordering::SeqCst) >= 1);
    let said = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(said.contains("ERROR") && said.contains("a fault of Portreeve's own"), "{said}");
    assert!(said.contains("an index out of bounds, say") && said.contains(&*container(1).id), "{said}");
    // And it is seen where other failures are.
    let waiting =
        post.store.deliveries(&DeliveryFilter { limit: 10, ..DeliveryFilter::default() }).await.unwrap();
    let errors: Vec<_> = waiting.iter().filter_map(|delivery| delivery.last_error.as_deref()).collect();
    assert_eq!(errors, ["a fault of Portreeve's own: an index out of bounds, say"], "{waiting:#?}");
    left.store(0, Ordering::SeqCst);
    post.drained().await;
    assert_eq!(service.lines().len(), 2);
}
