//! Names: what our resolver suffers from, and what it says of a target.

use serde_json::{Value, json};
use tokio::net::UdpSocket;

use super::means;
use crate::integration::probes::network::{no_such_names, resolver};
use crate::integration::probes::{ask_at, failure};
use crate::support::alone::alone;

/// Every handler that asks a host.
fn handlers() -> [Value; 14] {
    [
        json!({"httpGet": {}}),
        json!({"tcpSocket": {"port": 1}}),
        json!({"redis": {}}),
        json!({"postgres": {}}),
        json!({"mysql": {}}),
        json!({"kafka": {}}),
        json!({"amqp": {}}),
        json!({"nats": {}}),
        json!({"mqtt": {}}),
        json!({"grpc": {"port": 1}}),
        json!({"dns": {"name": "web.test"}}),
        json!({"tls": {}}),
        json!({"udp": {"port": 1, "send": "x"}}),
        json!({"icmp": {}}),
    ]
}

#[test]
fn a_resolver_in_trouble_says_nothing_of_the_target_and_is_no_answer() {
    let test = super::super::this_test!();
    alone(&format!("integration::{test}"), || async {
        let _home = resolver("127.0.0.9");
        // Nobody is there.
        for handler in handlers() {
            let outcome = ask_at("web.example", 443, handler.clone()).await;
            means!(outcome, Fault);
            assert_eq!(failure(&outcome).cause.reached(), None, "{handler}");
        }
        // Somebody is, and says nothing.
        let _silent = UdpSocket::bind("127.0.0.9:53").await.unwrap();
        let mut hasty = json!({"tcpSocket": {"port": 1}});
        hasty["timeoutSeconds"] = 1.into();
        let outcome = ask_at("web.example", 443, hasty).await;
        means!(outcome, Fault);
        assert_eq!(failure(&outcome).reason, "nothing within 1 s, at the step `resolve`");
    });
}

#[test]
fn a_name_that_does_not_exist_is_the_targets_trouble() {
    let test = super::super::this_test!();
    alone(&format!("integration::{test}"), || async {
        let _home = no_such_names().await;
        for handler in handlers() {
            let outcome = ask_at("web.example", 443, handler.clone()).await;
            means!(outcome, Unhealthy);
            assert_eq!(failure(&outcome).cause.reached(), None, "{handler}");
        }
    });
}
