//! A check has a connection of its own, and leaves none behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::integration::probes::listeners::{Listener, request};
use crate::integration::probes::{ask, passed, unhealthy};
use crate::support::http;
use crate::support::server::{Server, program};
use crate::support::wait;

/// Python's server as it is, with connections that are kept; it serves one at a time.
const ONE_AT_A_TIME: &str = "
import http.server, sys
class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()
";

#[tokio::test]
async fn a_server_that_serves_one_at_a_time_is_not_held() {
    let server = Server::start("python", |home, port| {
        let mut command = program("python3");
        command.current_dir(home).args(["-c", ONE_AT_A_TIME, &port.to_string()]);
        command
    })
    .await;
    for probe in
        [json!({"httpGet": {}}), json!({"httpGet": {"expect": {"bodyContains": "Directory listing"}}})]
    {
        passed(&ask(probe, server.port).await);
        let url = format!("http://127.0.0.1:{}/", server.port);
        let others = http::get(&url);
        let answered = tokio::time::timeout(Duration::from_secs(5), others).await.expect("it serves others");
        assert_eq!(answered.unwrap().status, 200);
    }
    // Nobody left in the middle of what it said.
    assert!(!server.log().contains("Traceback"), "{}", server.log());
}

#[tokio::test]
async fn a_server_that_takes_nobody_new_is_unhealthy() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        drop(listener);
        // The one that it has is served on.
        let mut request = [0; 4096];
        while stream.read(&mut request).await.is_ok_and(|read| read > 0) {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        }
    });
    passed(&ask(json!({"httpGet": {}}), port).await);
    let outcome = ask(json!({"httpGet": {}}), port).await;
    assert_eq!(unhealthy(&outcome), format!("no connection to 127.0.0.1:{port}: connection refused"));
    serving.await.unwrap();
}

#[tokio::test]
async fn nothing_is_left_open() {
    let open = Arc::new(AtomicUsize::new(0));
    let counted = open.clone();
    let server = Listener::conversing(move |mut stream| {
        let open = counted.clone();
        async move {
            open.fetch_add(1, Ordering::SeqCst);
            request(&mut stream).await?;
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
            // It says a word now and then, for ever.
            while stream.write_all(b": ping\n").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            open.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        }
    })
    .await;
    for probe in [json!({"httpGet": {}}), json!({"httpGet": {"expect": {"bodyContains": "ping"}}})] {
        passed(&ask(probe, server.port()).await);
    }
    let mut hanging = json!({"httpGet": {"expect": {"bodyContains": "pong"}}});
    hanging["timeoutSeconds"] = 1.into();
    assert_eq!(unhealthy(&ask(hanging, server.port()).await), "nothing within 1 s, at the step `receive`");
    wait::until("all connections are closed", wait::SOON, || async {
        let open = open.load(Ordering::SeqCst);
        wait::is(open == 0, open)
    })
    .await;
}
