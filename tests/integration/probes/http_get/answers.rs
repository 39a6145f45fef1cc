//! The measure: what curl takes from a server the probe takes, and what curl refuses is not well. curl itself is asked.

use std::io;
use std::time::Duration;

use portreeve::probe::Meaning;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::bodies::gzip;

use crate::integration::probes::listeners::{Listener, request, say};
use crate::integration::probes::{ask, fault, output, passed, shown, unhealthy};
use crate::support::server::{install, program};

/// How a server ends what it says.
#[derive(Clone, Copy, Debug)]
enum End {
    /// It closes the connection.
    Closes,
    /// It resets it.
    Resets,
    /// It leaves it open.
    Stays,
}
use End::{Closes, Resets, Stays};

/// A server that answers every request so.
async fn server(answer: Vec<u8>, end: End) -> Listener {
    Listener::conversing(move |mut stream| {
        let answer = answer.clone();
        async move {
            request(&mut stream).await?;
            finish(stream, &answer, end).await
        }
    })
    .await
}

async fn finish(mut stream: TcpStream, answer: &[u8], end: End) -> io::Result<()> {
    match end {
        Closes => say(&mut stream, answer).await,
        Resets => {
            stream.write_all(answer).await?;
            stream.set_zero_linger()
        }
        Stays => {
            stream.write_all(answer).await?;
            stream.read_to_end(&mut Vec::new()).await.map(drop)
        }
    }
}

/// Whether curl takes it for an answer, all of which came.
async fn curl(port: u16) -> bool {
    install("curl").await;
    let mut curl = program("curl");
    curl.args([
        "-sS",
        "-m",
        "10",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        &format!("http://127.0.0.1:{port}/"),
    ]);
    let output = tokio::task::spawn_blocking(move || curl.output()).await.unwrap().unwrap();
    output.status.success() && output.stdout == b"200"
}

fn many_headers() -> Vec<u8> {
    let headers: String = (0..1500).map(|n| format!("X-Header-{n}: {n}\r\n")).collect();
    format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: 5\r\n\r\nhello").into_bytes()
}

/// An answer in this coding of the transfer.
fn compressed(coding: &str) -> Vec<u8> {
    let (chunked, compressed) = (coding.to_lowercase().contains("chunked"), coding.contains("gzip"));
    let body = if compressed { gzip(b"hello hello hello") } else { b"hello".to_vec() };
    let head = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: {coding}\r\n\r\n");
    let length = format!("{:x}\r\n", body.len());
    match chunked {
        true => [head.as_bytes(), length.as_bytes(), &body, b"\r\n0\r\n\r\n"].concat(),
        false => [head.as_bytes(), &body].concat(),
    }
}

fn long_header() -> Vec<u8> {
    let cookie = "c".repeat(90_000);
    format!("HTTP/1.1 200 OK\r\nSet-Cookie: {cookie}\r\nContent-Length: 5\r\n\r\nhello").into_bytes()
}

#[tokio::test]
async fn what_curl_takes_is_taken() {
    let cases: [(&[u8], End); 42] = [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", Closes),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", Stays),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello", Resets),
        (b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", Closes),
        (b"HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nhello", Closes),
        (b"HTTP/1.1 200 Tr\xe8s bien\r\nContent-Length: 5\r\n\r\nhello", Closes),
        (b"HTTP/1.0 200 OK\r\n\r\nhello", Closes),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello", Stays),
        (b"HTTP/1.1 200 OK\r\n\r\nhello", Closes),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello", Closes),
        (b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", Closes),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n", Stays),
        (b"HTTP/1.1 200 OK\r\nTrailer: X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n", Stays),
        (b"HTTP/1.1 200 OK\r\nTRANSFER-ENCODING: Chunked\r\n\r\n005\r\nhello\r\n0\r\n\r\n", Closes),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Closes),
        (b"HTTP/1.1 200 OK\r\ncOnTeNt-LeNgTh:5\r\n\r\nhello", Stays),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", Stays),
        (b"HTTP/1.1 200 OK\r\nX-Folded: a\r\n b\r\n\tc\r\nContent-Length: 5\r\n\r\nhello", Closes),
        (b"HTTP/1.1 200 OK\r\nX-Blank : a\r\nContent-Length: 5\r\n\r\nhello", Closes),
        (b"HTTP/1.1 200 OK\r\nX-Byte: \xff\xe9\r\nContent-Length: 5\r\n\r\nhello", Closes),
        (b"HTTP/1.1 200 OK\r\nX-Empty:\r\nContent-Length: 5\r\n\r\nhello", Closes),
        (b"HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 5\r\n\r\nhello", Closes),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", Closes),
        (
            b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            Closes,
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, and more than that", Closes),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nKeep-Alive: timeout=5\r\nContent-Length: 5\r\n\r\nhello", Stays),
        (b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Stays),
        (b"HTTP/1.0 200 OK\r\nTransfer-Encoding: identity\r\n\r\nhello", Closes),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Closes),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nhello", Closes),
        (b"HTTP/1.0 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Closes),
        (b"HTTP/2 200\r\nContent-Length: 5\r\n\r\nhello", Stays),
        (b"HTTP/2.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", Closes),
        (b"http/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", Closes),
        (b"HTTP/1.1  200 OK\r\nContent-Length: 5\r\n\r\nhello", Closes),
        (b"HTTP/1.1 200\tOK\r\nContent-Length: 5\r\n\r\nhello", Closes),
        (b"HTTP/1.1 200OK\r\nContent-Length: 5\r\n\r\nhello", Closes),
        (&compressed("gzip, chunked"), Closes),
        (&compressed("Chunked"), Closes),
        (&compressed("gzip"), Closes),
        (&many_headers(), Closes),
        (&long_header(), Closes),
    ];
    for (answer, end) in cases {
        let name = String::from_utf8_lossy(answer).chars().take(120).collect::<String>();
        let server = server(answer.to_vec(), end).await;
        assert!(curl(server.port()).await, "curl takes {name:?}");
        let outcome = ask(json!({"httpGet": {}}), server.port()).await;
        assert_eq!(outcome.result, Ok(()), "{name:?}, {end:?}");
        let outcome = ask(json!({"httpGet": {"expect": {"bodyMatches": "^hello"}}}), server.port()).await;
        assert_eq!(outcome.result, Ok(()), "{name:?}, {end:?}");
    }
}

#[tokio::test]
async fn what_curl_refuses_is_refused() {
    let cases: [(&[u8], End); 6] = [
        (b"", Closes),
        (b"", Resets),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Closes),
        (b"hello\n", Closes),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", Closes),
        (b"HTTP/1.1 200 O", Closes),
    ];
    for (answer, end) in cases {
        let name = String::from_utf8_lossy(answer).into_owned();
        let server = server(answer.to_vec(), end).await;
        assert!(!curl(server.port()).await, "curl refuses {name:?}");
        let outcome =
            ask(json!({"httpGet": {"expect": {"bodyMatches": "hello and more"}}}), server.port()).await;
        shown!(outcome);
        let text = unhealthy(&outcome);
        assert!(text.contains("http://127.0.0.1:") && text.len() < 200, "{name:?}: {text}");
    }
}

/// Some of it curl takes, and all of it somebody may: it is HTTP, as some server means it.
#[tokio::test]
async fn what_begins_like_http_and_is_beyond_our_library_is_our_limit() {
    let extension = format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(20_000));
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for answer in [
        "HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5;\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nhello",
        "HTTP/1.2 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 2000 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 OK\r\n\r\n",
        "http/1.1 ok\r\n\r\n",
        &format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\nhello", "x".repeat(2_000_000)),
        &format!("HTTP/1.1 200 OK\r\n{}\r\nhello", "X: y\r\n".repeat(6000)),
        &format!("{chunked}hello"),
        &format!("{chunked}5\nhello\n0\n\n"),
        &format!("{chunked}{extension}"),
    ] {
        let name = answer.chars().take(120).collect::<String>();
        let server = server(answer.as_bytes().to_vec(), Closes).await;
        let outcome =
            ask(json!({"httpGet": {"expect": {"bodyMatches": "hello and more"}}}), server.port()).await;
        assert!(outcome.result.as_ref().is_err_and(|failure| failure.means() == Meaning::Fault), "{name:?}");
        assert!(fault(&outcome).contains("this probe "), "{name:?}: {outcome:?}");
        shown!(outcome);
    }
}

/// As `nc -l < file` does, which is many a small device's health page.
#[tokio::test]
async fn an_answer_before_the_request_is_an_answer() {
    let server = Listener::conversing(|mut stream| async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").await?;
        tokio::time::sleep(Duration::from_millis(20)).await;
        stream.read_to_end(&mut Vec::new()).await.map(drop)
    })
    .await;
    assert!(curl(server.port()).await);
    let outcome = ask(json!({"httpGet": {"expect": {"bodyContains": "hello"}}}), server.port()).await;
    assert_eq!(passed(&outcome).last(), Some(&"expect"));
}

/// The handshake of a WebSocket, for one.
#[tokio::test]
async fn an_answer_that_changes_the_protocol_is_an_answer() {
    let server = server(
        b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n".to_vec(),
        Stays,
    );
    let server = server.await;
    let headers =
        json!([{"name": "Connection", "value": "Upgrade"}, {"name": "Upgrade", "value": "websocket"}]);
    let probe = json!({"httpGet": {"httpHeaders": headers, "expect": {"status": [101]}}});
    assert_eq!(ask(probe, server.port()).await.result, Ok(()));
}

/// Whoever refuses a large body does not read it first.
#[tokio::test]
async fn an_answer_in_the_middle_of_the_request_is_an_answer() {
    let server =
        server(b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\n\r\ntoo much".to_vec(), Resets).await;
    let body = "x".repeat(60_000);
    let probe = json!({"httpGet": {"method": "POST", "body": body, "expect": {"status": [413]}}});
    assert_eq!(ask(probe, server.port()).await.result, Ok(()));
}

/// What is sent, line by line.
async fn sent(http: serde_json::Value) -> Vec<String> {
    let server = Listener::conversing(|mut stream| async move {
        let head = request(&mut stream).await?;
        let body = head.replace("\r\n", "\n");
        let answer = format!("HTTP/1.1 500 No\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        say(&mut stream, answer.as_bytes()).await
    })
    .await;
    let outcome = ask(json!({ "httpGet": http }), server.port()).await;
    let said = output(&outcome).replace(&format!(":{}", server.port()), ":PORT");
    // A line of output has no line breaks: headers begin with a capital letter behind a blank.
    let mut lines: Vec<String> = Vec::new();
    for word in said.split(' ') {
        match lines.last_mut() {
            Some(line) if !word.ends_with(':') => line.extend([" ", word]),
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[tokio::test]
async fn what_is_sent_is_what_is_declared_and_little_more() {
    let agent = format!("User-Agent: portreeve-probe/{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(
        sent(json!({})).await,
        ["GET / HTTP/1.1", "Host: 127.0.0.1:PORT", "Connection: close", &agent, "Accept: */*"]
    );
    let headers = json!([
        {"name": "host", "value": "Shop.example"}, {"name": "user-agent", "value": "curl/8"}, {"name": "X-A", "value": "1"},
        {"name": "x-a", "value": "2"}, {"name": "Accept", "value": "text/html"}, {"name": "Content-Length", "value": "0"},
        {"name": "connection", "value": "keep-alive"},
    ]);
    assert_eq!(
        sent(json!({"path": "/a b?c=é&d", "httpHeaders": headers})).await,
        [
            "GET /a%20b?c=%C3%A9&d HTTP/1.1",
            "Host: Shop.example",
            "Connection: keep-alive",
            "User-Agent: curl/8",
            "X-A: 1",
            "X-A: 2",
            "Accept: text/html"
        ]
    );
    let posted = sent(json!({"method": "POST", "body": "a=1"})).await;
    assert!(posted.contains(&"Content-Length: 3".to_owned()), "{posted:?}");
    let posted = sent(json!({"method": "POST"})).await;
    assert!(posted.contains(&"Content-Length: 0".to_owned()), "{posted:?}");
    let chunked = json!([{"name": "Transfer-Encoding", "value": "chunked"}]);
    let chunked = sent(json!({"method": "PUT", "body": "a=1", "httpHeaders": chunked})).await;
    assert!(chunked.contains(&"Transfer-Encoding: chunked".to_owned()), "{chunked:?}");
    assert!(!chunked.iter().any(|line| line.starts_with("Content-Length")), "{chunked:?}");
}
