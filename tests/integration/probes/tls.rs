//! `tls`, asking nginx with certificates of every kind.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::certificates::Authority;
use super::listeners::{Listener, Manner};
use super::{ask, ask_at, denied, passed, step, unhealthy};
use crate::support::alone::passes_with;
use crate::support::server::{Port, Server, nginx};

/// Where the judging test, which is a process of its own, finds the servers.
const PORTS: &str = "PORTREEVE_TEST_TLS_PORTS";
const KINDS: [&str; 7] = ["good", "soon", "expired", "early", "other", "stranger", "impostor"];

async fn with_certificates(trusted: &Authority, ports: &[Port]) -> Server {
    Server::start("nginx", |home, plain| {
        let mut servers = String::new();
        for (kind, Port { number: port, .. }) in KINDS.iter().zip(ports) {
            let certificate = match *kind {
                "good" => trusted.certificate("localhost", -1, 90),
                "soon" => trusted.certificate("localhost", -1, 3),
                "expired" => trusted.certificate("localhost", -30, -2),
                "early" => trusted.certificate("localhost", 2, 30),
                "other" => trusted.certificate("shop.example", -1, 90),
                "impostor" => Authority::new().certificate("localhost", -1, 90),
                _ => Authority::named("a stranger").certificate("localhost", -1, 90),
            };
            let file = |suffix: &str| home.join(format!("{kind}.{suffix}")).display().to_string();
            fs::write(file("pem"), certificate.chain).unwrap();
            fs::write(file("key"), certificate.key).unwrap();
            servers.push_str(&format!(
                "server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {}; ssl_certificate_key {}; }}\n",
                file("pem"),
                file("key")
            ));
        }
        nginx(home, &format!("server {{ listen 127.0.0.1:{plain}; }}\n{servers}"))
    })
    .await
}

fn days(days: u32) -> Value {
    json!({"tls": {"minValidDays": days}})
}

#[tokio::test]
async fn a_certificate_must_be_trusted_and_for_the_host_and_last_a_while() {
    let (trusted, home) = (Authority::new(), TempDir::new().unwrap());
    let reserved = KINDS.map(|_| Port::free());
    let server = with_certificates(&trusted, &reserved).await;
    let ports = reserved.each_ref().map(|port| port.number);
    let file = home.path().join("authority.pem");
    fs::write(&file, &trusted.pem).unwrap();
    // What a process trusts is read from its environment, once.
    let variables =
        [("SSL_CERT_FILE", file.to_str().unwrap()), (PORTS, &serde_json::to_string(&ports).unwrap())];
    passes_with("integration::probes::tls::judged", &variables).await;

    // Here only the system's own authorities are trusted, and where nothing speaks TLS there is nothing to judge.
    let outcome = ask_at("localhost", ports[0], days(7)).await;
    let text = "the certificate is not trusted: no authority that this system trusts has issued it";
    assert_eq!(unhealthy(&outcome), text);
    let outcome = ask(days(7), server.port).await;
    assert_eq!(denied(&outcome), "expected a TLS handshake, the server speaks something else");
    server.freeze().await;
    let mut hanging = days(7);
    hanging["timeoutSeconds"] = 1.into();
    assert_eq!(unhealthy(&ask(hanging, ports[0]).await), "nothing within 1 s, at the step `TLS`");
    let closing = Listener::start(Manner::SaysAndCloses(b"")).await;
    let text = "expected a TLS handshake, tls handshake eof";
    assert_eq!(unhealthy(&ask(days(7), closing.port()).await), text);
    let alert = Listener::start(Manner::SaysAndCloses(b"\x15\x03\x03\0\x02\x02\x28")).await;
    let text = "expected a TLS handshake, the server ended it: HandshakeFailure";
    assert_eq!(denied(&ask(days(7), alert.port()).await), text);
}

#[tokio::test]
#[ignore = "run by the test above, in a process that trusts its authority"]
async fn judged() {
    let ports: Vec<u16> = serde_json::from_str(&std::env::var(PORTS).unwrap()).unwrap();
    let port = |kind: &str| ports[KINDS.iter().position(|known| *known == kind).unwrap()];
    let outcome = ask_at("localhost", port("good"), days(7)).await;
    assert_eq!(passed(&outcome), ["resolve", "connect", "TLS", "expect"]);
    let handshake = step(&outcome, "TLS");
    assert!(handshake.starts_with("TLS 1.") && handshake.ends_with(", 1 certificate"), "{handshake}");
    assert!(step(&outcome, "expect").starts_with("CN=localhost: valid for 90 days, until 20"), "{outcome:?}");
    passed(&ask_at("localhost", port("soon"), days(3)).await);
    for (kind, text) in [
        ("soon", "expected a certificate that is still valid for 7 days, it expires in 3 days, on 20"),
        ("expired", "the certificate expired on 20"),
        ("early", "the certificate is not valid before 20"),
        ("other", r#"expected a certificate for localhost, got one for DnsName("shop.example")"#),
        ("stranger", "the certificate is not trusted: no authority that this system trusts has issued it"),
        (
            "impostor",
            "the certificate is not trusted: the authority that it names, which this system trusts, has another key",
        ),
    ] {
        let outcome = ask_at("localhost", port(kind), days(7)).await;
        assert!(unhealthy(&outcome).starts_with(text), "{kind}: {outcome:?}");
    }
    // An address has no name to be wrong about; its chain is judged all the same.
    passed(&ask(days(7), port("other")).await);
    assert!(unhealthy(&ask(days(7), port("expired")).await).ends_with(", 1 day ago"));
    assert!(unhealthy(&ask(days(7), port("stranger")).await).contains("not trusted"));
}
