//! A token reaches the server that was named, and nobody and nothing else.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use portreeve::manifest::git::{Address, Credentials, GitSource};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{puller, registry, source};
use crate::support::git::{Repository, git};
use crate::support::portreeve::Portreeve;
use crate::support::wait;

const SECRET: &str = "hunter2-hunter2";
/// `git:hunter2-hunter2` as HTTP basic authentication has it.
const GIT_WITH_SECRET: &str = "Basic Z2l0Omh1bnRlcjItaHVudGVyMg==";
/// `ada:hunter2-hunter2`.
const ADA_WITH_SECRET: &str = "Basic YWRhOmh1bnRlcjItaHVudGVyMg==";

/// What a server does with who asks.
#[derive(Clone)]
enum Manner {
    /// Serves files to those who send this in `Authorization`.
    Ask(&'static str),
    /// Sends everybody elsewhere.
    Redirect(String),
}

/// A server of a bare repository's files, which is enough for Git (its "dumb" protocol).
struct Server {
    address: String,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Clone, Debug, Default)]
struct Seen {
    /// The `Authorization` of each request.
    authorizations: Vec<Option<String>>,
    /// Command lines on which the secret stood while a request was served.
    leaks: Vec<String>,
}

impl Server {
    async fn start(root: PathBuf, manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let noted = seen.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, root.clone(), manner.clone(), noted.clone()));
            }
        });
        Self { address, seen }
    }

    fn url(&self) -> String {
        format!("http://{}/ops.git", self.address)
    }

    fn seen(&self) -> Seen {
        self.seen.lock().expect("no panic under this lock").clone()
    }
}

async fn answer(mut stream: TcpStream, root: PathBuf, manner: Manner, seen: Arc<Mutex<Seen>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if !matches!(stream.read(&mut byte).await, Ok(1)) {
            return;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let authorization = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("authorization").then(|| value.to_owned())
    });
    {
        let mut seen = seen.lock().expect("no panic under this lock");
        seen.leaks.extend(command_lines().into_iter().filter(|line| line.contains(SECRET)));
        seen.authorizations.push(authorization.clone());
    }
    let (status, headers, body) = match manner {
        Manner::Redirect(to) => ("302 Found", format!("Location: {to}{path}\r\n"), Vec::new()),
        Manner::Ask(wanted) if authorization.as_deref() != Some(wanted) => {
            ("401 Unauthorized", "WWW-Authenticate: Basic realm=\"ops\"\r\n".to_owned(), Vec::new())
        }
        Manner::Ask(_) => {
            let inner = path.split('?').next().unwrap_or_default().trim_start_matches("/ops.git/");
            match std::fs::read(root.join(inner)) {
                Ok(body) => ("200 OK", String::new(), body),
                Err(_) => ("404 Not Found", String::new(), Vec::new()),
            }
        }
    };
    let head =
        format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let _ = stream.write_all(&[head.into_bytes(), body].concat()).await;
    let _ = stream.shutdown().await;
}

/// Of every process that can be seen.
fn command_lines() -> Vec<String> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let line = |entry: std::fs::DirEntry| std::fs::read(entry.path().join("cmdline")).ok();
    entries.filter_map(line).map(|line| String::from_utf8_lossy(&line).replace('\0', " ")).collect()
}

/// A repository with one manifest, as a server has it.
fn served() -> Repository {
    let repository = Repository::new();
    repository.write("a.yaml", &registry("a", "http://one"));
    repository.push();
    git(&repository.bare(), &["update-server-info"]);
    repository
}

/// Everything that a running Portreeve says to anybody.
async fn all_it_says(portreeve: &Portreeve) -> String {
    let mut said = portreeve.log();
    for path in [
        "/health/detailed",
        "/api/events",
        "/api/config",
        "/metrics",
        "/apis/portreeve/v1/discoveryregistries",
    ] {
        said.push_str(&portreeve.get(path).await.expect("an answer").body);
    }
    said
}

async fn running(server: &Server, token: &str) -> Portreeve {
    let mut portreeve = Portreeve::new(env!("CARGO_BIN_EXE_portreeve"))
        .docker_host("unix:///nowhere/docker.sock")
        .env("PORTREEVE_LOG", "trace")
        .env("PORTREEVE_GIT_URL", &server.url())
        .env("PORTREEVE_GIT_INTERVAL", "100ms");
    let file = portreeve.home().join("token");
    std::fs::write(&file, token).expect("a file");
    portreeve = portreeve.arg("--git-token-file").arg(&file.display().to_string());
    portreeve.spawn();
    portreeve
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_file_opens_the_repository_and_is_seen_nowhere() {
    let repository = served();
    let server = Server::start(repository.bare(), Manner::Ask(ADA_WITH_SECRET)).await;
    let portreeve = running(&server, &format!("ada:{SECRET}\n")).await;
    wait::until("it is pulled", wait::SOON, || async {
        let found = portreeve.get("/apis/portreeve/v1/discoveryregistries/a").await?;
        wait::is(found.status == 200, portreeve.log())
    })
    .await;
    let Seen { authorizations, leaks } = server.seen();
    assert_eq!(authorizations[0], None, "nobody is told before asking");
    assert!(authorizations.iter().any(|sent| sent.as_deref() == Some(ADA_WITH_SECRET)));
    assert_eq!(leaks, Vec::<String>::new());
    let said = all_it_says(&portreeve).await;
    assert!(!said.contains(SECRET) && !said.contains("YWRhOmh1bnRlcjI"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_refused_or_missing_is_said_without_it_and_taken_once_it_is_right() {
    let repository = served();
    let server = Server::start(repository.bare(), Manner::Ask(GIT_WITH_SECRET)).await;
    let wrong = format!("{SECRET}-no-more");
    let portreeve = running(&server, &wrong).await;
    let message = wait::until("it is refused", wait::SOON, || async {
        let health = portreeve.get("/health/detailed").await?.json();
        health
            .pointer("/manifests/git/error/message")
            .and_then(|text| text.as_str())
            .map(str::to_owned)
            .ok_or_else(|| health.to_string())
    })
    .await;
    assert!(message.contains("Authentication failed"), "{message}");
    let said = all_it_says(&portreeve).await;
    assert!(!said.contains(SECRET), "{said}");
    let told = |text: &'static str| {
        let portreeve = &portreeve;
        async move {
            wait::until(text, wait::SOON, || async {
                let health = portreeve.get("/health/detailed").await?.body;
                wait::is(health.contains(text), health)
            })
            .await;
        }
    };
    let file = portreeve.home().join("token");
    std::fs::remove_file(&file).expect("a file");
    told("--git-token-file").await;
    std::fs::write(&file, "\n").expect("a file");
    told("the token must be one line of text").await;
    // It is read anew each time.
    std::fs::write(&file, SECRET).expect("a file");
    wait::until("it is pulled", wait::SOON, || async {
        let found = portreeve.get("/apis/portreeve/v1/discoveryregistries/a").await?;
        wait::is(found.status == 200, portreeve.log())
    })
    .await;
    assert_eq!(server.seen().leaks, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_sends_us_elsewhere_is_not_followed() {
    let (repository, home) = (served(), tempfile::tempdir().expect("a directory"));
    let elsewhere = Server::start(repository.bare(), Manner::Ask(GIT_WITH_SECRET)).await;
    let server =
        Server::start(repository.bare(), Manner::Redirect(format!("http://{}", elsewhere.address))).await;
    let message = refused(&source(&repository), &server.url(), home.path()).await;
    assert!(!message.contains(SECRET), "{message}");
    assert!(message.contains("redirect"), "{message}");
    assert!(elsewhere.seen().authorizations.is_empty(), "it was asked");
    assert!(server.seen().authorizations.iter().all(Option::is_none), "it never asked for one");
}

/// What a pull from `url` with the secret comes to, which must be a refusal.
async fn refused(source: &GitSource, url: &str, home: &Path) -> String {
    let source = GitSource {
        address: Address::parse(url).expect("an address"),
        credentials: Some(Credentials::Given(SECRET.into())),
        ..source.clone()
    };
    let mut puller = puller(source, home);
    assert!(!puller.pull().await);
    let trouble = puller.pulled().borrow().trouble.clone();
    trouble.expect("trouble").message
}
