//! When everything is sick at once, restarting it makes it worse (RELIABILITY, figures to reach).

use std::time::Duration;

use bollard::models::{Mount, MountType};
use futures_util::{StreamExt, stream};
use serde_json::Value;

use super::scene::Scene;
use crate::support::container::Container;
use crate::support::record::EngineRecord;
use crate::support::wait;

const TARGETS: usize = 100;
/// A machine that is busy with other tests checks a hundred containers slowly.
const PATIENCE: Duration = Duration::from_secs(240);
/// Between two checks of a container: before it is over nobody knows whether a restart healed it.
const CHECK: Duration = Duration::from_secs(8);

async fn rows(scene: &Scene) -> Vec<Value> {
    let Value::Array(rows) = scene.json("/api/containers").await.unwrap() else { panic!("no array") };
    rows
}

/// When events of this type were, newest first.
async fn times(scene: &Scene, kind: &str) -> Vec<jiff::Timestamp> {
    let path = format!("/api/events?limit=10000&type={kind}");
    let Value::Array(events) = scene.json(&path).await.unwrap() else { panic!("no array") };
    events.iter().map(|event| event["timestamp"].as_str().unwrap().parse().unwrap()).collect()
}

async fn told(scene: &Scene, kind: &str) -> usize {
    times(scene, kind).await.len()
}

fn is_blocked(row: &Value) -> bool {
    row["blocked"].as_array().is_some_and(|blocked| blocked.iter().any(|why| why["reason"] == "BreakerOpen"))
}

async fn all(scene: &Scene, health: &str) -> Result<(), String> {
    let rows = rows(scene).await;
    let count = rows.iter().filter(|row| row["health"] == health).count();
    wait::is(count == TARGETS, format!("{count} of {} are {health}", rows.len()))
}

#[tokio::test]
async fn of_a_hundred_unhealthy_at_once_three_at_most_are_restarted_and_one_event_says_why() {
    let mut scene = Scene::own().await;
    scene.portreeve.start().await;
    let record = EngineRecord::start(&scene.engine, &scene.lab).await;
    // What all of them need is taken from all of them at once.
    let needed = scene.portreeve.home().join("needed");
    std::fs::create_dir(&needed).unwrap();
    std::fs::write(needed.join("ok"), "").unwrap();
    let mount = Mount {
        typ: Some(MountType::BIND),
        source: Some(needed.display().to_string()),
        target: Some("/needed".to_owned()),
        ..Mount::default()
    };
    let containers: Vec<Container> = stream::iter(0..TARGETS)
        .map(|number| {
            let check = "test -e /needed/ok";
            let one = scene.lab.healed(&format!("web-{number}"));
            let one = one.healthcheck(check, CHECK, 1);
            one.with(|_, host| host.mounts = Some(vec![mount.clone()])).start()
        })
        .buffer_unordered(4)
        .collect()
        .await;
    wait::until("all are healthy", PATIENCE, || all(&scene, "healthy")).await;

    std::fs::remove_file(needed.join("ok")).unwrap();
    wait::until("the breaker is open for whoever is sick", PATIENCE, || async {
        let rows = rows(&scene).await;
        let blocked = rows.iter().filter(|row| is_blocked(row)).count();
        wait::is(blocked >= TARGETS - 3, format!("{blocked} of {}", rows.len()))
    })
    .await;
    let starts = || containers.iter().map(|web| record.count(web.id(), "start")).sum::<usize>();
    let (opened, began) = (times(&scene, "BreakerOpen").await, times(&scene, "Restarting").await);
    let (restarts, [opened]) = (began.len(), opened.as_slice()) else {
        panic!("opened {} times", opened.len())
    };
    // A machine that is busy does not find a hundred sick at once, but by and by: then the next three may follow once the
    // three before them were checked again.
    let lasted =
        began.last().map_or(0, |first| opened.duration_since(*first).as_secs().max(0).cast_unsigned());
    let most = 3 * (1 + lasted / CHECK.as_secs());
    assert!(u64::try_from(restarts).unwrap() <= most, "{restarts} restarts within {lasted} s");

    // Nor does a Portreeve that begins anew begin anew with them.
    scene.portreeve.kill9().await;
    scene.portreeve.start().await;
    wait::until("all are sick, and left alone", PATIENCE, || all(&scene, "unhealthy")).await;
    wait::until("all are blocked", wait::SOON, || async {
        let blocked = rows(&scene).await.iter().filter(|row| is_blocked(row)).count();
        wait::is(blocked == TARGETS, blocked)
    })
    .await;
    assert_eq!([starts() - TARGETS, told(&scene, "BreakerOpen").await], [restarts, 1]);
    let metrics = scene.portreeve.get("/metrics").await.unwrap().body;
    assert!(metrics.contains("portreeve_breaker_open{engine=\"local\",policy=\"default\"} 1\n"), "{metrics}");
    assert!(metrics.contains("portreeve_healing_blocked{reason=\"BreakerOpen\"} 100\n"), "{metrics}");

    std::fs::write(needed.join("ok"), "").unwrap();
    wait::until("healing goes on", PATIENCE, || async {
        let closed = told(&scene, "BreakerClosed").await;
        wait::is(closed == 1, closed)
    })
    .await;
    assert_eq!(starts() - TARGETS, restarts, "they became healthy by themselves");
    scene.receiver.state().assert_clean();
}
