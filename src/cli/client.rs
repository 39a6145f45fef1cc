//! The client's side of the REST API. What goes wrong is said with what to do about it.

mod error;
mod lines;
mod refusal;
mod socket;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use reqwest::{Method, StatusCode, Url};
use serde_json::Value;

pub(super) use self::error::ClientError;
use self::error::reason;
pub(super) use self::lines::Lines;
pub(super) use self::refusal::Refused;
use self::socket::Local;
use super::UsageError;
use super::face::WaitingNotice;
use super::text::plain;
use crate::config::Process;
use crate::tls;

/// Where Portreeve listens unless something else is said.
const DEFAULT_SERVER: &str = "http://127.0.0.1:8000";
/// A little longer than the server takes at most.
const ANSWER: Duration = Duration::from_secs(35);
const CONNECT: Duration = Duration::from_secs(10);
/// What takes longer is said to be waited for.
const PATIENCE: Duration = Duration::from_secs(1);
/// Items asked for at once.
const PAGE: &str = "500";

/// Which Portreeve is asked.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct ServerArgs {
    /// Address of the Portreeve to use, or unix:///PATH; on this machine its Unix socket is used if the user may open
    /// it, which needs no token [env: PORTREEVE_SERVER] [default: the socket that PORTREEVE_SOCKET names, else
    /// http://127.0.0.1:8000]
    #[arg(long, value_name = "URL", help_heading = "Server", global = true)]
    server: Option<String>,

    /// Token for that Portreeve; use the variable, because others can see a command line [env: PORTREEVE_TOKEN]
    #[arg(long, value_name = "TOKEN", help_heading = "Server", global = true)]
    token: Option<String>,
}

impl ServerArgs {
    /// The client for what flags and environment say; an empty one says nothing.
    pub(super) fn client(&self) -> anyhow::Result<Client> {
        let or = |flag: &Option<String>, name: &str| {
            let given = flag.clone().or_else(|| std::env::var(name).ok());
            given.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
        };
        let server = or(&self.server, "PORTREEVE_SERVER");
        Client::new(server.as_deref(), or(&self.token, "PORTREEVE_TOKEN"))
    }
}

/// A connection to one Portreeve.
#[derive(Clone, Debug)]
pub(super) struct Client {
    base: Url,
    token: Option<String>,
    /// The socket that was given for an address.
    named: Option<PathBuf>,
    local: Local,
    http: reqwest::Client,
}

/// Whether a document is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WriteMode {
    /// It is.
    Written,
    /// What that would come to is to be said.
    DryRun,
    /// The same of a document that a file of the server declares, as if the file read so.
    Preview,
}

/// What was answered.
#[derive(Debug)]
pub(super) struct Response {
    /// The document.
    pub(super) body: Value,
    /// Whether something is there that was not.
    pub(super) created: bool,
    /// What the server thinks is odd all the same.
    pub(super) warnings: Vec<String>,
}

impl Client {
    /// A client of `server`, or of the one that listens where Portreeve does unless something else is said.
    pub(super) fn new(server: Option<&str>, token: Option<String>) -> anyhow::Result<Self> {
        let (is_default, server) = (server.is_none(), server.unwrap_or(DEFAULT_SERVER));
        let named = server.strip_prefix("unix://").map(PathBuf::from);
        if named.as_ref().is_some_and(|path| !path.is_absolute()) {
            let why = format!("`{}` is not a socket: write unix:///PATH", plain(server));
            return Err(UsageError(why).into());
        }
        let full = match &named {
            // The name is for the request alone.
            Some(_) => "http://localhost".to_owned(),
            None if server.contains("://") => server.to_owned(),
            None => format!("http://{server}"),
        };
        let base = Url::parse(&full)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| {
                UsageError(format!(
                    "`{}` is not the address of a server, such as {DEFAULT_SERVER}",
                    plain(server)
                ))
            })?;
        // Only the first in a process counts; `run` installs the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("portreeve/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .no_proxy();
        // Without redirects a plain call never comes to need an authority, and there may be none.
        let builder = if base.scheme() == "http" { builder.tls_certs_only([]) } else { builder };
        let local = match named.clone() {
            Some(path) => socket::named(path)?,
            None if token.is_none() => socket::find(&base, is_default, &Process::current())?,
            // Whoever brings a token means to be known by it.
            None => Local::default(),
        };
        let builder = match local.socket.clone() {
            Some(path) => builder.unix_socket(path),
            None => builder,
        };
        Ok(Self { base, token, named, local, http: builder.build()? })
    }

    /// The server's address, for people.
    pub(super) fn server(&self) -> String {
        match &self.named {
            Some(path) => format!("unix://{}", path.display()),
            None => self.base.as_str().trim_end_matches('/').to_owned(),
        }
    }

    /// The URL of a path below `/apis/portreeve/v1`; each part is one segment, whatever is in it.
    fn url(&self, parts: &[&str]) -> Url {
        self.below(&["apis", "portreeve", "v1"], parts)
    }

    fn below(&self, root: &[&str], parts: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(root).extend(parts);
        }
        url
    }

    /// A document below `/apis/portreeve/v1`.
    pub(super) async fn get(&self, parts: &[&str], query: &[(&str, &str)]) -> Result<Value, ClientError> {
        Ok(self.answer(self.request(Method::GET, self.url(parts), query)).await?.body)
    }

    /// A document anywhere else.
    pub(super) async fn get_plain(&self, path: &[&str]) -> Result<Value, ClientError> {
        Ok(self.answer(self.request(Method::GET, self.below(&[], path), &[])).await?.body)
    }

    /// Whether `path` is answered with success, whatever is said.
    pub(super) async fn says_yes(&self, path: &str) -> bool {
        let answer = self.request(Method::GET, self.below(&[], &[path]), &[]).timeout(ANSWER).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// Every item of a list, page by page, in the list's own frame.
    pub(super) async fn list(&self, plural: &str, query: &[(&str, &str)]) -> Result<Value, ClientError> {
        let (mut whole, mut token): (Option<Value>, Option<String>) = (None, None);
        loop {
            let mut query: Vec<(&str, &str)> = query.to_vec();
            if !query.iter().any(|(name, _)| *name == "limit") {
                query.push(("limit", PAGE));
            }
            query.extend(token.as_deref().map(|token| ("continue", token)));
            let mut page = self.get(&[plural], &query).await?;
            if !page.get("items").is_some_and(Value::is_array) {
                return Err(self.stranger("a list without items"));
            }
            let next = page.pointer("/metadata/continue").and_then(Value::as_str).map(str::to_owned);
            match &mut whole {
                None => whole = Some(page),
                Some(whole) => {
                    let more = page.get_mut("items").map(Value::take);
                    if let (Some(Value::Array(items)), Some(Value::Array(more))) =
                        (whole.get_mut("items"), more)
                    {
                        items.extend(more);
                    }
                }
            }
            // A server that hands out one token again and again would keep us for ever.
            match next.filter(|next| !next.is_empty() && Some(next) != token.as_ref()) {
                Some(next) => token = Some(next),
                None => break,
            }
        }
        let mut whole = whole.unwrap_or_default();
        if let Some(metadata) = whole.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("continue");
            metadata.remove("remainingItemCount");
        }
        Ok(whole)
    }

    /// The items of a list.
    pub(super) async fn items(
        &self,
        plural: &str,
        query: &[(&str, &str)],
    ) -> Result<Vec<Value>, ClientError> {
        match self.list(plural, query).await?.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => Ok(items),
            _ => Err(self.stranger("a list without items")),
        }
    }

    /// Writes a document.
    pub(super) async fn put(
        &self,
        parts: &[&str],
        body: &Value,
        check: WriteMode,
    ) -> Result<Response, ClientError> {
        let query: &[(&str, &str)] = match check {
            WriteMode::Written => &[],
            WriteMode::DryRun => &[("dryRun", "All")],
            WriteMode::Preview => &[("dryRun", "All"), ("preview", "true")],
        };
        self.answer(self.request(Method::PUT, self.url(parts), query).json(body)).await
    }

    /// Changes an object by a merge patch, if it is still at `version`.
    pub(super) async fn patch(
        &self,
        parts: &[&str],
        patch: &Value,
        version: &str,
    ) -> Result<Response, ClientError> {
        let request = self.request(Method::PATCH, self.url(parts), &[]);
        self.answer(request.header(reqwest::header::IF_MATCH, format!("\"{version}\"")).json(patch)).await
    }

    /// Removes an object.
    pub(super) async fn delete(&self, parts: &[&str]) -> Result<Response, ClientError> {
        self.answer(self.request(Method::DELETE, self.url(parts), &[])).await
    }

    /// What removing an object would come to; with `preview` also of one that a file of the server declares.
    pub(super) async fn try_delete(&self, parts: &[&str], preview: bool) -> Result<Response, ClientError> {
        let query: &[(&str, &str)] =
            if preview { &[("dryRun", "All"), ("preview", "true")] } else { &[("dryRun", "All")] };
        self.answer(self.request(Method::DELETE, self.url(parts), query)).await
    }

    /// Asks for something to be done.
    pub(super) async fn post(&self, parts: &[&str], query: &[(&str, &str)]) -> Result<Response, ClientError> {
        self.answer(self.request(Method::POST, self.url(parts), query)).await
    }

    /// Asks for something to be done, with what has to be said about it.
    pub(super) async fn post_with(
        &self,
        parts: &[&str],
        query: &[(&str, &str)],
        body: &Value,
    ) -> Result<Response, ClientError> {
        self.answer(self.request(Method::POST, self.url(parts), query).json(body)).await
    }

    /// Asks for something that has to be said at length.
    pub(super) async fn post_body(&self, parts: &[&str], body: &Value) -> Result<Value, ClientError> {
        Ok(self.answer(self.request(Method::POST, self.url(parts), &[]).json(body)).await?.body)
    }

    /// A stream of documents, one a line.
    pub(super) async fn watch(&self, plural: &str, query: &[(&str, &str)]) -> Result<Lines, ClientError> {
        let query: Vec<_> = query.iter().copied().chain([("watch", "true")]).collect();
        let answer = self
            .request(Method::GET, self.url(&[plural]), &query)
            .send()
            .await
            .map_err(|error| self.lost(&error))?;
        if answer.status().is_success() {
            return Ok(Lines { answer, server: self.server(), buffer: Vec::new() });
        }
        match self.read(answer).await {
            Err(error) => Err(error),
            Ok(_) => Err(self.stranger("no stream")),
        }
    }

    fn request(&self, method: Method, mut url: Url, query: &[(&str, &str)]) -> reqwest::RequestBuilder {
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = self.http.request(method, url);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Result<Response, ClientError> {
        let answer = async {
            let answer = request.timeout(ANSWER).send().await.map_err(|error| self.lost(&error))?;
            self.read(answer).await
        };
        let mut answer = std::pin::pin!(answer);
        tokio::select! {
            answer = &mut answer => return answer,
            () = tokio::time::sleep(PATIENCE) => {}
        }
        let _waiting = WaitingNotice::shown(&format!("waiting for {}", self.server()));
        answer.await
    }

    async fn read(&self, answer: reqwest::Response) -> Result<Response, ClientError> {
        let code = answer.status();
        let warnings = answer.headers().get_all(reqwest::header::WARNING).iter();
        let warnings = warnings.filter_map(|text| text.to_str().ok());
        let warnings = warnings.map(|text| text.split_once('"').map_or(text, |(_, rest)| rest));
        let warnings: Vec<String> = warnings.map(|text| text.trim_end_matches('"').to_owned()).collect();
        let text = answer.bytes().await.map_err(|error| self.lost(&error))?;
        if !code.is_success() {
            return Err(self.refused(code, &text));
        }
        let body = serde_json::from_slice(&text).map_err(|_| self.stranger("not JSON"))?;
        Ok(Response { body, created: code == StatusCode::CREATED, warnings })
    }

    fn refused(&self, code: StatusCode, text: &[u8]) -> ClientError {
        match refusal::read(code, text, self.token.is_some()) {
            Some(mut refused) => {
                if let (401 | 403, Some(why)) = (refused.code, &self.local.passed_over) {
                    refused.causes.push(plain(why));
                }
                ClientError::Refused(refused)
            }
            None if self.base.scheme() == "http" && tls::asks_for_tls(&String::from_utf8_lossy(text)) => {
                self.stranger(&format!("HTTP {code}: {}", tls::WITH))
            }
            None => self.stranger(&format!("HTTP {code}")),
        }
    }

    /// A stream ended that goes on as long as its server does.
    pub(super) fn ended(&self) -> ClientError {
        ClientError::Unreachable { server: self.server(), why: "it ended the stream".to_owned() }
    }

    fn stranger(&self, why: &str) -> ClientError {
        ClientError::Stranger { server: self.server(), why: why.to_owned() }
    }

    fn lost(&self, error: &reqwest::Error) -> ClientError {
        let mut why = reason(error);
        if let Some(hint) = error::hint(&why, self.base.scheme(), self.named.is_some()) {
            why = format!("{why}: {hint}");
        }
        if let Some(passed_over) = &self.local.passed_over {
            why = format!("{why} ({})", plain(passed_over));
        }
        ClientError::Unreachable { server: self.server(), why }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client() -> Client {
        Client::new(Some("localhost:8000/base/"), None).expect("a client")
    }

    #[test]
    fn an_address_without_a_scheme_is_one_and_nonsense_is_a_slip_of_usage() {
        assert_eq!(client().server(), "http://localhost:8000/base");
        for bad in ["ftp://x", "http://", "a b"] {
            let error = Client::new(Some(bad), None).expect_err(bad);
            assert!(error.is::<UsageError>() && error.to_string().contains("not the address"), "{error}");
        }
    }

    #[test]
    fn a_name_is_one_segment_of_a_url_whatever_is_in_it() {
        let url = client().url(&["containers", "a/b?c"]);
        assert_eq!(url.as_str(), "http://localhost:8000/base/apis/portreeve/v1/containers/a%2Fb%3Fc");
    }

    #[test]
    fn a_status_becomes_its_message_and_the_causes_it_does_not_repeat() {
        let status = serde_json::json!({
            "kind": "Status", "message": "Settings/portreeve: spec: unknown field `resinc`",
            "details": {"causes": [
                {"field": "spec.resinc", "message": "spec: unknown field `resinc`"},
                {"field": "metadata.origin", "message": "directory:a.yaml"},
            ]},
        });
        let error = client().refused(StatusCode::UNPROCESSABLE_ENTITY, status.to_string().as_bytes());
        let expected =
            "Settings/portreeve: spec: unknown field `resinc`\n  metadata.origin: directory:a.yaml";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn who_is_not_let_in_is_told_how_and_a_stranger_is_recognised() {
        let unauthorized = client().refused(StatusCode::UNAUTHORIZED, b"{}").to_string();
        assert!(unauthorized.contains("PORTREEVE_TOKEN") && unauthorized.contains("token create"));
        let known = Client::new(Some("localhost"), Some("t".to_owned())).expect("a client");
        assert!(
            known.refused(StatusCode::UNAUTHORIZED, b"").to_string().contains("does not accept the token")
        );
        let stranger = client().refused(StatusCode::BAD_GATEWAY, b"<html>").to_string();
        assert!(stranger.contains("is not Portreeve (HTTP 502"), "{stranger}");
    }
}
