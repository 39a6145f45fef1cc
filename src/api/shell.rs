//! What a browser gets that brings no token where one is needed: a page without data that asks for the token, keeps it as long
//! as its tab is open, and sends it as the header `Authorization` alone. It needs nothing from elsewhere.

use axum::http::{HeaderMap, Method, header};
use axum::response::{IntoResponse, Response};

/// Pages that people open in a browser.
const PAGES: [&str; 2] = ["/", "/docs"];

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}\
form{display:flex;gap:.5rem;flex-wrap:wrap}input{font:inherit;flex:1;min-width:14rem;padding:.3rem}button{font:inherit;padding:.3rem 1rem}\
#said{color:#b00020}@media(prefers-color-scheme:dark){body{color:#e6e6e6;background:#161616}#said{color:#ff8a80}}";

/// The token is in `sessionStorage`: this tab's alone, gone with it. Links of pages that were fetched are followed with it, too.
const SCRIPT: &str = r#"'use strict';
const KEY = 'portreeve-token';
const said = document.getElementById('said');
const box = document.getElementById('token');
async function show(path, token) {
  const [route, place] = path.split('#');
  const answer = await fetch(route, {headers: {Authorization: 'Bearer ' + token, Accept: 'text/html,*/*'}, cache: 'no-store'});
  if (answer.status === 401) {
    sessionStorage.removeItem(KEY);
    said.textContent = 'This token is not known here.';
    document.getElementById('ask').hidden = false;
    return;
  }
  const text = await answer.text();
  if (!answer.ok) {
    said.textContent = 'HTTP ' + answer.status + ': ' + text;
    document.getElementById('ask').hidden = false;
    return;
  }
  sessionStorage.setItem(KEY, token);
  const type = answer.headers.get('content-type') || '';
  if (type.startsWith('text/html')) {
    const page = new DOMParser().parseFromString(text, 'text/html');
    document.title = page.title;
    document.head.querySelectorAll('style').forEach(style => style.remove());
    document.head.append(...page.head.querySelectorAll('style'));
    document.body.replaceChildren(...page.body.childNodes);
  } else {
    const pre = document.createElement('pre');
    try { pre.textContent = JSON.stringify(JSON.parse(text), null, 2); } catch { pre.textContent = text; }
    document.body.replaceChildren(pre);
  }
  if (place) { const there = document.getElementById(place); if (there) { there.open = true; there.scrollIntoView(); } }
}
function go(path, token) {
  show(path, token).catch(error => { said.textContent = String(error); document.getElementById('ask').hidden = false; });
}
document.addEventListener('click', event => {
  const link = event.target.closest && event.target.closest('a[href^="/"]');
  const token = sessionStorage.getItem(KEY);
  if (!link || !token) { return; }
  event.preventDefault();
  history.pushState(null, '', link.getAttribute('href'));
  go(link.getAttribute('href'), token);
});
addEventListener('popstate', () => location.reload());
document.getElementById('ask').addEventListener('submit', event => {
  event.preventDefault();
  said.textContent = '';
  go(location.pathname + location.hash, box.value.trim());
});
const known = sessionStorage.getItem(KEY);
if (known) { document.getElementById('ask').hidden = true; go(location.pathname + location.hash, known); } else { box.focus(); }
"#;

/// The page, if it is a browser that asks for one of the pages.
pub(super) fn shell(method: &Method, path: &str, headers: &HeaderMap) -> Option<Response> {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let for_people = accept.split(',').any(|media| media.trim().starts_with("text/html"));
    (method == Method::GET && PAGES.contains(&path) && for_people).then(page)
}

fn page() -> Response {
    // The script that may run is this answer's; the page holds nothing else of anybody.
    let nonce = uuid::Uuid::now_v7().simple();
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'"
    );
    let text = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Portreeve</title><style>{STYLE}</style></head><body><h1>Portreeve</h1>\
         <form id=\"ask\"><p>A token is needed here: <code>portreeve token create NAME --role view</code> makes one.</p>\
         <input id=\"token\" type=\"password\" autocomplete=\"off\" aria-label=\"Token\" placeholder=\"Token\">\
         <button>Open</button></form><p id=\"said\" role=\"alert\"></p>\
         <noscript>This page needs JavaScript to send the token. Without: <code>curl -H 'Authorization: Bearer …'</code>.</noscript>\
         <script nonce=\"{nonce}\">{SCRIPT}</script></body></html>\n"
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    (headers, text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_browser_that_opens_a_page_is_asked_for_a_token() {
        let is = |method: Method, path: &str, accept: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, header::HeaderValue::from_static(accept));
            shell(&method, path, &headers).is_some()
        };
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        assert!(is(Method::GET, "/", browser) && is(Method::GET, "/docs", browser));
        assert!(!is(Method::GET, "/docs", "*/*") && !is(Method::GET, "/docs", "application/json"));
        assert!(!is(Method::POST, "/docs", browser) && !is(Method::GET, "/api/events", browser));
    }
}
