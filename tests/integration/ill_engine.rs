//! One engine among others is not well: it hangs, dawdles, or answers with nonsense. That is told, and the others are
//! watched as if it were not there.

use crate::support::fake_engine::{Container, FakeEngine, Manner, fleet};
use crate::support::portreeve::Portreeve;
use crate::support::receiver::{Options, Receiver};
use crate::support::wait;

const INSPECT: &str = "GET /containers/{id}/json";
/// As many inspects of one engine are under way at once.
const AT_ONCE: usize = 16;

/// Portreeve, watching these engines by their names and no more than that; what runs on `billed` is billed.
fn watching(engines: &[(&str, &FakeEngine)], billed: &str, receiver: &Receiver) -> Portreeve {
    acting(engines, billed, receiver).arg("--observe")
}

/// The same, healing.
fn acting(engines: &[(&str, &FakeEngine)], billed: &str, receiver: &Receiver) -> Portreeve {
    let portreeve = Portreeve::new(env!("CARGO_BIN_EXE_portreeve"));
    let hosts: String = engines
        .iter()
        .map(|(name, engine)| {
            format!(
                "---\napiVersion: portreeve/v1\nkind: DockerHost\nmetadata: {{name: {name}}}\nspec: {{endpoint: '{}'}}\n",
                engine.endpoint()
            )
        })
        .collect();
    let billing = format!(
        "---\napiVersion: portreeve/v1\nkind: BillingService\nmetadata: {{name: b}}\nspec: {{url: '{}', selector: {{hosts: [{billed}]}}}}\n",
        receiver.billing.url()
    );
    portreeve.manifest("engines.yaml", &(hosts + &billing));
    portreeve
}

async fn billed(receiver: &Receiver, count: usize) {
    wait::until(&format!("{count} bills"), wait::SOON, || async {
        let billed = receiver.look(|state| state.billed.len());
        wait::is(billed == count, billed)
    })
    .await;
}

/// Waits until the metrics say whether it is connected.
async fn connected(portreeve: &Portreeve, engine: &str, connected: bool) {
    let line = format!("portreeve_engine_up{{engine=\"{engine}\"}} {}", u8::from(connected));
    wait::until(&line, wait::SOON, || async {
        let page = portreeve.get("/metrics").await?.body;
        let up: Vec<&str> = page.lines().filter(|line| line.starts_with("portreeve_engine_up")).collect();
        wait::is(up.contains(&line.as_str()), up.join("\n"))
    })
    .await;
}

#[tokio::test]
async fn an_engine_that_hangs_on_every_inspect_delays_nothing_of_another() {
    let (hanging, well) = (FakeEngine::live(), FakeEngine::live());
    hanging.behave(INSPECT, Manner::Hangs);
    hanging.populate(100..100 + 3 * AT_ONCE, fleet::plain);
    well.populate(0..2 * AT_ONCE, fleet::plain);
    let receiver = Receiver::start(Options::default()).await.unwrap();
    let mut portreeve = watching(&[("hanging", &hanging), ("well", &well)], "well", &receiver);
    portreeve.spawn();
    wait::until("it hangs on as many as it may", wait::SOON, || async {
        wait::is(hanging.count(INSPECT) == AT_ONCE, hanging.count(INSPECT))
    })
    .await;
    billed(&receiver, 2 * AT_ONCE).await;
    for n in 0..2 * AT_ONCE {
        well.die(&fleet::id(n), 1);
    }
    billed(&receiver, 4 * AT_ONCE).await;
    // The others are asked about when one of these has had its time: nothing above waited for that.
    assert_eq!(hanging.count(INSPECT), AT_ONCE);
    receiver.state().assert_clean();
}

#[tokio::test]
async fn an_engine_that_answers_with_nonsense_is_told_and_seen_when_it_is_well_again() {
    let (odd, well) = (FakeEngine::live(), FakeEngine::live());
    odd.behave("GET /containers/json", Manner::Says("<html>It works!</html>".to_owned()));
    odd.populate(10..13, fleet::plain);
    well.populate(0..3, fleet::plain);
    let receiver = Receiver::start(Options::default()).await.unwrap();
    let mut portreeve = watching(&[("odd", &odd), ("well", &well)], "odd, well", &receiver);
    portreeve.spawn();
    billed(&receiver, 3).await;
    connected(&portreeve, "well", true).await;
    connected(&portreeve, "odd", false).await;
    let told = portreeve.wait_line("GET /containers/json cannot be read").await;
    assert!(told.contains("odd"), "{told}");
    odd.recover();
    connected(&portreeve, "odd", true).await;
    billed(&receiver, 6).await;
    receiver.state().assert_clean();
}

#[tokio::test]
async fn an_engine_that_takes_its_time_over_every_answer_is_watched_all_the_same() {
    let (slow, well) = (FakeEngine::live(), FakeEngine::live());
    slow.behave("*", Manner::Dawdles(std::time::Duration::from_millis(500)));
    slow.populate(10..13, fleet::plain);
    well.populate(0..3, fleet::plain);
    let receiver = Receiver::start(Options::default()).await.unwrap();
    let mut portreeve = watching(&[("slow", &slow), ("well", &well)], "slow, well", &receiver);
    portreeve.spawn();
    connected(&portreeve, "well", true).await;
    connected(&portreeve, "slow", true).await;
    billed(&receiver, 6).await;
    slow.die(&fleet::id(10), 1);
    billed(&receiver, 7).await;
    // What it does not tell for a while is heard when it is heard again.
    slow.cut_streams();
    slow.die(&fleet::id(11), 1);
    billed(&receiver, 8).await;
    receiver.state().assert_clean();
}

/// Longer than a stop that is given no time may take, with all that is granted.
const LATE: std::time::Duration = std::time::Duration::from_secs(13);

#[tokio::test]
async fn a_stop_of_ours_that_outlasts_its_time_is_not_taken_for_somebody_elses() {
    let engine = FakeEngine::live();
    engine.behave("POST /containers/{id}/stop", Manner::Dawdles(LATE));
    engine.populate(0..1, |n| Container { health: Some("healthy"), ..fleet::plain(n) });
    let receiver = Receiver::start(Options::default()).await.unwrap();
    let mut portreeve = acting(&[("slow", &engine)], "slow", &receiver);
    portreeve.manifest(
        "policy.yaml",
        "apiVersion: portreeve/v1\nkind: AutohealPolicy\nmetadata: {name: default}\nspec: {selector: {hosts: [slow]}, action: stop, \
         stopTimeout: 0s, startGrace: 0s}\n",
    );
    portreeve.spawn();
    billed(&receiver, 1).await;
    engine.health(&fleet::id(0), "unhealthy");
    wait::until("its policy stopped it", wait::SOON, || async {
        let events = portreeve.get("/api/events").await?.body;
        let row = portreeve.get("/api/containers").await?.body;
        wait::is(events.contains("\"Stopped\""), events + &row)
    })
    .await;
    billed(&receiver, 2).await;
    wait::until("nobody else is thought of", wait::SOON, || async {
        let row = portreeve.get("/api/containers").await?.body;
        wait::is(row.contains("StoppedByPolicy"), row)
    })
    .await;
    let events = portreeve.get("/api/events").await.unwrap().body;
    assert!(!events.contains("StoppedByHand") && !events.contains("StopCauseUnknown"), "{events}");
}
