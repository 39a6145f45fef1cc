//! Engines and registries that were deleted: what becomes of what is billed and registered.

use portreeve::store::Deliveries;

use super::*;
use crate::integration::fixtures::{ALL, billing, depths, fleet, load};

#[tokio::test]
async fn the_containers_of_a_host_that_is_deleted_are_registered_no_more_and_nothing_waits_for_it() {
    let mut engine = FakeEngine::start();
    let receiver = Receiver::start(Options::default()).await.unwrap();
    let reg = registry("d", &receiver, &[]);
    let scene = Scene::start(&[host("e", &engine), away(), reg.clone()]).await;
    engine.show(&id("a"), Some(running("web")));
    let mut feed = engine.subscribed().await;
    scene.connected("e", true).await;
    registered(&receiver, 1).await;
    // What cannot be inspected any more is tried again and again, while there is a host to ask.
    let held = engine.hold_inspects().await;
    feed.event(&id("a"), "web", "unpause", now()).await;
    feed.flush().await;
    drop((feed, engine, held));
    scene.connected("e", false).await;
    assert!(scene.controller.view().queue_depth().0 > 0, "it waits for the engine");
    scene.declare(&[away(), reg.clone()]);
    registered(&receiver, 0).await;
    idle(&scene).await;
    // Nor does it come back with a start.
    let scene = scene.restart(&[away(), reg], None).await;
    idle(&scene).await;
    assert!(receiver.look(|state| state.registry.is_empty()));
    receiver.state().assert_clean();
    scene.controller.finish().await;
}

#[tokio::test]
async fn the_containers_of_a_host_that_is_deleted_stay_registered_where_it_says_so() {
    let mut engine = FakeEngine::start();
    let receiver = Receiver::start(Options::default()).await.unwrap();
    let reg = registry("d", &receiver, &[]);
    let kept = object("DockerHost", "e", json!({"endpoint": engine.endpoint(), "deletionPolicy": "retain"}));
    let mut other = FakeEngine::start();
    let scene = Scene::start(&[kept, host("o", &other), reg.clone()]).await;
    engine.show(&id("a"), Some(running("web")));
    other.show(&id("b"), Some(running("db")));
    let _feeds = (engine.subscribed().await, other.subscribed().await);
    registered(&receiver, 2).await;
    scene.declare(&[away(), reg.clone()]);
    registered(&receiver, 1).await;
    let scene = scene.restart(&[away(), reg], None).await;
    idle(&scene).await;
    assert!(receiver.look(|state| state.registry.contains_key(&id("a"))));
    receiver.state().assert_clean();
    scene.controller.finish().await;
}

#[tokio::test]
async fn what_is_billed_of_a_host_that_was_deleted_meanwhile_names_it() {
    let mut engine = FakeEngine::start();
    let service = object("BillingService", "b", json!({"url": "http://127.0.0.1:1"}));
    let scene = Scene::start(&[host("e", &engine), away(), service.clone()]).await;
    let web = running("web");
    engine.show(&id("a"), Some(web.clone()));
    let mut feed = engine.subscribed().await;
    scene.connected("e", true).await;
    idle(&scene).await;
    let held = engine.hold_inspects().await;
    engine.show(&id("a"), Some(Container { running: false, finished: now(), ..web }));
    feed.event(&id("a"), "web", "die", now()).await;
    feed.flush().await;
    // The inspect is on its way.
    wait::until("it is worked on", wait::SOON, || async {
        let depth = scene.controller.view().queue_depth();
        wait::is(depth.0 == 1 && depth.1 == 0, depth)
    })
    .await;
    scene.declare(&[away(), service]);
    wait::until("it is forgotten", wait::SOON, || async {
        let engine = scene.engine("e");
        wait::is(engine.is_none(), engine)
    })
    .await;
    drop(held);
    let bodies = wait::until("its end is billed", wait::SOON, || async {
        let lanes = scene.store.due_lanes(&billing("b"), &ALL, Nanos(i64::MAX), &[], 9).await.unwrap();
        let bills = lanes.iter().flat_map(|lane| &lane.bills);
        let bodies: Vec<_> = bills.map(|bill| String::from_utf8_lossy(&bill.body).into_owned()).collect();
        if bodies.len() == 2 { Ok(bodies) } else { Err(format!("{bodies:?}")) }
    })
    .await;
    assert!(bodies.iter().all(|body| body.contains(r#""host":"fake-host""#)), "{bodies:?}");
    scene.controller.finish().await;
}

#[tokio::test]
async fn a_registry_that_is_deleted_is_told_while_portreeve_runs_and_at_its_next_start() {
    let mut engine = FakeEngine::start();
    let (gone, kept) = (
        Receiver::start(Options::default()).await.unwrap(),
        Receiver::start(Options::default()).await.unwrap(),
    );
    let of = |name: &str| registry(name, &gone, &[]);
    let retain = registry("kept", &kept, &[("deletionPolicy", "retain")]);
    let near = host("e", &engine);
    let scene = Scene::start(&[near.clone(), of("d"), retain.clone()]).await;
    engine.show(&id("a"), Some(running("web")));
    let feed = engine.subscribed().await;
    registered(&gone, 1).await;
    registered(&kept, 1).await;
    scene.declare(std::slice::from_ref(&near));
    let told = scene.told("Deregistered").await;
    assert_eq!(told[0].event.message, "DiscoveryRegistry/d is deleted, and its registrations were removed");
    assert!(gone.look(|state| state.registry.is_empty()));
    // It may come back.
    scene.declare(&[near.clone(), of("d"), retain]);
    registered(&gone, 1).await;
    // Deleted while nobody looked.
    let scene = scene.restart(&[near], None).await;
    drop(feed);
    wait::until("it is told", wait::SOON, || async {
        let told = scene.events("Deregistered").await;
        wait::is(told.len() == 2, told)
    })
    .await;
    assert!(gone.look(|state| state.registry.is_empty()));
    assert_eq!(load(&*scene.store).await.last_specs, [].into());
    assert!(kept.look(|state| state.registry.contains_key(&id("a"))), "it says so");
    gone.state().assert_clean();
    kept.state().assert_clean();
    scene.controller.finish().await;
}

#[tokio::test]
async fn a_deleted_registry_that_cannot_be_told_is_given_up_and_named() {
    let mut engine = FakeEngine::start();
    let nobody = object("DiscoveryRegistry", "d", json!({"url": "http://127.0.0.1:1"}));
    let scene = Scene::start(&[host("e", &engine), nobody]).await;
    engine.show(&id("a"), Some(running("web")));
    let feed = engine.subscribed().await;
    wait::until("it is to be registered", wait::SOON, || async {
        let cells = depths(&*scene.store, KindId::DiscoveryRegistry).await;
        wait::is(cells.get("d").is_some_and(|cells| cells.pending == 1 && cells.last_error.is_some()), cells)
    })
    .await;
    // As if it had been deleted long ago.
    let key = ObjectKey { kind: KindId::DiscoveryRegistry, name: "d".to_owned() };
    let document = json!({"registry": {"url": "http://127.0.0.1:1"}, "gone": 1}).to_string();
    let long_ago = ChangeSet { last_specs: vec![(key, Some(document))], ..fleet() };
    let scene = scene.restart(&[host("e", &engine)], Some(long_ago)).await;
    drop(feed);
    let told = scene.told("DeregistrationFailed").await;
    let message = &told[0].event.message;
    let says = "DiscoveryRegistry/d is deleted and did not accept that within 10 minutes; 1 registration may remain there: ";
    assert!(message.starts_with(says), "{message}");
    let cells = depths(&*scene.store, KindId::DiscoveryRegistry).await;
    assert!(cells.is_empty(), "{cells:?}");
    assert_eq!(load(&*scene.store).await.last_specs, [].into());
    scene.controller.finish().await;
}
