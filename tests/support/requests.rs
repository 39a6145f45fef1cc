//! Finds the requests in what a client sends over one HTTP/1.1 connection: heads, bodies to skip (by length or
//! chunked), and the moment after which the connection is hijacked and no longer HTTP.

/// What is left to skip, or being gathered, on one connection.
#[derive(Default)]
pub struct Requests {
    part: Part,
    /// A request asked for an upgrade that the engine has not answered yet.
    upgrading: bool,
}

enum Part {
    Head(Vec<u8>),
    Body(u64),
    /// The line that gives a chunk's size.
    ChunkSize(Vec<u8>),
    /// A chunk's bytes and the line end behind them.
    Chunk(u64),
    /// Lines after the last chunk, up to an empty one.
    Trailer(Vec<u8>),
    Hijacked,
}

impl Default for Part {
    fn default() -> Self {
        Self::Head(Vec::new())
    }
}

impl Requests {
    /// Takes in what the client sent next; the methods and paths of the requests whose heads are now complete.
    pub fn read(&mut self, bytes: &[u8]) -> Vec<(String, String)> {
        let mut seen = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            if let Part::Body(left) | Part::Chunk(left) = &mut self.part {
                let skipped = rest.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= skipped as u64;
                rest = &rest[skipped..];
            } else {
                let byte = rest[0];
                rest = &rest[1..];
                self.take(byte, &mut seen);
            }
            match self.part {
                Part::Body(0) => self.part = Part::default(),
                Part::Chunk(0) => self.part = Part::ChunkSize(Vec::new()),
                _ => {}
            }
        }
        seen
    }

    /// Takes in what the engine sent: its first bytes decide whether an upgrade came to be. A client waits for
    /// them before it sends more.
    pub fn answered(&mut self, bytes: &[u8]) {
        if std::mem::take(&mut self.upgrading) && bytes.starts_with(b"HTTP/1.1 101") {
            self.part = Part::Hijacked;
        }
    }

    fn take(&mut self, byte: u8, seen: &mut Vec<(String, String)>) {
        match &mut self.part {
            Part::Head(head) => {
                head.push(byte);
                if head.ends_with(b"\r\n\r\n") {
                    let head = String::from_utf8_lossy(head).into_owned();
                    self.complete(&head, seen);
                }
            }
            Part::ChunkSize(line) => {
                line.push(byte);
                if line.ends_with(b"\r\n") {
                    let digits = String::from_utf8_lossy(line).trim().to_owned();
                    let size = digits.split(';').next().and_then(|hex| u64::from_str_radix(hex, 16).ok());
                    self.part = match size {
                        Some(0) | None => Part::Trailer(Vec::new()),
                        Some(size) => Part::Chunk(size + 2),
                    };
                }
            }
            Part::Trailer(line) => {
                line.push(byte);
                if line == b"\r\n" {
                    self.part = Part::default();
                } else if line.ends_with(b"\r\n") {
                    line.clear();
                }
            }
            Part::Body(_) | Part::Chunk(_) | Part::Hijacked => {}
        }
    }

    fn complete(&mut self, head: &str, seen: &mut Vec<(String, String)>) {
        let mut lines = head.split("\r\n");
        let mut words = lines.next().unwrap_or_default().split(' ');
        seen.push((words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned()));
        self.part = Part::default();
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim().to_ascii_lowercase();
            match name.to_ascii_lowercase().as_str() {
                "upgrade" => self.upgrading = true,
                "transfer-encoding" if value.contains("chunked") => self.part = Part::ChunkSize(Vec::new()),
                "content-length" => match value.parse() {
                    Ok(0) | Err(_) => {}
                    Ok(length) => self.part = Part::Body(length),
                },
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRAFFIC: &str = "GET /events?since=1 HTTP/1.1\r\nHost: x\r\n\r\n\
        POST /a HTTP/1.1\r\nContent-Length: 16\r\n\r\nGET /b HTTP/1.1\r\n\
        POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nGET /\r\n0\r\nT: 1\r\n\r\n\
        POST /d HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 2\r\n\r\n{}";

    fn paths(seen: &[(String, String)]) -> Vec<&str> {
        seen.iter().map(|(_, path)| path.as_str()).collect()
    }

    #[test]
    fn requests_are_found_between_bodies_however_the_bytes_are_cut() {
        for size in [1, 7, 4096] {
            let mut requests = Requests::default();
            let seen: Vec<_> =
                TRAFFIC.as_bytes().chunks(size).flat_map(|piece| requests.read(piece)).collect();
            assert_eq!(paths(&seen), ["/events?since=1", "/a", "/c", "/d"], "pieces of {size}");
        }
    }

    #[test]
    fn after_an_upgrade_nothing_is_a_request_but_after_a_refused_one_it_is() {
        for (answer, expected) in [("HTTP/1.1 101 UPGRADED", vec![]), ("HTTP/1.1 404 Not Found", vec!["/e"])]
        {
            let mut requests = Requests::default();
            requests.read(TRAFFIC.as_bytes());
            requests.answered(answer.as_bytes());
            assert_eq!(paths(&requests.read(b"GET /e HTTP/1.1\r\n\r\n")), expected, "{answer}");
        }
    }
}
