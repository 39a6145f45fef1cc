//! `kafka`, asking the mock cluster of librdkafka, which knows the protocol of old; and one answer of newer servers.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use super::{ask, denied, passed, shown, step, unhealthy};
use crate::support::{server, wait};

/// A cluster with the topic `demo`.
async fn cluster() -> (Child, u16) {
    server::install("kcat").await;
    let mut child = Command::new("kcat")
        .args(["-b", "x", "-X", "test.mock.num.brokers=1", "-C", "-t", "demo", "-u"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let said =
        tokio::time::timeout(wait::SOON, lines.next_line()).await.expect("kcat says something").unwrap();
    let port = said.as_deref().and_then(|line| line.rsplit_once("127.0.0.1:")).map(|(_, port)| port.parse());
    let port = port.unwrap_or_else(|| panic!("no port in {said:?}")).unwrap();
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (child, port)
}

fn topic(name: &str) -> Value {
    json!({"kafka": {"topic": name}})
}

#[tokio::test]
async fn a_cluster_with_the_topic_is_healthy_and_no_topic_is_made_by_asking() {
    let (child, port) = cluster().await;
    wait::until("there is a topic", wait::SOON, || async { ask(topic("demo"), port).await.result }).await;
    let outcome = ask(topic("demo"), port).await;
    assert_eq!(passed(&outcome), ["resolve", "connect", "greet", "query", "expect"]);
    assert_eq!(step(&outcome, "query"), "1 broker");
    assert_eq!(step(&outcome, "expect"), "demo has 4 partitions, each with a leader");
    passed(&ask(json!({"kafka": {}}), port).await);
    for _ in 0..2 {
        let outcome = ask(topic("orders"), port).await;
        shown!(outcome);
        assert_eq!(denied(&outcome), "expected the topic orders, got error code 3: the topic does not exist");
    }
    let pid = rustix::process::Pid::from_raw(child.id().unwrap().try_into().unwrap()).unwrap();
    server::freeze(pid).await;
    let hanging = ask(json!({"kafka": {}, "timeoutSeconds": 1}), port).await;
    assert_eq!(unhealthy(&hanging), "nothing within 1 s, at the step `greet`");
}

/// A request without its length, and what answers it.
async fn answer(stream: &mut tokio::net::TcpStream, body: &[u8]) -> Vec<u8> {
    let length = stream.read_u32().await.unwrap();
    let mut request = vec![0; length.try_into().unwrap()];
    stream.read_exact(&mut request).await.unwrap();
    let whole = [&(4 + body.len() as u32).to_be_bytes()[..], &request[4..8], body].concat();
    stream.write_all(&whole).await.unwrap();
    request
}

#[tokio::test]
async fn a_server_that_can_be_asked_not_to_make_topics_is_asked_for_the_one() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        // Metadata, versions 0 to 12.
        let versions = answer(&mut stream, b"\0\0\0\0\0\x01\0\x03\0\0\0\x0c").await;
        // One broker, no rack, no name; the topic, one partition, led by broker 1.
        let metadata = b"\0\0\0\0\0\0\0\x01\0\0\0\x01\0\x01k\0\0\x23\x84\xff\xff\xff\xff\0\0\0\x01\
            \0\0\0\x01\0\0\0\x06orders\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\0\0\x01";
        (versions, answer(&mut stream, metadata).await)
    });
    let outcome = ask(topic("orders"), port).await;
    assert_eq!(step(&outcome, "expect"), "orders has 1 partition, each with a leader");
    let (versions, metadata) = server.await.unwrap();
    let header = |key: u8, version: u8| [&[0, key, 0, version][..], b"prob\0\x0fportreeve-probe"].concat();
    assert_eq!(versions, header(18, 0));
    assert_eq!(metadata, [&header(3, 4)[..], b"\0\0\0\x01\0\x06orders\0"].concat());
}
