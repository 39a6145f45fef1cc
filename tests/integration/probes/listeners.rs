//! Ports with nobody behind them whom one would want to meet.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::WriteHalf;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::server::TlsStream;

use super::certificates::Certificate;

/// A port that refuses connections, and that nobody else gets meanwhile.
pub struct Closed {
    socket: TcpSocket,
}

impl Closed {
    pub fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        // Bound and never listened on.
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        Self { socket }
    }

    pub fn port(&self) -> u16 {
        self.socket.local_addr().unwrap().port()
    }
}

/// What a listener does with a connection.
#[derive(Clone, Copy)]
pub enum Manner {
    /// Says this to everybody, whatever they say, and stays.
    Says(&'static [u8]),
    /// Says this and hangs up.
    SaysAndCloses(&'static [u8]),
    /// Says this over and over.
    SaysForEver(&'static [u8]),
    /// Once something has been said: waits a while, says the first, and the second over and over.
    Answers(Duration, &'static [u8], &'static [u8]),
}

async fn repeat(to: &mut WriteHalf<'_>, text: &[u8]) {
    let text = text.repeat(1 + 65_536 / text.len());
    while to.write_all(&text).await.is_ok() {}
}

/// A server for whoever comes.
pub struct Listener {
    address: SocketAddr,
    _serving: JoinSet<()>,
}

impl Listener {
    pub async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, mut serving) = (listener.local_addr().unwrap(), JoinSet::new());
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                connections.spawn(async move {
                    let (mut from, mut to) = stream.split();
                    match manner {
                        Manner::Says(text) => {
                            let _ = to.write_all(text).await;
                            // Until the other side has had enough.
                            let _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
                        }
                        Manner::SaysAndCloses(text) => {
                            // What is unread when a socket closes would reset the connection under what was said.
                            let _ = to.write_all(text).await;
                            let _ = to.shutdown().await;
                            let _ = from.read_to_end(&mut Vec::new()).await;
                        }
                        Manner::SaysForEver(text) => repeat(&mut to, text).await,
                        Manner::Answers(pause, once, more) => {
                            let _ = from.read(&mut [0; 1024]).await;
                            tokio::time::sleep(pause).await;
                            let _ = to.write_all(once).await;
                            repeat(&mut to, more).await;
                        }
                    }
                });
            }
        });
        Self { address, _serving: serving }
    }

    /// Converses with each that comes as `converse` does; when that ends the connection does.
    pub async fn conversing<F>(converse: impl Fn(TcpStream) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, mut serving) = (listener.local_addr().unwrap(), JoinSet::new());
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(converse(stream));
            }
        });
        Self { address, _serving: serving }
    }

    /// The same through TLS, from the first byte.
    pub async fn encrypted<F>(
        own: &Certificate,
        converse: impl Fn(TlsStream<TcpStream>) -> F + Clone + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let acceptor = own.acceptor();
        Self::conversing(move |stream| {
            let (acceptor, converse) = (acceptor.clone(), converse.clone());
            async move { converse(acceptor.accept(stream).await?).await }
        })
        .await
    }

    /// Takes connections and says nothing.
    pub async fn silent() -> Self {
        Self::start(Manner::Says(b"")).await
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }
}

/// Says this, and waits for the other side to have had enough: what is unread when a socket closes would reset the
/// connection under what was said.
pub async fn say(stream: &mut TcpStream, last: &[u8]) -> io::Result<()> {
    stream.write_all(last).await?;
    stream.shutdown().await?;
    tokio::io::copy(stream, &mut tokio::io::sink()).await.map(drop)
}

/// Reads exactly this.
pub async fn hear(stream: &mut TcpStream, expected: &[u8]) -> io::Result<()> {
    let mut heard = vec![0; expected.len()];
    stream.read_exact(&mut heard).await?;
    assert_eq!(heard, expected);
    Ok(())
}

/// The head of a request: everything up to the blank line. What follows it is left out.
pub async fn request(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<String> {
    let (mut reader, mut head) = (BufReader::new(stream), String::new());
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).await? > 0 {}
    Ok(head)
}
