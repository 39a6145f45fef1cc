//! AMQP 0-9-1's reply codes, and brokers that do not say why.

use portreeve::probe::CheckOutcome;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::means;
use crate::integration::probes::listeners::{Listener, Manner, hear, say};
use crate::integration::probes::{ask, failure, output};

/// `Connection.Start`, which offers PLAIN.
const START: &[u8] = b"\x01\0\0\0\0\0\x1c\0\x0a\0\x0a\0\x09\0\0\0\0\0\0\0\x05PLAIN\0\0\0\x05en_US\xce";

/// A greeting, and the answer to it.
async fn greeted(stream: &mut TcpStream) -> std::io::Result<()> {
    hear(stream, b"AMQP\0\0\x09\x01").await?;
    stream.write_all(START).await?;
    let (_kind, _channel) = (stream.read_u8().await?, stream.read_u16().await?);
    let length = stream.read_u32().await?;
    let mut start_ok = vec![0; usize::try_from(length).unwrap() + 1];
    stream.read_exact(&mut start_ok).await?;
    assert_eq!(start_ok[..4], [0, 10, 0, 11]);
    Ok(())
}

/// What comes of it when a broker closes the connection with this code.
async fn answered(code: u16) -> CheckOutcome {
    let server = Listener::conversing(move |mut stream| async move {
        greeted(&mut stream).await?;
        let text = b"the broker's own words";
        let length = [u8::try_from(text.len()).unwrap()];
        let method = [&[0, 10, 0, 50][..], &code.to_be_bytes(), &length, text, &[0; 4]].concat();
        let size = u32::try_from(method.len()).unwrap().to_be_bytes();
        say(&mut stream, &[&[1, 0, 0][..], &size, &method, &[0xce]].concat()).await
    })
    .await;
    let outcome = ask(json!({"amqp": {}}), server.port()).await;
    assert_eq!(output(&outcome), "the broker's own words");
    assert!(failure(&outcome).reason.contains(&format!("reply code {code}")), "{outcome:?}");
    outcome
}

#[tokio::test]
async fn a_broker_that_closes_all_connections_is_asked_too_early() {
    means!(answered(320).await, NotYet);
}

#[tokio::test]
async fn a_refused_login_is_no_illness() {
    for code in [402, 403, 404, 405, 530] {
        means!(answered(code).await, Denied);
    }
}

#[tokio::test]
async fn a_broker_that_is_full_refuses_us() {
    for code in [311, 406, 506] {
        means!(answered(code).await, Denied);
    }
}

#[tokio::test]
async fn a_broker_that_does_not_take_our_frames_shows_our_limit() {
    for code in [501, 502, 503, 504, 505, 540] {
        means!(answered(code).await, Fault);
    }
}

#[tokio::test]
async fn any_other_reply_code_is_unhealthy() {
    for code in [541, 200, 0] {
        means!(answered(code).await, Unhealthy);
    }
}

#[tokio::test]
async fn a_broker_that_hangs_up_on_a_login_refuses_it() {
    let server = Listener::conversing(|mut stream| async move { greeted(&mut stream).await }).await;
    let outcome = ask(json!({"amqp": {}}), server.port()).await;
    means!(outcome, Denied);
    assert_eq!(failure(&outcome).reason, "expected an accepted login, the broker closed the connection");
}

#[tokio::test]
async fn a_broker_of_another_version_is_beyond_the_probe() {
    // AMQP 1.0, and its layer for logins.
    for header in [b"AMQP\0\x01\0\0", b"AMQP\x03\x01\0\0"] {
        let server = Listener::start(Manner::SaysAndCloses(header)).await;
        let outcome = ask(json!({"amqp": {}}), server.port()).await;
        means!(outcome, Fault);
        let text = "expected a greeting, the broker speaks another version of AMQP than 0-9-1";
        assert_eq!(failure(&outcome).reason, text);
    }
}
