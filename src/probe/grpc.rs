//! `grpc`: `grpc.health.v1.Health/Check`, over HTTP/2, with TLS where that is declared. Its two messages are a few bytes each,
//! written and read here.

use std::borrow::Cow;
use std::future::pending;
use std::io::Read;

use async_trait::async_trait;
use bytes::Bytes;
use flate2::read::{GzDecoder, ZlibDecoder};
use h2::client::{Builder, SendRequest};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, Request};

use super::connect::{plain, seen, tcp};
use super::duplex::Duplex;
use super::encrypted::{self, Demand, LastWord, encrypt};
use super::wire::Fields;
use super::{Cause, Failure, Here, Place, Protocol, Steps, Subject, There};
use crate::resource::probe::handler::GrpcProbe;

const PATH: &str = "/grpc.health.v1.Health/Check";
/// As much as is read of an answer, or of its headers.
const LONGEST: usize = 16 * 1024;

#[async_trait]
impl Protocol for GrpcProbe {
    fn port(&self) -> Option<u16> {
        Some(self.port)
    }

    fn is_clear(&self) -> bool {
        self.tls.is_none()
    }

    async fn attempt(&self, subject: &Subject<'_>, steps: &mut Steps) -> Result<(), Failure> {
        let place = subject.place()?;
        let service = self.service.as_deref().unwrap_or_default();
        let stream = tcp(place, steps).await?;
        let (stream, last): (Box<dyn Duplex>, _) = match &self.tls {
            None => (Box::new(stream), LastWord::default()),
            Some(settings) => {
                let demand = Demand { settings: Some(settings), secret: false, alpn: &[b"h2"] };
                let stream = encrypt(stream, &place.host, &demand, steps).await?;
                let last = stream.last_word();
                (Box::new(stream), last)
            }
        };
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        steps.begin("query");
        let (sender, connection) = Builder::new()
            .max_header_list_size(LONGEST as u32)
            .enable_push(false)
            .handshake::<_, Bytes>(stream)
            .await
            .map_err(|error| unanswered(&error, &last))?;
        // Once the connection has ended, what was asked ends too, with a better reason.
        let carried = async {
            let _ = connection.await;
            pending::<Result<u64, Failure>>().await
        };
        let status = tokio::select! {
            biased;
            status = ask(sender, &last, scheme, place, service) => status?,
            never = carried => never?,
        };
        let said = match status {
            1 => "SERVING",
            2 => "NOT_SERVING",
            3 => "SERVICE_UNKNOWN",
            _ => "UNKNOWN",
        };
        steps.end(said);
        steps.begin("expect");
        if status != 1 {
            let of = if service.is_empty() { String::new() } else { format!(" for {service}") };
            return Err(Failure::got(Cause::GrpcHealth(status), &format!("SERVING{of}")));
        }
        Ok(())
    }
}

/// Why HTTP/2 came to nothing: what TLS said, what the other side says, what our library makes of it, or the connection's
/// end.
fn unanswered(error: &h2::Error, last: &LastWord) -> Failure {
    let expected = "gRPC over HTTP/2";
    if let Some(error) = last.error() {
        return Failure::new(seen(&error), format!("expected {expected}: {}", encrypted::ended(&error)));
    }
    match (error.get_io(), error.reason()) {
        (Some(error), _) => Failure::new(seen(error), format!("expected {expected}: {}", plain(error))),
        (None, Some(reason)) if error.is_remote() => {
            // A farewell may come with words.
            Failure::got(Cause::Http2(reason.into()), expected).saying(error.to_string())
        }
        (None, Some(reason)) => {
            Failure::new(There::Nonsense, format!("expected {expected}: {}", reason.description()))
        }
        (None, None) => Failure::new(There::Nonsense, format!("expected {expected}, got something else")),
    }
}

/// The status that the server answers.
async fn ask(
    sender: SendRequest<Bytes>,
    last: &LastWord,
    scheme: &str,
    place: &Place,
    service: &str,
) -> Result<u64, Failure> {
    let failed = |error: h2::Error| unanswered(&error, last);
    let request = Request::post(format!("{scheme}://{place}{PATH}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("user-agent", concat!("portreeve-probe/", env!("CARGO_PKG_VERSION")))
        .body(())
        .map_err(|error| {
            Failure::new(Here::Unsendable, format!("no request can be made of this: {error}"))
        })?;
    let mut sender = sender.ready().await.map_err(failed)?;
    let (response, mut body) = sender.send_request(request, false).map_err(failed)?;
    body.send_data(question(service).into(), true).map_err(failed)?;
    let (head, mut body) = response.await.map_err(failed)?.into_parts();
    // It counts whatever the status of HTTP: gRPC's "HTTP to gRPC Status Code Mapping".
    if head.headers.contains_key("grpc-status") {
        accepted(&head.headers)?;
    }
    if head.status != 200 {
        let status = head.status.as_u16();
        let cause = of_http(status, head.headers.contains_key(RETRY_AFTER));
        let got = match &cause {
            Cause::Grpc(_) => format!("{status}, which stands for {cause}"),
            _ => cause.to_string(),
        };
        let reason = format!("expected a gRPC answer, got HTTP {got}");
        return Err(Failure::new(cause, reason));
    }
    let kind = head.headers.get(CONTENT_TYPE).map(|kind| kind.as_bytes());
    // One without a kind may still be one with a status.
    if kind.is_some_and(|kind| !is_grpc(kind)) {
        return Err(Failure::new(There::Nonsense, "expected a gRPC answer, got one of another kind")
            .saying(String::from_utf8_lossy(kind.unwrap_or_default())));
    }
    let mut message = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece.map_err(failed)?;
        if message.len() + piece.len() > LONGEST {
            return Err(Failure::new(
                There::Nonsense,
                format!("expected a gRPC answer, got more than {LONGEST} bytes"),
            ));
        }
        message.extend_from_slice(&piece);
        body.flow_control().release_capacity(piece.len()).map_err(failed)?;
    }
    let trailers = body.trailers().await.map_err(failed)?;
    // An error may come without a body; then the headers are the trailers.
    accepted(trailers.as_ref().unwrap_or(&head.headers))?;
    let coding = head.headers.get("grpc-encoding").map(|coding| coding.as_bytes()).unwrap_or_default();
    let message = unpacked(&message, coding)?;
    message
        .and_then(|message| status(&message))
        .ok_or_else(|| Failure::new(There::Nonsense, "expected a health answer, got something else"))
}

/// Whether it is the Content-Type of gRPC: `application/grpc`, `application/grpc+proto`…
fn is_grpc(kind: &[u8]) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    kind.get(..GRPC.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(GRPC))
}

/// The message behind gRPC's five bytes, decompressed; `None` where there is none. Some servers compress although nobody asked
/// them to.
fn unpacked<'a>(bytes: &'a [u8], coding: &[u8]) -> Result<Option<Cow<'a, [u8]>>, Failure> {
    let mut fields = Fields(bytes);
    let (Some(compressed), Some(length)) = (fields.u8(), fields.u32()) else { return Ok(None) };
    let Some(packed) = usize::try_from(length).ok().and_then(|length| fields.take(length)) else {
        return Ok(None);
    };
    let mut reader: Box<dyn Read + '_> = match (compressed, coding) {
        (0, _) => return Ok(Some(packed.into())),
        (1, b"gzip") => Box::new(GzDecoder::new(packed)),
        (1, b"deflate") => Box::new(ZlibDecoder::new(packed)),
        // The flag needs a coding.
        (1, b"" | b"identity") | (2.., _) => return Ok(None),
        (1, _) => {
            return Err(Failure::new(
                Here::Unsupported,
                "the answer is compressed in a way that this probe does not read",
            )
            .saying(String::from_utf8_lossy(coding)));
        }
    };
    let mut message = Vec::new();
    let read = reader.by_ref().take(LONGEST as u64).read_to_end(&mut message);
    Ok(read.is_ok().then_some(message.into()))
}

/// `HealthCheckRequest { service }` with gRPC's five bytes in front.
fn question(service: &str) -> Vec<u8> {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(0x0a);
        let mut left = service.len();
        while left > 0x7f {
            message.push((left & 0x7f) as u8 | 0x80);
            left >>= 7;
        }
        message.push(left as u8);
        message.extend_from_slice(service.as_bytes());
    }
    [&[0], &(message.len() as u32).to_be_bytes()[..], &message].concat()
}

/// `HealthCheckResponse.status`; left out on the wire when it is 0.
fn status(message: &[u8]) -> Option<u64> {
    let mut fields = Fields(message);
    let mut status = 0;
    while !fields.0.is_empty() {
        let key = number(&mut fields)?;
        match key & 7 {
            0 if key >> 3 == 1 => status = number(&mut fields)?,
            0 => drop(number(&mut fields)?),
            1 => drop(fields.take(8)?),
            2 => {
                let length = number(&mut fields)?;
                fields.take(usize::try_from(length).ok()?)?;
            }
            5 => drop(fields.take(4)?),
            _ => return None,
        }
    }
    Some(status)
}

/// A number in groups of seven bits.
fn number(fields: &mut Fields<'_>) -> Option<u64> {
    let mut number = 0;
    for group in 0..10 {
        let byte = fields.u8()?;
        number |= u64::from(byte & 0x7f).checked_shl(7 * group)?;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

/// `grpc-status` is 0.
fn accepted(trailers: &HeaderMap) -> Result<(), Failure> {
    let text = |name: &str| {
        let value = trailers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
        value.unwrap_or_default().into_owned()
    };
    let code = text("grpc-status");
    match code.parse() {
        Ok(0) => Ok(()),
        Ok(code) => Err(Failure::got(Cause::Grpc(code), "SERVING").saying(text("grpc-message"))),
        Err(_) => {
            Err(Failure::new(There::Nonsense, "expected a gRPC answer, got one without a status")
                .saying(code))
        }
    }
}

/// What an HTTP status stands for, where what answers is no gRPC server: a proxy, say. The table is that of gRPC's "HTTP to gRPC
/// Status Code Mapping", but for what that leaves `INTERNAL` or `UNKNOWN`: there HTTP itself says more.
const fn of_http(status: u16, retry_after: bool) -> Cause {
    Cause::Grpc(match status {
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502..=504 => 14,
        _ => return Cause::Http { status, retry_after },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_names_the_service() {
        assert_eq!(question(""), [0, 0, 0, 0, 0]);
        assert_eq!(question("db"), [0, 0, 0, 0, 4, 0x0a, 2, b'd', b'b']);
        let long = question(&"x".repeat(300));
        assert_eq!((&long[..8], long.len()), (&[0, 0, 0, 1, 47, 0x0a, 0xac, 2][..], 308));
    }

    #[test]
    fn the_status_is_found_among_fields_of_later_versions_and_nonsense_is_none() {
        let status = |bytes: &[u8]| {
            unpacked(bytes, b"").expect("a coding that is known").and_then(|message| status(&message))
        };
        assert_eq!(status(&[0, 0, 0, 0, 0]), Some(0));
        assert_eq!(status(&[0, 0, 0, 0, 2, 8, 2]), Some(2));
        assert_eq!(status(&[0, 0, 0, 0, 6, 0x12, 2, b'o', b'k', 8, 1]), Some(1));
        for nonsense in [
            &[][..],
            &[0, 0, 0, 0, 2, 8],
            &[0, 0xff, 0xff, 0xff, 0xff, 8],
            &[1, 0, 0, 0, 2, 8, 1],
            &[0, 0, 0, 0, 1, 7],
        ] {
            assert_eq!(status(nonsense), None, "{nonsense:?}");
        }
        assert_eq!(status(&[&[0, 0, 0, 0, 12, 8][..], &[0xff; 11]].concat()), None);
    }
}
