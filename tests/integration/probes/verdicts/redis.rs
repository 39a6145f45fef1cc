//! Redis' errors.

use portreeve::probe::CheckOutcome;
use serde_json::json;

use super::means;
use crate::integration::probes::listeners::{Listener, hear, say};
use crate::integration::probes::{ask, failure, output};

/// What comes of it when PING is answered with this error.
async fn answered(error: &'static str) -> CheckOutcome {
    let server = Listener::conversing(move |mut stream| async move {
        hear(&mut stream, b"*1\r\n$4\r\nPING\r\n").await?;
        say(&mut stream, format!("-{error}\r\n").as_bytes()).await
    })
    .await;
    let outcome = ask(json!({"redis": {}}), server.port()).await;
    assert_eq!(output(&outcome), error);
    assert!(!failure(&outcome).reason.contains("s3cret"), "{outcome:?}");
    outcome
}

#[tokio::test]
async fn a_server_that_reads_its_data_is_asked_too_early() {
    for error in ["LOADING Redis is loading the dataset in memory", "LOADING s3cret"] {
        means!(answered(error).await, NotYet);
    }
}

#[tokio::test]
async fn a_server_that_waits_for_others_is_asked_too_early() {
    for error in [
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        "CLUSTERDOWN The cluster is down",
        "TRYAGAIN Multiple keys request during rehashing of slot",
        "INPROG Failover already in progress",
    ] {
        means!(answered(error).await, NotYet);
    }
}

#[tokio::test]
async fn a_refused_login_is_no_illness() {
    for error in [
        "NOAUTH Authentication required.",
        "WRONGPASS invalid username-password pair or user is disabled.",
        "NOPERM this user has no permissions to run the 'ping' command",
        "DENIED Redis is running in protected mode because protected mode is enabled",
        "ERR invalid password",
        "ERR AUTH <password> called without any password configured for the default user.",
        "ERR Client sent AUTH, but no password is set",
        "ERR operation not permitted",
    ] {
        means!(answered(error).await, Denied);
    }
}

#[tokio::test]
async fn a_server_that_is_full_refuses_us() {
    for error in [
        "ERR max number of clients reached",
        "ERR max number of clients + cluster connections reached",
        "OOM command not allowed when used memory > 'maxmemory'.",
    ] {
        means!(answered(error).await, Denied);
    }
}

#[tokio::test]
async fn a_server_that_takes_no_writes_refuses_us() {
    for error in [
        "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
        "NOREPLICAS Not enough good replicas to write.",
        "READONLY You can't write against a read only replica.",
        "NOMASTERLINK Can't SYNC while not connected with my master",
        "MOVED 3999 127.0.0.1:6381",
        "ASK 3999 127.0.0.1:6381",
    ] {
        means!(answered(error).await, Denied);
    }
}

#[tokio::test]
async fn a_command_that_the_server_does_not_know_is_our_limit() {
    for error in [
        "ERR unknown command 'PING', with args beginning with:",
        "ERR wrong number of arguments for 'auth' command",
        "NOPROTO unsupported protocol version",
    ] {
        means!(answered(error).await, Fault);
    }
}

#[tokio::test]
async fn a_server_held_by_a_script_is_unhealthy() {
    for error in [
        "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
        "UNKILLABLE Sorry the script already executed write commands against the dataset.",
    ] {
        means!(answered(error).await, Unhealthy);
    }
}

#[tokio::test]
async fn any_other_error_is_unhealthy() {
    for error in ["ERR something else", "LOADINGS s3cret", "s3cret"] {
        means!(answered(error).await, Unhealthy);
    }
}
