//! Whom TLS trusts: certificates as `openssl` makes them, shown by nginx to a probe, a delivery and the engine's client.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use portreeve::docker::Client;
use portreeve::guard::Guard;
use portreeve::reconcile::lifecycle::EventName;
use portreeve::resource::docker_host::{DockerHostSpec, DockerTls};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::fixtures::{bill, bills, container};
use super::outbox::post::{Post, TARGET};
use super::probes::{ask_at, passed, secret, shown, step, unhealthy};
use crate::support::alone::passes_with;
use crate::support::engine::Engine;
use crate::support::server::{Port, Server, install, nginx, program};

/// Where the judging test, which is a process of its own, finds the servers.
const PORTS: &str = "PORTREEVE_TEST_TRUST_PORTS";
/// The servers, each with its certificate and what it sends behind it.
const SERVERS: [(&str, &[&str]); 5] = [
    // Issued by `between`, which ends in three days.
    ("chained", &["between"]),
    // Issued by the root; nobody needs what it sends too.
    ("direct", &["between"]),
    ("direct-alone", &[]),
    // As `openssl req -x509` makes one; trusted itself.
    ("own", &[]),
    ("strange", &[]),
];

/// `openssl` in `home`.
fn openssl(home: &Path, arguments: &str) {
    let output = program("openssl").current_dir(home).args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A root, whom it has issued a certificate for, and whom nobody but themselves has.
async fn certificates(home: &Path) {
    install("openssl").await;
    fs::write(home.join("ca"), "basicConstraints = critical, CA:TRUE\n").unwrap();
    fs::write(home.join("server"), "subjectAltName = DNS:localhost\n").unwrap();
    for own in ["own", "strange"] {
        openssl(
            home,
            &format!(
                "req -x509 -newkey rsa:2048 -nodes -keyout {own}.key -out {own}.pem -days 30 -subj /CN={own} \
                 -addext subjectAltName=DNS:localhost"
            ),
        );
    }
    openssl(home, "req -x509 -newkey rsa:2048 -nodes -keyout root.key -out root.pem -days 90 -subj /CN=root");
    for (name, issuer, days, kind) in
        [("between", "root", 3, "ca"), ("chained", "between", 60, "server"), ("direct", "root", 60, "server")]
    {
        openssl(
            home,
            &format!("req -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}"),
        );
        openssl(
            home,
            &format!(
                "x509 -req -in {name}.csr -CA {issuer}.pem -CAkey {issuer}.key -CAcreateserial -days {days} \
                 -extfile {kind} -out {name}.pem"
            ),
        );
    }
    for name in ["pem", "key"] {
        fs::copy(home.join(format!("direct.{name}")), home.join(format!("direct-alone.{name}"))).unwrap();
    }
}

/// A server for each certificate that takes everything; and one that is an engine for who shows the same certificate.
async fn servers(home: &Path, ports: &[Port], engine: &Engine) -> Server {
    Server::start("nginx", |own, plain| {
        let at = home.display();
        let socket = engine.socket().expect("an engine behind a socket").display();
        let mut servers = String::new();
        for ((name, sent), port) in SERVERS.iter().zip(ports) {
            let chain: String = [name]
                .into_iter()
                .chain(sent.iter())
                .map(|name| fs::read_to_string(home.join(format!("{name}.pem"))).unwrap())
                .collect();
            fs::write(home.join(format!("{name}.chain")), chain).unwrap();
            let port = port.number;
            servers.push_str(&format!(
                "server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {at}/{name}.chain; ssl_certificate_key {at}/{name}.key;
                 return 201; }}\n"
            ));
        }
        let port = ports[SERVERS.len()].number;
        servers.push_str(&format!(
            "server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {at}/own.pem; ssl_certificate_key {at}/own.key;
             ssl_verify_client on; ssl_client_certificate {at}/own.pem;
             location / {{ proxy_pass http://unix:{socket}:; proxy_buffering off; }} }}\n"
        ));
        nginx(own, &format!("server {{ listen 127.0.0.1:{plain}; }}\n{servers}"))
    })
    .await
}

/// Whether curl, which trusts `trusted`, takes the server there.
async fn curl(trusted: &Path, port: u16) -> bool {
    install("curl").await;
    let mut curl = program("curl");
    curl.args(["-sS", "-m", "10", "-o", "/dev/null", "--cacert"])
        .arg(trusted)
        .arg(format!("https://localhost:{port}/"));
    tokio::task::spawn_blocking(move || curl.status()).await.unwrap().unwrap().success()
}

#[tokio::test]
async fn a_certificate_that_is_itself_trusted_is_and_the_first_end_on_the_path_counts() {
    let (home, engine) = (TempDir::new().unwrap(), Engine::shared().await);
    certificates(home.path()).await;
    let reserved: Vec<Port> = (0..=SERVERS.len()).map(|_| Port::free()).collect();
    let _server = servers(home.path(), &reserved, &engine).await;
    let ports: Vec<u16> = reserved.iter().map(|port| port.number).collect();
    let trusted = home.path().join("trusted.pem");
    let [root, own] = ["root.pem", "own.pem"].map(|name| fs::read_to_string(home.path().join(name)).unwrap());
    fs::write(&trusted, format!("{root}{own}")).unwrap();
    for ((name, _), port) in SERVERS.iter().zip(&ports) {
        assert_eq!(curl(&trusted, *port).await, *name != "strange", "curl and {name}");
    }
    // What a process trusts is read from its environment, once.
    let variables =
        [("SSL_CERT_FILE", trusted.to_str().unwrap()), (PORTS, &serde_json::to_string(&ports).unwrap())];
    passes_with("integration::trust::whose_certificates_are_good_and_until_when", &variables).await;

    // An engine's authority is the DockerHost's own.
    let file = |name: &str| home.path().join(name).display().to_string();
    let host = |ca: &str| DockerHostSpec {
        endpoint: format!("tcp://localhost:{}", ports[SERVERS.len()]),
        tls: Some(DockerTls { ca: file(ca), cert: file("own.pem"), key: file("own.key") }),
        ..DockerHostSpec::default()
    };
    let (client, _) =
        Client::connect(&Arc::from("local"), &host("own.pem"), &Guard::default()).await.unwrap();
    client.list().await.unwrap();
    let refused = Client::connect(&Arc::from("local"), &host("root.pem"), &Guard::default())
        .await
        .unwrap_err()
        .to_string();
    assert!(refused.contains("it is one of an authority (CA:TRUE)"), "{refused}");
    let unreadable = Client::connect(&Arc::from("local"), &host("own.key"), &Guard::default())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        unreadable.contains("tls.ca: ") && unreadable.contains("it contains no certificate (PEM)"),
        "{unreadable}"
    );
}

#[tokio::test]
#[ignore = "run by the test above, in a process that trusts its certificates"]
async fn whose_certificates_are_good_and_until_when() {
    let ports: Vec<u16> = serde_json::from_str(&std::env::var(PORTS).unwrap()).unwrap();
    let port = |name: &str| ports[SERVERS.iter().position(|(known, _)| *known == name).unwrap()];
    let days = |days: u32| json!({"tls": {"minValidDays": days}});

    let outcome = ask_at("localhost", port("chained"), days(7)).await;
    shown!(outcome);
    let text = "expected a certificate that is still valid for 7 days, but that of its issuer CN=between, which the \
        server sends with it, expires in ";
    assert!(unhealthy(&outcome).starts_with(text), "{outcome:?}");
    let outcome = ask_at("localhost", port("chained"), days(2)).await;
    passed(&outcome);
    assert!(step(&outcome, "expect").starts_with("CN=between: valid for "), "{outcome:?}");
    for name in ["direct", "direct-alone"] {
        let outcome = ask_at("localhost", port(name), days(7)).await;
        passed(&outcome);
        assert!(step(&outcome, "expect").starts_with("CN=direct: valid for "), "{name}: {outcome:?}");
    }
    // Its root ends later than it does.
    assert!(unhealthy(&ask_at("localhost", port("direct"), days(80)).await).contains(", it expires in "));

    let outcome = ask_at("localhost", port("own"), days(7)).await;
    passed(&outcome);
    assert!(step(&outcome, "expect").starts_with("CN=own: valid for "), "{outcome:?}");
    let outcome = ask_at("localhost", port("strange"), days(7)).await;
    shown!(outcome);
    let text = "the certificate is not trusted: it is one of an authority (CA:TRUE), and trusted as a server's only where it \
                is itself among those that this system trusts; add it to them, or issue one with CA:FALSE";
    assert_eq!(unhealthy(&outcome), text);

    // A secret is sent to who is trusted.
    let home = TempDir::new().unwrap();
    let header = json!([{"name": "Authorization", "valueFrom": secret(&home, "Bearer s3cret")}]);
    let probe = |headers: &Value| json!({"httpGet": {"scheme": "https", "httpHeaders": headers}});
    assert!(step(&ask_at("localhost", port("own"), probe(&header)).await, "TLS").ends_with(", verified"));
    assert!(ask_at("localhost", port("strange"), probe(&header)).await.result.is_err());
    passed(&ask_at("localhost", port("strange"), probe(&json!([]))).await);

    // So is a bill.
    for (name, delivered) in [("own", true), ("chained", true), ("strange", false)] {
        let mut post = Post::new().await;
        post.bill(&format!("https://localhost:{}", port(name)), json!({}));
        post.commit(bills(vec![bill(TARGET, &container(1), EventName::Started, 1)])).await;
        if delivered {
            post.drained().await;
            continue;
        }
        let error = crate::support::wait::until("it failed", crate::support::wait::SOON, || async {
            post.bills_left().await.last_error.ok_or("no error yet")
        })
        .await;
        assert!(error.contains("it is one of an authority (CA:TRUE)"), "{error}");
    }
}
