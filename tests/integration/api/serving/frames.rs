//! A client of HTTP/2 that says only what it is told to.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const SETTINGS: u8 = 4;
const HEADERS: u8 = 1;
const PING: u8 = 6;
const ACK: u8 = 1;

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("short");
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

/// Text as a literal of HPACK.
fn literal(text: &str) -> Vec<u8> {
    [&[u8::try_from(text.len()).expect("short")], text.as_bytes()].concat()
}

/// Opens a connection whose answers may have `window` bytes, and asks for `/livez` with these headers.
pub async fn ask(stream: &mut TcpStream, window: u32, headers: &[(&str, &str)]) {
    let settings = [&[0, 4][..], &window.to_be_bytes()].concat();
    // GET, http, the path, and the authority.
    let mut block = vec![0x82, 0x86, 0x04];
    block.extend(literal("/livez"));
    block.push(0x01);
    block.extend(literal("localhost"));
    for (name, value) in headers {
        block.push(0);
        block.extend(literal(name));
        block.extend(literal(value));
    }
    let bytes = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        frame(SETTINGS, 0, 0, &settings),
        // The end of the stream and of its headers.
        frame(HEADERS, 0x5, 1, &block),
    ]
    .concat();
    stream.write_all(&bytes).await.expect("sent");
}

/// Acknowledges PINGs and says nothing else, until the server ends the connection; how many there were.
pub async fn acknowledge(stream: &mut TcpStream) -> usize {
    let mut pings = 0;
    let mut head = [0; 9];
    while stream.read_exact(&mut head).await.is_ok() {
        let length = usize::from(head[1]) << 8 | usize::from(head[2]);
        let mut payload = vec![0; length];
        if stream.read_exact(&mut payload).await.is_err() {
            break;
        }
        if head[3] == PING && head[4] & ACK == 0 {
            pings += 1;
            if stream.write_all(&frame(PING, ACK, 0, &payload)).await.is_err() {
                break;
            }
        }
    }
    pings
}
