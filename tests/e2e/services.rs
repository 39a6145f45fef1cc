//! Services: probes of containers on a real engine, and what follows from them.

use std::time::Duration;

use serde_json::Value;

use super::scene::{Scene, started_at};
use crate::support::wait;

const FAST: &str = "periodSeconds: 1, failureThreshold: 2, timeoutSeconds: 2";

/// A container that listens on port 80 with busybox' HTTP server, whose page can be taken away.
const SERVE: &str = "mkdir -p /www; echo fine > /www/health; httpd -p 80 -h /www; exec /bin/idle";

fn service(scene: &Scene, name: &str, names: &str, more: &str) {
    let text = format!(
        "apiVersion: portreeve/v1\nkind: MonitoredService\nmetadata: {{name: {name}}}\n\
         spec:\n  selector: {{names: [\"{names}\"], labels: {}}}\n{more}",
        scene.of_the_lab()
    );
    scene.portreeve.manifest(&format!("{name}.yaml"), &text);
}

async fn status(scene: &Scene, name: &str) -> Value {
    let path = format!("/apis/portreeve/v1/monitoredservices/{name}");
    scene.portreeve.get(&path).await.unwrap().json()["status"].clone()
}

async fn wait_health(scene: &Scene, name: &str, health: &str) -> Value {
    wait::until(&format!("{name} is {health}"), wait::SOON, || async {
        let status = status(scene, name).await;
        if status["health"] == health { Ok(status) } else { Err((status, scene.portreeve.log())) }
    })
    .await
}

/// How often an event was told of a service.
async fn told(scene: &Scene, kind: &str, name: &str) -> usize {
    let events = scene.portreeve.get(&format!("/api/events?type={kind}")).await.unwrap().json();
    events.as_array().unwrap().iter().filter(|event| event["container_name"] == name).count()
}

/// `portreeve test probe`: its exit code and what it printed.
fn test_probe(scene: &Scene, name: &str) -> (Option<i32>, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_portreeve"))
        .args(["test", "probe", name, "--server", &scene.portreeve.socket_url()])
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn a_service_is_as_its_probes_say_and_its_story_is_told_once() {
    let mut scene = Scene::shared().await;
    let web = scene.lab.container("web").shell(SERVE).start().await;
    let pattern = web.name().to_owned();
    service(
        &scene,
        "web",
        &pattern,
        &format!(
            "  probes:\n    - name: page\n      httpGet: {{path: /health, expect: {{bodyContains: fine}}}}\n      \
             {}\n    - {{name: port, tcpSocket: {{port: 80}}, {FAST}}}\n    \
             - {{name: inside, exec: {{command: [test, -e, /www]}}, {FAST}}}\n",
            FAST.replace(", ", "\n      ")
        ),
    );
    service(&scene, "shop", &pattern, "  dependsOn: [web]\n");
    scene.portreeve.start().await;
    let healthy = wait_health(&scene, "web", "healthy").await;
    assert_eq!(healthy["containers"][0]["probes"].as_array().unwrap().len(), 3, "{healthy}");
    assert_eq!(healthy["successRate"], 100.0);
    let probes = healthy["containers"][0]["probes"].as_array().unwrap();
    let page = probes.iter().find(|probe| probe["name"] == "page").unwrap();
    assert!(page["asks"].as_str().unwrap().contains(":80, its address in the network"), "{healthy}");

    let (code, said) = test_probe(&scene, "svc/web");
    assert_eq!(code, Some(0), "{said}");
    for line in ["page probes ", "its address in the network", "connect", "exit code 0", "passed"] {
        assert!(said.contains(line), "no `{line}` in:\n{said}");
    }

    wait::until("a second scrape tells what is used", wait::SOON, || async {
        let page = scene.portreeve.get("/metrics").await.unwrap().body;
        let series = [
            format!("container_cpu_usage_percent{{container=\"{pattern}\"}} "),
            format!("container_memory_usage_mb{{container=\"{pattern}\"}} "),
            "health_check_success_total{service=\"web\"} ".to_owned(),
            "health_check_duration_seconds_count{service=\"web\"} ".to_owned(),
        ];
        wait::is(series.iter().all(|name| page.lines().any(|line| line.starts_with(name))), page)
    })
    .await;

    web.exec(&["rm", "/www/health"]).await;
    let (code, said) = test_probe(&scene, "svc/web");
    assert!(code == Some(1) && said.contains("expected status 200-399, got 404"), "{code:?} {said}");
    let unhealthy = wait_health(&scene, "web", "unhealthy").await;
    let reason = unhealthy["reason"].as_str().unwrap();
    assert!(reason.contains("page: expected status 200-399, got 404"), "{reason}");
    wait::until("the outage is told", wait::SOON, || async {
        let count = told(&scene, "ServiceDown", "web").await;
        wait::is(count == 1, count)
    })
    .await;
    // A restart of Portreeve tells nothing again.
    scene.portreeve.restart().await;
    wait_health(&scene, "web", "unhealthy").await;
    web.exec(&["sh", "-c", "echo fine > /www/health"]).await;
    wait_health(&scene, "web", "healthy").await;
    wait::until("the recovery is told", wait::SOON, || async {
        let count = told(&scene, "ServiceRecovered", "web").await;
        wait::is(count == 1, count)
    })
    .await;
    assert_eq!(told(&scene, "ServiceDown", "web").await, 1);

    // A restart is no outage: nothing is told of it.
    let before = started_at(&web).await;
    web.restart().await;
    wait::until("the new run is healthy", wait::SOON, || async {
        let status = status(&scene, "web").await;
        let anew = started_at(&web).await != before;
        if anew && status["health"] == "healthy" { Ok(()) } else { Err(status) }
    })
    .await;
    assert_eq!(told(&scene, "ServiceDown", "web").await, 1);

    web.stop().await;
    let stopped = wait_health(&scene, "web", "unhealthy").await;
    assert!(stopped["reason"].as_str().unwrap().contains("is exited"), "{stopped}");
    // Conditions are written after the figures.
    wait::until("shop waits for web, and says so", wait::SOON, || async {
        let status = status(&scene, "shop").await;
        let mut conditions = status["conditions"].as_array().unwrap().iter();
        let ready = conditions.find(|one| one["type"] == "Ready").unwrap();
        let says = status["waitsFor"] == "web" && ready["reason"] == "DependencyDown";
        if says { Ok(()) } else { Err(status) }
    })
    .await;
    web.remove().await;
    wait_health(&scene, "web", "not_found").await;
}

#[tokio::test]
async fn a_container_is_registered_while_its_service_calls_it_healthy() {
    let mut scene = Scene::shared().await;
    let web = scene.lab.container("web").shell(SERVE).start().await;
    scene.portreeve.manifest(
        "registry.yaml",
        &format!(
            "apiVersion: portreeve/v1\nkind: DiscoveryRegistry\nmetadata: {{name: d}}\n\
             spec: {{url: \"{}\", registerWhen: healthy, selector: {{labels: {}}}}}\n",
            scene.receiver.discovery.url(),
            scene.of_the_lab()
        ),
    );
    let page = format!("  probes:\n    - {{name: page, httpGet: {{path: /health}}, {FAST}}}\n");
    service(&scene, "web", web.name(), &page);
    scene.portreeve.start().await;
    scene.registered(&[&web]).await;
    web.exec(&["rm", "/www/health"]).await;
    scene.registered(&[]).await;
    web.exec(&["sh", "-c", "echo fine > /www/health"]).await;
    scene.registered(&[&web]).await;
}

#[tokio::test]
async fn what_fails_its_probes_is_healed_unless_what_it_depends_on_is_down() {
    let mut scene = Scene::shared().await;
    let db = scene.lab.container("db").shell(SERVE).start().await;
    let web = scene.lab.healed("web").shell(SERVE).start().await;
    let page = format!("  probes:\n    - {{name: page, httpGet: {{path: /health}}, {FAST}}}\n");
    service(&scene, "db", db.name(), &page);
    service(&scene, "web", web.name(), &format!("{page}  dependsOn: [db]\n"));
    scene.portreeve.start().await;
    wait_health(&scene, "web", "healthy").await;
    wait_health(&scene, "db", "healthy").await;

    db.exec(&["rm", "/www/health"]).await;
    wait_health(&scene, "db", "unhealthy").await;
    web.exec(&["rm", "/www/health"]).await;
    wait_health(&scene, "web", "unhealthy").await;
    let blocked = wait::until("web waits for db", wait::SOON, || async {
        let path = format!("/apis/portreeve/v1/containers/{}", web.id());
        let blocked = scene.portreeve.get(&path).await.unwrap().json()["blocked"].clone();
        if blocked[0]["reason"] == "DependencyDown" {
            Ok(blocked)
        } else {
            Err((blocked, scene.portreeve.log()))
        }
    })
    .await;
    assert!(blocked[0]["message"].as_str().unwrap().contains("the service db"), "{blocked}");
    assert_eq!(scene.names(web.id()), ["started"]);

    db.exec(&["sh", "-c", "echo fine > /www/health"]).await;
    scene.billed(web.id(), &["started", "stopped", "started"]).await;
    wait_health(&scene, "web", "healthy").await;
    let events = scene.portreeve.get(&format!("/api/events?container={}", web.id())).await.unwrap().json();
    let why = events.as_array().unwrap().iter().find(|event| event["event_type"] == "Restarting");
    let why = why.unwrap()["message"].as_str().unwrap();
    assert!(why.contains("service web") && why.contains("got 404"), "{why}");
}

#[tokio::test]
async fn what_depends_on_a_healed_service_follows_once_its_probes_pass_and_not_before() {
    let mut scene = Scene::shared().await;
    // Its page is not there again when it was restarted.
    let once = "mkdir -p /www; test -e /was || echo fine > /www/health; touch /was; httpd -p 80 -h /www; exec /bin/idle";
    let db = scene.lab.healed("db").shell(once).start().await;
    let web = scene.lab.healed("web").shell(SERVE).start().await;
    let page =
        |more: &str| format!("  probes:\n    - {{name: page, httpGet: {{path: /health}}, {FAST}{more}}}\n");
    service(&scene, "db", db.name(), &page(", startup: {periodSeconds: 1, failureThreshold: 600}"));
    service(&scene, "web", web.name(), &format!("{}  dependsOn: [db]\n", page("")));
    scene.portreeve.start().await;
    wait_health(&scene, "web", "healthy").await;
    wait_health(&scene, "db", "healthy").await;

    db.exec(&["rm", "/www/health"]).await;
    scene.billed(db.id(), &["started", "stopped", "started"]).await;
    wait_health(&scene, "db", "unknown").await;
    wait::throughout("web is left alone", Duration::from_secs(2), || async {
        let names = scene.names(web.id());
        wait::is(names == ["started"], names)
    })
    .await;
    db.exec(&["sh", "-c", "echo fine > /www/health"]).await;
    wait_health(&scene, "db", "healthy").await;
    scene.billed(web.id(), &["started", "stopped", "started"]).await;
}

#[tokio::test]
async fn a_service_that_fails_before_what_it_depends_on_is_told_as_its_consequence() {
    let mut scene = Scene::shared().await;
    let db = scene.lab.container("db").shell(SERVE).start().await;
    let web = scene.lab.container("web").shell(SERVE).start().await;
    let page = |threshold: u32| {
        let timings = format!("periodSeconds: 1, failureThreshold: {threshold}, timeoutSeconds: 2");
        format!("  probes:\n    - {{name: page, httpGet: {{path: /health}}, {timings}}}\n")
    };
    // The verdict on the database takes so long that the other one's is told first, if nobody waits.
    service(&scene, "db", db.name(), &page(10));
    service(&scene, "web", web.name(), &format!("{}  dependsOn: [db]\n", page(2)));
    scene.portreeve.start().await;
    wait_health(&scene, "web", "healthy").await;
    wait_health(&scene, "db", "healthy").await;
    db.exec(&["rm", "/www/health"]).await;
    web.exec(&["rm", "/www/health"]).await;
    let suspected = wait::until("web is down and suspects db", wait::SOON, || async {
        let status = status(&scene, "web").await;
        let found = status["health"] == "unhealthy" && status["waitsFor"] == "db";
        if found { Ok(status) } else { Err((status, scene.portreeve.log())) }
    })
    .await;
    let ready = suspected["conditions"].as_array().unwrap().iter().find(|one| one["type"] == "Ready");
    assert_eq!(ready.unwrap()["reason"], "DependencyDown", "{suspected}");
    wait_health(&scene, "db", "unhealthy").await;
    let events = wait::until("both are told", wait::SOON, || async {
        let events = scene.portreeve.get("/api/events?type=ServiceDown").await.unwrap().json();
        let events = events.as_array().unwrap().clone();
        wait::is(events.len() == 2, events.clone()).map(|()| events)
    })
    .await;
    let reason = |name: &str| {
        let event = events.iter().find(|event| event["container_name"] == name).unwrap();
        (event["reason"].as_str().unwrap(), event["severity"].as_str().unwrap())
    };
    assert_eq!(reason("db"), ("Unhealthy", "critical"));
    assert_eq!(reason("web"), ("DependencyDown", "info"));

    // What failed meanwhile says nothing about it now: it is asked anew, and told as its own trouble only if it is.
    db.exec(&["sh", "-c", "echo fine > /www/health"]).await;
    web.exec(&["sh", "-c", "echo fine > /www/health"]).await;
    wait_health(&scene, "web", "healthy").await;
}
