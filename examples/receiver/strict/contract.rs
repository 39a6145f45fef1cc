//! What a call must look like to the byte (CONTRACTS, section 1). Pure: a request in, what it asks for or what
//! is wrong with it out.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A call as it came in.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// Path and query.
    pub path: String,
    pub content_type: Option<String>,
    /// `Authorization`, as sent.
    pub authorization: Option<String>,
    pub key: Option<String>,
    pub body: String,
}

/// What a well-formed call asks for.
#[derive(Clone, Debug)]
pub enum Operation {
    Register(Endpoint),
    Down { id: String },
    Unregister { id: String },
    Bill { key: String, event: Event },
}

/// The body of a registration; the order of fields is the order on the wire.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    pub id: String,
    pub image_id: String,
    pub host: String,
    pub port: Option<u16>,
    pub caps: Caps,
}

/// Limits of a registered container; one that is not set is left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Caps {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mem: Option<String>,
}

/// The body of a bill; the order of fields is the order on the wire.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    pub event: String,
    pub container_id: String,
    pub image: String,
    pub timestamp: String,
    pub host: String,
}

/// Reads a call to the Discovery Service.
pub fn discovery(request: &Request) -> Result<Operation, String> {
    const ENDPOINTS: &str = "/registry/endpoints";
    let id = |text: &str| container_id(text).map(|()| text.to_owned());
    match (request.method.as_str(), request.path.strip_prefix(ENDPOINTS)) {
        ("POST", Some("")) => {
            let endpoint: Endpoint = body(request)?;
            container_id(&endpoint.id)?;
            filled("image_id", &endpoint.image_id)?;
            filled("host", &endpoint.host)?;
            if endpoint.port == Some(0) {
                return Err("port 0 is no port".to_owned());
            }
            endpoint.caps.cpu.as_deref().map_or(Ok(()), decimal)?;
            endpoint.caps.mem.as_deref().map_or(Ok(()), mebibytes)?;
            Ok(Operation::Register(endpoint))
        }
        ("PUT", Some(rest)) => {
            empty(request)?;
            let middle = rest.strip_prefix('/').and_then(|rest| rest.strip_suffix("/status?status=DOWN"));
            let middle = middle.ok_or_else(|| unknown(request))?;
            Ok(Operation::Down { id: id(middle)? })
        }
        ("DELETE", Some(rest)) => {
            empty(request)?;
            let last = rest.strip_prefix('/').ok_or_else(|| unknown(request))?;
            Ok(Operation::Unregister { id: id(last)? })
        }
        _ => Err(unknown(request)),
    }
}

/// Reads a call to the Billing Service.
pub fn billing(request: &Request) -> Result<Operation, String> {
    if (request.method.as_str(), request.path.as_str()) != ("POST", "/events") {
        return Err(unknown(request));
    }
    let key = request.key.clone().ok_or("no Idempotency-Key")?;
    if uuid::Uuid::try_parse(&key).is_ok_and(|uuid| uuid.hyphenated().to_string() == key) {
        let event: Event = body(request)?;
        container_id(&event.container_id)?;
        filled("image", &event.image)?;
        filled("host", &event.host)?;
        timestamp(&event.timestamp)?;
        if !["created", "started", "stopped", "removed"].contains(&event.event.as_str()) {
            return Err(format!("unknown event `{}`", event.event));
        }
        Ok(Operation::Bill { key, event })
    } else {
        Err(format!("Idempotency-Key `{key}` is no UUID"))
    }
}

/// Reads the body and writes it again: any difference is a deviation in order, spelling or spacing. Both of
/// JSON's customary spacings pass, nothing between them.
fn body<T: Serialize + for<'a> Deserialize<'a>>(request: &Request) -> Result<T, String> {
    if request.content_type.as_deref() != Some("application/json") {
        return Err(format!("Content-Type {:?}", request.content_type));
    }
    let value: T = serde_json::from_str(&request.body).map_err(|e| format!("{e}: {}", request.body))?;
    let compact = serde_json::to_string(&value).map_err(|e| e.to_string())?;
    if request.body != compact && request.body != super::spacing::spaced(&compact) {
        return Err(format!("the bytes deviate from `{compact}`: `{}`", request.body));
    }
    Ok(value)
}

fn unknown(request: &Request) -> String {
    format!("no such call: {} {}", request.method, request.path)
}

fn empty(request: &Request) -> Result<(), String> {
    if request.body.is_empty() { Ok(()) } else { Err(format!("a body where none belongs: {}", request.body)) }
}

fn filled(name: &str, value: &str) -> Result<(), String> {
    if value.is_empty() { Err(format!("{name} is empty")) } else { Ok(()) }
}

fn container_id(id: &str) -> Result<(), String> {
    let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    if id.len() == 64 && id.chars().all(hex) {
        Ok(())
    } else {
        Err(format!("`{id}` is no full container id"))
    }
}

/// The shortest decimal above zero: `0.5`, `1`, `12.25`.
fn decimal(text: &str) -> Result<(), String> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "1"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let shortest = (whole == "0" || !whole.starts_with('0')) && !fraction.ends_with('0');
    if digits(whole) && digits(fraction) && shortest && text != "0" {
        Ok(())
    } else {
        Err(format!("cpu `{text}` is not the shortest decimal"))
    }
}

fn mebibytes(text: &str) -> Result<(), String> {
    let digits = text.strip_suffix('m').unwrap_or_default();
    if digits.bytes().all(|b| b.is_ascii_digit()) && !digits.is_empty() && !digits.starts_with('0') {
        Ok(())
    } else {
        Err(format!("mem `{text}` is not whole MiB and `m`"))
    }
}

/// `2025-08-19T07:17:22.193+00:00`: always milliseconds, always this offset, and a time that exists.
fn timestamp(text: &str) -> Result<(), String> {
    let pattern = "dddd-dd-ddTdd:dd:dd.ddd+00:00";
    let alike = text.len() == pattern.len()
        && text
            .bytes()
            .zip(pattern.bytes())
            .all(|(b, p)| if p == b'd' { b.is_ascii_digit() } else { b == p });
    if alike && text.parse::<Timestamp>().is_ok() { Ok(()) } else { Err(format!("timestamp `{text}`")) }
}
