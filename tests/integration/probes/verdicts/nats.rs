//! NATS' errors.

use portreeve::probe::CheckOutcome;
use serde_json::json;

use super::means;
use crate::integration::probes::listeners::{Listener, Manner};
use crate::integration::probes::{ask, failure, output};

/// What comes of it when a server says this: once connected, or in place of its greeting.
async fn answered(error: &str) -> [CheckOutcome; 2] {
    let line = format!("-ERR '{error}'\r\n");
    let at_once = Listener::start(Manner::SaysAndCloses(line.clone().leak().as_bytes())).await;
    let later =
        Listener::start(Manner::SaysAndCloses(format!("INFO {{}}\r\n{line}").leak().as_bytes())).await;
    let outcomes =
        [ask(json!({"nats": {}}), at_once.port()).await, ask(json!({"nats": {}}), later.port()).await];
    for outcome in &outcomes {
        assert_eq!(output(outcome), error);
        assert!(!failure(outcome).reason.contains("s3cret"), "{outcome:?}");
    }
    outcomes
}

#[tokio::test]
async fn a_refused_login_is_no_illness() {
    for error in [
        "Authorization Violation",
        "authorization violation s3cret",
        "Authorization Timeout",
        "Authentication Timeout",
        "Authentication Expired",
        "Authentication Revoked",
        "User Authentication Expired",
        "User Authentication Revoked",
        "Account Authentication Expired",
        "Permissions Violation for Subscription to \"s3cret\"",
    ] {
        for outcome in answered(error).await {
            means!(outcome, Denied);
        }
    }
}

#[tokio::test]
async fn a_server_that_wants_tls_refuses_us() {
    for outcome in answered("Secure Connection - TLS Required").await {
        means!(outcome, Denied);
    }
}

#[tokio::test]
async fn a_server_that_is_full_refuses_us() {
    for error in [
        "maximum connections exceeded",
        "maximum account active connections exceeded",
        "Maximum Subscriptions Exceeded",
        "Connection throttling is active. Please try again later.",
    ] {
        for outcome in answered(error).await {
            means!(outcome, Denied);
        }
    }
}

#[tokio::test]
async fn a_server_that_ends_is_asked_too_early() {
    for outcome in answered("Server Shutdown").await {
        means!(outcome, NotYet);
    }
}

#[tokio::test]
async fn a_port_that_is_not_for_clients_is_the_probes_fault() {
    for error in [
        "Unknown Protocol Operation",
        "Parser Error",
        "Invalid Client Protocol",
        "Maximum Control Line Exceeded",
        "Maximum Payload Violation",
        "Invalid Subject",
        "Attempted To Connect To Route Port",
        "Attempted To Connect To Leaf Node Port",
        "Attempted To Connect To Gateway Port",
    ] {
        for outcome in answered(error).await {
            means!(outcome, Fault);
        }
    }
}

#[tokio::test]
async fn any_other_error_is_unhealthy() {
    for error in ["Slow Consumer", "Stale Connection", "s3cret"] {
        for outcome in answered(error).await {
            means!(outcome, Unhealthy);
        }
    }
}
