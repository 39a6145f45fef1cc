//! Text of strangers on a terminal: labels, reasons, answers, file names. A terminal obeys what it is sent; nothing that
//! somebody else wrote may be among that, and all of it is there to be seen.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::de::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::screen::on_a_terminal;
use super::transcript::Shell;
use super::{BINARY, serving};
use crate::support::portreeve::Portreeve;

/// Colours by the seven-bit and the eight-bit introducer, a window title with its bell, a return to the beginning of the
/// line, text from right to left, text that cannot be seen, a step back and a deletion.
const HOSTILE: &str = "x\u{1b}[35mA\u{1b}]0;t\u{7}B\u{9b}31mC\rD\u{202e}E\u{2066}F\u{200b}G\u{8}H\u{7f}I";
/// Part of it, as a person sees it.
const SEEN: &str = r"B\u{9b}31mC";

fn hostile(word: &str) -> String {
    format!("{word} {HOSTILE}")
}

/// What a terminal would obey, or hide, of what it was sent: all but our own colours and lines of progress.
fn obeyed(sent: &str) -> Vec<String> {
    let mut rest = sent.replace("\r\n", "\n").replace("\r\u{1b}[K", "").replace("\u{1b}[H\u{1b}[J", "");
    for colour in ["0", "1", "2", "3", "4", "31", "32", "33", "91", "93", "94"] {
        rest = rest.replace(&format!("\u{1b}[{colour}m"), "");
    }
    let hidden = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut found: Vec<String> =
        rest.chars().filter(|c| hidden(*c)).map(|c| c.escape_unicode().to_string()).collect();
    found.sort();
    found.dedup();
    found
}

/// Whether a string anywhere in `value`, a key included, holds all of [`HOSTILE`] as it was.
fn holds(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(HOSTILE),
        Value::Array(items) => items.iter().any(holds),
        Value::Object(fields) => fields.iter().any(|(key, value)| key.contains(HOSTILE) || holds(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A server that says what no Portreeve should, in every text it gives.
struct Stranger {
    url: String,
    _serving: JoinSet<()>,
}

impl Stranger {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let world = Arc::new(world());
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let world = Arc::clone(&world);
                connections.spawn(async move {
                    let service = service_fn(|request: hyper::Request<Incoming>| {
                        let (status, body) = answer(&world, request.method().as_str(), request.uri());
                        let response = hyper::Response::builder().status(status);
                        std::future::ready(Ok::<_, Infallible>(
                            response.body(Full::new(Bytes::from(body))).unwrap(),
                        ))
                    });
                    let connection = hyper::server::conn::http1::Builder::new();
                    let _ = connection.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { url, _serving: serving }
    }
}

/// Everything that can be asked for, by its plural.
fn world() -> Value {
    let metadata = |name: &str| {
        json!({
            "name": name, "creationTimestamp": "2025-08-19T07:17:22Z", "origin": "api", "resourceVersion": "1",
            "labels": {hostile("key"): hostile("value")}, "annotations": {"note": hostile("note")},
        })
    };
    let condition = json!({"type": "Ready", "status": "False", "reason": hostile("Reason"), "message": hostile("message")});
    let probe = json!({
        "name": hostile("page"), "verdict": hostile("unhealthy"), "failure": hostile("failure"), "asks": hostile("asks"),
    });
    json!({
        "containers": [{
            "metadata": metadata("web"), "name": "web", "id": "c".repeat(64), "engine": hostile("local"),
            "image": hostile("image"), "status": "running", "health": "unhealthy", "policy": hostile("policy"),
            "restart_count": 1, "quarantined": false, "monitored": true, "created": "2025-08-19T07:17:22Z",
            "blocked": [{"reason": hostile("BackingOff"), "message": hostile("waits")}],
            "labels": {hostile("key"): hostile("value"), "com.docker.compose.project": hostile("project"),
                       "com.docker.compose.service": hostile("service")},
            "ports": [{"container": 80, "protocol": hostile("tcp")}],
            "registries": {"reg": {"state": "UP", "address": hostile("address")}},
        }],
        "events": [{
            "metadata": {"name": "1"}, "timestamp": "2025-08-19T07:17:22Z", "event_type": hostile("Skipped"),
            "reason": hostile("BackingOff"), "container_name": "web", "container_id": "c".repeat(64),
            "message": hostile("message"), "engine": hostile("local"), "image": hostile("image"),
        }],
        "deliveries": [{
            "metadata": {"name": "bill-1"}, "target": "b", "kind": "BillingService", "event": hostile("started"),
            "container": hostile("web"), "containerId": "c".repeat(64), "state": "parked", "attempts": 1,
            "lastError": hostile("refused"), "created": "2025-08-19T07:17:22Z", "engine": hostile("local"),
        }],
        "billingservices": [{
            "apiVersion": "portreeve/v1", "kind": "BillingService", "metadata": metadata("b"),
            "spec": {"url": "http://127.0.0.1:1", "path": hostile("/path"), "selector": {"all": true}},
            "status": {"conditions": [condition]},
        }],
        "monitoredservices": [{
            "apiVersion": "portreeve/v1", "kind": "MonitoredService", "metadata": metadata("s"),
            "spec": {"selector": {"names": ["web"]}, "probes": [{"name": "page", "tcpSocket": {"port": 80}}]},
            "status": {
                "health": "unhealthy", "reason": hostile("reason"), "conditions": [condition],
                "containers": [{"name": "web", "health": "unhealthy", "reason": hostile("it"), "probes": [probe]}],
            },
        }],
        "discoveryregistries": [{
            "apiVersion": "portreeve/v1", "kind": "DiscoveryRegistry", "metadata": metadata("reg"),
            "spec": {"url": "http://127.0.0.1:1", "selector": {"all": true}}, "status": {"conditions": []},
        }],
    })
}

fn status(code: u16) -> (u16, String) {
    let causes = json!([{"field": hostile("spec"), "message": hostile("cause")}]);
    let body =
        json!({"kind": "Status", "code": code, "message": hostile("no"), "details": {"causes": causes}});
    (code, body.to_string())
}

fn answer(world: &Value, method: &str, uri: &hyper::Uri) -> (u16, String) {
    let parts: Vec<&str> = uri.path().trim_start_matches('/').split('/').collect();
    let watched = uri.query().is_some_and(|query| query.contains("watch=true"));
    match (method, parts.as_slice()) {
        ("GET", ["health", "detailed"]) => {
            let target = json!({"pending": 1, "parked": 1, "lastError": hostile("refused")});
            let problem =
                json!({"file": hostile("a.yaml"), "line": 1, "column": 2, "message": hostile("bad")});
            let body = json!({
                "version": hostile("0.1.0"), "ownFault": hostile("fault"),
                "engines": {"local": {"connected": false, "error": hostile("error"), "host": hostile("host"),
                                      "version": hostile("20.10")}},
                "store": {"status": hostile("ok"), "error": hostile("store")}, "queue": {},
                "deliveries": {"billing": {hostile("b"): target}, "discovery": {}},
                "manifests": {
                    "objects": 1, "problems": [problem, hostile("a line")], "suspended": [hostile("suspended")],
                    "directories": [{"path": hostile("/etc"), "revision": {"branch": hostile("main"), "commit": "1"},
                                     "objects": 1, "problems": [problem]}],
                    "git": {"url": hostile("url"), "ref": hostile("ref"), "commit": null,
                            "error": {"reason": hostile("PullFailed"), "message": hostile("why")}},
                },
            });
            (200, body.to_string())
        }
        ("GET", ["apis", _, _, plural]) if watched => {
            let lines = world[plural].as_array().into_iter().flatten();
            let lines = lines.map(|object| json!({"type": "ADDED", "object": object}).to_string() + "\n");
            (200, lines.collect::<String>() + "{\"type\":\"BOOKMARK\",\"object\":{}}\n")
        }
        ("GET", ["apis", _, _, plural]) => {
            let items = world.get(*plural).cloned().unwrap_or_else(|| json!([]));
            (200, json!({"kind": "List", "metadata": {}, "items": items}).to_string())
        }
        ("GET", ["apis", _, _, plural, name]) => {
            let items = world[*plural].as_array().into_iter().flatten();
            let named = items.into_iter().find(|item| item["metadata"]["name"] == *name);
            named.map_or_else(|| status(404), |item| (200, item.to_string()))
        }
        ("POST", ["apis", _, _, "test", "probe"]) => {
            let body = json!({
                "verdict": "failed", "reason": hostile("reason"), "container": hostile("web"), "tookMs": 1.0,
                "address": hostile("10.0.0.2:80"), "why": hostile("its address"),
                "steps": [{"name": hostile("connect"), "tookMs": 1.0, "what": hostile("what")}],
            });
            (200, body.to_string())
        }
        ("GET", _) => (200, "{}".to_owned()),
        _ => status(422),
    }
}

/// What a command is asked to print.
#[derive(Clone, Copy)]
enum Printed {
    /// For people: what a stranger wrote is seen.
    Text,
    /// The same of another text than [`HOSTILE`].
    Seen(&'static str),
    /// For people, of what no stranger may write.
    Quiet,
    /// One document, which says what the stranger said.
    Json,
    /// One document a line.
    JsonLines,
    Yaml,
}

impl Printed {
    fn is_in(self, text: &str) -> bool {
        match self {
            Self::Text => text.contains(SEEN),
            Self::Seen(word) => text.contains(word),
            Self::Quiet => !text.is_empty(),
            Self::Json => serde_json::from_str(text).is_ok_and(|value: Value| holds(&value)),
            Self::JsonLines => {
                let lines = text.lines().filter(|line| line.starts_with('{'));
                let lines: Vec<_> = lines.map(serde_json::from_str::<Value>).collect();
                lines.iter().any(|line| line.as_ref().is_ok_and(holds)) && lines.iter().all(Result::is_ok)
            }
            Self::Yaml => {
                let mut documents = serde_yaml::Deserializer::from_str(text).map(Value::deserialize);
                documents.all(|document| document.is_ok_and(|document| holds(&document)))
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_a_stranger_wrote_is_obeyed_by_a_terminal_whatever_verb_shows_it() {
    use Printed::{Json, JsonLines, Quiet, Seen, Text, Yaml};
    let stranger = Stranger::start().await;
    let shell = Shell::new(&stranger.url);
    shell.file("hostile", HOSTILE);
    let manifest = "apiVersion: portreeve/v1\nkind: BillingService\nmetadata: {name: new}\nspec: {url: \"http://127.0.0.1:1\"}\n";
    shell.file("good.yaml", manifest);
    let note = serde_json::to_string(HOSTILE).unwrap();
    shell.file(
        "annotated.yaml",
        &manifest.replace("{name: new}", &format!("{{name: b, annotations: {{note: {note}}}}}")),
    );
    let unknown = "\u{9b}31mC\u{202e}";
    shell.file(
        &format!("{HOSTILE}.yaml"),
        &manifest.replace("url:", &format!("B{unknown}: 1 # B{unknown}\n  url:")),
    );
    shell.file("bad.yaml", &manifest.replace("spec: {url", &format!("spec: {{\"B{unknown}\": 1, url")));
    shell.file("turned.yaml", &manifest.replace("spec: {url", "spec: {\"B\u{202e}\": 1, url"));
    let commands = [
        ("get containers", Text),
        ("get containers -o wide", Text),
        ("get containers -o name", Quiet),
        ("get containers -o json", Json),
        ("get containers -o yaml", Yaml),
        ("get c web -o json", Json),
        ("get c web -o yaml", Yaml),
        ("get c nothing", Text),
        ("get c,bill", Text),
        ("get bill -o wide", Text),
        ("get svc -o wide", Text),
        ("get events", Text),
        ("get events -o wide", Text),
        ("get events -o yaml", Yaml),
        ("get deliveries -o wide", Text),
        ("get all -o json", Json),
        ("get c -w", Text),
        ("get c -w -o json", JsonLines),
        ("get bill -w -o json", JsonLines),
        ("get bill -w -o yaml", Quiet),
        ("describe container web", Text),
        ("describe svc s", Text),
        ("describe bill b", Text),
        ("describe reg reg", Text),
        ("describe delivery bill-1", Yaml),
        ("events", Text),
        ("events -o wide", Text),
        ("events -o json", JsonLines),
        ("events -f", Text),
        ("events -f -o json", JsonLines),
        ("status", Text),
        ("status -o json", Json),
        ("status -w", Text),
        ("top", Text),
        ("top -o json", Quiet),
        ("top -w", Text),
        ("top svc", Quiet),
        ("top svc -o json", Quiet),
        ("test probe svc/s", Text),
        ("test probe svc/s -o json", Json),
        ("wait c/web --for=state=exited --timeout 300ms", Quiet),
        ("wait bill/b --for=condition=Ready --timeout 300ms", Text),
        ("diff -f annotated.yaml -o json", Quiet),
        ("diff -f good.yaml", Text),
        ("apply -f good.yaml", Text),
        ("delete bill b", Text),
        ("release web", Text),
        ("replay bill-1", Text),
        ("edit bill b", Seen(r"B\u009b31mC")),
        ("init made", Quiet),
        ("validate -f bad.yaml", Seen("U+009B")),
        ("validate -f turned.yaml", Seen(r"`B\u{202e}`")),
        ("validate -f turned.yaml -o json", Seen(r"B\\u{202e}")),
        ("validate -f turned.yaml -o github", Seen(r"`B\u{202e}`")),
        ("validate -f \"$(cat hostile).yaml\"", Text),
        ("validate -f \"$(cat hostile)\"", Text),
        ("explain \"heal.spec.$(cat hostile)\"", Text),
        ("schema \"$(cat hostile)\"", Text),
        ("get \"$(cat hostile)\"", Text),
        ("events --since \"$(cat hostile)\"", Text),
        ("wait c/web --for=\"$(cat hostile)\"", Quiet),
        ("--server \"$(cat hostile)\" status", Text),
        ("\"$(cat hostile)\"", Text),
    ];
    // Several at once: some go on until they are stopped.
    let (next, sent) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some((line, printed)) = commands.get(next.fetch_add(1, Ordering::Relaxed)) {
            let command = format!("EDITOR=cat timeout 8 portreeve {line}");
            let text = on_a_terminal(&shell, (600, 200), &command);
            sent.lock().unwrap().push((*line, *printed, text));
        }
    };
    std::thread::scope(|scope| (0..6).for_each(|_| drop(scope.spawn(work))));
    let (mut obeying, mut unseen) = (Vec::new(), Vec::new());
    for (line, printed, sent) in sent.into_inner().unwrap() {
        let (text, found) = (sent.replace("\r\n", "\n"), obeyed(&sent));
        if !found.is_empty() {
            obeying.push(format!("{line}: {}", found.join(" ")));
        }
        if !printed.is_in(&text) {
            unseen.push(format!("{line}:\n{text:?}"));
        }
    }
    // What was written to a file is shown by whatever opens it.
    for file in ["settings", "healing", "services", "told"] {
        let sent = on_a_terminal(&shell, (600, 200), &format!("cat made/{file}.yaml"));
        let found = obeyed(&sent);
        if !found.is_empty() {
            obeying.push(format!("init, {file}.yaml: {}", found.join(" ")));
        }
    }
    assert!(obeying.is_empty(), "a terminal would obey\n{}", obeying.join("\n"));
    assert!(unseen.is_empty(), "it is not there to be seen\n{}", unseen.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_the_log_is_one_line_whatever_a_stranger_wrote_into_it() {
    let name = format!("{}\nWARN forged\u{2028}.yaml", HOSTILE.replace('/', "|"));
    for format in ["text", "json"] {
        let portreeve = Portreeve::new(BINARY)
            .docker_host("unix:///nowhere/docker.sock")
            .env("PORTREEVE_LOG_FORMAT", format);
        let file = portreeve.home().join("portreeve.log");
        let portreeve = portreeve.env("LOG_FILE", &file.display().to_string());
        portreeve.manifest(&name, "apiVersion: portreeve/v1\nkind: [");
        let portreeve = serving(portreeve).await;
        let line = portreeve.wait_line("WARN forged").await;
        let logged = std::fs::read_to_string(file).unwrap();
        for text in [portreeve.log(), logged] {
            let obeyed = obeyed(&text);
            assert!(obeyed.is_empty(), "{format}: {obeyed:?} in {text:?}");
            assert!(!text.lines().any(|line| line.starts_with("WARN forged")), "{format}: {text:?}");
        }
        if format == "text" {
            // On a terminal, with its own colours.
            let shell = Shell::new("http://127.0.0.1:1");
            let (config, state) = (portreeve.config_dir(), portreeve.home().join("other"));
            let run = format!(
                "timeout 4 portreeve run --config-dir {} --state-dir {} --listen 127.0.0.1:0 \
                 --docker-host unix:///nowhere/docker.sock",
                config.display(),
                state.display()
            );
            let sent = on_a_terminal(&shell, (400, 50), &run);
            assert!(obeyed(&sent).is_empty() && sent.contains("\u{1b}[31mERROR"), "{sent:?}");
            assert!(sent.contains(SEEN), "{sent:?}");
        }
        if format == "json" {
            let line: Value = serde_json::from_str(&line).unwrap();
            assert!(line["message"].as_str().unwrap().contains(&name), "{line}");
        } else {
            assert!(line.contains(r"\u{9b}31mC\u{d}D\u{202e}E") && line.contains("ERROR"), "{line}");
        }
    }
}
