//! gRPC's statuses, those of its health protocol, and what proxies answer in HTTP.

use portreeve::probe::Outcome;

use super::means;
use crate::integration::probes::ask;
use crate::integration::probes::grpc::{health, health_over_http, service};

/// What comes of it when a server answers with this `grpc-status`.
async fn status(code: &'static str) -> Outcome {
    let (port, _serving) = health(b"", Some(code)).await;
    ask(service("db"), port).await
}

/// What comes of it when something in front of a server answers with this status of HTTP.
async fn http(status: u16) -> Outcome {
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
}

#[tokio::test]
async fn any_other_status_is_unhealthy() {
    for code in ["1", "2", "4", "10", "13", "15", "99"] {
        means!(status(code).await, Unhealthy);
    }
    for code in [400, 500] {
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
