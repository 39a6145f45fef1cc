//! Clients that are slow, silent or many: what they cost is bounded, and nobody else pays for it.

mod frames;

use std::net::SocketAddr;
use std::time::Duration;

use portreeve::api::{Listeners, Socket};
use portreeve::config::HttpLimits;
use portreeve::resource;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixStream};

use super::{Server, V1, temporary};
use crate::support::wait;

const SECOND: resource::Duration = resource::Duration::from_secs(1);
const LONG: resource::Duration = resource::Duration::from_secs(3600);

/// Limits none of which is reached.
fn generous() -> HttpLimits {
    HttpLimits { header: LONG, body: LONG, idle: LONG, ..HttpLimits::default() }
}

/// Serves with these limits; gives where.
async fn limited(server: &Server, limits: HttpLimits) -> SocketAddr {
    limited_with(server, limits, None).await
}

async fn limited_with(server: &Server, limits: HttpLimits, socket: Option<Socket>) -> SocketAddr {
    let tcp = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = tcp.local_addr().expect("an address");
    let listeners = Listeners { tcp, socket };
    tokio::spawn(server.api.clone().limited(limits).serve(listeners, server.stop.clone()));
    address
}

async fn connect(address: SocketAddr, bytes: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(bytes.as_bytes()).await.expect("sent");
    stream
}

/// What comes until the server ends the connection, which it must.
async fn until_closed(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(wait::SOON, stream.read_to_end(&mut answer)).await;
    // A reset is an end, too.
    let _ = read.unwrap_or_else(|_| panic!("still open: {:?}", String::from_utf8_lossy(&answer)));
    String::from_utf8_lossy(&answer).into_owned()
}

/// Whether the server still holds the connection, which says nothing.
async fn is_open(stream: &mut TcpStream) -> bool {
    tokio::time::timeout(Duration::from_millis(50), stream.read_u8()).await.is_err()
}

/// A request on a connection of its own, from another address of this machine.
async fn from_elsewhere(address: SocketAddr) -> String {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.2:0".parse().expect("an address")).expect("bound");
    let mut stream = socket.connect(address).await.expect("a connection");
    stream
        .write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await
        .expect("sent");
    until_closed(&mut stream).await
}

const LIVEZ: &str = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[tokio::test]
async fn whoever_sends_no_request_or_not_the_end_of_one_is_cut_off() {
    let directory = temporary();
    let server = Server::new(directory.path()).await;
    let address = limited(&server, HttpLimits { header: SECOND, ..generous() }).await;
    for begun in ["", "GET", "GET /livez HTTP/1.1\r\nHost: loc", "PRI * HTTP/2.0\r\n", "\x16\x03\x01"] {
        let mut stream = connect(address, begun).await;
        let answer = until_closed(&mut stream).await;
        assert!(!answer.contains("200 OK"), "{begun:?}: {answer}");
    }
    // A byte now and then does not help.
    let mut stream = connect(address, "GET /livez HTTP/1.1\r\n").await;
    let (mut read, mut write) = stream.split();
    let trickle = async {
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            if write.write_all(b"X: y\r\n").await.is_err() {
                break;
            }
        }
    };
    let mut answer = Vec::new();
    let closed = async { read.read_to_end(&mut answer).await };
    tokio::select! {
        () = trickle => {}
        _ = closed => {}
        () = tokio::time::sleep(wait::SOON) => panic!("still open"),
    }
}

#[tokio::test]
async fn whoever_stops_in_the_middle_of_a_body_is_answered_and_whoever_says_nothing_any_more_is_let_go() {
    let directory = temporary();
    let server = Server::new(directory.path()).await;
    let anonymous = portreeve::config::Anonymous::new(vec!["edit".parse().expect("a rule")]);
    let access = portreeve::api::Access::new(None, anonymous);
    let open = Server::with(temporary().path(), access, Vec::new()).await;
    let address = limited(&open, HttpLimits { body: SECOND, ..generous() }).await;
    let put = format!(
        "PUT {V1}/reg/main HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 9\r\n\r\n{{"
    );
    let mut stream = connect(address, &put).await;
    let answer = until_closed(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");

    let address = limited(&server, HttpLimits { idle: SECOND, ..generous() }).await;
    let mut stream = connect(address, LIVEZ).await;
    let answer = until_closed(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
}

#[tokio::test]
async fn at_a_bound_the_longest_idle_connection_makes_room_and_one_in_use_stays() {
    let directory = temporary();
    let server = Server::new(directory.path()).await;
    let limits = HttpLimits { connections: 12, connections_per_address: 8, ..generous() };
    let address = limited(&server, limits).await;
    let watch = format!("GET {V1}/reg?watch=true HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut watching = connect(address, &watch).await;
    let mut head = [0; 12];
    watching.read_exact(&mut head).await.expect("a head");
    assert_eq!(&head, b"HTTP/1.1 200");
    let mut idle = Vec::new();
    for _ in 0..30 {
        idle.push(connect(address, "").await);
    }
    // All of this machine is one address, whatever it calls itself.
    assert!(from_elsewhere(address).await.starts_with("HTTP/1.1 200 OK"));
    // Of eight one is the watch; the last six are there, and a new one is answered at the cost of nobody.
    for stream in &mut idle[..24] {
        assert_eq!(until_closed(stream).await, "");
    }
    let mut last = connect(address, LIVEZ).await;
    let mut answer = [0; 15];
    tokio::time::timeout(wait::SOON, last.read_exact(&mut answer))
        .await
        .expect("in time")
        .expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    for stream in &mut idle[24..] {
        assert!(is_open(stream).await);
    }
    // What the watch says meanwhile is its list; its end would be an end of file.
    let mut rest = vec![0; 64 * 1024];
    let more = tokio::time::timeout(Duration::from_millis(200), async {
        while watching.read(&mut rest).await.is_ok_and(|read| read > 0) {}
    });
    assert!(more.await.is_err(), "the watch has ended");
}

#[tokio::test]
async fn watches_are_bounded_and_a_place_is_free_again_when_one_ends() {
    let directory = temporary();
    let server = Server::new(directory.path()).await;
    let address = limited(&server, HttpLimits { watches: 2, ..generous() }).await;
    let watch = format!("GET {V1}/reg?watch=true HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let status = async |stream: &mut TcpStream| {
        let mut head = [0; 12];
        stream.read_exact(&mut head).await.expect("a head");
        String::from_utf8_lossy(&head[9..]).into_owned()
    };
    let mut two = [connect(address, &watch).await, connect(address, &watch).await];
    for watching in &mut two {
        assert_eq!(status(watching).await, "200");
    }
    let mut third = connect(address, &watch).await;
    let answer = until_closed(&mut third).await;
    assert!(
        answer.starts_with("HTTP/1.1 429") && answer.contains("2 watches without a token are already open"),
        "{answer}"
    );
    drop(two);
    wait::until("a place is free", wait::SOON, || async {
        let found = status(&mut connect(address, &watch).await).await;
        wait::is(found == "200", found)
    })
    .await;
}

/// Whether a stream that goes on does so: what comes is read, and its end would be an end of file.
async fn goes_on(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> bool {
    let mut read = vec![0; 64 * 1024];
    let more = tokio::time::timeout(Duration::from_millis(200), async {
        while stream.read(&mut read).await.is_ok_and(|read| read > 0) {}
    });
    more.await.is_err()
}

#[tokio::test]
async fn whoever_may_do_nothing_closes_nobody_elses_connection() {
    let directory = temporary();
    let server = Server::new(directory.path()).await;
    let limits = HttpLimits { connections: 12, connections_per_address: 8, ..generous() };
    let path = directory.path().join("api.sock");
    let socket = Socket::bind(&path).expect("a socket");
    let address = limited_with(&server, limits, Some(socket)).await;
    let watch = format!("GET {V1}/reg?watch=true HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut by_socket = UnixStream::connect(&path).await.expect("a connection");
    by_socket.write_all(watch.as_bytes()).await.expect("sent");
    let mut by_tcp = connect(address, &watch).await;
    assert!(goes_on(&mut by_socket).await && goes_on(&mut by_tcp).await);
    let mut stalled = Vec::new();
    for place in 0..40 {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(format!("127.0.1.{}:0", place + 1).parse().expect("an address")).expect("bound");
        let mut stream = socket.connect(address).await.expect("a connection");
        frames::ask(&mut stream, 0, &[("x-forwarded-for", "6.6.6.6")]).await;
        stalled.push(stream);
    }
    assert!(from_elsewhere(address).await.starts_with("HTTP/1.1 200 OK"));
    for stream in &mut stalled[..32] {
        let end = tokio::time::timeout(wait::SOON, frames::acknowledge(stream)).await;
        assert!(end.is_ok(), "more than eight of this machine are open");
    }
    assert!(goes_on(&mut by_socket).await, "the watch over the socket has ended");
    assert!(goes_on(&mut by_tcp).await, "the watch of one who may read has ended");
}

#[tokio::test]
async fn whoever_takes_nothing_of_an_answer_is_let_go_and_whoever_waits_for_more_is_not() {
    let directory = temporary();
    let server = Server::new(directory.path()).await;
    let address = limited(&server, HttpLimits { body: SECOND, ..generous() }).await;
    let watch = format!("GET {V1}/reg?watch=true HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut watching = connect(address, &watch).await;
    // The second begins when the limit is over for the watch, too.
    for _ in 0..2 {
        let mut stalled = TcpStream::connect(address).await.expect("a connection");
        frames::ask(&mut stalled, 0, &[]).await;
        let end = tokio::time::timeout(wait::SOON, frames::acknowledge(&mut stalled)).await;
        assert!(end.is_ok(), "an answer that nobody takes goes on");
    }
    assert!(goes_on(&mut watching).await);
}

#[tokio::test]
async fn acknowledging_pings_keeps_no_connection_open() {
    let directory = temporary();
    let server = Server::new(directory.path()).await;
    let address = limited(&server, HttpLimits { idle: SECOND, ..generous() }).await;
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    frames::ask(&mut stream, 65_535, &[]).await;
    let pings = tokio::time::timeout(wait::SOON, frames::acknowledge(&mut stream)).await;
    assert!(pings.expect("it is open for ever") > 0);
}

#[tokio::test]
async fn whoever_brings_no_token_leaves_places_for_watches_to_whoever_does() {
    let directory = temporary();
    let server = Server::new(directory.path()).await;
    let path = directory.path().join("api.sock");
    let socket = Socket::bind(&path).expect("a socket");
    let limits = HttpLimits { watches: 4, watches_per_address: 3, ..generous() };
    let address = limited_with(&server, limits, Some(socket)).await;
    let watch = format!("GET {V1}/reg?watch=true HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut stream = connect(address, &watch).await;
        assert!(goes_on(&mut stream).await);
        open.push(stream);
    }
    let answer = until_closed(&mut connect(address, &watch).await).await;
    assert!(answer.starts_with("HTTP/1.1 429") && answer.contains("--max-watches-per-address"), "{answer}");
    let mut over_socket = Vec::new();
    for _ in 0..4 {
        let mut stream = UnixStream::connect(&path).await.expect("a connection");
        stream.write_all(watch.as_bytes()).await.expect("sent");
        assert!(goes_on(&mut stream).await, "no place is left for the socket");
        over_socket.push(stream);
    }
}
