//! What is on its way while services are declared, taken away and declared again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use portreeve::controller::Controller;
use portreeve::desired::Desired;
use portreeve::guard::Guard;
use portreeve::reconcile::lifecycle::EventName;
use portreeve::resource::{KindId, ObjectKey};
use portreeve::store::{Sqlite, Store};
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::watch;

use super::post::TARGET;
use super::scripted::{Scripted, status};
use crate::integration::fixtures::{bill, billing, bills, commit, container, depths, life};
use crate::support::wait;

/// A controller without an engine, and what it is told to want.
struct Scene {
    store: Arc<dyn Store>,
    tell: watch::Sender<Arc<Desired>>,
    controller: Controller,
    _home: TempDir,
}

impl Scene {
    async fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let home = TempDir::new().unwrap();
        let store: Arc<dyn Store> = Arc::new(Sqlite::open(&home.path().join("p.db")).await.unwrap());
        let (tell, desired) = watch::channel(Arc::default());
        let controller = Controller::start(store.clone(), desired, Guard::default()).await.unwrap();
        Self { store, tell, controller, _home: home }
    }

    /// Has `desired` in force before it returns.
    async fn declare(&self, desired: Desired) {
        let desired = Arc::new(desired);
        self.tell.send_replace(desired.clone());
        wait::until("it is in force", wait::SOON, || async {
            wait::is(Arc::ptr_eq(&self.controller.view().desired(), &desired), ())
        })
        .await;
    }
}

fn service(url: &str) -> Desired {
    let spec = serde_json::from_value(json!({ "url": url, "timeout": "60s" })).unwrap();
    Desired { billing: BTreeMap::from([(TARGET.to_owned(), spec)]), ..Desired::default() }
}

#[tokio::test]
async fn a_lane_has_one_worker_however_its_service_comes_and_goes() {
    let scene = Scene::new().await;
    let server = Scripted::gated(|_, _| status(201)).await;
    let sent = life(TARGET, &container(1), 2);
    commit(&*scene.store, bills(sent.clone())).await;
    let served = || service(&server.url());
    let mut suspended = served();
    suspended.suspended.insert(ObjectKey { kind: KindId::BillingService, name: TARGET.to_owned() });
    scene.declare(served()).await;
    wait::until("the first call is under way", wait::SOON, || async {
        wait::is(server.inside() == 1, server.inside())
    })
    .await;
    for away in [Desired::default(), suspended] {
        scene.declare(away).await;
        scene.declare(served()).await;
    }
    wait::throughout("nothing else is called", Duration::from_millis(1500), || async {
        wait::is(server.inside() == 1, server.inside())
    })
    .await;
    server.open();
    wait::until("everything is delivered", wait::SOON, || async {
        let left = depths(&*scene.store, KindId::BillingService).await;
        wait::is(left.is_empty(), left)
    })
    .await;
    let bodies: Vec<_> = server.asked().into_iter().map(|asked| asked.body.into_bytes()).collect();
    assert_eq!(bodies, sent.into_iter().map(|(_, bill)| bill.body).collect::<Vec<_>>());
    scene.controller.finish().await;
}

#[tokio::test]
async fn what_was_held_while_a_service_was_gone_is_delivered_in_order_once_it_is_back() {
    let scene = Scene::new().await;
    let server = Scripted::start(|_, _| status(201)).await;
    let starts = |range: std::ops::Range<u32>| {
        range.map(|n| bill(TARGET, &container(n), EventName::Started, 0)).collect::<Vec<_>>()
    };
    scene.declare(service(&server.url())).await;
    commit(&*scene.store, bills(starts(0..3))).await;
    scene.controller.requests().wake_target(&billing(TARGET));
    wait::until("the starts are delivered", wait::SOON, || async {
        wait::is(server.asked().len() == 3, server.lines())
    })
    .await;
    scene.declare(Desired::default()).await;
    for n in 0..3 {
        commit(&*scene.store, bills(life(TARGET, &container(n), 3).split_off(1))).await;
    }
    scene.controller.requests().wake_target(&billing(TARGET));
    let held = depths(&*scene.store, KindId::BillingService).await;
    assert_eq!((held[TARGET].pending, server.asked().len()), (18, 3));
    scene.declare(service(&server.url())).await;
    wait::until("all of it is delivered", wait::SOON, || async {
        wait::is(depths(&*scene.store, KindId::BillingService).await.is_empty(), server.lines())
    })
    .await;
    for n in 0..3 {
        let key = container(n);
        let bodies: Vec<_> = server.asked().into_iter().map(|asked| asked.body).collect();
        let of_it: Vec<_> = bodies.into_iter().filter(|body| body.contains(&*key.id)).collect();
        let bodies_of_life: Vec<_> = life(TARGET, &key, 3)
            .into_iter()
            .map(|(_, bill)| String::from_utf8(bill.body).unwrap())
            .collect();
        assert_eq!(of_it, bodies_of_life);
    }
    scene.controller.finish().await;
}
