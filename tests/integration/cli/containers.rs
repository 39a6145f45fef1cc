//! Verbs for what runs. `status` speaks of all containers, so the transcript has an engine of its own; on the shared
//! one only the lab's are looked at.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bollard::models::HealthStatusEnum as Health;

use super::transcript::Shell;
use super::{BINARY, serving};
use crate::integration::outbox::scripted::{Scripted, status};
use crate::support::engine::Engine;
use crate::support::lab::{LABEL, Lab};
use crate::support::portreeve::Portreeve;
use crate::support::wait;

/// A policy for the lab alone, whose budget is one restart: the built-in one would heal other tests' containers.
fn policy(run: &str) -> String {
    format!(
        "apiVersion: portreeve/v1\nkind: AutohealPolicy\nmetadata: {{name: default}}\nspec:\n  selector: {{labels: {{{LABEL}: \"{run}\"}}}}\n  \
         backoff: {{initial: 100ms, max: 100ms, jitter: 0}}\n  budget: {{restarts: 1, per: 1h}}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_are_listed_described_waited_for_and_released() {
    let engine = Engine::own().await;
    let lab = Lab::new(&engine).await;
    let web = lab.container("web").switched_health(Duration::from_millis(200), 2).start().await;
    web.wait_health(Health::HEALTHY).await;
    let portreeve = Portreeve::new(BINARY).docker_host(engine.endpoint());
    portreeve.manifest("policy.yaml", &policy(lab.run()));
    let portreeve = serving(portreeve).await;
    portreeve.wait_ready().await;
    let info = engine.docker().info().await.expect("an engine that answers");
    let shell = Shell::of(&portreeve)
        .mask(&portreeve.config_dir().display().to_string(), "CONFIG")
        .mask(web.id(), "CONTAINER")
        .mask(&web.id()[..12], "CONTAINER")
        .mask(lab.run(), "RUN")
        .mask(&info.server_version.expect("a version"), "VERSION")
        .mask(&info.name.expect("a name"), "HOST");
    shell.file("names", &format!("web={}\nrun={}\n", web.name(), lab.run()));
    shell.file("service.yaml", "apiVersion: portreeve/v1\nkind: MonitoredService\nmetadata: {name: web}\nspec: {selector: {names: [\"web-*\"]}, probes: [{name: own, dockerHealth: {}}]}\n");
    shell.file("billing.yaml", &format!(
        "apiVersion: portreeve/v1\nkind: BillingService\nmetadata: {{name: billing}}\nspec: {{url: http://127.0.0.1:1, selector: {{names: [{}]}}}}\n",
        web.name(),
    ));
    wait::until("the container is seen", wait::SOON, || async {
        let said = shell.run(&format!("portreeve wait c {} --for=health=healthy --timeout 1s", web.name()));
        wait::is(!said.contains("["), said)
    })
    .await;
    shell.assert_transcript("containers.txt");

    web.sicken().await;
    let name = web.name();
    wait::until("it is quarantined", Duration::from_secs(40), || async {
        let said = shell.run(&format!("portreeve describe container {name}"));
        wait::is(said.contains("quarantined  yes; `portreeve release web-RUN` ends it"), said)
    })
    .await;
    let described = shell.run(&format!("portreeve describe c/{name}"));
    assert!(described.contains("blocked  "), "{described}");
    assert!(described.contains("restarts  1 by Portreeve"), "{described}");
    let status = shell.run("portreeve status");
    assert!(status.contains("container web-RUN is in quarantine") && status.ends_with("[1]\n"), "{status}");
    let events = shell.run(&format!("portreeve events --for {name} --type Quarantined"));
    assert!(events.contains("BudgetExhausted"), "{events}");

    web.cure().await;
    let released = shell.run(&format!("portreeve release {name}"));
    assert_eq!(
        released,
        "web-RUN is out of quarantine; its wait and its budget are reset, and if it is sick it is restarted at once\n"
    );
    let waited = shell.run(&format!("portreeve wait c/{name} --for=released"));
    assert_eq!(waited, "Container/web-RUN released\n");
    let events = shell.run(&format!("portreeve events --for container/{name} -o json | grep -c Released"));
    assert_eq!(events, "1\n");

    web.remove().await;
    let waited = shell.run(&format!("portreeve wait c/{name} --for=delete"));
    assert_eq!(waited, "Container/web-RUN deleted\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn parked_deliveries_are_shown_and_sent_again() {
    let accepts = Arc::new(AtomicBool::new(false));
    let script = accepts.clone();
    let billing =
        Scripted::start(move |_, _| status(if script.load(Ordering::Relaxed) { 200 } else { 422 })).await;
    let engine = Engine::shared().await;
    let lab = Lab::new(&engine).await;
    let web = lab.container("web").start().await;
    let portreeve = Portreeve::new(BINARY).docker_host(engine.endpoint());
    portreeve.manifest("policy.yaml", &policy(lab.run()));
    let portreeve = serving(portreeve).await;
    portreeve.wait_ready().await;
    let shell = Shell::of(&portreeve).mask(lab.run(), "RUN").mask(&billing.url(), "BILLING");
    shell.file("billing.yaml", &format!(
        "apiVersion: portreeve/v1\nkind: BillingService\nmetadata: {{name: billing}}\nspec: {{url: \"{}\", selector: {{names: [{}]}}}}\n",
        billing.url(),
        web.name(),
    ));
    assert_eq!(shell.run("portreeve apply -f billing.yaml"), "BillingService/billing created\n");
    wait::until("the bill is parked", wait::SOON, || async {
        let said = shell.run("portreeve get deliveries");
        wait::is(said.contains("parked"), said)
    })
    .await;
    let status = shell.run("portreeve status");
    assert!(status.contains("BillingService billing: 1 parked, POST BILLING/events: HTTP 422"), "{status}");
    let described = shell.run("portreeve describe bill billing");
    assert!(described.contains("0 delivered lately, 0 waiting, 1 parked"), "{described}");
    let wrong = shell.run("portreeve replay --target biling");
    assert_eq!(wrong, "error: there is no BillingService named `biling`; did you mean `billing`?\n[1]\n");

    accepts.store(true, Ordering::Relaxed);
    assert_eq!(
        shell.run("portreeve replay --all"),
        "the deliveries of 1 container to billing are no longer parked\n"
    );
    let id = shell.run("portreeve get deliveries -o name").trim().to_owned();
    let waited = shell.run(&format!("portreeve wait {id} --for=state=delivered"));
    assert_eq!(waited, format!("{id} delivered\n"));
    let again = shell.run(&format!("portreeve replay {id}"));
    assert!(again.contains("was delivered; nothing is sent twice") && again.ends_with("[1]\n"), "{again}");
    assert_eq!(shell.run("portreeve replay --all"), "no delivery is parked\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_computes_most_comes_first_in_top() {
    let engine = Engine::shared().await;
    let lab = Lab::new(&engine).await;
    let busy = lab.container("busy").cpus(0.3).shell("while :; do :; done").start().await;
    lab.container("a-idle").start().await;
    let mut portreeve = Portreeve::new(BINARY).docker_host(engine.endpoint()).healing_only(&lab);
    portreeve.start().await;
    let shell = Shell::of(&portreeve);
    let top = format!("portreeve top -o json -l {LABEL}={}", lab.run());
    wait::until("the busy one is first", Duration::from_secs(40), || async {
        let said: serde_json::Value = serde_json::from_str(&shell.run_raw(&top)).expect("JSON");
        let (first, second) = (&said["containers"][0], &said["containers"][1]);
        let more = first["cpu_percent"].as_f64() > second["cpu_percent"].as_f64().map(|idle| idle + 5.0);
        wait::is(first["name"] == busy.name() && more, said)
    })
    .await;
}

/// The label in force is another than `autoheal`: what `init` writes is in force already, and changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_applies_what_init_wrote_changes_how_no_container_is_treated() {
    let engine = Engine::own().await;
    let lab = Lab::new(&engine).await;
    let label = "restart.me/please";
    let _web = lab.container("web").label(label, "true").start().await;
    let _plain = lab.container("plain").start().await;
    let portreeve = Portreeve::new(BINARY)
        .docker_host(engine.endpoint())
        .env("AUTOHEAL_CONTAINER_LABEL", label)
        .env("AUTOHEAL_START_PERIOD", "7")
        .env("HEALTH_INTERVAL_SECONDS", "30");
    let portreeve = serving(portreeve).await;
    portreeve.wait_ready().await;
    let shell = Shell::of(&portreeve).mask(lab.run(), "RUN");
    shell.run("portreeve init start");
    let healing = shell.run("cat start/healing.yaml");
    assert!(healing.contains("selector: {labels: {\"restart.me/please\": \"true\"}}"), "{healing}");
    let diff = shell.run("portreeve diff -f start");
    assert!(diff.contains("\nno container is affected\n"), "{diff}");
    assert!(
        diff.contains(
            "unchanged AutohealPolicy/default: it came from the environment and is declared from now on"
        ),
        "{diff}"
    );
    let applied = shell.run("portreeve apply -f start");
    assert!(applied.contains("AutohealPolicy/default unchanged: it came from the environment"), "{applied}");
    let again = shell.run("portreeve diff -f start");
    assert_eq!(again, "no difference\n");
    let healed = shell.run(&format!("portreeve get c web-{} -o json | grep '\"policy\"'", lab.run()));
    assert_eq!(healed.trim(), "\"policy\": \"default\",");
}

/// A probe that fails restarts what a policy heals: that is told before, and when it is applied.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_applied_with_word_of_whom_its_probes_will_heal() {
    let engine = Engine::own().await;
    let lab = Lab::new(&engine).await;
    let _web = lab.healed("web").start().await;
    let _plain = lab.container("web-2").start().await;
    let mut portreeve = Portreeve::new(BINARY).docker_host(engine.endpoint()).healing_only(&lab);
    portreeve.start().await;
    let shell = Shell::of(&portreeve).mask(lab.run(), "RUN");
    shell.file("service.yaml", "apiVersion: portreeve/v1\nkind: MonitoredService\nmetadata: {name: shop}\nspec:\n  selector: {names: [\"web*\"]}\n  probes:\n    - {name: page, httpGet: {path: /, port: 80}, periodSeconds: 3600}\n    - {name: port, tcpSocket: {port: 80}, periodSeconds: 3600}\n");
    let effect = "also healed by default when a probe of the service shop fails: page, port";
    let diff = shell.run("portreeve diff -f service.yaml");
    assert!(diff.contains(&format!("\n1 container affected:\n  web-RUN: {effect}\n")), "{diff}");
    let applied = shell.run("portreeve apply -f service.yaml");
    assert_eq!(applied, format!("MonitoredService/shop created\nnote: web-RUN: {effect}\n"));
    assert_eq!(shell.run("portreeve apply -f service.yaml"), "MonitoredService/shop unchanged\n");
}
