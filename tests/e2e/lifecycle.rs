//! What Discovery and Billing are told of the lives of containers (CONTRACTS, section 1).

use bollard::models::{ContainerStateStatusEnum as Status, RestartPolicy, RestartPolicyNameEnum};
use futures_util::future::join_all;

use super::scene::{Scene, billed_time, finished_at, started_at};
use crate::support::container::Container;
use crate::support::image::IMAGE;
use crate::support::receiver::book::Which;
use crate::support::receiver::{Options, Receiver};
use crate::support::record::EngineRecord;
use crate::support::wait;

/// Messages of log lines that hold a container's id, in order, with their levels: `INFO Container …`. Each line carries its name
/// as well.
fn lines_about(scene: &Scene, container: &Container) -> Vec<String> {
    let line = |line: String| {
        let entry: serde_json::Value = serde_json::from_str(&line).ok()?;
        let message = entry["message"].as_str()?;
        let about = message.contains(container.id());
        assert!(!about || entry["container"] == container.name(), "without its name: {line}");
        about.then(|| format!("{} {message}", entry["level"].as_str().unwrap_or_default()))
    };
    scene.portreeve.lines().into_iter().filter_map(line).collect()
}

async fn host_port(container: &Container) -> String {
    let ports = container.inspect().await.network_settings.unwrap().ports.unwrap();
    ports["8080/tcp"].as_ref().unwrap()[0].host_port.clone().unwrap()
}

async fn registered_body(scene: &Scene, container: &Container) -> String {
    let host = scene.engine.docker().info().await.unwrap().name.unwrap();
    let (id, port) = (container.id(), host_port(container).await);
    format!(
        r#"{{"id":"{id}","image_id":"{IMAGE}","host":"{host}","port":{port},"caps":{{"cpu":"0.5","mem":"256m"}}}}"#
    )
}

/// The bytes of the calls about a container, in order.
fn bodies(scene: &Scene, which: Which, container: &Container) -> Vec<String> {
    scene.receiver.look(|state| {
        let about = state.calls.iter().filter(|call| call.which == which && !call.request.body.is_empty());
        about.map(|call| call.request.body.clone()).filter(|body| body.contains(container.id())).collect()
    })
}

#[tokio::test]
async fn a_life_is_told_to_both_services_byte_for_byte() {
    let mut scene = Scene::shared().await.with(|portreeve| portreeve.arg("--log-format").arg("json"));
    scene.portreeve.start().await;
    let record = EngineRecord::start(&scene.engine, &scene.lab).await;
    let is_down = |id: String| {
        let receiver = &scene.receiver;
        async move {
            wait::until("it is registered as down", wait::SOON, || async {
                receiver.look(|state| wait::is(!state.registry[&id].up, "it is up"))
            })
            .await;
        }
    };

    let web =
        scene.lab.container("web").publish_on("0.0.0.0", 8080).cpus(0.5).memory(256 << 20).start().await;
    let id = web.id();
    scene.registered(&[&web]).await;
    scene.billed(id, &["started"]).await;
    let mut times = vec![vec![started_at(&web).await]];
    let mut registrations = vec![registered_body(&scene, &web).await];

    web.stop().await;
    scene.billed(id, &["started", "stopped"]).await;
    is_down(id.to_owned()).await;
    times.push(vec![finished_at(&web).await]);

    web.start().await;
    scene.billed(id, &["started", "stopped", "started"]).await;
    scene.registered(&[&web]).await;
    times.push(vec![started_at(&web).await]);
    registrations.push(registered_body(&scene, &web).await);

    web.restart().await;
    scene.billed(id, &["started", "stopped", "started", "stopped", "started"]).await;
    let body = registered_body(&scene, &web).await;
    wait::until("the new port is registered", wait::SOON, || async {
        let last = bodies(&scene, Which::Discovery, &web).pop();
        wait::is(last.as_deref() == Some(body.as_str()), (last, body.clone()))
    })
    .await;
    scene.registered(&[&web]).await;
    // An inspect may come too late to show the end of a run before the next one at once.
    let died = jiff::Timestamp::from_nanosecond(record.times(id, "die")[1].into()).unwrap().to_string();
    times.push(vec![finished_at(&web).await, died]);
    times.push(vec![started_at(&web).await]);
    registrations.push(body);

    web.kill("KILL").await;
    scene.billed(id, &["started", "stopped", "started", "stopped", "started", "stopped"]).await;
    is_down(id.to_owned()).await;
    times.push(vec![finished_at(&web).await]);

    web.remove().await;
    let names = ["started", "stopped", "started", "stopped", "started", "stopped", "removed"];
    scene.billed(id, &names).await;
    scene.registered(&[]).await;
    record.wait(id, "destroy", 1).await;
    let destroyed = record.times(id, "destroy")[0];
    times.push(vec![jiff::Timestamp::from_nanosecond(destroyed.into()).unwrap().to_string()]);

    let host = scene.engine.docker().info().await.unwrap().name.unwrap();
    let bills = bodies(&scene, Which::Billing, &web);
    assert_eq!(bills.len(), names.len(), "{bills:#?}");
    for ((bill, name), times) in bills.iter().zip(names).zip(&times) {
        let possible: Vec<String> = times
            .iter()
            .map(|time| {
                let time = billed_time(time);
                format!(
                    r#"{{"event":"{name}","container_id":"{id}","image":"{IMAGE}","timestamp":"{time}","host":"{host}"}}"#
                )
            })
            .collect();
        assert!(possible.contains(bill), "{bill} is none of {possible:#?}");
    }
    let mut posted = bodies(&scene, Which::Discovery, &web);
    // A registration that met a conflict is repeated after the old entry was deleted.
    posted.dedup();
    assert_eq!(posted, registrations);
    assert!(!scene.receiver.state().registry.contains_key(id));
    scene.receiver.state().assert_clean();

    // The services hear of it a moment before the log does.
    for service in ["Billing", "Discovery"] {
        scene.portreeve.wait_line(&format!("{service} Service notified: removed for {id}")).await;
    }
    let lines = lines_about(&scene, &web);
    let of =
        |what: &str| -> Vec<String> { lines.iter().filter(|line| line.contains(what)).cloned().collect() };
    let changes = [
        "None -> created",
        "created -> running",
        "running -> exited",
        "exited -> running",
        "running -> exited",
        "exited -> running",
        "running -> exited",
        "exited -> removed",
    ];
    let changes: Vec<_> =
        changes.map(|change| format!("INFO Container {id} state changed: {change}")).to_vec();
    assert_eq!(of("state changed"), changes);
    let notified: Vec<_> =
        names.map(|name| format!("INFO Billing Service notified: {name} for {id}")).to_vec();
    assert_eq!(of("Billing Service"), notified);
    let mut told = of("Discovery Service");
    let word = |name: &str| format!("INFO Discovery Service notified: {name} for {id}");
    // The restart was too short to be told for certain: only the latest state is.
    let whole = names.map(word).to_vec();
    let short = ["started", "stopped", "started", "started", "stopped", "removed"].map(word).to_vec();
    assert!(told == whole || told == short, "{told:#?}");
    told.dedup();
    assert!(told.iter().all(|line| line.starts_with("INFO ")));
}

#[tokio::test]
async fn twenty_short_runs_at_once_are_each_started_stopped_and_removed() {
    let mut scene = Scene::shared().await;
    scene.portreeve.start().await;
    let run = |n: usize| scene.lab.container(&format!("short{n}")).auto_remove().cmd(&["true"]).start();
    let runs = join_all((0..20).map(run)).await;
    for short in &runs {
        scene.billed(short.id(), &["started", "stopped", "removed"]).await;
        let state = scene.receiver.state();
        let times: Vec<_> = state.events_of(short.id()).iter().map(|event| event.timestamp.clone()).collect();
        assert!(times.is_sorted(), "{times:?}");
    }
    scene.registered(&[]).await;
    scene.receiver.state().assert_clean();
}

#[tokio::test]
async fn paused_counts_as_running() {
    let mut scene = Scene::shared().await;
    scene.portreeve.start().await;
    let web = scene.lab.container("web").start().await;
    scene.registered(&[&web]).await;
    web.pause().await;
    scene.portreeve.wait_line(&format!("{} state changed: running -> paused", web.id())).await;
    web.unpause().await;
    scene.portreeve.wait_line(&format!("{} state changed: paused -> running", web.id())).await;
    web.stop().await;
    scene.billed(web.id(), &["started", "stopped"]).await;
    wait::until("the end is told", wait::SOON, || async {
        scene.receiver.look(|state| wait::is(!state.registry[web.id()].up, state.calls.len()))
    })
    .await;
    let discovery = scene.receiver.state().calls.into_iter().filter(|call| call.which == Which::Discovery);
    let methods: Vec<_> = discovery.map(|call| call.request.method).collect();
    assert_eq!(methods, ["POST", "PUT"]);
    scene.receiver.state().assert_clean();
}

#[tokio::test]
async fn a_container_never_started_is_only_removed_and_its_creation_is_an_event() {
    let mut scene = Scene::shared().await;
    let all = Receiver::start(Options::default()).await.unwrap();
    scene.portreeve.manifest(
        "all.yaml",
        &format!(
            "apiVersion: portreeve/v1\nkind: BillingService\nmetadata: {{name: all}}\nspec:\n  url: {}\n  \
             selector: {{labels: {}}}\n  events: [created, started, stopped, removed]\n",
            all.billing.url(),
            scene.of_the_lab()
        ),
    );
    scene.portreeve.start().await;
    let idle = scene.lab.container("idle").create().await;
    scene.told(&idle, "create", 1).await;
    idle.remove().await;
    scene.billed(idle.id(), &["removed"]).await;
    wait::until("who asks for `created` gets it", wait::SOON, || async {
        let state = all.state();
        let names: Vec<_> = state.names_of(idle.id()).into_iter().map(str::to_owned).collect();
        wait::is(names == ["created", "removed"], names)
    })
    .await;
    let events = scene.events(&idle, &[]).await;
    let types: Vec<_> = events.iter().map(|event| event["event_type"].as_str().unwrap()).collect();
    assert_eq!(types, ["create", "remove"]);
    let discovery = scene.receiver.state().calls.into_iter().filter(|call| call.which == Which::Discovery);
    assert_eq!(discovery.count(), 0, "what never ran is none of Discovery's business");
    scene.receiver.state().assert_clean();
    all.state().assert_clean();
}

#[tokio::test]
async fn every_run_that_the_engines_restart_policy_makes_is_billed() {
    let mut scene = Scene::shared().await;
    scene.portreeve.start().await;
    let record = EngineRecord::start(&scene.engine, &scene.lab).await;
    let policy =
        RestartPolicy { name: Some(RestartPolicyNameEnum::ON_FAILURE), maximum_retry_count: Some(3) };
    let crashing = scene.lab.container("crashing").shell("exit 3");
    let crashing = crashing.with(|_, host| host.restart_policy = Some(policy)).start().await;
    record.wait(crashing.id(), "die", 4).await;
    crashing.wait_status(Status::EXITED).await;
    scene.billed(crashing.id(), &["started", "stopped"].repeat(4)).await;
    assert_eq!((record.count(crashing.id(), "start"), record.count(crashing.id(), "die")), (4, 4));
    scene.registered(&[]).await;
    let ends = scene.told(&crashing, "stop", 4).await;
    assert!(ends.iter().all(|event| event["message"].as_str().unwrap().contains("exit code 3")), "{ends:#?}");
    assert_eq!(scene.events(&crashing, &["gap"]).await, Vec::<serde_json::Value>::new());
    scene.receiver.state().assert_clean();
}

#[tokio::test]
async fn services_named_by_the_environment_hear_of_managed_containers_only() {
    let scene = Scene::shared().await;
    for file in ["registry.yaml", "billing.yaml"] {
        std::fs::remove_file(scene.portreeve.config_dir().join(file)).unwrap();
    }
    let (discovery, billing) = (scene.receiver.discovery.url(), scene.receiver.billing.url());
    let mut scene = scene.with(|portreeve| {
        portreeve
            .env("DISCOVERY_SERVICE_URL", &discovery)
            .env("BILLING_SERVICE_URL", &billing)
            .env("HEALTH_INTERVAL_SECONDS", "2")
            .env("HEALTH_RETENTION_DAYS", "3")
    });
    scene.portreeve.start().await;
    let settings = scene.json("/api/config").await.unwrap()["settings"].clone();
    assert_eq!((&settings["resync"], &settings["healthRetentionDays"]), (&"2s".into(), &3.into()));
    let listed =
        async || scene.json("/health/detailed").await.unwrap()["engines"]["local"]["lastList"].clone();
    let first = listed().await;
    wait::until("everything is listed again", wait::SOON, || async {
        let last = listed().await;
        wait::is(last != first, last)
    })
    .await;
    let other = scene.lab.container("other").start().await;
    let managed = scene.lab.container("managed").label("managed-by", IMAGE).start().await;
    scene.billed(managed.id(), &["started"]).await;
    scene.told(&other, "start", 1).await;
    other.stop().await;
    managed.stop().await;
    scene.billed(managed.id(), &["started", "stopped"]).await;
    scene.told(&other, "stop", 1).await;
    let state = scene.receiver.state();
    let calls: Vec<_> = state.calls.iter().map(|call| &call.request).collect();
    let about_other =
        calls.iter().filter(|call| call.path.contains(other.id()) || call.body.contains(other.id()));
    assert_eq!(about_other.count(), 0);
    state.assert_clean();
}

#[tokio::test]
async fn services_that_are_down_hear_everything_when_they_are_back() {
    let mut scene = Scene::shared().await.with(|portreeve| portreeve.arg("--log-format").arg("json"));
    scene.portreeve.start().await;
    scene.receiver.discovery.down().await;
    scene.receiver.billing.down().await;
    let web = scene.lab.container("web").start().await;
    let kept = scene.lab.container("kept").start().await;
    for warning in ["Failed to notify Billing Service: ", "Failed to notify Discovery Service: "] {
        let line = scene.portreeve.wait_line(warning).await;
        assert!(line.contains(r#""level":"WARN""#), "{line}");
        let names = [&web, &kept].map(|one| format!(r#""container":"{}""#, one.name()));
        assert!(names.iter().any(|name| line.contains(name.as_str())), "{line}");
    }
    web.restart().await;
    web.remove().await;
    scene.told(&web, "remove", 1).await;
    let waiting = scene.json("/health/detailed").await.unwrap();
    assert_eq!(waiting["deliveries"]["billing"]["b"]["pending"], 6, "{waiting:#}");
    scene.receiver.discovery.up().await.unwrap();
    scene.receiver.billing.up().await.unwrap();
    scene.billed(web.id(), &["started", "stopped", "started", "stopped", "removed"]).await;
    scene.billed(kept.id(), &["started"]).await;
    scene.registered(&[&kept]).await;
    scene.receiver.state().assert_clean();
}
