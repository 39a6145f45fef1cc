//! `grpc`, asking etcd, and a server that says what etcd never says.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::listeners::{Listener, Manner};
use super::{ask, denied, output, passed, shown, step, unhealthy};
use crate::support::server::{Port, Server, program};
use crate::support::wait;

pub fn service(name: &str) -> Value {
    json!({"grpc": {"port": 1, "service": name}})
}

#[tokio::test]
async fn a_server_that_serves_is_healthy_and_a_service_it_does_not_know_is_not() {
    let peers = Port::free();
    let server = Server::start("etcd", |home, port| {
        let (clients, peers) =
            (format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{}", peers.number));
        let mut command = program("etcd");
        command.arg("--data-dir").arg(home).args(["--listen-client-urls", &clients]);
        command.args(["--advertise-client-urls", &clients, "--listen-peer-urls", &peers]);
        command.args(["--initial-advertise-peer-urls", &peers]);
        command.arg(format!("--initial-cluster=default={peers}"));
        command
    })
    .await;
    let whole = || json!({"grpc": {"port": 1}});
    wait::until("it serves", wait::SOON, || async { ask(whole(), server.port).await.result }).await;
    let outcome = ask(whole(), server.port).await;
    assert_eq!(passed(&outcome), ["resolve", "connect", "query"]);
    assert_eq!(step(&outcome, "query"), "SERVING");
    let outcome = ask(service("shop.Orders"), server.port).await;
    shown!(outcome);
    let text =
        "expected SERVING, got the gRPC status NOT_FOUND: it has no such service, or no health service";
    assert_eq!((denied(&outcome), output(&outcome)), (text, "unknown service"));
    server.freeze().await;
    let mut hanging = whole();
    hanging["timeoutSeconds"] = 1.into();
    assert_eq!(unhealthy(&ask(hanging, server.port).await), "nothing within 1 s, at the step `query`");
}

/// Answers with these bytes and this `grpc-status`, if it is asked properly for the service `db`.
pub async fn health(answer: &'static [u8], status: Option<&'static str>) -> (u16, JoinSet<()>) {
    health_over_http(200, answer, status).await
}

/// The same, with an HTTP status as a proxy may have it.
pub async fn health_over_http(
    http: u16,
    answer: &'static [u8],
    status: Option<&'static str>,
) -> (u16, JoinSet<()>) {
    let respond = move |request: Request<Incoming>| async move {
        assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
        assert_eq!(
            (&request.headers()["content-type"], &request.headers()["te"]),
            (&"application/grpc".parse().unwrap(), &"trailers".parse().unwrap())
        );
        let question = request.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(question, &b"\0\0\0\0\x04\x0a\x02db"[..]);
        let trailers = status.map(|status| {
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", status.parse().unwrap());
            Frame::trailers(trailers)
        });
        let frames = [Some(Frame::data(Bytes::from_static(answer))), trailers]
            .into_iter()
            .flatten()
            .map(Ok::<_, Infallible>);
        let body = StreamBody::new(futures_util::stream::iter(frames.collect::<Vec<_>>()));
        Ok::<_, Infallible>(
            Response::builder()
                .status(http)
                .header("content-type", "application/grpc+proto")
                .body(body)
                .unwrap(),
        )
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, mut serving) = (listener.local_addr().unwrap().port(), JoinSet::new());
    serving.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            let _ = server.serve_connection(TokioIo::new(stream), service_fn(respond)).await;
        }
    });
    (port, serving)
}

#[tokio::test]
async fn any_other_status_is_told() {
    for (answer, status, text) in [
        (&b"\0\0\0\0\x02\x08\x02"[..], Some("0"), "expected SERVING for db, got NOT_SERVING"),
        (b"", Some("99"), "expected SERVING, got the gRPC status 99"),
        (b"\0\0\0\0\x02\x08\x01", None, "expected a gRPC answer, got one without a status"),
        (b"\0\xff\xff\xff\xff\x08", Some("0"), "expected a health answer, got something else"),
    ] {
        let (port, _serving) = health(answer, status).await;
        assert_eq!(unhealthy(&ask(service("db"), port).await), text);
    }
    let (port, _serving) = health(b"\0\0\0\0\x02\x08\x01", Some("0")).await;
    passed(&ask(service("db"), port).await);
}

#[tokio::test]
async fn what_does_not_speak_http_2_is_unhealthy() {
    for manner in [Manner::SaysAndCloses(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Manner::SaysAndCloses(b"")] {
        let stranger = Listener::start(manner).await;
        let outcome = ask(service("db"), stranger.port()).await;
        let text = unhealthy(&outcome);
        assert!(text.starts_with("expected gRPC over HTTP/2: ") && text.len() < 300, "{text}");
    }
}
