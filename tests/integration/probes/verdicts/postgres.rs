//! PostgreSQL's errors, by their SQLSTATE.

use portreeve::probe::CheckOutcome;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::means;
use crate::integration::probes::listeners::{Listener, hear, say};
use crate::integration::probes::{ask, failure, output};

/// When a server says what it has to say.
#[derive(Clone, Copy)]
enum When {
    /// In answer to the question for TLS, as one that cannot do more for anybody.
    Early,
    AtLogin,
    AtTheQuery,
}

/// `ErrorResponse`: severity, SQLSTATE, message.
fn error(state: &str) -> Vec<u8> {
    let fields = format!("SFATAL\0C{state}\0Mthe server's own words, s3cret\0\0");
    let length = u32::try_from(fields.len()).unwrap() + 4;
    [b"E", &length.to_be_bytes()[..], fields.as_bytes()].concat()
}

async fn message(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let length = stream.read_u32().await?;
    let mut message = vec![0; usize::try_from(length - 4).unwrap()];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

/// What comes of it when a server says this.
async fn answered(state: &'static str, when: When) -> CheckOutcome {
    let server = Listener::conversing(move |mut stream| async move {
        // `SSLRequest`
        hear(&mut stream, &[0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f]).await?;
        if let When::Early = when {
            return say(&mut stream, &error(state)).await;
        }
        stream.write_all(b"N").await?;
        assert!(message(&mut stream).await?.starts_with(&[0, 3, 0, 0]), "`StartupMessage`");
        if let When::AtLogin = when {
            return say(&mut stream, &error(state)).await;
        }
        // `AuthenticationOk`, `ReadyForQuery`
        stream.write_all(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I").await?;
        assert_eq!(stream.read_u8().await?, b'Q');
        message(&mut stream).await?;
        say(&mut stream, &error(state)).await
    })
    .await;
    let outcome = ask(json!({"postgres": {}}), server.port()).await;
    assert_eq!(output(&outcome), "the server's own words, s3cret");
    let reason = &failure(&outcome).reason;
    assert!(reason.contains(&format!("SQLSTATE {state}")) && !reason.contains("s3cret"), "{reason}");
    outcome
}

#[tokio::test]
async fn a_server_that_starts_recovers_or_ends_is_asked_too_early() {
    for state in ["57P03", "57P01", "57P02"] {
        for when in [When::Early, When::AtLogin, When::AtTheQuery] {
            means!(answered(state, when).await, NotYet);
        }
    }
}

#[tokio::test]
async fn a_transaction_in_the_way_is_asked_again() {
    for state in ["40001", "40P01"] {
        means!(answered(state, When::AtTheQuery).await, NotYet);
    }
}

#[tokio::test]
async fn a_refused_login_is_no_illness() {
    for state in ["28000", "28P01", "42501", "57P04", "3D000", "3F000"] {
        means!(answered(state, When::AtLogin).await, Denied);
    }
}

#[tokio::test]
async fn who_wants_a_password_and_gets_none_refuses_us() {
    let server = Listener::conversing(|mut stream| async move {
        hear(&mut stream, &[0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f]).await?;
        stream.write_all(b"N").await?;
        message(&mut stream).await?;
        // `AuthenticationCleartextPassword`
        say(&mut stream, b"R\0\0\0\x08\0\0\0\x03").await
    })
    .await;
    let outcome = ask(json!({"postgres": {}}), server.port()).await;
    means!(outcome, Denied);
    assert_eq!(failure(&outcome).reason, "expected a login without a password, postgres needs one");
}

#[tokio::test]
async fn a_server_that_is_full_refuses_us() {
    for state in ["53000", "53100", "53200", "53300", "53400", "54000"] {
        means!(answered(state, When::AtLogin).await, Denied);
    }
}

#[tokio::test]
async fn what_a_server_does_not_take_now_is_no_illness() {
    for state in ["08000", "08P01", "08006", "55000", "55P03", "25006"] {
        means!(answered(state, When::AtLogin).await, Denied);
    }
}

#[tokio::test]
async fn a_question_that_is_no_sql_is_the_probes_fault() {
    for state in ["42601", "0A000"] {
        means!(answered(state, When::AtTheQuery).await, Fault);
    }
}

#[tokio::test]
async fn a_table_that_is_not_there_is_not_made_by_a_restart() {
    for state in ["42P01", "42703", "42883"] {
        means!(answered(state, When::AtTheQuery).await, Denied);
    }
}

#[tokio::test]
async fn any_other_error_is_unhealthy() {
    for state in ["22012", "57014", "58030", "XX000", "XX001", "F0000"] {
        means!(answered(state, When::AtTheQuery).await, Unhealthy);
    }
}
