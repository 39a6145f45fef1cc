//! Engines behind SSH, reached as Docker's own client does: the system's `ssh`, with its configuration, agent and known
//! hosts, runs `docker system dial-stdio` there, which joins its two pipes to the engine's socket. One process for each
//! connection; it ends with it.

use std::future;
use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll, ready};

use bollard::{BollardRequest, Docker};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;

use super::DockerError;
use super::wire::Wire;

/// As much as is read of what `ssh` says when it fails.
const WORDS: u64 = 4096;

/// Idle connections that are kept: the event stream has one of its own, and calls seldom overlap.
const IDLE: usize = 2;

/// Whom to reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SshTarget {
    user: Option<String>,
    host: String,
    port: Option<u16>,
    /// The engine's socket there; without it whatever `docker` uses there.
    socket: Option<String>,
}

impl SshTarget {
    /// `ssh://user@host:port/path`; `None` when it is something else.
    pub(super) fn parse(endpoint: &str) -> Option<Self> {
        let url = url::Url::parse(endpoint).ok().filter(|url| url.scheme() == "ssh")?;
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        // `ssh` takes an IPv6 address without the brackets that a URL needs.
        let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']').to_owned();
        let socket = some(url.path().trim_end_matches('/'));
        Some(Self { user: some(url.username()), host, port: url.port(), socket })
    }

    fn arguments(&self) -> Vec<String> {
        // Nobody is there to be asked; a host that is gone is noticed; no terminal.
        let mut arguments =
            ["-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=15", "-T"]
                .map(str::to_owned)
                .to_vec();
        let mut add = |these: &[&str]| arguments.extend(these.iter().map(|&this| this.to_owned()));
        if let Some(user) = &self.user {
            add(&["-l", user]);
        }
        if let Some(port) = self.port {
            add(&["-p", &port.to_string()]);
        }
        add(&["--", &self.host, "docker"]);
        if let Some(socket) = &self.socket {
            add(&["--host", &format!("unix://{socket}")]);
        }
        add(&["system", "dial-stdio"]);
        arguments
    }

    /// Starts `ssh`. Whether it gets anywhere shows with the first byte of an answer.
    fn dial(&self) -> io::Result<Dialed> {
        let mut child = Command::new("ssh")
            .args(self.arguments())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => {
                    io::Error::other("there is no `ssh` here: install the OpenSSH client")
                }
                _ => io::Error::new(error.kind(), format!("ssh cannot be started: {error}")),
            })?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(io::Error::other("ssh was started without pipes"));
        };
        let words = tokio::spawn(words(stderr));
        Ok(Dialed { stdin: Some(stdin), stdout, words: Some(words), answered: false, _child: child })
    }
}

/// A client whose every connection is an `ssh` of its own.
pub(super) fn docker(endpoint: &str, target: SshTarget) -> Result<(Docker, Wire), DockerError> {
    let dial = tower::service_fn(move |_| future::ready(target.dial().map(TokioIo::new)));
    let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(IDLE).build(dial);
    let request = move |request: BollardRequest| {
        let answer = client.request(request);
        Box::pin(async { answer.await.map_err(bollard::errors::Error::from) }) as Pin<Box<_>>
    };
    // Requests name a host; where they go is decided above.
    Wire::new(endpoint, "http://engine", request)
}

/// What `ssh` says, without its line ends.
async fn words(stderr: ChildStderr) -> String {
    let mut words = Vec::new();
    let mut bounded = stderr.take(WORDS);
    // What was read before an error is worth showing too.
    let _ = bounded.read_to_end(&mut words).await;
    // The pipe is emptied, so that nobody waits for it.
    let _ = tokio::io::copy(bounded.get_mut(), &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&words).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A connection through the pipes of one `ssh`.
struct Dialed {
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    /// Until they are told.
    words: Option<JoinHandle<String>>,
    answered: bool,
    /// Killed when the connection is dropped.
    _child: Child,
}

impl Connection for Dialed {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Dialed {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.stdout).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            this.answered = true;
            return Poll::Ready(Ok(()));
        }
        // The end. With nothing before it `ssh` knows why.
        let Some(words) = this.words.as_mut().filter(|_| !this.answered) else {
            return Poll::Ready(Ok(()));
        };
        let words = ready!(Pin::new(words).poll(cx)).unwrap_or_default();
        this.words = None;
        let words = words.strip_prefix("ssh: ").unwrap_or(&words);
        let why = if words.is_empty() { "it ended without an answer" } else { words };
        Poll::Ready(Err(io::Error::other(format!("ssh: {why}"))))
    }
}

impl AsyncWrite for Dialed {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let Some(stdin) = &mut this.stdin else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        match ready!(Pin::new(stdin).poll_write(cx, bytes)) {
            // It ended before it was told anything. Reading says why.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe && !this.answered => {
                Poll::Ready(Ok(bytes.len()))
            }
            written => Poll::Ready(written),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stdin {
            Some(stdin) => Pin::new(stdin).poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(stdin) = &mut this.stdin {
            ready!(Pin::new(stdin).poll_shutdown(cx))?;
        }
        // A pipe is shut by letting go of it.
        this.stdin = None;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssh_is_told_user_port_and_socket_as_arguments_of_their_own() {
        for (endpoint, end) in [
            ("ssh://host", "-T -- host docker system dial-stdio"),
            ("ssh://root@host/", "-T -l root -- host docker system dial-stdio"),
            ("ssh://ops@[::1]:2222", "-T -l ops -p 2222 -- ::1 docker system dial-stdio"),
            (
                "ssh://host/run/user/1000/docker.sock",
                "-T -- host docker --host unix:///run/user/1000/docker.sock system dial-stdio",
            ),
        ] {
            let arguments = SshTarget::parse(endpoint).expect(endpoint).arguments().join(" ");
            assert!(arguments.ends_with(end), "{endpoint}: {arguments}");
        }
        assert_eq!(SshTarget::parse("tcp://host:2375"), None);
    }
}
