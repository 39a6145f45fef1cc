//! `icmp`, asking the kernel of this machine, and addresses where there is nobody.

use portreeve::probe::Meaning;
use serde_json::json;

use super::{ask_at, failure, fault, passed, unhealthy};

#[tokio::test]
async fn a_host_that_answers_is_healthy() {
    let probe = || json!({"icmp": {}});
    assert_eq!(passed(&ask_at("127.0.0.1", 0, probe()).await), ["resolve", "send", "receive"]);
    assert_eq!(passed(&ask_at("localhost", 0, probe()).await), ["resolve", "send", "receive"]);
    if std::path::Path::new("/proc/sys/net/ipv6/conf/lo/disable_ipv6").exists()
        && std::fs::read_to_string("/proc/sys/net/ipv6/conf/lo/disable_ipv6").unwrap().trim() == "0"
    {
        passed(&ask_at("::1", 0, probe()).await);
    }
    let nobody = ask_at("no-such-host.invalid", 0, probe()).await;
    assert!(nobody.result.is_err(), "{nobody:?}");
    let metadata = ask_at("169.254.169.254", 0, probe()).await;
    assert!(fault(&metadata).contains("link-local, unspecified or metadata address"), "{metadata:?}");
}

#[tokio::test]
async fn a_host_that_does_not_answer_is_told() {
    // A group that nobody has joined; kernels answer no group anyway. Some machines know no way there.
    let outcome = ask_at("224.0.0.99", 0, json!({"icmp": {}, "timeoutSeconds": 1})).await;
    match failure(&outcome).means() {
        Meaning::Fault => {
            let text = fault(&outcome);
            assert!(text.contains("to 224.0.0.99: network is unreachable"), "{text}")
        }
        _ => assert_eq!(unhealthy(&outcome), "nothing within 1 s, at the step `receive`"),
    }
}
