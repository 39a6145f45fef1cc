//! Requests as bytes, as no well-behaved client writes them.

use portreeve::api::{Access, Listeners};
use portreeve::config::Anonymous;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Server, V1, temporary};
use crate::support::wait;

/// A server that lets everybody on this machine do everything.
async fn open_to_all(directory: &std::path::Path) -> Server {
    let anonymous = Anonymous::new(vec!["edit".parse().expect("a rule")]);
    Server::with(directory, Access::new(None, anonymous), Vec::new()).await
}

/// A server that listens, and its address.
async fn listening(server: &Server) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let listeners = Listeners { tcp: listener, socket: None };
    tokio::spawn(server.api.clone().serve(listeners, server.stop.clone()));
    address
}

/// Status and body of what comes back for `bytes`, until the server ends the connection or `bytes` asked for that.
async fn send(address: std::net::SocketAddr, bytes: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    // Who refuses early does not read on.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(wait::SOON, stream.read_to_end(&mut answer)).await;
    let text = String::from_utf8_lossy(&answer).into_owned();
    assert!(read.is_ok() || text.contains("\r\n\r\n"), "no answer in time: {text:?}");
    let code = text.split(' ').nth(1).and_then(|code| code.parse().ok());
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (code.unwrap_or_else(|| panic!("{text:?}")), body.to_owned())
}

fn head(line: &str, headers: &[&str]) -> Vec<u8> {
    let mut head = format!("{line} HTTP/1.1\r\nConnection: close\r\n");
    headers.iter().for_each(|header| head.push_str(&format!("{header}\r\n")));
    (head + "\r\n").into_bytes()
}

fn message(body: &str) -> String {
    let status: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body:?}"));
    assert_eq!(status["kind"], "Status");
    status["message"].as_str().expect("a message").to_owned()
}

#[tokio::test]
async fn of_two_hosts_none_is_believed() {
    let directory = temporary();
    let server = open_to_all(directory.path()).await;
    let address = listening(&server).await;
    let get = format!("GET {V1}/reg");
    assert_eq!(send(address, &head(&get, &["Host: localhost"])).await.0, 200);
    for hosts in [["Host: localhost", "Host: evil.example"], ["Host: localhost", "host: localhost"]] {
        let (code, body) = send(address, &head(&get, &hosts)).await;
        assert_eq!(code, 400);
        assert_eq!(message(&body), "the header host is sent more than once");
    }
    let absolute = format!("GET http://evil.example{V1}/reg");
    let (code, body) = send(address, &head(&absolute, &["Host: localhost"])).await;
    assert_eq!(code, 403);
    assert!(message(&body).starts_with("this host name is not permitted"), "{body}");
    for header in ["Origin: http://localhost", "Authorization: Bearer x", "X-API-Key: x"] {
        let (code, body) = send(address, &head(&get, &["Host: localhost", header, header])).await;
        assert_eq!(code, 400, "{header}");
        assert!(message(&body).ends_with("is sent more than once"), "{body}");
    }
}

#[tokio::test]
async fn a_body_is_limited_however_its_length_is_told() {
    let directory = temporary();
    let server = open_to_all(directory.path()).await;
    let address = listening(&server).await;
    let put = format!("PUT {V1}/reg/main");
    // Told beforehand: refused without a byte of it.
    for line in [&put, &format!("DELETE {V1}/reg/main"), &format!("POST {V1}/deliveries/replay?target=a")] {
        let (code, body) = send(address, &head(line, &["Host: localhost", "Content-Length: 1048577"])).await;
        assert_eq!((code, &*message(&body)), (413, "the body is larger than 1048576 bytes"), "{line}");
    }
    // Told piece by piece: refused when it becomes too much.
    let mut chunked = head(&put, &["Host: localhost", "Transfer-Encoding: chunked"]);
    for _ in 0..17 {
        chunked.extend_from_slice(b"10000\r\n");
        chunked.extend(std::iter::repeat_n(b' ', 0x1_0000));
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    let (code, body) = send(address, &chunked).await;
    assert_eq!((code, &*message(&body)), (413, "the body is larger than 1048576 bytes"));
    assert_eq!(server.get("reg/main").await.code, 404);
}

#[tokio::test]
async fn what_is_no_request_ends_with_an_answer_and_harms_nobody() {
    let directory = temporary();
    let server = open_to_all(directory.path()).await;
    let address = listening(&server).await;
    let get = format!("GET {V1}/reg");
    let header = |length| format!("X-Long: {}", "x".repeat(length));
    let line = |length| format!("GET {V1}/reg/{}", "x".repeat(length));
    for (bytes, codes) in [
        (head(&get, &["Host: localhost", &header(1 << 20)]), &[431][..]),
        (head(&line(1 << 17), &["Host: localhost"]), &[414]),
        (head(&line(5_000), &["Host: localhost"]), &[404]),
        (head(&get, &["Host: localhost", "Content-Length: 1", "Content-Length: 2"]), &[400]),
        (head(&get, &["Host: localhost", "Content-Length: -1"]), &[400]),
        (head(&get, &["Host: localhost", "no colon"]), &[400]),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(), &[400]),
    ] {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(120)]).into_owned();
        let (code, _) = send(address, &bytes).await;
        assert!(codes.contains(&code), "{code}: {shown}");
    }
    // Gone in the middle of its body.
    let mut half = TcpStream::connect(address).await.expect("a connection");
    let put = head(&format!("PUT {V1}/reg/main"), &["Host: localhost", "Content-Length: 100"]);
    half.write_all(&put).await.expect("sent");
    half.write_all(b"{\"kind\":").await.expect("sent");
    drop(half);
    assert_eq!(send(address, &head(&get, &["Host: localhost"])).await.0, 200);
}
