//! `examples/iot-stack` with real servers: each is broken, and what Portreeve says and does about it is checked.

mod stack;

use std::collections::BTreeMap;

use bollard::models::ContainerStateStatusEnum as Status;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use self::stack::{PASSWORD, PATIENCE, SERVICES, Stack};
use super::scene::{restarted, started_at};
use crate::support::wait;

const WRONG: &str = "not-the-passw0rd";

#[tokio::test]
async fn every_server_of_the_iot_stack_is_judged_told_and_healed_as_it_was_broken() {
    let stack = Stack::up().await;
    for name in SERVICES {
        let status = stack.is(name, "healthy").await;
        assert_eq!(status["reason"], Value::Null, "{name}: {status:#}");
    }
    // What depends on nothing that the other breaks, at the same time.
    tokio::join!(brokers_and_applications(&stack), databases(&stack), what_recovers(&stack));
    for name in SERVICES {
        stack.is(name, "healthy").await;
    }

    // Each fall was told once, and only what fell for want of another names its dependency.
    let mut expected = [
        ("data-processor", "DependencyDown"),
        ("f2-simulator", "Unhealthy"),
        ("kafka", "Unhealthy"),
        ("kafka", "Unhealthy"),
        ("mosquitto", "Denied"),
        ("mosquitto", "Unhealthy"),
        ("mqtt-kafka-connector", "Unhealthy"),
        ("timescaledb", "Unhealthy"),
        ("zookeeper", "Unhealthy"),
        ("zookeeper", "Unhealthy"),
    ]
    .map(|(name, reason)| (name.to_owned(), reason.to_owned()))
    .to_vec();
    let mut told = stack.told("ServiceDown").await;
    // The sink crashes and is started again: whether that takes long enough to be told is the machine's doing.
    told.retain(|(name, _)| name != "postgres" && name != "kafka-timescale-sink");
    told.sort();
    expected.sort();
    assert_eq!(told, expected);

    // Nobody was restarted for what another did, nor for a login that was refused.
    let mut restarts = BTreeMap::new();
    for (name, _) in stack.told("Restarting").await {
        *restarts.entry(name).or_insert(0) += 1;
    }
    let others = SERVICES.into_iter().filter(|name| *name != "postgres");
    assert_eq!(restarts, others.map(|name| (name.to_owned(), 1)).collect());

    let said = stack.everything_said().await;
    for secret in [PASSWORD, WRONG] {
        assert!(!said.contains(secret), "a password is shown:\n{said}");
    }
    stack.scene.receiver.state().assert_clean();
}

async fn brokers_and_applications(stack: &Stack) {
    a_port_that_is_closed(stack).await;
    a_login_that_the_server_refuses(stack).await;
    stopped_by_hand(stack).await;
    hanging(stack).await;
    down_for_what_it_depends_on(stack).await;
    applications(stack).await;
}

async fn a_port_that_is_closed(stack: &Stack) {
    let before = started_at(stack.container("mosquitto")).await;
    stack.signal("mosquitto", "KILL", "mosquitto").await;
    stack.falls("mosquitto", "login: ", "connection refused").await;
    stack.heals("mosquitto", &before).await;
}

/// Somebody changed the password in the broker: it works, and a restart would only cut off its clients.
async fn a_login_that_the_server_refuses(stack: &Stack) {
    let mosquitto = stack.container("mosquitto");
    let before = started_at(mosquitto).await;
    let set = async |password: &str| {
        let change = format!("mosquitto_passwd -b /srv/mosquitto/passwords portreeve {password}");
        assert_eq!(mosquitto.exec(&["sh", "-c", &change]).await.0, 0);
        stack.signal("mosquitto", "HUP", "mosquitto").await;
    };
    set(WRONG).await;
    stack.falls("mosquitto", "expected a connection, got return code 5: it refuses this client", "").await;
    stack.is_left_alone("mosquitto", "Denied").await;
    set(PASSWORD).await;
    stack.is("mosquitto", "healthy").await;
    assert_eq!(started_at(mosquitto).await, before);
}

async fn stopped_by_hand(stack: &Stack) {
    let zookeeper = stack.container("zookeeper");
    let mut dependants = Vec::new();
    for name in ["kafka", "data-processor", "mqtt-kafka-connector", "kafka-timescale-sink"] {
        dependants.push((name, started_at(stack.container(name)).await));
    }
    zookeeper.stop().await;
    stack.falls("zookeeper", "zookeeper is exited (exit code 0)", "").await;
    for (name, _) in &dependants {
        let status = stack.waits_for(name, "zookeeper").await;
        // What answers by itself is healthy all the same.
        assert_eq!(status["health"], "healthy", "{name}: {status:#}");
    }
    stack.is_left_alone("zookeeper", "StoppedByHand").await;
    assert_eq!(zookeeper.status().await, Status::EXITED);
    zookeeper.start().await;
    stack.is("zookeeper", "healthy").await;
    for (name, before) in dependants {
        stack.waits_for_nobody(name).await;
        assert_eq!(started_at(stack.container(name)).await, before, "{name} was restarted");
    }
}

/// Each takes connections, and then nothing more comes.
async fn hanging(stack: &Stack) {
    for (name, process, step) in [("zookeeper", "java", "receive"), ("kafka", "kcat", "greet")] {
        let before = started_at(stack.container(name)).await;
        stack.signal(name, "STOP", process).await;
        stack.falls(name, "nothing within 2 s, at the step", step).await;
        stack.heals(name, &before).await;
    }
}

/// The processor's own server ends while kafka is down: that is no reason to restart the processor, until kafka is back.
async fn down_for_what_it_depends_on(stack: &Stack) {
    let (kafka, processor) = (stack.container("kafka"), stack.container("data-processor"));
    let before = started_at(processor).await;
    kafka.stop().await;
    stack.falls("kafka", "kafka is exited", "").await;
    stack.waits_for("data-processor", "kafka").await;
    stack.signal("data-processor", "KILL", "busybox").await;
    stack.falls("data-processor", "iot-health: ", "connection refused").await;
    let blocked = wait::until("the processor waits for kafka", wait::SOON, || async {
        let blocked = stack.container_row("data-processor").await["blocked"].clone();
        if blocked[0]["reason"] == "DependencyDown" { Ok(blocked) } else { Err(blocked) }
    })
    .await;
    assert!(blocked[0]["message"].as_str().unwrap().contains("kafka, which it depends on"), "{blocked:#}");
    let status = stack.waits_for("data-processor", "kafka").await;
    let conditions = status["conditions"].as_array().unwrap();
    let ready = conditions.iter().find(|condition| condition["type"] == "Ready").unwrap();
    assert_eq!(ready["reason"], "DependencyDown", "{status:#}");
    assert_eq!(started_at(processor).await, before);
    kafka.start().await;
    stack.heals("data-processor", &before).await;
    // Not as soon as kafka ran, but once it answered.
    let at = |event: Value| event["timestamp"].as_str().unwrap().to_owned();
    let recovered = at(stack.last_told("ServiceRecovered", "kafka").await);
    let restarting = at(stack.last_told("Restarting", "data-processor").await);
    assert!(recovered <= restarting, "{restarting} is before {recovered}");
}

/// One says that it is unwell, one hangs, one crashes.
async fn applications(stack: &Stack) {
    let says_so = async {
        let before = started_at(stack.container("f2-simulator")).await;
        let (code, said) = stack
            .container("f2-simulator")
            .exec(&["sh", "-c", r#"echo '{"status": "degraded"}' >/srv/www/health"#])
            .await;
        assert_eq!(code, 0, "{said}");
        stack.falls("f2-simulator", r#"expected "up" at $.status, found something else"#, "").await;
        stack.heals("f2-simulator", &before).await;
    };
    let hangs = async {
        let before = started_at(stack.container("mqtt-kafka-connector")).await;
        stack.signal("mqtt-kafka-connector", "STOP", "busybox").await;
        stack.falls("mqtt-kafka-connector", "nothing within 2 s, at the step", "").await;
        stack.heals("mqtt-kafka-connector", &before).await;
    };
    let crashes = async {
        let sink = stack.container("kafka-timescale-sink");
        let state = sink.inspect().await.state.unwrap();
        // From outside the engine: nobody asked for this end.
        let pid = Pid::from_raw(state.pid.unwrap().try_into().unwrap()).unwrap();
        kill_process(pid, Signal::KILL).unwrap();
        stack.heals("kafka-timescale-sink", &state.started_at.unwrap()).await;
    };
    tokio::join!(says_so, hangs, crashes);
}

async fn databases(stack: &Stack) {
    let before = started_at(stack.container("timescaledb")).await;
    stack.signal("timescaledb", "STOP", "postgres").await;
    stack.falls("timescaledb", "query: nothing within 2 s, at the step", "").await;
    stack.heals("timescaledb", &before).await;
    a_wrong_password(stack).await;
}

/// No restart mends a wrong password: the container is left alone.
async fn a_wrong_password(stack: &Stack) {
    let postgres = stack.container("postgres");
    let last = started_at(postgres).await;
    stack.password(WRONG);
    let refusal = "query: expected a login, got SQLSTATE 28P01: the login is refused";
    stack.falls("postgres", refusal, "").await;
    stack.is_left_alone("postgres", "Denied").await;
    let told = stack.scene.events(postgres, &["Skipped"]).await;
    assert_eq!(told[0]["severity"], "warning", "{told:#?}");
    let status = stack.is("postgres", "unhealthy").await;
    assert!(status["reason"].as_str().unwrap().contains(refusal), "{status:#}");

    stack.password(PASSWORD);
    stack.is("postgres", "healthy").await;

    // Without a password nobody can be asked: that says nothing about the server, and it is left in peace.
    stack.no_password();
    let status = stack.is("postgres", "error").await;
    assert!(status["reason"].as_str().unwrap().contains("postgres: query: "), "{status:#}");
    stack.password(PASSWORD);
    stack.is("postgres", "healthy").await;
    assert_eq!(started_at(postgres).await, last);
}

/// A Redis that loads its data and a PostgreSQL that recovers live: they are shown as not ready, and nobody begins them anew.
async fn what_recovers(stack: &Stack) {
    let loading =
        "cache: ping: not ready yet: expected PONG, got LOADING: it is loading its data into memory";
    let recovering = "standby: query: not ready yet: expected a login, got SQLSTATE 57P03: it is starting up, recovering or shutting down";
    let mut before = Vec::new();
    for (name, reason, kind) in [("cache", loading, "redis"), ("standby", recovering, "postgres")] {
        before.push((name, started_at(stack.container(name)).await));
        let status = wait::until(&format!("{name} is not ready yet"), wait::SOON, || async {
            // A condition is written a moment after the figures that it follows from.
            let status = stack.status(name).await;
            let mut conditions = status["conditions"].as_array().into_iter().flatten();
            let not_yet = conditions.any(|one| one["type"] == "Ready" && one["reason"] == "NotYet");
            if status["notYetSince"].is_string() && not_yet { Ok(status) } else { Err(status) }
        })
        .await;
        assert_eq!((&status["health"], &status["reason"]), (&"unknown".into(), &reason.into()), "{status:#}");
        let ready =
            status["conditions"].as_array().unwrap().iter().find(|one| one["type"] == "Ready").unwrap();
        assert_eq!(&ready["status"], "Unknown", "{status:#}");
        assert_eq!(status["containers"][0]["probes"][0]["outcome"], "notYet", "{status:#}");
        stack.is_left_alone(name, "NotYet").await;
        // So many checks one after the other, of which one that failed would have been enough.
        let counted = format!("portreeve_probes_total{{type=\"{kind}\",outcome=\"not_yet\"}} ");
        wait::until(&format!("{name} was asked often"), PATIENCE, || async {
            let page = stack.scene.portreeve.get("/metrics").await.unwrap().body;
            let count = page.lines().find_map(|line| line.strip_prefix(&counted)).map(str::to_owned);
            wait::is(count.as_deref().is_some_and(|count| count.parse::<u32>().unwrap() >= 8), count)
        })
        .await;
    }
    let cache = stack.container("cache").exec(&["redis-cli", "config", "set", "key-load-delay", "0"]).await;
    assert_eq!(cache.0, 0, "{}", cache.1);
    let promote = "setpriv --reuid postgres --regid postgres --init-groups \
                   /usr/lib/postgresql/*/bin/pg_ctl promote -D /srv/postgres/data";
    let (code, said) = stack.container("standby").exec(&["sh", "-c", promote]).await;
    assert_eq!(code, 0, "{said}");
    for (name, before) in before {
        stack.is(name, "healthy").await;
        let container = stack.container(name);
        if started_at(container).await != before {
            let told = stack.scene.events(container, &[]).await;
            panic!("{name} was restarted: {told:#?}\n{}", stack.scene.portreeve.log());
        }
    }
}

impl Stack {
    /// Waits until it is said why nothing is done about a container.
    async fn is_left_alone(&self, name: &str, reason: &str) {
        wait::until(&format!("{name} is left alone: {reason}"), wait::SOON, || async {
            let blocked = self.container_row(name).await["blocked"].clone();
            if blocked[0]["reason"] == reason { Ok(()) } else { Err(blocked) }
        })
        .await;
    }

    /// Waits until the service is down, and sees why: the reason holds both texts, and is what was told.
    async fn falls(&self, name: &str, why: &str, more: &str) {
        let status = self.is(name, "unhealthy").await;
        let reason = status["reason"].as_str().unwrap();
        assert!(reason.contains(why) && reason.contains(more), "no `{why}`, `{more}`: {status:#}");
        let told = wait::until(&format!("it is told that {name} is down"), wait::SOON, || async {
            let told = self.last_told("ServiceDown", name).await;
            if told["message"].as_str().is_some_and(|message| message.starts_with(reason)) {
                Ok(told)
            } else {
                Err((told, reason))
            }
        })
        .await;
        assert_eq!(told["status"], "unhealthy", "{told:#}");
    }

    /// Waits until Portreeve restarted it, and it is well again.
    async fn heals(&self, name: &str, before: &str) {
        restarted(self.container(name), before).await;
        self.is(name, "healthy").await;
    }
}
