//! The codes of CONNACK and SUBACK, in MQTT 3 and 5.

use portreeve::probe::CheckOutcome;
use serde_json::json;

use super::means;
use crate::integration::probes::listeners::{Listener, Manner};
use crate::integration::probes::{ask, failure};

/// What comes of it when a broker answers with this code: to the connection, as MQTT 3 and as MQTT 5 write it, and, from
/// 128 on, to the subscription.
async fn answered(code: u8) -> Vec<CheckOutcome> {
    let mut answers = vec![
        vec![0x20, 2, 0, code],
        // MQTT 5: a reason string among its properties.
        [&[0x20, 12, 0, code, 9, 0x1f, 0, 6][..], b"s3cret"].concat(),
    ];
    if code >= 0x80 {
        answers.push(vec![0x20, 2, 0, 0, 0x90, 3, 0, 1, code]);
    }
    let mut outcomes = Vec::new();
    for answer in answers {
        let server = Listener::start(Manner::SaysAndCloses(answer.leak())).await;
        let outcome = ask(json!({"mqtt": {"topic": "orders"}}), server.port()).await;
        let reason = &failure(&outcome).reason;
        assert!(reason.contains(&format!("return code {code}")) && !reason.contains("s3cret"), "{reason}");
        outcomes.push(outcome);
    }
    outcomes
}

#[tokio::test]
async fn a_broker_that_is_not_available_yet_is_asked_too_early() {
    for code in [3, 0x88, 0x89] {
        for outcome in answered(code).await {
            means!(outcome, NotYet);
        }
    }
}

#[tokio::test]
async fn a_refused_login_is_no_illness() {
    for code in [2, 4, 5, 0x80, 0x85, 0x86, 0x87, 0x8a, 0x8c] {
        for outcome in answered(code).await {
            means!(outcome, Denied);
        }
    }
}

#[tokio::test]
async fn a_broker_that_is_full_refuses_us() {
    for code in [0x97, 0x9c, 0x9d, 0x9f] {
        for outcome in answered(code).await {
            means!(outcome, Denied);
        }
    }
}

#[tokio::test]
async fn a_broker_that_speaks_another_version_is_beyond_the_probe() {
    for code in [1, 0x81, 0x82, 0x84, 0x8f, 0x90, 0x95, 0x99, 0x9a, 0x9b, 0x9e, 0xa1, 0xa2] {
        for outcome in answered(code).await {
            means!(outcome, Fault);
        }
    }
}

#[tokio::test]
async fn any_other_code_is_unhealthy() {
    for code in [6, 0x7f, 0x83, 0xff] {
        for outcome in answered(code).await {
            means!(outcome, Unhealthy);
        }
    }
}
