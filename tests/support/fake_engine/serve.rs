//! One connection: requests, one after the other, until it becomes an event stream or a command's output.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::calls::route;
use super::feed::Feed;
use super::manner::Manner;
use super::stream::Wanted;
use super::{Exec, Shared};

/// How long it waits for all that are to be measured together.
const TOGETHER: Duration = Duration::from_secs(3);
/// What begins a stream of events.
const STREAM: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";

/// What is asked.
struct Asked {
    method: String,
    /// Without the version in front.
    path: String,
    query: String,
}

pub(super) async fn serve(
    shared: Arc<Shared>,
    number: usize,
    stream: UnixStream,
    feeds: UnboundedSender<Feed>,
) {
    let mut stream = BufReader::new(stream);
    while let Some(Asked { method, path, query }) = asked(&mut stream).await {
        let route = route(&method, &path, &query);
        shared.record.enter(
            number,
            route,
            &if query.is_empty() { path.clone() } else { format!("{path}?{query}") },
        );
        let done = match shared.manners.of(route, &path) {
            Some(Manner::Hangs) => std::future::pending().await,
            Some(Manner::Refuses(status, text)) => answer(&mut stream, status, &text).await,
            Some(Manner::Says(text)) => answer(&mut stream, "200 OK", &text).await,
            Some(Manner::BreaksOff) => {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n[{").await;
                return;
            }
            Some(Manner::Dawdles(time)) => {
                tokio::time::sleep(time).await;
                None
            }
            None => None,
        };
        let done = match done {
            Some(done) => done,
            None if route == "GET /events" => {
                return events(&shared, stream.into_inner(), &query, &feeds).await;
            }
            None if route == "GET /events?until" => {
                let remembered = shared.stream.lock().unwrap().remembered(&Wanted::of(&query));
                stream.write_all(format!("{STREAM}{remembered}0\r\n\r\n").as_bytes()).await.is_ok()
            }
            None if route.contains("exec") => match command(&shared, &mut stream, route, &path).await {
                Some(done) => done,
                None => return,
            },
            None => plain(&shared, &mut stream, route, &path, &query).await,
        };
        if !done {
            return;
        }
    }
}

/// The next request, its body read and left alone.
async fn asked(stream: &mut BufReader<UnixStream>) -> Option<Asked> {
    let (mut first, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if first.is_empty() {
            line.clone_into(&mut first);
        }
    }
    stream.read_exact(&mut vec![0; length]).await.ok()?;
    let mut words = first.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?);
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let path = match path.strip_prefix("/v").and_then(|rest| rest.split_once('/')) {
        Some((version, rest)) if version.starts_with('1') => format!("/{rest}"),
        _ => path.to_owned(),
    };
    Some(Asked { method, path, query: query.to_owned() })
}

/// Answers; whether the caller is still there.
async fn answer(stream: &mut BufReader<UnixStream>, status: &str, body: &str) -> Option<bool> {
    let head = format!("HTTP/1.1 {status}\r\n");
    let text = match status.split(' ').next() {
        // Such an answer has no body, and no length either.
        Some("204" | "304") => head + "\r\n",
        _ => {
            let length = body.len();
            format!("{head}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
        }
    };
    Some(stream.write_all(text.as_bytes()).await.is_ok())
}

/// What is answered at once, or when it is let.
async fn plain(
    shared: &Shared,
    stream: &mut BufReader<UnixStream>,
    route: &str,
    path: &str,
    query: &str,
) -> bool {
    if route == "GET /containers/{id}/stats" {
        let mut measuring = shared.measuring.subscribe();
        shared.measuring.send_modify(|(now, most, _)| {
            *now += 1;
            *most = (*most).max(*now);
        });
        let all = measuring.wait_for(|(_, most, together)| most >= together);
        let _ = tokio::time::timeout(TOGETHER, all).await;
        shared.measuring.send_modify(|(now, _, _)| *now -= 1);
    }
    let inspects = route == "GET /containers/{id}/json";
    let _turn = if inspects { Some(shared.inspecting.read().await) } else { None };
    let (status, body) = shared.answer(route, path, query);
    answer(stream, status, &body).await == Some(true)
}

/// A command, its start and its end; `None`: the connection was used up.
async fn command(
    shared: &Shared,
    stream: &mut BufReader<UnixStream>,
    route: &str,
    path: &str,
) -> Option<bool> {
    let call = match route {
        "POST /exec/{id}/start" => "start",
        "GET /exec/{id}/json" => "inspect",
        _ => "create",
    };
    let exec = shared.exec.lock().unwrap().clone();
    match exec {
        Some(Exec::Silent(silent)) if call == silent => std::future::pending().await,
        Some(Exec::Refused(status, text)) if call == "create" => {
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", text.len());
            return Some(stream.write_all((head + &text).as_bytes()).await.is_ok());
        }
        _ => {}
    }
    if call == "start" {
        let head = "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
        // A frame of standard output: stream, three zeros, length.
        let output = b"\x01\0\0\0\0\0\0\x05begun";
        let _ = stream.write_all(&[head.as_bytes(), output].concat()).await;
        let _ = stream.read_u8().await;
        return None;
    }
    let (status, body) = shared.answer(route, path, "");
    answer(stream, status, &body).await
}

/// A subscription: a test's to feed, or fed by the engine.
async fn events(shared: &Shared, mut stream: UnixStream, query: &str, feeds: &UnboundedSender<Feed>) {
    let wanted = Wanted::of(query);
    if !shared.live {
        if stream.write_all(STREAM.as_bytes()).await.is_ok() {
            let _ = feeds.send(Feed { stream, bytes: 0, since: wanted.since });
        }
        return;
    }
    let (remembered, told) = shared.stream.lock().unwrap().subscribe(wanted);
    if stream.write_all(format!("{STREAM}{remembered}").as_bytes()).await.is_ok() {
        let (mut reader, mut writer) = stream.split();
        let gone = async { while reader.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {} };
        tokio::select! {
            () = gone => {}
            () = write(told, &mut writer) => {}
        }
    }
}

/// Writes what is told until nobody tells any more.
async fn write(mut told: UnboundedReceiver<Arc<str>>, writer: &mut (impl AsyncWriteExt + Unpin)) {
    let mut batch = Vec::new();
    while told.recv_many(&mut batch, 64).await > 0 {
        if writer.write_all(batch.concat().as_bytes()).await.is_err() {
            return;
        }
        batch.clear();
    }
}
