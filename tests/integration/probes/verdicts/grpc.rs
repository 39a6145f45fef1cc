//! gRPC's statuses, those of its health protocol, and what proxies answer in HTTP.

use bytes::Bytes;
use http::HeaderMap;
use portreeve::probe::{CheckOutcome, Meaning};
use tokio::io::AsyncReadExt;

use super::means;
use crate::integration::probes::grpc::{health, health_over_http, service};
use crate::integration::probes::http_get::bodies::gzip;
use crate::integration::probes::listeners::{Listener, say};
use crate::integration::probes::{ask, failure, output};

/// What comes of it when a server answers with this `grpc-status`.
async fn status(code: &'static str) -> CheckOutcome {
    let (port, _serving) = health(b"", Some(code)).await;
    ask(service("db"), port).await
}

/// What comes of it when something in front of a server answers with this status of HTTP.
async fn http(status: u16) -> CheckOutcome {
    let (port, _serving) = health_over_http(status, b"", None).await;
    ask(service("db"), port).await
}

#[tokio::test]
async fn a_server_that_is_unavailable_for_now_is_asked_too_early() {
    means!(status("14").await, NotYet);
    for code in [429, 502, 503, 504] {
        means!(http(code).await, NotYet);
    }
}

#[tokio::test]
async fn a_refused_login_is_no_illness() {
    for code in ["7", "16"] {
        means!(status(code).await, Denied);
    }
    for code in [401, 403] {
        means!(http(code).await, Denied);
    }
}

#[tokio::test]
async fn a_server_that_is_full_refuses_us() {
    means!(status("8").await, Denied);
}

#[tokio::test]
async fn a_server_without_the_service_refuses_us() {
    for code in ["5", "12"] {
        means!(status(code).await, Denied);
    }
    means!(http(404).await, Denied);
    // `SERVICE_UNKNOWN`
    let (port, _serving) = health(b"\0\0\0\0\x02\x08\x03", Some("0")).await;
    means!(ask(service("db"), port).await, Denied);
}

#[tokio::test]
async fn a_request_that_the_server_does_not_take_is_the_probes_fault() {
    means!(status("3").await, Fault);
    for code in [400, 405, 415] {
        means!(http(code).await, Fault);
    }
}

/// What comes of it when a server answers with these headers and nothing else, or with this message and a good end.
async fn answered(
    http: u16,
    headers: &'static [(&'static str, &'static str)],
    message: Option<&[u8]>,
) -> CheckOutcome {
    let message = message.map(Bytes::copy_from_slice);
    let server = Listener::conversing(move |stream| {
        let message = message.clone();
        async move {
            let mut connection = h2::server::handshake(stream).await.map_err(std::io::Error::other)?;
            while let Some(Ok((_, mut respond))) = connection.accept().await {
                let mut head = http::Response::builder().status(http);
                for (name, value) in headers {
                    head = head.header(*name, *value);
                }
                let answer = head.body(()).unwrap();
                let Some(message) = message.clone() else {
                    respond.send_response(answer, true).map_err(std::io::Error::other)?;
                    continue;
                };
                let mut body = respond.send_response(answer, false).map_err(std::io::Error::other)?;
                body.send_data(message, false).map_err(std::io::Error::other)?;
                let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())]);
                body.send_trailers(trailers).map_err(std::io::Error::other)?;
            }
            Ok(())
        }
    })
    .await;
    ask(service("db"), server.port()).await
}

#[tokio::test]
async fn a_grpc_status_counts_whatever_is_said_in_http() {
    for (http, kind) in [
        (200, &[][..]),
        (200, &[("content-type", "text/plain")]),
        (404, &[]),
        (503, &[("content-type", "application/grpc")]),
    ] {
        let headers: &'static [_] =
            [kind, &[("grpc-status", "12"), ("grpc-message", "none")]].concat().leak();
        let outcome = answered(http, headers, None).await;
        assert_eq!((failure(&outcome).means(), output(&outcome)), (Meaning::Denied, "none"), "{headers:?}");
    }
    let serving = Some(&b"\0\0\0\0\x02\x08\x01"[..]);
    for kind in
        [&[][..], &[("content-type", "application/GRPC+proto")], &[("content-type", "application/grpc")]]
    {
        assert_eq!(answered(200, kind, serving).await.result, Ok(()), "{kind:?}");
    }
    let outcome = answered(200, &[("content-type", "text/html")], serving).await;
    assert_eq!(failure(&outcome).reason, "expected a gRPC answer, got one of another kind");
}

#[tokio::test]
async fn an_answer_that_is_compressed_is_read_or_our_limit() {
    let packed = gzip(b"\x08\x01");
    let length = u8::try_from(packed.len()).unwrap();
    let message = [&[1, 0, 0, 0, length][..], &packed].concat();
    let outcome = answered(200, &[("grpc-encoding", "gzip")], Some(&message)).await;
    assert_eq!(outcome.result, Ok(()));
    means!(answered(200, &[("grpc-encoding", "snappy")], Some(&message)).await, Fault);
    for wrong in [&[][..], &[("grpc-encoding", "identity")], &[("grpc-encoding", "deflate")]] {
        let outcome = answered(200, wrong, Some(&message)).await;
        assert_eq!(failure(&outcome).reason, "expected a health answer, got something else", "{wrong:?}");
    }
}

#[tokio::test]
async fn any_other_status_is_unhealthy() {
    for code in ["1", "2", "4", "10", "13", "15", "99"] {
        means!(status(code).await, Unhealthy);
    }
    for code in [410, 500] {
        means!(http(code).await, Unhealthy);
    }
}

#[tokio::test]
async fn a_server_that_does_not_know_yet_is_asked_too_early() {
    let (port, _serving) = health(b"\0\0\0\0\0", Some("0")).await;
    means!(ask(service("db"), port).await, NotYet);
}

#[tokio::test]
async fn a_server_that_does_not_serve_is_unhealthy() {
    for answer in [b"\0\0\0\0\x02\x08\x02", b"\0\0\0\0\x02\x08\x63"] {
        let (port, _serving) = health(answer, Some("0")).await;
        means!(ask(service("db"), port).await, Unhealthy);
    }
}

/// What comes of it when the other side ends the connection with this error code, and words of its own.
async fn farewell(code: u32) -> CheckOutcome {
    let server = Listener::conversing(move |mut stream| async move {
        // The preface; then an empty SETTINGS, and GOAWAY before any stream.
        stream.read_exact(&mut [0; 24]).await?;
        let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        let words = b"s3cret";
        let length = u8::try_from(8 + words.len()).unwrap();
        let goaway = [&[0, 0, length, 7, 0, 0, 0, 0, 0][..], &[0; 4], &code.to_be_bytes(), words].concat();
        say(&mut stream, &[&settings[..], &goaway].concat()).await
    })
    .await;
    let outcome = ask(service("db"), server.port()).await;
    assert!(!failure(&outcome).reason.contains("s3cret"), "{outcome:?}");
    assert!(code == 0 || output(&outcome).contains("s3cret"), "{outcome:?}");
    outcome
}

#[tokio::test]
async fn a_server_that_says_goodbye_is_asked_too_early() {
    for code in [0, 7] {
        means!(farewell(code).await, NotYet);
    }
}

#[tokio::test]
async fn a_server_that_wants_less_of_us_refuses_us() {
    for code in [11, 12] {
        means!(farewell(code).await, Denied);
    }
}

#[tokio::test]
async fn a_server_that_does_not_take_http_2_is_beyond_the_probe() {
    means!(farewell(13).await, Fault);
}

#[tokio::test]
async fn any_other_end_of_http_2_is_unhealthy() {
    for code in [1, 2, 6, 99] {
        means!(farewell(code).await, Unhealthy);
    }
}
