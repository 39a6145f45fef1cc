//! Kafka's error codes, and a listener that wants a login.

use std::io;

use portreeve::probe::CheckOutcome;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::means;
use crate::integration::probes::listeners::{Listener, say};
use crate::integration::probes::{ask, failure};

const API_VERSIONS: u8 = 18;
const METADATA: u8 = 3;

/// Reads the request that must come, and gives what answers it.
async fn requested(stream: &mut TcpStream, api: u8, body: &[u8]) -> io::Result<Vec<u8>> {
    let length = stream.read_u32().await?;
    let mut request = vec![0; usize::try_from(length).unwrap()];
    stream.read_exact(&mut request).await?;
    assert_eq!(request[..2], [0, api]);
    let length = u32::try_from(body.len()).unwrap() + 4;
    Ok([&length.to_be_bytes()[..], &request[4..8], body].concat())
}

/// No error; SaslHandshake, and metadata up to version 12.
const VERSIONS: &[u8] = b"\0\0\0\0\0\x02\0\x11\0\0\0\x01\0\x03\0\0\0\x0c";

/// What comes of it when a broker answers like this.
async fn answered(probe: Value, versions: &'static [u8], metadata: Vec<u8>) -> CheckOutcome {
    let server = Listener::conversing(move |mut stream| {
        let metadata = metadata.clone();
        async move {
            let answer = requested(&mut stream, API_VERSIONS, versions).await?;
            stream.write_all(&answer).await?;
            let answer = requested(&mut stream, METADATA, &metadata).await?;
            say(&mut stream, &answer).await
        }
    })
    .await;
    ask(probe, server.port()).await
}

/// One broker, and a topic with this error and one partition of this leader.
fn topic(error: i16, leader: i32) -> Vec<u8> {
    [
        &b"\0\0\0\0\0\0\0\x01\0\0\0\x01\0\x01k\0\0\x23\x84\xff\xff\xff\xff\0\0\0\x01\0\0\0\x01"[..],
        &error.to_be_bytes(),
        b"\0\x06orders\0\0\0\0\x01\0\0\0\0\0\0",
        &leader.to_be_bytes(),
        b"\0\0\0\x01\0\0\0\x01\0\0\0\0",
    ]
    .concat()
}

async fn topic_answered(error: i16, leader: i32) -> CheckOutcome {
    answered(json!({"kafka": {"topic": "orders"}}), VERSIONS, topic(error, leader)).await
}

#[tokio::test]
async fn a_listener_that_wants_a_login_refuses_us() {
    let server = Listener::conversing(|mut stream| async move {
        let answer = requested(&mut stream, API_VERSIONS, VERSIONS).await?;
        stream.write_all(&answer).await?;
        requested(&mut stream, METADATA, b"").await.map(drop)
    })
    .await;
    for probe in [json!({"kafka": {}}), json!({"kafka": {"topic": "orders"}})] {
        let outcome = ask(probe, server.port()).await;
        means!(outcome, Denied);
        assert!(
            failure(&outcome)
                .reason
                .ends_with("the server closed the connection: it requires a login (SASL) first"),
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn a_cluster_without_leaders_is_asked_too_early() {
    for code in [6, 7, 8, 9, 13, 14, 15, 16, 41, 72, 74, 75, 89] {
        means!(topic_answered(code, 1).await, NotYet);
    }
    // Also where only the partition says so.
    for (code, leader) in [(5, 1), (5, -1), (0, -1)] {
        means!(topic_answered(code, leader).await, NotYet);
    }
    // A broker that has not heard of its cluster yet.
    let nobody = b"\0\0\0\0\xff\xff\xff\xff\0\0\0\0".to_vec();
    means!(answered(json!({"kafka": {}}), VERSIONS, nobody).await, NotYet);
}

#[tokio::test]
async fn a_topic_that_needs_a_login_is_no_illness() {
    for code in [29, 30, 31, 33, 34, 53, 54, 58] {
        means!(topic_answered(code, 1).await, Denied);
    }
}

#[tokio::test]
async fn a_question_that_the_broker_does_not_take_is_the_probes_fault() {
    for code in [17, 42] {
        means!(topic_answered(code, 1).await, Fault);
    }
    means!(answered(json!({"kafka": {}}), b"\0\x23\0\0\0\0", Vec::new()).await, Fault);
}

#[tokio::test]
async fn any_other_error_is_unhealthy() {
    for code in [-1, 56, 87] {
        means!(topic_answered(code, 1).await, Unhealthy);
    }
}
