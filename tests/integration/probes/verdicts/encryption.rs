//! TLS: whom a secret is sent to, certificates that nobody can read, ports that want it and ports that have none.

use std::process::Command;
use std::sync::{Arc, Mutex};

use portreeve::probe::CheckOutcome;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::means;
use crate::integration::probes::certificates::Authority;
use crate::integration::probes::listeners::{Listener, Manner};
use crate::integration::probes::mysql::{GREETING, login as mysql_login, packet, read};
use crate::integration::probes::{ask, ask_at, denied, failure, fault, passed, secret, step};
use crate::support::alone::passes_with;
use crate::support::server::{Server, program};

/// Probes that speak TLS from the first byte where they are told to, and the step at which they then speak.
fn speakers() -> [(Value, &'static str); 5] {
    [
        (json!({"redis": {}}), "query"),
        (json!({"mqtt": {}}), "login"),
        (json!({"kafka": {}}), "greet"),
        (json!({"amqp": {}}), "receive"),
        (json!({"grpc": {"port": 1}}), "query"),
    ]
}

/// The probe, with this `tls`.
fn with(probe: &Value, tls: Value) -> Value {
    let mut probe = probe.clone();
    let handler = probe.as_object_mut().unwrap().values_mut().next().unwrap();
    handler["tls"] = tls;
    probe
}

#[tokio::test]
async fn a_secret_is_not_sent_to_a_server_that_is_not_verified() {
    let home = TempDir::new().unwrap();
    let (ours, theirs) = (Authority::new(), Authority::named("a stranger"));
    let file = home.path().join("authority.pem");
    std::fs::write(&file, &ours.pem).unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let listen = |own| {
        let heard = heard.clone();
        async move {
            Listener::encrypted(&own, move |mut stream| {
                let heard = heard.clone();
                async move {
                    let mut bytes = vec![0; 1024];
                    let count = stream.read(&mut bytes).await?;
                    heard.lock().unwrap().extend_from_slice(&bytes[..count]);
                    stream.shutdown().await
                }
            })
            .await
        }
    };
    let stranger = listen(theirs.certificate("localhost", -1, 30)).await;
    let known = listen(ours.certificate("localhost", -1, 30)).await;
    let expired = listen(ours.certificate("localhost", -30, -2)).await;
    let login = json!({"username": "probe", "password": secret(&home, "s3cret")});
    for handler in ["redis", "mqtt", "amqp"] {
        let probe = |tls: Value| json!({handler: {"auth": login, "tls": tls}});
        for (host, listener, tls, why) in [
            ("localhost", &stranger, json!({}), "no trusted authority has issued its certificate"),
            ("localhost", &stranger, json!({"ca": &file}), "no trusted authority has issued its certificate"),
            ("127.0.0.1", &expired, json!({"ca": &file}), "its certificate has expired"),
            (
                "localhost",
                &known,
                json!({"ca": &file, "serverName": "db.test"}),
                "its certificate is not for db.test",
            ),
        ] {
            let outcome = ask_at(host, listener.port(), probe(tls.clone())).await;
            means!(outcome, Fault);
            let text = format!("the server is not verified, and no secret is sent to it: {why}");
            assert!(fault(&outcome).starts_with(&text), "{handler} {tls}: {outcome:?}");
            assert!(fault(&outcome).contains("`tls: {verify: false}`"), "{outcome:?}");
        }
        assert_eq!(*heard.lock().unwrap(), b"", "{handler}");
        for (host, listener, tls) in [
            ("localhost", &known, json!({"ca": &file})),
            ("127.0.0.1", &known, json!({"ca": &file})),
            ("127.0.0.1", &known, json!({"ca": &file, "serverName": "localhost"})),
            ("127.0.0.1", &stranger, json!({"verify": false})),
        ] {
            let outcome = ask_at(host, listener.port(), probe(tls.clone())).await;
            let verified = step(&outcome, "TLS").ends_with(", verified");
            assert_eq!(verified, tls.get("ca").is_some(), "{handler} {tls}: {outcome:?}");
            assert!(!std::mem::take(&mut *heard.lock().unwrap()).is_empty(), "{handler} {tls}");
        }
    }
}

#[tokio::test]
async fn an_address_needs_a_name_where_all_the_world_is_trusted() {
    // In a process that trusts this authority as its system's.
    let ours = Authority::new();
    let listener = Listener::encrypted(&ours.certificate("localhost", -1, 30), |_| async { Ok(()) }).await;
    let home = TempDir::new().unwrap();
    let file = home.path().join("authority.pem");
    std::fs::write(&file, &ours.pem).unwrap();
    let variables = [("SSL_CERT_FILE", file.to_str().unwrap()), (PORT, &listener.port().to_string())];
    passes_with("integration::probes::verdicts::encryption::judged_by_the_system", &variables).await;
}

/// Where the judging test finds the server.
const PORT: &str = "PORTREEVE_TEST_VERIFIED_PORT";

#[tokio::test]
#[ignore = "run by the test above, in a process that trusts its authority"]
async fn judged_by_the_system() {
    let port: u16 = std::env::var(PORT).unwrap().parse().unwrap();
    let probe = |tls: Value| with(&json!({"redis": {}}), tls);
    for (host, tls) in [
        ("localhost", json!({"verify": true})),
        ("127.0.0.1", json!({"verify": true, "serverName": "localhost"})),
    ] {
        let outcome = ask_at(host, port, probe(tls)).await;
        assert!(step(&outcome, "TLS").ends_with(", verified"), "{outcome:?}");
    }
    let outcome = ask_at("127.0.0.1", port, probe(json!({"verify": true}))).await;
    let text = "the server is not verified: its certificate is not for 127.0.0.1; set `tls: {serverName: …}` to a name in its certificate";
    assert!(fault(&outcome).starts_with(text), "{outcome:?}");
}

#[tokio::test]
async fn authorities_that_cannot_be_read_are_our_trouble() {
    let listener =
        Listener::encrypted(&Authority::new().certificate("localhost", -1, 30), |_| async { Ok(()) }).await;
    let home = TempDir::new().unwrap();
    let file = |name: &str| home.path().join(name).display().to_string();
    std::fs::write(file("empty"), "").unwrap();
    std::fs::write(file("nonsense"), "-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n").unwrap();
    std::fs::write(file("endless"), "x".repeat(1024 * 1024 + 1)).unwrap();
    assert!(Command::new("mkfifo").arg(file("pipe")).status().unwrap().success());
    for (path, why) in [
        (file("missing"), " cannot be read: No such file or directory"),
        (file("empty"), ": it contains no certificate (PEM)"),
        (file("nonsense"), ": "),
        (file("endless"), " is larger than 1048576 bytes"),
        (file("pipe"), " is not a regular file"),
        ("/dev/zero".to_owned(), " is not a regular file"),
    ] {
        let outcome = ask(json!({"redis": {"tls": {"ca": &path}}}), listener.port()).await;
        means!(outcome, Fault);
        let text = format!("no authorities to trust: {path}{why}");
        assert!(fault(&outcome).starts_with(&text), "{outcome:?}");
    }
}

/// OpenSSL's own server with a key of its own, `openssl req -x509` or as these arguments have it made. It answers each line
/// with the same backwards.
async fn openssl(key: &str, version_1: bool, more: &[&str]) -> Server {
    Server::start("openssl", |home, port| {
        let file = |name: &str| home.join(name).display().to_string();
        let run = |arguments: &[&str]| {
            let output = program("openssl").args(arguments).output().unwrap();
            assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        };
        let (key_file, own, request) = (file("key"), file("own.pem"), file("request"));
        let subject = ["-subj", "/CN=web.test", "-nodes", "-newkey", key, "-keyout", &key_file];
        if version_1 {
            run(&[&["req", "-new", "-out", &request][..], &subject].concat());
            run(&["x509", "-req", "-in", &request, "-signkey", &key_file, "-out", &own]);
        } else {
            run(&[&["req", "-x509", "-out", &own][..], &subject].concat());
        }
        let mut command = program("openssl");
        command.args([
            "s_server",
            "-rev",
            "-accept",
            &format!("127.0.0.1:{port}"),
            "-cert",
            &own,
            "-key",
            &key_file,
        ]);
        command.args(more);
        command
    })
    .await
}

/// Where any certificate will do, that one will do, too.
#[tokio::test]
async fn a_certificate_that_our_library_cannot_read_is_our_limit() {
    for (key, version_1, more) in [
        ("rsa:2048", true, &[][..]),
        ("rsa:2048", true, &["-tls1_2"]),
        ("rsa:1024", false, &["-cipher", "DEFAULT@SECLEVEL=0"]),
        ("rsa:1024", true, &["-tls1_2", "-cipher", "DEFAULT@SECLEVEL=0"]),
        ("rsa:2048", false, &[]),
    ] {
        let server = openssl(key, version_1, more).await;
        let outcome = ask(json!({"redis": {"tls": {}}}), server.port).await;
        assert!(step(&outcome, "TLS").starts_with("TLS 1."), "{key} {version_1}: {outcome:?}");
        // Who is to be verified by it cannot be; but where the very certificate is trusted, no authority is needed.
        let outcome = ask(json!({"redis": {"tls": {"ca": server.file("own.pem")}}}), server.port).await;
        if version_1 {
            means!(outcome, Fault);
            assert!(fault(&outcome).contains("this probe cannot read its certificate"), "{outcome:?}");
        } else if key == "rsa:2048" {
            assert!(step(&outcome, "TLS").ends_with(", verified"), "{outcome:?}");
        } else {
            fault(&outcome);
        }
    }
}

#[tokio::test]
async fn a_server_with_nothing_but_old_tls_is_not_sick() {
    // A server's hello of TLS 1.1, as one has it that does not look at what its client knows.
    let hello = [&b"\x16\x03\x02\0\x2a\x02\0\0\x26\x03\x02"[..], &[7; 32], b"\0\0\x2f\0"].concat();
    let hello = Manner::SaysAndCloses(hello.leak());
    let stubborn = Listener::start(hello).await;
    for (probe, _) in speakers() {
        let outcome = ask(with(&probe, json!({})), stubborn.port()).await;
        means!(outcome, Fault);
        let text = "no TLS handshake: the server supports no TLS version that this probe supports";
        assert!(fault(&outcome).starts_with(text), "{outcome:?}");
    }
    // One that does look ends the handshake.
    for more in
        [["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"], ["-tls1_2", "-cipher", "AES128-SHA256:@SECLEVEL=0"]]
    {
        let server = openssl("rsa:2048", false, &more).await;
        let outcome = ask(json!({"redis": {"tls": {}}}), server.port).await;
        assert!(denied(&outcome).starts_with("no TLS handshake: the server ended it: "), "{outcome:?}");
    }
}

/// Others may take what our library does not.
#[tokio::test]
async fn a_server_whose_tls_our_library_does_not_take_is_beyond_the_probe() {
    // A server's hello of TLS 1.2, with an extension that nobody asked for.
    let hello = [&b"\x16\x03\x03\0\x30\x02\0\0\x2c\x03\x03"[..], &[7; 32], b"\0\xc0\x2f\0\0\x04\0\x0f\0\0"];
    let server = Listener::start(Manner::SaysAndCloses(hello.concat().leak())).await;
    for (probe, _) in speakers() {
        let outcome = ask(with(&probe, json!({})), server.port()).await;
        means!(outcome, Fault);
        let text = "no TLS handshake: the server uses TLS in a way that this probe does not support (";
        assert!(fault(&outcome).starts_with(text), "{outcome:?}");
        let outcome = ask(probe, server.port()).await;
        assert!(denied(&outcome).contains("TLS"), "{outcome:?}");
    }
}

#[tokio::test]
async fn whoever_ends_a_handshake_with_an_alert_lives() {
    // handshake_failure, protocol_version, insufficient_security, internal_error, unrecognized_name, certificate_required
    for alert in [0x28, 0x46, 0x47, 0x50, 0x70, 0x74] {
        let answer = vec![0x15, 3, 3, 0, 2, 2, alert].leak();
        let server = Listener::start(Manner::SaysAndCloses(answer)).await;
        for (probe, _) in speakers() {
            means!(ask(with(&probe, json!({})), server.port()).await, Denied);
        }
        means!(ask(json!({"tls": {}}), server.port()).await, Denied);
        means!(ask(json!({"httpGet": {"scheme": "https"}}), server.port()).await, Denied);
    }
    // In the middle of a conversation.
    let server = Listener::conversing(|mut stream| async move {
        stream.read_exact(&mut [0; 8]).await?;
        stream.write_all(b"S").await?;
        stream.read_exact(&mut [0; 5]).await?;
        crate::integration::probes::listeners::say(&mut stream, b"\x15\x03\x03\0\x02\x02\x28").await
    })
    .await;
    means!(ask(json!({"postgres": {}}), server.port()).await, Denied);
}

/// In TLS 1.3 it says so behind the handshake, when its client has begun to speak; OpenSSL then resets the connection.
#[tokio::test]
async fn a_server_that_wants_a_certificate_of_its_clients_refuses_us() {
    for more in [
        &["-tls1_3", "-alpn", "h2"][..],
        &["-tls1_3", "-alpn", "http/1.1"],
        &["-tls1_3"],
        &["-tls1_2", "-alpn", "h2"],
    ] {
        let wanting = [&["-Verify", "1", "-verify_return_error"][..], more].concat();
        let server = openssl("rsa:2048", false, &wanting).await;
        let page = json!({"httpGet": {"scheme": "https"}});
        let grpc = json!({"grpc": {"port": 1, "tls": {}}});
        for probe in [page, grpc].iter().chain(speakers().iter().map(|(probe, _)| probe)) {
            let probe = if probe.get("httpGet").is_some() { probe.clone() } else { with(probe, json!({})) };
            for _ in 0..5 {
                let outcome = ask(probe.clone(), server.port).await;
                // Who does not speak what it takes is refused for that.
                assert!(!denied(&outcome).is_empty(), "{probe} {more:?}");
                means!(outcome, Denied);
            }
        }
    }
}

/// The alert has come and the connection is closed, and what is written next fails before anything is read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_is_heard_also_where_a_write_fails() {
    let authority = Authority::new();
    let own = authority.certificate("localhost", -1, 30);
    let acceptor = own.wanting(&["h2"], &authority);
    let server = Listener::conversing(move |stream| {
        let acceptor = acceptor.clone();
        async move { acceptor.accept(stream).await.map(drop) }
    })
    .await;
    let body = "x".repeat(60_000);
    for probe in [
        json!({"httpGet": {"scheme": "https"}}),
        json!({"httpGet": {"scheme": "https", "method": "POST", "body": body}}),
        json!({"grpc": {"port": 1, "tls": {}}}),
    ] {
        for _ in 0..100 {
            let outcome = ask(probe.clone(), server.port()).await;
            assert!(denied(&outcome).ends_with("it requires a client certificate"), "{outcome:?}");
        }
    }
}

#[tokio::test]
async fn a_server_without_the_tls_that_is_declared_refuses_us() {
    let (clear, home) = (
        Listener::start(Manner::SaysAndCloses(b"HTTP/1.1 400 Bad Request\r\n\r\n")).await,
        TempDir::new().unwrap(),
    );
    for (probe, _) in speakers() {
        let outcome = ask(with(&probe, json!({})), clear.port()).await;
        means!(outcome, Denied);
        assert_eq!(denied(&outcome), "no TLS handshake: the server does not speak TLS there");
    }
    // Those that change over to it in the middle.
    let postgres = Listener::start(Manner::Says(b"N")).await;
    let mysql = Listener::conversing(|mut stream| async move {
        packet(&mut stream, 0, GREETING).await;
        read(&mut stream).await;
        packet(&mut stream, 2, b"\xff\x15\x04Access denied").await;
        Ok(())
    })
    .await;
    let nats = Listener::start(Manner::Says(b"INFO {\"version\":\"2\"}\r\n")).await;
    let mut of_mysql = mysql_login("probe", secret(&home, "s3cret"));
    of_mysql["mysql"]["tls"] = json!({});
    for (probe, listener) in [
        (json!({"postgres": {"tls": {}}}), postgres),
        (of_mysql, mysql),
        (json!({"nats": {"tls": {}}}), nats),
    ] {
        let outcome = ask(probe, listener.port()).await;
        means!(outcome, Denied);
        assert_eq!(denied(&outcome), "expected TLS, the server offers none");
    }
}

/// Whoever is asked in the clear: by a server that answers with an alert, and by those that hang up or wait.
#[tokio::test]
async fn a_port_with_nothing_but_tls_is_not_sick_when_asked_in_the_clear() {
    let own = Authority::new().certificate("localhost", -1, 30);
    let alerting = Listener::encrypted(&own, |_| async { Ok(()) }).await;
    let acceptor = own.acceptor();
    let silent = Listener::conversing(move |mut stream| {
        let acceptor = acceptor.clone();
        async move {
            let mut first = [0; 1];
            stream.peek(&mut first).await?;
            if first == [0x16] {
                return acceptor.accept(stream).await?.shutdown().await;
            }
            // It waits for a whole record, say.
            tokio::io::copy(&mut stream, &mut tokio::io::sink()).await.map(drop)
        }
    })
    .await;
    let closing = {
        let acceptor = own.acceptor();
        Listener::conversing(move |stream| {
            let acceptor = acceptor.clone();
            async move {
                let mut first = [0; 1];
                stream.peek(&mut first).await?;
                if first == [0x16] {
                    return acceptor.accept(stream).await?.shutdown().await;
                }
                Ok(())
            }
        })
        .await
    };
    for listener in [&alerting, &closing, &silent] {
        for (probe, _) in speakers() {
            let mut probe = probe;
            probe["timeoutSeconds"] = 1.into();
            let outcome = ask(probe.clone(), listener.port()).await;
            means!(outcome, Denied);
            assert!(denied(&outcome).contains("`tls: {}`"), "{probe}: {outcome:?}");
        }
    }
}

/// The servers themselves, with TLS and nothing else on their port.
#[tokio::test]
async fn real_servers_with_nothing_but_tls_are_asked_so() {
    let authority = Authority::new();
    let own = authority.certificate("localhost", -1, 30);
    let write = |home: &std::path::Path| {
        std::fs::write(home.join("own.pem"), &own.chain).unwrap();
        std::fs::write(home.join("own.key"), &own.key).unwrap();
        std::fs::write(home.join("authority.pem"), &authority.pem).unwrap();
        (home.join("own.pem").display().to_string(), home.join("own.key").display().to_string())
    };
    let redis = Server::start("redis", |home, port| {
        let (own, key) = write(home);
        let mut command = program("redis-server");
        command.args([
            "--port",
            "0",
            "--tls-port",
            &port.to_string(),
            "--tls-cert-file",
            &own,
            "--tls-key-file",
            &key,
        ]);
        command
            .args(["--tls-auth-clients", "no", "--save", "", "--requirepass", "s3cret", "--dir"])
            .arg(home);
        command
    });
    let mosquitto = Server::start("mosquitto", |home, port| {
        let (own, key) = write(home);
        let config = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\ncertfile {own}\nkeyfile {key}\nuser root\n"
        );
        std::fs::write(home.join("config"), config).unwrap();
        let mut command = program("mosquitto");
        command.arg("-c").arg(home.join("config"));
        command
    });
    let peers = crate::support::server::Port::free();
    let etcd = Server::start("etcd", |home, port| {
        let (own, key) = write(home);
        let (clients, peers) =
            (format!("https://127.0.0.1:{port}"), format!("http://127.0.0.1:{}", peers.number));
        let mut command = program("etcd");
        command.arg("--data-dir").arg(home.join("data")).args(["--listen-client-urls", &clients]);
        command.args(["--advertise-client-urls", &clients, "--listen-peer-urls", &peers]);
        command.args(["--initial-advertise-peer-urls", &peers, "--cert-file", &own, "--key-file", &key]);
        command.arg(format!("--initial-cluster=default={peers}"));
        command
    });
    let (redis, mosquitto, etcd) = tokio::join!(redis, mosquitto, etcd);
    let home = TempDir::new().unwrap();
    let login = json!({"password": secret(&home, "s3cret")});
    for (server, probe) in [
        (&redis, json!({"redis": {"auth": login}})),
        (&mosquitto, json!({"mqtt": {}})),
        (&etcd, json!({"grpc": {"port": 1}})),
    ] {
        let clear = ask(probe.clone(), server.port).await;
        assert!(denied(&clear).contains("`tls: {}`"), "{probe}: {clear:?}");
        let ca = server.file("authority.pem");
        let known = async || ask_at("localhost", server.port, with(&probe, json!({"ca": &ca}))).await;
        let wait = crate::support::wait::until("it serves", crate::support::wait::SOON, || async {
            known().await.result
        });
        wait.await;
        let outcome: CheckOutcome = known().await;
        passed(&outcome);
        assert!(step(&outcome, "TLS").ends_with(", verified"), "{outcome:?}");
        assert!(failure(&clear).output.is_none(), "{clear:?}");
    }
}
