//! `udp`, asking a socket that echoes.

use serde_json::{Value, json};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use super::{ask, output, passed, step, unhealthy};

async fn echo(answers: bool) -> (u16, JoinSet<()>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (port, mut serving) = (socket.local_addr().unwrap().port(), JoinSet::new());
    serving.spawn(async move {
        let mut bytes = vec![0; 65_535];
        while let Ok((length, from)) = socket.recv_from(&mut bytes).await {
            if answers {
                socket.send_to(&bytes[..length], from).await.unwrap();
            }
        }
    });
    (port, serving)
}

fn probe(send: &str, expect: Value) -> Value {
    json!({"udp": {"port": 1, "send": send, "expect": expect}, "timeoutSeconds": 1})
}

#[tokio::test]
async fn any_answer_will_do_unless_one_is_expected() {
    let (port, mut serving) = echo(true).await;
    let outcome = ask(probe("are you there?", Value::Null), port).await;
    assert_eq!(passed(&outcome), ["resolve", "send", "receive"]);
    assert_eq!((step(&outcome, "send"), step(&outcome, "receive")), ("14 bytes", "are you there?"));
    passed(&ask(probe("are you there?", json!("there")), port).await);
    let other = ask(probe("are you there?", json!("yes")), port).await;
    assert_eq!(unhealthy(&other), r#"expected "yes", got something else"#);
    assert_eq!(output(&other), "are you there?");
    let long = ask(probe(&"x".repeat(4096), json!("yes")), port).await;
    assert!(output(&long).len() < 1010, "{long:?}");

    serving.shutdown().await;
    let closed = ask(probe("are you there?", Value::Null), port).await;
    assert_eq!(unhealthy(&closed), format!("no answer from 127.0.0.1:{port}: connection refused"));
    let (silent, _serving) = echo(false).await;
    let outcome = ask(probe("are you there?", Value::Null), silent).await;
    assert_eq!(unhealthy(&outcome), "nothing within 1 s, at the step `receive`");
}
