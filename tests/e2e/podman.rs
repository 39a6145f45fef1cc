//! Podman in place of Docker: its own words for the same things.

use std::time::Duration;

use serde_json::Value;

use crate::support::podman::Podman;
use crate::support::portreeve::Portreeve;
use crate::support::receiver::{Options, Receiver};
use crate::support::wait;

async fn events(portreeve: &Portreeve, query: &str) -> Vec<Value> {
    let answer = portreeve.get(&format!("/api/events?{query}")).await.expect("events");
    answer.json().as_array().expect("an array").clone()
}

async fn billed(receiver: &Receiver, portreeve: &Portreeve, id: &str, expected: &[&str]) {
    wait::until(&format!("bills {expected:?}"), wait::SOON, || async {
        let names: Vec<String> =
            receiver.look(|state| state.names_of(id).into_iter().map(str::to_owned).collect());
        wait::is(names == expected, (names, portreeve.log()))
    })
    .await;
}

#[tokio::test]
async fn a_podman_is_watched_billed_and_healed_without_a_gap() {
    let podman = Podman::start().await;
    let receiver = Receiver::start(Options::default()).await.unwrap();
    let mut portreeve = Portreeve::new(env!("CARGO_BIN_EXE_portreeve"))
        .docker_host(&podman.endpoint())
        // No list may come to the aid of the events.
        .env("HEALTH_INTERVAL_SECONDS", "3600");
    let (billing, discovery) = (receiver.billing.url(), receiver.discovery.url());
    portreeve.manifest(
        "services.yaml",
        &format!(
            "apiVersion: portreeve/v1\nkind: BillingService\nmetadata: {{name: b}}\nspec: {{url: '{billing}'}}\n---\n\
             apiVersion: portreeve/v1\nkind: DiscoveryRegistry\nmetadata: {{name: d}}\nspec: {{url: '{discovery}'}}\n"
        ),
    );
    portreeve.manifest(
        "policy.yaml",
        "apiVersion: portreeve/v1\nkind: AutohealPolicy\nmetadata: {name: default}\n\
         spec: {selector: {labels: {autoheal: 'true'}}, triggers: {unhealthy: true, exited: onFailure}}\n",
    );
    portreeve.start().await;

    // Starts, ends and removals are noticed when they happen.
    let short = podman.container("short", &[]).await;
    billed(&receiver, &portreeve, &short, &["started"]).await;
    podman.run(&["stop", "-t", "10", "short"]).await;
    billed(&receiver, &portreeve, &short, &["started", "stopped"]).await;
    podman.run(&["start", "short"]).await;
    billed(&receiver, &portreeve, &short, &["started", "stopped", "started"]).await;
    podman.run(&["rm", "-f", "-t", "0", "short"]).await;
    billed(&receiver, &portreeve, &short, &["started", "stopped", "started", "stopped", "removed"]).await;

    // The health check is run by hand; its verdict comes with the next.
    let check = ["--health-cmd", "test ! -f /tmp/sick", "--health-interval", "1h", "--health-retries", "1"];
    let flags: Vec<&str> = ["--label", "autoheal=true"].into_iter().chain(check).collect();
    let sick = podman.container("sick", &flags).await;
    billed(&receiver, &portreeve, &sick, &["started"]).await;
    podman.run(&["healthcheck", "run", "sick"]).await;
    podman.run(&["healthcheck", "run", "sick"]).await;
    let before = podman.started("sick").await;
    podman.run(&["exec", "sick", "touch", "/tmp/sick"]).await;
    let unhealthy = wait::until("its checks are noticed", wait::SOON, || async {
        let (_, said) = podman.tried(&["healthcheck", "run", "sick"]).await;
        let now = podman.started("sick").await;
        wait::is(now != before, (said, now, portreeve.log()))
    });
    unhealthy.await;
    billed(&receiver, &portreeve, &sick, &["started", "stopped", "started"]).await;
    podman.run(&["exec", "sick", "rm", "-f", "/tmp/sick"]).await;
    podman.run(&["healthcheck", "run", "sick"]).await;

    // Its `stop` is told only where Podman notices the end before its own cleanup does: told or not, it is left as it is.
    podman.run(&["stop", "-t", "0", "sick"]).await;
    billed(&receiver, &portreeve, &sick, &["started", "stopped", "started", "stopped"]).await;
    wait::until("that it is left as it is", wait::SOON, || async {
        let told = events(&portreeve, &format!("container={sick}")).await;
        let left =
            |event: &Value| event["reason"] == "StopCauseUnknown" || event["reason"] == "StoppedByHand";
        wait::is(told.iter().any(left), (told, portreeve.log()))
    })
    .await;
    wait::throughout("it stays down", Duration::from_secs(2), || async {
        let names: Vec<String> =
            receiver.look(|state| state.names_of(&sick).into_iter().map(str::to_owned).collect());
        wait::is(names.len() == 4, names)
    })
    .await;
    podman.run(&["rm", "-f", "sick"]).await;
    billed(&receiver, &portreeve, &sick, &["started", "stopped", "started", "stopped", "removed"]).await;

    let gaps = events(&portreeve, "type=gap").await;
    assert_eq!(gaps, Vec::<Value>::new());
    // What happens while nobody watches is read from Podman's log.
    portreeve.kill9().await;
    let late = podman.container("late", &[]).await;
    podman.run(&["rm", "-f", "-t", "0", "late"]).await;
    portreeve.start().await;
    billed(&receiver, &portreeve, &late, &["started", "stopped", "removed"]).await;
    let gaps = events(&portreeve, "type=gap").await;
    assert_eq!(gaps, Vec::<Value>::new());
    receiver.state().assert_clean();
}
