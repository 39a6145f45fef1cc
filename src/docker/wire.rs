//! Questions of our own over the connection that the client library uses, and what reads their answers.
//!
//! # Guarantees
//! An answer has a bound. A word that is not known here, from an engine newer than this program or of another make, costs
//! what it stands for and nothing else: not the container, not the list, not the stream.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker, body_full};
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::{Request, Response, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::{DockerError, from_library, naming, refused};
use crate::observed::Nanos;

mod lenient;
mod lines;

pub(super) use lenient::lenient;
pub(super) use lines::{Line, lines};

/// Seconds the client library waits for the head of an answer. Calls have tighter bounds of their own; actions
/// such as a slow stop need longer than any fixed value, so this one is out of their way.
const HEAD_SECONDS: u64 = 24 * 3600;
/// As much of an answer as is read: a list of ten thousand containers is a tenth of it.
const LONGEST: usize = 256 * 1024 * 1024;
/// As much as is read of why an engine refuses.
const WORDS: usize = 64 * 1024;

/// An answer on its way.
pub(super) type Sent =
    Pin<Box<dyn Future<Output = Result<Response<Incoming>, bollard::errors::Error>> + Send>>;

/// Where questions go. Cheap to clone.
#[derive(Clone)]
pub(super) struct Wire {
    send: Arc<dyn Fn(BollardRequest) -> Sent + Send + Sync>,
    base: Arc<str>,
    endpoint: Arc<str>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Wire").field(&self.endpoint).finish()
    }
}

/// An answer as text, and what its head says of the engine's clock.
pub(super) struct EngineAnswer {
    body: Bytes,
    call: &'static str,
    /// The second in which it was written, by the engine's clock.
    pub date: Option<Nanos>,
}

/// How an engine says why it refuses.
#[derive(Deserialize)]
struct Refusal {
    message: String,
}

impl Wire {
    /// The client library and questions of our own over one way to send. `base` is what requests name; where they go is
    /// decided by `send`.
    pub(super) fn new(
        endpoint: &str,
        base: &str,
        send: impl Fn(BollardRequest) -> Sent + Send + Sync + 'static,
    ) -> Result<(Docker, Self), DockerError> {
        let send: Arc<dyn Fn(BollardRequest) -> Sent + Send + Sync> = Arc::new(send);
        let shared = send.clone();
        let docker = Docker::connect_with_custom_transport(
            move |request| shared(request),
            Some(base),
            HEAD_SECONDS,
            API_DEFAULT_VERSION,
        );
        let docker = docker.map_err(|error| DockerError::Unusable(error.to_string()))?;
        Ok((docker, Self { send, base: base.into(), endpoint: endpoint.into() }))
    }

    /// Asks, and gives an answer whose body is still to come. `call` names the question without what is asked about.
    pub(super) async fn open(
        &self,
        call: &'static str,
        path: &str,
    ) -> Result<Response<Incoming>, DockerError> {
        let request = Request::get(format!("{}{path}", self.base)).body(body_full(Bytes::new()));
        let request = request.map_err(|error| DockerError::Unusable(error.to_string()))?;
        let answer = (self.send)(request).await.map_err(|error| from_library(&self.endpoint, error))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status().as_u16();
        let words = Limited::new(answer.into_body(), WORDS).collect().await;
        let words = words.map(|words| words.to_bytes()).unwrap_or_default();
        let message = match serde_json::from_slice::<Refusal>(&words) {
            Ok(refusal) => refusal.message,
            Err(_) => String::from_utf8_lossy(&words).into_owned(),
        };
        Err(naming(call)(refused(status, message)))
    }

    /// Asks, and reads the whole answer within `limit`.
    pub(super) async fn get(
        &self,
        call: &'static str,
        path: &str,
        limit: Duration,
    ) -> Result<EngineAnswer, DockerError> {
        let read = async {
            let answer = self.open(call, path).await?;
            let date = answer.headers().get(header::DATE).and_then(|date| date.to_str().ok());
            let date = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
            let date = date.and_then(|date| i64::try_from(date.timestamp().as_nanosecond()).ok()).map(Nanos);
            let body = Limited::new(answer.into_body(), LONGEST).collect().await;
            let body = body.map_err(|error| self.broken(error.to_string()))?.to_bytes();
            Ok(EngineAnswer { body, call, date })
        };
        match tokio::time::timeout(limit, read).await {
            Ok(answer) => answer,
            Err(_) => Err(DockerError::TimedOut(limit)),
        }
    }

    /// The answer broke off.
    pub(super) fn broken(&self, reason: String) -> DockerError {
        DockerError::Unreachable { endpoint: self.endpoint.to_string(), reason, sent: true }
    }
}

impl EngineAnswer {
    /// Its body as JSON.
    pub(super) fn value(&self) -> Result<Value, DockerError> {
        serde_json::from_slice(&self.body).map_err(|error| self.unreadable(&error))
    }

    /// Its body as far as it is understood.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, DockerError> {
        lenient(&mut self.value()?).map_err(|error| self.unreadable(&error))
    }

    /// Its body as a list of which each entry is read for itself; what is no list is an error.
    pub(super) fn rows<T: DeserializeOwned>(&self) -> Result<Vec<Result<T, Value>>, DockerError> {
        let rows: Option<Vec<Value>> =
            serde_json::from_slice(&self.body).map_err(|error| self.unreadable(&error))?;
        let rows = rows.unwrap_or_default().into_iter();
        Ok(rows.map(|mut row| lenient(&mut row).map_err(|_| row)).collect())
    }

    pub(super) fn unreadable(&self, error: &serde_json::Error) -> DockerError {
        DockerError::Unreadable { call: self.call, reason: error.to_string() }
    }
}
