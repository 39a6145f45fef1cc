//! `/docs`: the OpenAPI document for people, as one page that needs nothing else and runs no script.

use std::fmt::Write;
use std::sync::OnceLock;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::openapi::openapi;
use super::route::Route;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}\
code,pre{font:14px/1.45 ui-monospace,monospace}pre{background:#f4f4f4;padding:.7rem;overflow:auto}\
details{border:1px solid #ddd;border-radius:4px;margin:.3rem 0;padding:.3rem .7rem}summary{cursor:pointer}\
b.m{display:inline-block;min-width:4.5rem;text-transform:uppercase}table{border-collapse:collapse}\
td,th{text-align:left;padding:.15rem .9rem .15rem 0;vertical-align:top}\
@media(prefers-color-scheme:dark){body{color:#e6e6e6;background:#161616}pre{background:#242424}details{border-color:#444}a{color:#8ab4f8}}";

/// The page's text, made once.
pub(super) fn page(routes: &[Route]) -> Response {
    static TEXT: OnceLock<String> = OnceLock::new();
    html(TEXT.get_or_init(|| render(&openapi(routes)))).into_response()
}

/// The page at `/`: what there is for people and for programs. It says nothing of anybody.
pub(super) async fn front() -> Response {
    static TEXT: OnceLock<String> = OnceLock::new();
    html(TEXT.get_or_init(front_page)).into_response()
}

fn front_page() -> String {
    let links = [
        ("/docs", "every route of the API"),
        ("/openapi.json", "the same as OpenAPI"),
        ("/health/detailed", "the state of Portreeve: engines, store, deliveries, manifests"),
        ("/api/containers", "containers as last seen"),
        ("/api/events", "events, newest first"),
        ("/metrics", "metrics for Prometheus"),
    ];
    let items =
        links.map(|(path, what)| format!("<li><a href=\"{path}\"><code>{path}</code></a> {what}</li>"));
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Portreeve</title><style>{STYLE}</style></head><body><h1>Portreeve {}</h1><ul>{}</ul>\
         <p>On the machine itself, <code>portreeve status</code> shows what is wrong first.</p></body></html>\n",
        env!("CARGO_PKG_VERSION"),
        items.concat(),
    )
}

fn render(document: &Value) -> String {
    let mut page = String::from("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">");
    page.push_str("<meta name=\"viewport\" content=\"width=device-width\"><title>Portreeve API</title>");
    // Writing into a string cannot fail.
    let _ = write!(
        page,
        "<style>{STYLE}</style></head><body><h1>Portreeve API {}</h1>",
        text(&document["info"]["version"])
    );
    let _ = write!(page, "<p>{}</p>", text(&document["info"]["description"]));
    page.push_str("<p>As OpenAPI: <a href=\"/openapi.json\">/openapi.json</a>. With tokens, send <code>Authorization: Bearer …</code>.</p><h2>Routes</h2>");
    for (path, item) in fields(&document["paths"]) {
        for (verb, operation) in fields(item) {
            route(&mut page, path, verb, operation);
        }
    }
    page.push_str("<h2>Schemas</h2>");
    for (name, schema) in fields(&document["components"]["schemas"]) {
        let _ = write!(
            page,
            "<details id=\"{0}\"><summary><code>{0}</code> {1}</summary><pre>{2}</pre></details>",
            escape(name),
            text(&schema["description"]),
            escape(&format!("{schema:#}")),
        );
    }
    page.push_str("</body></html>\n");
    page
}

fn route(page: &mut String, path: &str, verb: &str, operation: &Value) {
    let _ = write!(
        page,
        "<details><summary><b class=\"m\">{}</b> <code>{}</code> — {}</summary>",
        escape(verb),
        escape(path),
        text(&operation["summary"]),
    );
    let parameters = operation["parameters"].as_array().map_or(&[][..], Vec::as_slice);
    if !parameters.is_empty() {
        page.push_str("<table><tr><th>Parameter</th><th>In</th><th>Meaning</th></tr>");
        for parameter in parameters {
            let _ = write!(
                page,
                "<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>",
                text(&parameter["name"]),
                text(&parameter["in"]),
                text(&parameter["description"]),
            );
        }
        page.push_str("</table>");
    }
    content(page, "Body", &operation["requestBody"]["content"]);
    content(page, "Answer", &operation["responses"]["200"]["content"]);
    let codes: Vec<&str> = fields(&operation["responses"]).map(|(code, _)| code.as_str()).collect();
    let _ = write!(page, "<p>Codes: {}</p>", escape(&codes.join(", ")));
    page.push_str("</details>");
}

fn content(page: &mut String, title: &str, content: &Value) {
    for (media, content) in fields(content) {
        let schema = &content["schema"];
        let _ = write!(page, "<p>{title}: <code>{}</code> ", escape(media));
        match schema["$ref"].as_str().and_then(|target| target.rsplit('/').next()) {
            Some(name) => {
                let _ = write!(page, "<a href=\"#{0}\">{0}</a></p>", escape(name));
            }
            None => {
                let _ = write!(page, "</p><pre>{}</pre>", escape(&format!("{schema:#}")));
            }
        }
    }
}

fn fields(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn text(value: &Value) -> String {
    escape(value.as_str().unwrap_or_default())
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A page or document that says nothing about anybody.
fn html(text: &'static str) -> impl IntoResponse {
    let policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    (
        [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CONTENT_SECURITY_POLICY, policy),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ],
        text,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::routes::ROUTES;

    #[test]
    fn the_page_holds_every_route_and_loads_and_runs_nothing() {
        let document = openapi(ROUTES);
        let page = render(&document);
        for (path, _) in fields(&document["paths"]) {
            assert!(page.contains(&escape(path)), "{path}");
        }
        for word in ["<script", "onclick", "src=", "@import", "url(", "http://", "<link"] {
            let text = page.replace("http://localhost", "").replace("http:// or", "");
            let tags_only: String = strip_pre(&text);
            assert!(!tags_only.contains(word), "{word}");
        }
        assert_eq!(escape("<a b='\"'>&"), "&lt;a b=&#39;&quot;&#39;&gt;&amp;");
    }

    /// Schemas quote examples, which may look like anything; they are escaped.
    fn strip_pre(page: &str) -> String {
        page.split("<pre>").map(|part| part.rsplit("</pre>").next().unwrap_or_default()).collect()
    }
}
