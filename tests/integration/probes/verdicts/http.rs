//! HTTP's statuses, and HTTP/2's codes.

use portreeve::probe::CheckOutcome;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};

use super::means;
use crate::integration::probes::certificates::Authority;
use crate::integration::probes::listeners::{Listener, say};
use crate::integration::probes::{ask, failure, output};

/// What comes of it when a server answers with this status, and these headers.
async fn answered(status: u16, headers: &'static str) -> CheckOutcome {
    let server = Listener::conversing(move |mut stream| async move {
        let mut lines = BufReader::new(&mut stream).lines();
        while lines.next_line().await?.is_some_and(|line| !line.is_empty()) {}
        let body = "the server's own words";
        let length = body.len();
        let answer = format!("HTTP/1.1 {status} s3cret\r\n{headers}Content-Length: {length}\r\n\r\n{body}");
        say(&mut stream, answer.as_bytes()).await
    })
    .await;
    let outcome = ask(json!({"httpGet": {}}), server.port()).await;
    assert_eq!(output(&outcome), "the server's own words");
    outcome
}

#[tokio::test]
async fn a_server_that_says_when_to_ask_again_is_asked_too_early() {
    means!(answered(503, "Retry-After: 120\r\n").await, NotYet);
}

#[tokio::test]
async fn a_server_that_says_that_it_is_too_early_is_believed() {
    means!(answered(425, "").await, NotYet);
}

#[tokio::test]
async fn a_refused_login_is_no_illness() {
    for status in [401, 402, 403, 407, 451, 511] {
        means!(answered(status, "").await, Denied);
    }
}

#[tokio::test]
async fn a_server_that_is_asked_too_often_refuses_us() {
    means!(answered(429, "Retry-After: 1\r\n").await, Denied);
}

#[tokio::test]
async fn a_server_that_is_full_refuses_us() {
    means!(answered(507, "").await, Denied);
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_refuses_us() {
    for status in [495, 496, 497] {
        means!(answered(status, "").await, Denied);
    }
}

#[tokio::test]
async fn a_request_that_the_server_does_not_take_is_the_probes_fault() {
    for status in
        [400, 405, 406, 411, 412, 413, 414, 415, 416, 417, 421, 422, 426, 428, 431, 494, 501, 505, 510]
    {
        means!(answered(status, "").await, Fault);
    }
}

#[tokio::test]
async fn any_other_status_is_unhealthy() {
    for status in [404, 408, 409, 410, 500, 502, 503, 504, 508, 599] {
        means!(answered(status, "").await, Unhealthy);
    }
}

/// What comes of it when a server resets a request with this code.
async fn reset(code: u32) -> CheckOutcome {
    let acceptor = Authority::new().certificate("localhost", -1, 30).speaking(&["h2"]);
    let server = Listener::conversing(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let stream = acceptor.accept(stream).await?;
            let mut connection = h2::server::handshake(stream).await.map_err(std::io::Error::other)?;
            while let Some(Ok((_, mut answer))) = connection.accept().await {
                answer.send_reset(code.into());
            }
            Ok(())
        }
    })
    .await;
    let outcome = ask(json!({"httpGet": {"scheme": "https"}}), server.port()).await;
    let name = format!("{:?}", h2::Reason::from(code));
    assert!(failure(&outcome).reason.contains(&name), "{outcome:?}");
    outcome
}

#[tokio::test]
async fn a_request_that_is_refused_unseen_came_too_early() {
    means!(reset(0x7).await, NotYet);
}

#[tokio::test]
async fn a_server_that_wants_less_of_us_refuses_us() {
    means!(reset(0xb).await, Denied);
    means!(reset(0xc).await, Denied);
}

#[tokio::test]
async fn any_other_error_of_http2_is_unhealthy() {
    for code in [0x1, 0x2, 0x5, 0x8, 0xa] {
        means!(reset(code).await, Unhealthy);
    }
}
