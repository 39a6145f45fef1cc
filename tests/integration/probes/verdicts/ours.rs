//! What is on our side.

use std::process::Command;

use portreeve::guard::Guard;
use portreeve::observed::Container;
use portreeve::probe::{Subject, check};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;

use super::means;
use crate::integration::probes::listeners::{Listener, Manner};
use crate::integration::probes::mysql::{GREETING, packet, read};
use crate::integration::probes::{ask, ask_at, failure, output, spec};
use crate::support::alone::alone;

#[tokio::test]
async fn a_login_that_the_probe_cannot_do_is_its_own_limit() {
    // `AuthenticationGSS`; a plugin of MySQL's that is not known here; a broker that takes certificates only.
    let gss = Listener::start(Manner::Says(b"NR\0\0\0\x08\0\0\0\x07")).await;
    means!(ask(json!({"postgres": {}}), gss.port()).await, Fault);
    let plugin = Listener::conversing(|mut stream| async move {
        packet(&mut stream, 0, GREETING).await;
        read(&mut stream).await;
        packet(&mut stream, 2, b"\xfeclient_ed25519\0and more salt than that.....").await;
        // A proof of the right length, so that it is not counted as an interrupted login.
        assert_eq!(read(&mut stream).await, [0; 64]);
        packet(&mut stream, 4, b"\xff\x15\x04Access denied").await;
        Ok(())
    })
    .await;
    let outcome = ask(json!({"mysql": {}}), plugin.port()).await;
    means!(outcome, Fault);
    assert_eq!(output(&outcome), "client_ed25519");
    let external = b"\x01\0\0\0\0\0\x1f\0\x0a\0\x0a\0\x09\0\0\0\0\0\0\0\x08EXTERNAL\0\0\0\x05en_US\xce";
    let external = Listener::start(Manner::Says(external)).await;
    means!(ask(json!({"amqp": {}}), external.port()).await, Fault);
}

#[test]
fn errors_of_this_machine_are_its_own() {
    let test = super::super::this_test!();
    alone(&format!("integration::{test}"), || async {
        let probes = || {
            [
                json!({"tcpSocket": {"port": 80}}),
                json!({"redis": {}}),
                json!({"udp": {"port": 1, "send": "x"}}),
            ]
        };
        for probe in probes() {
            let outcome = ask_at("10.1.2.3", 80, probe).await;
            means!(outcome, Fault);
            assert!(failure(&outcome).reason.ends_with("network is unreachable"), "{outcome:?}");
        }
        let prohibited =
            Command::new("ip").args(["route", "add", "prohibit", "10.2.0.0/16"]).status().unwrap();
        assert!(prohibited.success());
        for probe in probes() {
            let outcome = ask_at("10.2.2.3", 80, probe).await;
            means!(outcome, Fault);
            assert!(failure(&outcome).reason.ends_with("permission denied"), "{outcome:?}");
        }
        let listener = Listener::silent().await;
        let limit = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: Some(3), ..limit }).unwrap();
        let outcome = ask_at("127.0.0.1", listener.port(), json!({"tcpSocket": {"port": 80}})).await;
        setrlimit(Resource::Nofile, limit).unwrap();
        means!(outcome, Fault);
        assert!(failure(&outcome).reason.ends_with("too many open files"), "{outcome:?}");
    });
}

#[tokio::test]
async fn an_engine_that_is_away_says_nothing_of_its_containers() {
    let container: Container = serde_json::from_value(json!({
        "key": {"engine": "local", "id": "c1"}, "name": "web", "image": "nginx", "state": "running", "created": 1,
    }))
    .unwrap();
    let subject = Subject { container: Some(&container), ..Subject::within(Guard::default()) };
    let outcome = check(&spec(json!({"exec": {"command": ["true"]}})), &subject).await;
    means!(outcome, Fault);
    assert_eq!(failure(&outcome).reason, "the engine is not connected");
}
