//! TLS where there is none, and none where there is: whoever names the wrong scheme is told which is right.

use std::path::PathBuf;
use std::sync::Arc;

use portreeve::docker::Client;
use portreeve::guard::Guard;
use portreeve::manifest::git::{Address, GitSource, Puller};
use portreeve::reconcile::lifecycle::EventName;
use portreeve::resource::Duration;
use portreeve::resource::docker_host::{DockerHostSpec, DockerTls};
use rcgen::{CertificateParams, KeyPair};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::fixtures::{bill, bills, container};
use super::outbox::post::{Post, TARGET};
use crate::support::server::{Port, Server, nginx};
use crate::support::wait;

const WITHOUT: &str = "without TLS: write http://";
const WITH: &str = "uses TLS: write https://";

/// An nginx with a port of each kind, and a server that answers what is no TLS with an alert, as OpenSSL's do.
struct Servers {
    plain: u16,
    encrypted: Port,
    alert: u16,
    home: TempDir,
    _nginx: Server,
}

impl Servers {
    async fn start() -> Self {
        let (home, encrypted) = (TempDir::new().unwrap(), Port::free());
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        std::fs::write(home.path().join("own.pem"), certificate.pem()).unwrap();
        std::fs::write(home.path().join("own.key"), key.serialize_pem()).unwrap();
        let plain = std::cell::Cell::new(0);
        let nginx = Server::start("nginx", |own, port| {
            plain.set(port);
            let (at, number) = (home.path().display(), encrypted.number);
            let blocks = format!(
                "server {{ listen 127.0.0.1:{port}; return 404; }}
                 server {{ listen 127.0.0.1:{number} ssl; ssl_certificate {at}/own.pem; ssl_certificate_key {at}/own.key;
                 return 201; }}\n"
            );
            nginx(own, &blocks)
        })
        .await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let alert = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 1024]).await;
                let _ = stream.write_all(&[0x15, 3, 1, 0, 2, 2, 70]).await;
            }
        });
        Self { plain: plain.get(), encrypted, alert, home, _nginx: nginx }
    }

    /// URLs that fit no port, with what is to be said of each.
    fn wrong(&self) -> [(String, &'static str); 3] {
        [
            (format!("https://localhost:{}", self.plain), WITHOUT),
            (format!("http://localhost:{}", self.encrypted.number), WITH),
            (format!("http://localhost:{}", self.alert), WITH),
        ]
    }

    fn file(&self, name: &str) -> String {
        self.home.path().join(name).display().to_string()
    }
}

#[tokio::test]
async fn the_command_line_says_which_scheme_the_server_has() {
    let servers = Servers::start().await;
    for (url, says) in servers.wrong() {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_portreeve"));
        let output = command.args(["--server", &url, "get", "heal"]).output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(says), "{url}: {said}");
    }
}

#[tokio::test]
async fn a_delivery_says_which_scheme_the_service_has_and_is_tried_again() {
    let servers = Servers::start().await;
    for (url, says) in servers.wrong() {
        let mut post = Post::new().await;
        post.bill(&url, json!({}));
        post.commit(bills(vec![bill(TARGET, &container(1), EventName::Started, 1)])).await;
        wait::until(says, wait::SOON, || async {
            let left = post.bills_left().await;
            let said = left.last_error.clone().unwrap_or_default();
            wait::is(said.contains(says) && left.pending == 1, format!("{url}: {left:?}"))
        })
        .await;
    }
}

#[tokio::test]
async fn a_git_repository_says_which_scheme_its_server_has() {
    let (servers, home) = (Servers::start().await, TempDir::new().unwrap());
    for (number, (url, says)) in servers.wrong().into_iter().enumerate() {
        let source = GitSource {
            address: Address::parse(&format!("{url}/ops.git")).unwrap(),
            reference: "main".to_owned(),
            path: PathBuf::new(),
            interval: Duration::from_secs(60),
            timeout: Duration::from_secs(60),
            credentials: None,
        };
        let home = home.path().join(number.to_string());
        let mut puller = Puller::new(source, home, Guard::default());
        assert!(!puller.pull().await);
        let trouble = puller.pulled().borrow().trouble.clone().expect("trouble");
        // Where the answer is 400 and nothing more is known, TLS is one of the reasons.
        assert!(trouble.message.contains(says), "{url}: {}", trouble.message);
    }
}

#[tokio::test]
async fn an_engine_says_whether_its_port_has_tls() {
    let servers = Servers::start().await;
    let pem = servers.file("own.pem");
    let tls = DockerTls { ca: pem.clone(), cert: pem, key: servers.file("own.key") };
    for (port, tls, says) in [
        (servers.plain, Some(tls), "it does not speak TLS there"),
        (servers.encrypted.number, None, "it speaks TLS there: give the DockerHost its `tls`"),
        (servers.alert, None, "it speaks TLS there: give the DockerHost its `tls`"),
    ] {
        let endpoint = format!("tcp://localhost:{port}");
        let spec = DockerHostSpec { endpoint, tls, ..DockerHostSpec::default() };
        let refused =
            Client::connect(&Arc::from("local"), &spec, &Guard::default()).await.unwrap_err().to_string();
        assert!(refused.contains(says), "{port}: {refused}");
    }
}
