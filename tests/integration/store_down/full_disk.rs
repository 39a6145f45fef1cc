//! The real program on a real full disk: a small file system of its own under the state directory.

use std::time::Duration;

use crate::support::container::Container;
use crate::support::disk::Disk;
use crate::support::engine::Engine;
use crate::support::lab::{LABEL, Lab};
use crate::support::portreeve::Portreeve;
use crate::support::receiver::{Options, Receiver};
use crate::support::wait;

async fn store_status(portreeve: &Portreeve) -> Result<String, String> {
    let answer = portreeve.get("/health/detailed").await?;
    Ok(answer.json()["store"]["status"].as_str().unwrap_or_default().to_owned())
}

/// Starts containers until the store fails; gives them, the last being the one it failed for.
async fn overfill(lab: &Lab, portreeve: &Portreeve, disk: &Disk) -> Vec<Container> {
    let mut containers = Vec::new();
    for n in 0..10 {
        // What a commit freed or rounded up must not help the next.
        disk.fill();
        containers.push(lab.container(&format!("full-{n}")).start().await);
        let known = containers[n].id().to_owned();
        let failing = wait::until("it is stored, or not", wait::SOON, || async {
            if store_status(portreeve).await? == "failing" {
                return Ok(true);
            }
            let seen = portreeve.get("/api/events").await?.body.contains(&known);
            wait::is(seen, "neither".to_owned()).map(|()| false)
        })
        .await;
        if failing {
            return containers;
        }
    }
    panic!("ten containers fit on a full disk; its log:\n{}", portreeve.log());
}

#[tokio::test]
async fn on_a_full_disk_the_faces_stay_up_nothing_unrecorded_is_sent_and_all_recovers() {
    let engine = Engine::shared().await;
    let receiver = Receiver::start(Options::default()).await.unwrap();
    let lab = Lab::new(&engine).await;
    let portreeve = Portreeve::new(env!("CARGO_BIN_EXE_portreeve")).docker_host(engine.endpoint());
    let mut portreeve = portreeve.healing_only(&lab);
    let Some(disk) = Disk::mount(&portreeve.state_dir(), "3m") else { return };
    portreeve.manifest(
        "billing.yaml",
        &format!(
            "apiVersion: portreeve/v1\nkind: BillingService\nmetadata: {{name: billing}}\nspec:\n  url: {}\n  \
             selector: {{labels: {{{LABEL}: {:?}}}}}\n",
            receiver.billing.url(),
            lab.run()
        ),
    );
    portreeve.start().await;
    let before = lab.container("before").start().await;
    wait::until("the first start is billed", wait::SOON, || async {
        let names = receiver.look(|state| state.names_of(before.id()).len());
        wait::is(names == 1, portreeve.log())
    })
    .await;

    let during = overfill(&lab, &portreeve, &disk).await;
    let last = during.last().unwrap();
    wait::throughout("nothing is sent for what is not stored", Duration::from_millis(1500), || async {
        let sent =
            receiver.look(|state| state.calls.iter().any(|call| call.request.body.contains(last.id())));
        wait::is(!sent, portreeve.log())
    })
    .await;
    let health = portreeve.get("/health/detailed").await.unwrap().json();
    assert_eq!((&health["status"], &health["store"]["status"]), (&"degraded".into(), &"failing".into()));
    assert_eq!(portreeve.get("/readyz").await.unwrap().status, 503);
    for path in ["/livez", "/metrics", "/api/events", "/api/containers"] {
        assert_eq!(portreeve.get(path).await.unwrap().status, 200, "{path}");
    }

    disk.free();
    wait::until("the store works again", wait::SOON * 4, || async {
        let status = store_status(&portreeve).await?;
        wait::is(status == "ok", format!("{status}; its log:\n{}", portreeve.log()))
    })
    .await;
    for container in during.iter().chain([&before]) {
        container.stop().await;
        container.remove().await;
    }
    wait::until("every life is billed whole", wait::SOON * 2, || async {
        let state = receiver.state();
        let lives: Vec<_> =
            during.iter().chain([&before]).map(|c| state.names_of(c.id()).join(" ")).collect();
        let whole = lives.iter().all(|life| life == "started stopped removed");
        wait::is(whole, format!("{lives:#?}; its log:\n{}", portreeve.log()))
    })
    .await;
    receiver.state().assert_clean();
    assert!(portreeve.terminate().await.success());
}
