//! What is read of a body, and as what.

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::integration::probes::listeners::{Listener, request};
use crate::integration::probes::{ask, fault, not_yet, output, passed, shown, step, unhealthy};

pub fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// A server that answers so, with these headers, whatever it is asked for, and leaves the connection open.
async fn server(headers: &str, body: &[u8]) -> Listener {
    let mut answer =
        format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend_from_slice(body);
    Listener::conversing(move |mut stream| {
        let answer = answer.clone();
        async move {
            request(&mut stream).await?;
            stream.write_all(&answer).await?;
            stream.read_to_end(&mut Vec::new()).await.map(drop)
        }
    })
    .await
}

fn expect(expect: Value) -> Value {
    json!({"httpGet": {"expect": expect}})
}

#[tokio::test]
async fn a_body_is_read_as_browsers_read_it() {
    let zlib = {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all("{\"état\":\"up\"}".as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let bare = {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all("{\"état\":\"up\"}".as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let text = "{\"état\":\"up\"}";
    let marked = [b"\xef\xbb\xbf", text.as_bytes()].concat();
    let utf16: Vec<u8> = [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    for (headers, body) in [
        ("Content-Type: application/json\r\n", text.as_bytes().to_vec()),
        ("Content-Type: application/json; charset=ISO-8859-1\r\n", b"{\"\xe9tat\":\"up\"}".to_vec()),
        ("Content-Type: application/json\r\n", b"{\"\xe9tat\":\"up\"}".to_vec()),
        ("Content-Type: application/json\r\n", marked.clone()),
        ("Content-Type: application/json\r\n", utf16),
        ("Content-Encoding: gzip\r\n", gzip(text.as_bytes())),
        ("Content-Encoding: gzip\r\n", gzip(&marked)),
        ("Content-Encoding: deflate\r\n", zlib),
        ("Content-Encoding: deflate\r\n", bare),
        ("Content-Encoding: br\r\n", b"\x8b\x06\x80{\"\xc3\xa9tat\":\"up\"}\x03".to_vec()),
    ] {
        let server = server(headers, &body).await;
        for wanted in [
            json!({"bodyContains": "état"}),
            json!({"bodyMatches": "^.\"état"}),
            json!({"json": [{"path": "$.état", "equals": "up"}]}),
        ] {
            let outcome = ask(expect(wanted.clone()), server.port()).await;
            assert_eq!(outcome.result, Ok(()), "{headers} {body:?} {wanted}");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_said_in_words() {
    let zstd = server("Content-Encoding: zstd\r\n", b"\x28\xb5\x2f\xfd").await;
    let outcome = ask(expect(json!({"bodyContains": "x"})), zstd.port()).await;
    shown!(outcome);
    assert_eq!(fault(&outcome), "the body is compressed (zstd), which this probe does not read");
    assert_eq!(passed(&ask(expect(json!({})), zstd.port()).await).last(), Some(&"expect"));
    let long = server("", format!("[{}1]", "1,".repeat(600_000)).as_bytes()).await;
    let outcome = ask(expect(json!({"json": [{"path": "$[0]", "equals": 1}]})), long.port()).await;
    shown!(outcome);
    assert_eq!(fault(&outcome), "expected JSON of 1 MiB at most, and no more is read");
    // A hundred megabytes, in a hundred kilobytes.
    let bomb = server("Content-Encoding: gzip\r\n", &gzip(&vec![b'-'; 100_000_000])).await;
    let outcome = ask(expect(json!({"bodyContains": "x"})), bomb.port()).await;
    let text = r#"expected a body with "x", which is not in its first 1 MiB, and no more is read"#;
    assert_eq!(fault(&outcome), text);
}

#[tokio::test]
async fn what_is_not_as_its_headers_say_is_no_http() {
    let broken = server("Content-Encoding: gzip\r\n", b"not at all").await;
    let outcome = ask(expect(json!({"bodyContains": "x"})), broken.port()).await;
    shown!(outcome);
    assert_eq!(unhealthy(&outcome), "the body is not gzip, as its headers say");
}

#[tokio::test]
async fn an_unexpected_answer_is_told_in_its_own_words_as_far_as_they_come() {
    let answers: [(&str, Vec<u8>, &str); 3] = [
        (
            "Content-Encoding: gzip\r\nContent-Length: 99999\r\n",
            gzip("indisponible: état".as_bytes()),
            "indisponible: ",
        ),
        (
            "Content-Type: text/plain; charset=latin1\r\n",
            b"indisponible: \xe9tat".to_vec(),
            "indisponible: état",
        ),
        ("Content-Encoding: zstd\r\n", b"\x28\xb5\x2f\xfd".to_vec(), ""),
    ];
    for (headers, body, said) in answers {
        let answer = [format!("HTTP/1.1 500 No\r\n{headers}\r\n").as_bytes(), &body].concat();
        let server = Listener::conversing(move |mut stream| {
            let answer = answer.clone();
            async move {
                request(&mut stream).await?;
                stream.write_all(&answer).await?;
                // And never more.
                stream.read_to_end(&mut Vec::new()).await.map(drop)
            }
        })
        .await;
        let outcome = ask(expect(json!({})), server.port()).await;
        assert!(unhealthy(&outcome).starts_with("expected status 200-399, got 500"), "{outcome:?}");
        assert!(output(&outcome).starts_with(said), "{headers}: {outcome:?}");
    }
}

/// The verdict is known, and only what explains it is not.
#[tokio::test]
async fn an_unexpected_answer_counts_although_the_time_is_over_before_its_end() {
    let server = Listener::conversing(|mut stream| async move {
        request(&mut stream).await?;
        stream.write_all(b"HTTP/1.1 503 No\r\nRetry-After: 9\r\nContent-Length: 9\r\n\r\nno").await?;
        stream.read_to_end(&mut Vec::new()).await.map(drop)
    })
    .await;
    let probe = json!({"httpGet": {}, "timeoutSeconds": 1});
    assert!(not_yet(&ask(probe, server.port()).await).starts_with("expected status 200-399, got 503"));
}

/// Server-sent events: an answer at once, and then a line now and then.
async fn events() -> Listener {
    Listener::conversing(|mut stream| async move {
        request(&mut stream).await?;
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).await?;
        for line in [": hel", "lo\n\n", ": ping\n\n"].into_iter().chain(std::iter::repeat(": ping\n\n")) {
            stream.write_all(format!("{:x}\r\n{line}\r\n", line.len()).as_bytes()).await?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_stream_without_end_is_judged_by_its_head_and_by_what_is_looked_for() {
    let server = events().await;
    let outcome = ask(expect(json!({"maxLatency": "5s"})), server.port()).await;
    assert_eq!(passed(&outcome), ["resolve", "connect", "request", "expect"]);
    let outcome = ask(expect(json!({"bodyContains": "hello"})), server.port()).await;
    assert_eq!(passed(&outcome), ["resolve", "connect", "request", "receive", "expect"]);
    assert!(step(&outcome, "receive").starts_with("9 bytes in "), "{outcome:?}");
    let head = json!({"httpGet": {"method": "HEAD"}});
    passed(&ask(head, server.port()).await);
    for (pattern, bytes) in [("hel+o", "9 bytes in "), ("(?m)^: hello$", "9 bytes in "), ("ping", "")] {
        let outcome =
            ask(expect(json!({"bodyMatches": pattern, "bodyContains": "hello"})), server.port()).await;
        assert_eq!(passed(&outcome), ["resolve", "connect", "request", "receive", "expect"], "{pattern}");
        assert!(step(&outcome, "receive").starts_with(bytes), "{outcome:?}");
    }
    // What is true of all of it alone is not known before its end.
    for wanted in [
        json!({"bodyMatches": "hello\n$"}),
        json!({"bodyMatches": "hello", "bodyContains": "goodbye"}),
        json!({"bodyMatches": "goodbye"}),
        json!({"json": [{"path": "$", "equals": 1}]}),
    ] {
        let mut all = expect(wanted);
        all["timeoutSeconds"] = 1.into();
        assert_eq!(unhealthy(&ask(all, server.port()).await), "nothing within 1 s, at the step `receive`");
    }
}

/// What matches before a pause is found in it, however little that is after what came before.
#[tokio::test]
async fn a_pattern_is_looked_for_whenever_a_body_pauses() {
    let server = Listener::conversing(|mut stream| async move {
        request(&mut stream).await?;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
        stream.write_all(&[b'-'; 100_000]).await?;
        stream.write_all("\nall is w\u{e9}ll\n\u{e9}".as_bytes().split_last().unwrap().1).await?;
        stream.read_to_end(&mut Vec::new()).await.map(drop)
    })
    .await;
    let outcome = ask(expect(json!({"bodyMatches": "all is w.ll"})), server.port()).await;
    assert_eq!(passed(&outcome).last(), Some(&"expect"));
    let outcome = ask(expect(json!({"bodyContains": "all is w\u{e9}ll"})), server.port()).await;
    assert_eq!(passed(&outcome).last(), Some(&"expect"));
}

#[tokio::test]
async fn what_json_holds_beside_what_is_asked_for_is_no_matter() {
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for beside in [r#""\ud800""#, "1e400", &deep] {
        let body = format!(r#"{{"a":{beside},"s":"up"}}"#);
        let server = server("Content-Type: application/json\r\n", body.as_bytes()).await;
        let json = |path: &str| expect(json!({"json": [{"path": path, "equals": "up"}]}));
        assert_eq!(ask(json("$.s"), server.port()).await.result, Ok(()), "{beside}");
        let outcome = ask(json("$.a"), server.port()).await;
        assert_eq!(unhealthy(&outcome), r#"expected "up" at $.a, found something else"#);
    }
}

#[tokio::test]
async fn values_in_json_are_found_by_any_key_and_compared_by_value() {
    let body = br#"{"load":1.0,"core.db":"ok","a b":[{"n":9007199254740993}],"parts":[1,2]}"#;
    let server = server("Content-Type: application/json\r\n", body).await;
    let json = |path: &str, equals: Value| expect(json!({"json": [{"path": path, "equals": equals}]}));
    for (path, equals) in [
        ("$.load", json!(1)),
        ("$.load", json!(1.0)),
        (r#"$["core.db"]"#, json!("ok")),
        ("$['a b'][0].n", json!(9_007_199_254_740_993_i64)),
        ("$.parts[-1]", json!(2)),
    ] {
        let outcome = ask(json(path, equals.clone()), server.port()).await;
        assert_eq!(outcome.result, Ok(()), "{path} {equals}");
    }
    for (path, equals, text) in [
        ("$['a b'][0].n", json!(9_007_199_254_740_992_i64), "found something else"),
        (r#"$["core.db"]"#, json!("no"), "found something else"),
        ("$.core.db", json!("ok"), r#"found nothing: $ has no key "core""#),
        ("$.parts[2]", json!(1), "found nothing: $.parts has 2 elements"),
    ] {
        let outcome = ask(json(path, equals.clone()), server.port()).await;
        shown!(outcome);
        assert_eq!(unhealthy(&outcome), format!("expected {equals} at {path}, {text}"));
    }
}
