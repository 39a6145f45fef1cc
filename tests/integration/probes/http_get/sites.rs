//! Which site is meant: `Host`, in HTTP/1.1, in HTTP/2 and in TLS.

use std::convert::Infallible;
use std::fs;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::Full;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::integration::probes::certificates::{Authority, Certificate};
use crate::integration::probes::listeners::{Listener, request};
use crate::integration::probes::{
    ask, ask_at, denied, fault, output, passed, secret, shown, step, unhealthy,
};
use crate::support::server::{Server, nginx};

/// Two sites and one for everybody else; each says which it is, in which version it was asked, and for whom TLS asked.
async fn sites() -> Server {
    Server::start("nginx", |home, port| {
        let authority = Authority::new();
        for site in ["a.test", "b.test", "other"] {
            let own = authority.certificate(site, -1, 30);
            fs::write(home.join(format!("{site}.pem")), own.chain).unwrap();
            fs::write(home.join(format!("{site}.key")), own.key).unwrap();
        }
        let at = home.display();
        let site = |site: &str, names: &str| {
            format!(
                "server {{ listen 127.0.0.1:{port} ssl http2; listen [::1]:{port} ssl http2; server_name {names};
                 ssl_certificate {at}/{site}.pem; ssl_certificate_key {at}/{site}.key;
                 return 404 '{site}, $server_protocol, $ssl_server_name, $http_host'; }}\n"
            )
        };
        let sites = [site("other", "_"), site("a.test", "a.test"), site("b.test", "b.test")].concat();
        nginx(home, &sites)
    })
    .await
}

fn https(headers: Value) -> Value {
    json!({"httpGet": {"scheme": "https", "httpHeaders": headers}})
}

#[tokio::test]
async fn the_host_that_is_declared_is_the_site_that_is_asked() {
    let server = sites().await;
    let port = server.port;
    let host = |host: &str| json!({"name": "Host", "value": host});
    let close = json!({"name": "Connection", "value": "close"});
    for (headers, said) in [
        (json!([]), format!("other, HTTP/2.0, , 127.0.0.1:{port}")),
        (json!([host("a.test")]), "a.test, HTTP/2.0, a.test, a.test".to_owned()),
        (json!([host("b.test:8443")]), "b.test, HTTP/2.0, b.test, b.test:8443".to_owned()),
        (json!([host("127.0.0.2")]), "other, HTTP/2.0, , 127.0.0.2".to_owned()),
        (json!([host("a.test"), close]), "a.test, HTTP/1.1, a.test, a.test".to_owned()),
    ] {
        let outcome = ask(https(headers.clone()), port).await;
        assert_eq!(output(&outcome), said, "{headers}");
    }
    let outcome = ask_at("localhost", port, https(json!([]))).await;
    assert_eq!(output(&outcome), format!("other, HTTP/2.0, localhost, localhost:{port}"));
    let outcome = ask_at("::1", port, https(json!([]))).await;
    assert_eq!(output(&outcome), format!("other, HTTP/2.0, , [::1]:{port}"));
    assert!(step(&outcome, "request").starts_with(&format!("GET https://[::1]:{port}/: 404")), "{outcome:?}");
    assert!(step(&outcome, "request").ends_with("over HTTP/2"), "{outcome:?}");

    // nginx answers 400 to who asks in the clear.
    let outcome = ask(json!({"httpGet": {}}), port).await;
    shown!(outcome);
    assert!(denied(&outcome).ends_with("; the server uses TLS there: set `scheme: https`"), "{outcome:?}");
}

#[tokio::test]
async fn http2_has_the_site_once() {
    let acceptor = Authority::new().certificate("a.test", -1, 30).speaking(&["h2"]);
    let server = Listener::conversing(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let stream = acceptor.accept(stream).await?;
            let answer = service_fn(|request: Request<hyper::body::Incoming>| async move {
                let names: Vec<String> = request.headers().keys().map(ToString::to_string).collect();
                let said = format!("{} {}", request.uri(), names.join(" "));
                let answer = Response::builder().status(500).body(Full::new(Bytes::from(said)));
                Ok::<_, Infallible>(answer.unwrap())
            });
            let serving =
                http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), answer);
            // However it ends.
            let _ = serving.await;
            Ok(())
        }
    })
    .await;
    let headers = json!([{"name": "Host", "value": "a.test"}, {"name": "X-Trace", "value": "1"}]);
    let outcome = ask(https(headers), server.port()).await;
    assert_eq!(output(&outcome), "https://a.test/ user-agent accept x-trace");
    let probe = json!({"httpGet": {"scheme": "https", "path": "/x?y", "expect": {"status": [500], "bodyContains": "/x?y"}}});
    assert_eq!(
        passed(&ask(probe, server.port()).await),
        ["resolve", "connect", "TLS", "request", "receive", "expect"]
    );
}

/// As IIS does for what it serves in HTTP/1.1 alone.
#[tokio::test]
async fn a_server_that_wants_the_old_version_gets_it() {
    let acceptor = Authority::new().certificate("a.test", -1, 30).speaking(&["h2", "http/1.1"]);
    let server = Listener::conversing(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let mut stream = acceptor.accept(stream).await?;
            if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                let mut connection = h2::server::handshake(stream).await.map_err(std::io::Error::other)?;
                while let Some(Ok((_, mut answer))) = connection.accept().await {
                    answer.send_reset(h2::Reason::HTTP_1_1_REQUIRED);
                }
                return Ok(());
            }
            request(&mut stream).await?;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await?;
            stream.shutdown().await
        }
    })
    .await;
    let outcome = ask(https(json!([])), server.port()).await;
    assert!(step(&outcome, "request").contains("HTTP/1.1"), "{outcome:?}");
    passed(&outcome);
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_says_where_it_leads() {
    let server = Listener::conversing(|mut stream| async move {
        request(&mut stream).await?;
        stream
            .write_all(
                b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/login\r\nContent-Length: 0\r\n\r\n",
            )
            .await
    })
    .await;
    passed(&ask(json!({"httpGet": {}}), server.port()).await);
    let outcome = ask(json!({"httpGet": {"expect": {"status": [200]}}}), server.port()).await;
    assert!(unhealthy(&outcome).ends_with("; redirects are not followed"), "{outcome:?}");
    assert_eq!(output(&outcome), "Location: http://127.0.0.1:1/login");
}

#[tokio::test]
async fn a_secret_goes_to_nobody_who_is_not_verified() {
    let (ours, home) = (Authority::new(), TempDir::new().unwrap());
    let file = home.path().join("authority.pem");
    fs::write(&file, &ours.pem).unwrap();
    let heard = Arc::new(Mutex::new(String::new()));
    let listen = |own: Certificate| {
        let heard = heard.clone();
        async move {
            Listener::encrypted(&own, move |mut stream| {
                let heard = heard.clone();
                async move {
                    let mut request = vec![0; 4096];
                    let count = stream.read(&mut request).await?;
                    heard.lock().unwrap().push_str(&String::from_utf8_lossy(&request[..count]));
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await?;
                    stream.shutdown().await
                }
            })
            .await
        }
    };
    let known = listen(ours.certificate("a.test", -1, 30)).await;
    let stranger = listen(Authority::named("a stranger").certificate("a.test", -1, 30)).await;
    let from = secret(&home, "s3cret");
    let probe = |host: &str, tls: Value| {
        let headers = json!([{"name": "Host", "value": host}, {"name": "X-Token", "valueFrom": from}]);
        json!({"httpGet": {"scheme": "https", "httpHeaders": headers, "tls": tls}})
    };
    let ca = json!({"ca": &file});
    for (listener, host, tls) in [
        (&stranger, "a.test", ca.clone()),
        (&stranger, "a.test", json!({})),
        (&known, "b.test", ca.clone()),
        (&known, "a.test", json!({"ca": &file, "serverName": "b.test"})),
    ] {
        let outcome = ask(probe(host, tls.clone()), listener.port()).await;
        let text = "the server is not verified, and no secret is sent to it: ";
        assert!(fault(&outcome).starts_with(text), "{host} {tls}: {outcome:?}");
    }
    assert_eq!(*heard.lock().unwrap(), "");
    for (listener, host, tls) in [
        (&known, "a.test", ca),
        (&known, "b.test", json!({"ca": &file, "serverName": "a.test"})),
        (&stranger, "a.test", json!({"verify": false})),
    ] {
        let outcome = ask(probe(host, tls.clone()), listener.port()).await;
        assert_eq!(outcome.result, Ok(()), "{host} {tls}");
        assert!(std::mem::take(&mut *heard.lock().unwrap()).contains("X-Token: s3cret"), "{host} {tls}");
        assert!(!format!("{outcome:?}").contains("s3cret"), "{outcome:?}");
    }
}
