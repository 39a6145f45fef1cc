//! Portreeve killed again and again while containers come and go and both services fail a third of all calls.
//!
//! `PORTREEVE_SEED` repeats a run's choices (not its timing).

use std::collections::BTreeSet;
use std::time::Duration;

use bollard::query_parameters::ListContainersOptionsBuilder;
use futures_util::future::join_all;

use super::downtime::expected;
use super::scene::Scene;
use crate::support::container::Container;
use crate::support::lab::Lab;
use crate::support::portreeve::Portreeve;
use crate::support::receiver::faults::Faults;
use crate::support::record::EngineRecord;
use crate::support::wait;

/// Containers are made and ended by so many at once.
const WORKERS: usize = 5;
/// How long the last bills may take once nothing happens any more.
const CATCH_UP: Duration = Duration::from_secs(60);

/// SplitMix64: small, and the same for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((bits ^ (bits >> 31)) % bound as u64).unwrap()
    }

    fn millis(&mut self, bound: usize) -> Duration {
        Duration::from_millis(self.below(bound) as u64)
    }
}

fn seed() -> u64 {
    let given = std::env::var("PORTREEVE_SEED").ok();
    let seed = given
        .map(|seed| seed.parse().expect("PORTREEVE_SEED is a number"))
        .unwrap_or_else(|| std::time::UNIX_EPOCH.elapsed().unwrap().subsec_nanos().into());
    eprintln!("PORTREEVE_SEED={seed}");
    seed
}

/// How many changes of a container's life the engine told of so far.
fn lifecycle_events(record: &EngineRecord) -> usize {
    let counts = |action: &str| matches!(action, "create" | "start" | "die" | "destroy");
    record.all().iter().filter(|entry| counts(&entry.action)).count()
}

/// Makes, restarts, kills, stops and removes containers until the engine has told of enough.
async fn work(lab: &Lab, record: &EngineRecord, events: usize, worker: usize, mut dice: Dice) {
    let mut own: Vec<Container> = Vec::new();
    let mut made = 0;
    while lifecycle_events(record) < events {
        made += 1;
        let name = format!("w{worker}-{made}");
        if own.len() < 2 {
            own.push(lab.container(&name).start().await);
            continue;
        }
        let chosen = dice.below(own.len());
        match dice.below(8) {
            0 => own.push(lab.container(&name).start().await),
            1 => drop(lab.container(&name).auto_remove().cmd(&["true"]).start().await),
            2 => drop(lab.container(&name).shell("exit 1").start().await),
            3 => own[chosen].restart().await,
            4 => {
                own[chosen].kill("KILL").await;
                record.wait(own[chosen].id(), "die", 1).await;
                own[chosen].wait_status(bollard::models::ContainerStateStatusEnum::EXITED).await;
                own[chosen].start().await;
            }
            5 => {
                own[chosen].stop().await;
                own[chosen].start().await;
            }
            6 => {
                // Too fast for anybody to look in between.
                own[chosen].restart().await;
                own[chosen].restart().await;
            }
            _ => own.swap_remove(chosen).remove().await,
        }
    }
}

/// Kills it at moments spread over all events, and starts it again at once.
async fn kill(portreeve: &mut Portreeve, record: &EngineRecord, kills: usize, events: usize, mut dice: Dice) {
    let mut moments: Vec<usize> = (0..kills).map(|_| dice.below(events)).collect();
    moments.sort_unstable();
    for moment in moments {
        wait::until("the next kill", CATCH_UP * 10, || async {
            wait::is(lifecycle_events(record) >= moment, lifecycle_events(record))
        })
        .await;
        tokio::time::sleep(dice.millis(400)).await;
        portreeve.kill9().await;
        tokio::time::sleep(dice.millis(200)).await;
        portreeve.spawn();
    }
}

/// Containers whose bills are not what the engine's own account asks for.
fn deviations(scene: &Scene, record: &EngineRecord) -> Vec<String> {
    let ids: BTreeSet<String> = record.all().into_iter().map(|entry| entry.container).collect();
    let deviation = |id: &String| {
        let (wanted, told) = (expected(record, id), scene.names(id));
        (told != wanted).then(|| format!("{}: told {told:?}, the engine says {wanted:?}", &id[..12]))
    };
    ids.iter().filter_map(deviation).collect()
}

/// Each bill's time lies before the event that told of it.
fn assert_times(scene: &Scene, record: &EngineRecord) {
    let state = scene.receiver.state();
    let containers: BTreeSet<&str> =
        state.billed.iter().map(|billed| billed.event.container_id.as_str()).collect();
    for id in containers {
        for (name, action) in [("started", "start"), ("stopped", "die"), ("removed", "destroy")] {
            let told = state.events_of(id).into_iter().filter(|event| event.event == name);
            for (event, at) in told.zip(record.times(id, action)) {
                let billed: jiff::Timestamp = event.timestamp.parse().unwrap();
                assert!(billed.as_nanosecond() <= at.into(), "{event:?} is later than {at}");
            }
        }
    }
}

async fn kill_loop(kills: usize, events: usize) {
    let seed = seed();
    let mut scene = Scene::own().await;
    let record = EngineRecord::start(&scene.engine, &scene.lab).await;
    scene.receiver.discovery.faults(Faults::third(seed));
    scene.receiver.billing.faults(Faults::third(seed + 1));
    scene.portreeve.start().await;

    let Scene { portreeve, lab, .. } = &mut scene;
    let workers = (0..WORKERS).map(|n| work(lab, &record, events, n, Dice(seed + 2 + n as u64)));
    tokio::join!(join_all(workers), kill(portreeve, &record, kills, events, Dice(seed)));
    scene.portreeve.wait_ready().await;
    // What is left is delivered whether calls fail or not; the waits would only make this longer.
    scene.receiver.discovery.faults(Faults::default());
    scene.receiver.billing.faults(Faults::default());
    // A success wakes what waits; two, since the services are not asked again within a second.
    let marker = scene.lab.container("marker").start().await;
    scene.billed_within(marker.id(), &["started"], CATCH_UP).await;
    marker.stop().await;

    wait::until("all is told as the engine tells it", CATCH_UP, || async {
        let deviations = deviations(&scene, &record);
        wait::is(
            deviations.is_empty(),
            (deviations, scene.receiver.state().violations, scene.portreeve.log()),
        )
    })
    .await;
    assert_times(&scene, &record);
    let options = ListContainersOptionsBuilder::default().build();
    let running = scene.engine.docker().list_containers(Some(options)).await.unwrap();
    let running: BTreeSet<String> = running.into_iter().filter_map(|container| container.id).collect();
    // Longer: a registration may have failed many times in a row, and its next try be a minute away.
    wait::until("the registry holds what runs", CATCH_UP * 3, || async {
        let up: BTreeSet<String> =
            scene.receiver.look(|state| state.up().into_iter().map(str::to_owned).collect());
        let differ: Vec<String> = up.symmetric_difference(&running).cloned().collect();
        let about =
            |line: &String| differ.iter().any(|id| line.contains(id.as_str()) || line.contains(&id[..12]));
        let lines: Vec<_> = scene.portreeve.lines().into_iter().filter(about).collect();
        let calls: Vec<_> =
            scene.receiver.state().calls.iter().map(ToString::to_string).filter(about).collect();
        wait::is(differ.is_empty(), (differ.clone(), lines, calls))
    })
    .await;
    let gaps = scene.json("/api/events?type=gap").await.unwrap();
    assert_eq!(gaps, serde_json::Value::Array(vec![]), "nothing was lost, so nothing is unknown");
    // A delivery whose answer was lost counts as delivered once it was repeated.
    wait::until("nothing waits", CATCH_UP, || async {
        let deliveries = scene.json("/health/detailed").await?["deliveries"].clone();
        let done = [&deliveries["billing"]["b"], &deliveries["discovery"]["d"]]
            .iter()
            .all(|target| target["pending"] == 0 && target["parked"] == 0);
        if done { Ok(()) } else { Err(format!("{deliveries:#}")) }
    })
    .await;
    scene.receiver.state().assert_clean();
}

#[tokio::test]
async fn killed_20_times_during_300_events_it_tells_everything_once_and_in_order() {
    kill_loop(20, 300).await;
}

#[tokio::test]
#[ignore = "takes many minutes: make soak"]
async fn soak_kill_loop_200_5000() {
    kill_loop(200, 5000).await;
}
