//! What servers say that is HTTP to curl and browsers and not to the library: the line with the status, in the one form that
//! it knows. Pure.
//!
//! `HTTP/1.0` is told as `HTTP/1.1`: what differs is when a connection is kept, and that a chunked body is no error. So are
//! `HTTP/2` over a connection of HTTP/1.1, small letters, and blanks of any kind and number.

/// The longest line that is looked at.
const LONGEST: usize = 8192;
const BEGIN: &[u8] = b"HTTP/";

/// One answer, as it comes in.
#[derive(Debug, Default)]
pub(super) struct Dialect {
    at: At,
    /// The beginning of a line.
    held: Vec<u8>,
    /// Whether it begins like HTTP.
    is_http: bool,
}

#[derive(Debug, Default)]
enum At {
    /// A line with a status is next.
    #[default]
    Status,
    /// In the head of an answer behind which another comes (RFC 9110, 15.2).
    Interim,
    /// Nothing of what comes now is looked at.
    Past,
}

impl Dialect {
    /// Appends to `told` what the library is told when this has come.
    pub(super) fn hear(&mut self, bytes: &[u8], told: &mut Vec<u8>) {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.is_past() {
                told.extend_from_slice(rest);
                return;
            }
            let end = rest.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
            let (line, behind) = rest.split_at(end.unwrap_or(rest.len()));
            self.held.extend_from_slice(line);
            rest = behind;
            match end {
                Some(_) => self.line(told),
                None if self.held.len() > LONGEST || self.is_another() => self.end(told),
                None => {}
            }
        }
    }

    /// Nothing follows.
    pub(super) fn end(&mut self, told: &mut Vec<u8>) {
        self.is_http |= begins(&self.held);
        told.append(&mut self.held);
        self.at = At::Past;
    }

    /// Whether all that follows is told as it comes.
    pub(super) fn is_past(&self) -> bool {
        matches!(self.at, At::Past)
    }

    /// Whether what came begins like HTTP.
    pub(super) fn is_http(&self) -> bool {
        self.is_http
    }

    fn line(&mut self, told: &mut Vec<u8>) {
        let line = std::mem::take(&mut self.held);
        let blank = matches!(&line[..], b"\n" | b"\r\n");
        match (&self.at, status(&line)) {
            (At::Status, Some((code, reason))) => {
                self.is_http = true;
                told.extend([b"HTTP/1.1 ", code, b" ", reason, b"\r\n"].concat());
                let interim = code.starts_with(b"1") && code != b"101";
                self.at = if interim { At::Interim } else { At::Past };
                return;
            }
            // The library skips these.
            (At::Status, None) if blank => {}
            (At::Status, None) => {
                self.is_http |= begins(&line);
                self.at = At::Past;
            }
            (At::Interim, _) if blank => self.at = At::Status,
            (At::Interim | At::Past, _) => {}
        }
        told.extend(line);
    }

    /// Whether the line that has begun has no status.
    fn is_another(&self) -> bool {
        let common = self.held.len().min(BEGIN.len());
        let begin = self.held.get(..common).unwrap_or_default();
        matches!(self.at, At::Status)
            && !begin.eq_ignore_ascii_case(BEGIN.get(..common).unwrap_or_default())
            && begin != b"\r"
    }
}

fn begins(line: &[u8]) -> bool {
    line.get(..BEGIN.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(BEGIN))
}

/// The status of such a line, and the words behind it.
fn status(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let behind = line.get(BEGIN.len()..).filter(|_| begins(line))?;
    let (version, behind) = behind.split_at(behind.iter().position(is_blank)?);
    if !matches!(version, b"1.0" | b"1.1" | b"2" | b"2.0") {
        return None;
    }
    let (code, reason) = behind.trim_ascii().split_at_checked(3)?;
    let whole = code.iter().all(u8::is_ascii_digit) && !reason.first().is_some_and(u8::is_ascii_digit);
    whole.then(|| (code, reason.trim_ascii_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the library is told, and whether it begins like HTTP, when this comes in pieces of so many bytes.
    fn told(said: &[u8], piece: usize) -> (Vec<u8>, bool) {
        let (mut dialect, mut told) = (Dialect::default(), Vec::new());
        said.chunks(piece).for_each(|piece| dialect.hear(piece, &mut told));
        dialect.end(&mut told);
        (told, dialect.is_http())
    }

    #[test]
    fn a_status_is_told_as_the_library_knows_it_and_all_else_as_it_comes() {
        for (said, expected, is_http) in [
            ("HTTP/1.1 200 OK\r\nA: b\r\n\r\nhello", "HTTP/1.1 200 OK\r\nA: b\r\n\r\nhello", true),
            ("HTTP/1.0 200 OK\r\n\r\nHTTP/1.0 3 x\n", "HTTP/1.1 200 OK\r\n\r\nHTTP/1.0 3 x\n", true),
            ("http/2 \t204\n\n", "HTTP/1.1 204 \r\n\n", true),
            ("HTTP/2.0 200\tAll well\r\n", "HTTP/1.1 200 All well\r\n", true),
            ("HTTP/1.1 200OK\r\n", "HTTP/1.1 200 OK\r\n", true),
            ("\r\nHTTP/1.0 200 OK\r\n", "\r\nHTTP/1.1 200 OK\r\n", true),
            (
                "HTTP/1.0 103 Hints\r\nA:  b\r\n\r\nHTTP/1.0  200 OK\r\n\r\n",
                "HTTP/1.1 103 Hints\r\nA:  b\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
                true,
            ),
            (
                "HTTP/1.0 101 Go\r\n\r\nHTTP/1.0 200 OK\r\n",
                "HTTP/1.1 101 Go\r\n\r\nHTTP/1.0 200 OK\r\n",
                true,
            ),
            ("HTTP/1.2 200 OK\r\n", "HTTP/1.2 200 OK\r\n", true),
            ("HTTP/1.0 2000 OK\r\n", "HTTP/1.0 2000 OK\r\n", true),
            ("HTTP/1.0 20", "HTTP/1.0 20", true),
            ("HTTP", "HTTP", false),
            ("SSH-2.0-OpenSSH_9.2\r\n", "SSH-2.0-OpenSSH_9.2\r\n", false),
            ("ICY 200 OK\r\n\r\n", "ICY 200 OK\r\n\r\n", false),
            ("", "", false),
        ] {
            for piece in [1, 2, 7, 4096] {
                let (told, http) = told(said.as_bytes(), piece);
                assert_eq!((String::from_utf8_lossy(&told), http), (expected.into(), is_http), "{said:?}");
            }
        }
        let long = format!("HTTP/1.0 200 {}\r\n", "x".repeat(2 * LONGEST));
        assert_eq!(told(long.as_bytes(), 100), (long.into_bytes(), true));
    }
}
