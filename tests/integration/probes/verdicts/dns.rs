//! DNS' response codes.

use portreeve::probe::CheckOutcome;
use serde_json::json;
use tokio::net::UdpSocket;

use super::means;
use crate::integration::probes::ask;

/// What comes of it when a server answers with this code.
async fn answered(code: u8) -> CheckOutcome {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    let server = async move {
        let mut question = [0; 512];
        let (length, from) = socket.recv_from(&mut question).await.unwrap();
        let answer = [&question[..2], &[0x81, 0x80 | code], &question[4..length]].concat();
        socket.send_to(&answer, from).await.unwrap();
    };
    tokio::join!(ask(json!({"dns": {"name": "web.test"}}), port), server).0
}

#[tokio::test]
async fn a_question_that_the_server_does_not_take_is_the_probes_fault() {
    for code in [1, 4] {
        means!(answered(code).await, Fault);
    }
}

#[tokio::test]
async fn a_server_that_refuses_to_answer_us_lives() {
    for code in [5, 9] {
        means!(answered(code).await, Denied);
    }
}

#[tokio::test]
async fn any_other_code_is_unhealthy() {
    for code in [2, 3, 8, 15] {
        means!(answered(code).await, Unhealthy);
    }
}
