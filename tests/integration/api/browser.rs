//! A real browser where tokens are set: it is shown a page that asks for the token, and with it what was asked for.

use std::time::Duration;

use hyper::Method;
use portreeve::config::tokens::{self, Role};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::support::http;
use crate::support::portreeve::Portreeve;
use crate::support::server::{Server, program};
use crate::support::wait;

/// Chromium, driven as the WebDriver standard has it.
struct Browser {
    driver: Server,
    session: String,
}

impl Browser {
    async fn start() -> Self {
        let driver = Server::start("chromium", |_, port| {
            let mut command = program("chromedriver");
            command.arg(format!("--port={port}"));
            command
        })
        .await;
        let arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"];
        let wishes = json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": {"args": arguments}}}});
        let mut browser = Self { driver, session: String::new() };
        let answer = wait::until("the browser is there", Duration::from_secs(60), || async {
            browser.call(Method::POST, "/session", &wishes).await
        })
        .await;
        browser.session = format!("/session/{}", answer["sessionId"].as_str().expect("a session"));
        browser
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> Result<Value, String> {
        let url = format!("http://127.0.0.1:{}{path}", self.driver.port);
        let text = if method == Method::POST { body.to_string() } else { String::new() };
        let answer = http::request(method, &url, &[("content-type", "application/json")], &text).await?;
        if answer.status == 200 { Ok(answer.json()["value"].clone()) } else { Err(answer.body) }
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let path = format!("{}{path}", self.session);
        self.call(Method::POST, &path, &body).await.unwrap_or_else(|said| panic!("{path}: {said}"))
    }

    async fn open(&self, url: &str) {
        self.post("/url", json!({"url": url})).await;
    }

    /// What a script comes to.
    async fn script(&self, script: &str) -> Value {
        self.post("/execute/sync", json!({"script": format!("return {script}"), "args": []})).await
    }

    async fn element(&self, css: &str) -> String {
        let found = self.post("/element", json!({"using": "css selector", "value": css})).await;
        let id = found.as_object().and_then(|fields| fields.values().next()).and_then(Value::as_str);
        format!("/element/{}", id.expect("an element"))
    }

    /// Types the token, and opens the page with it.
    async fn bring(&self, token: &str) {
        let (field, button) = (self.element("#token").await, self.element("button").await);
        self.post(&format!("{field}/clear"), json!({})).await;
        self.post(&format!("{field}/value"), json!({"text": token})).await;
        self.post(&format!("{button}/click"), json!({})).await;
    }

    async fn shows(&self, text: &str) {
        wait::until(&format!("`{text}` is shown"), wait::SOON, || async {
            let said = self.script("document.body.innerText").await;
            wait::is(said.as_str().is_some_and(|said| said.contains(text)), said)
        })
        .await;
    }
}

#[tokio::test]
async fn a_browser_is_asked_for_the_token_and_then_shown_what_it_asked_for() {
    let mut portreeve =
        Portreeve::new(env!("CARGO_BIN_EXE_portreeve")).docker_host("unix:///nowhere/docker.sock");
    let path = tokens::path(&portreeve.state_dir());
    let (_, token) = tokens::create(&path, Role::View, None).expect("a token");
    portreeve.spawn();
    wait::until("it answers", wait::SOON, || async { portreeve.get("/livez").await.map(drop) }).await;

    // Nothing of anybody is in the page, and nothing in it comes from elsewhere.
    let html = [("accept", "text/html,*/*;q=0.8")];
    for page in ["/", "/docs"] {
        let shell = http::request(Method::GET, &portreeve.url(page), &html, "").await.expect("an answer");
        assert_eq!(shell.status, 200);
        let policy = shell.headers["content-security-policy"].to_str().expect("text").to_owned();
        assert!(policy.starts_with("default-src 'none'; script-src 'nonce-"), "{policy}");
        assert_eq!(shell.headers["cache-control"], "no-store");
        for word in ["src=", "http://", "https://", "@import", "/api/", "registry"] {
            assert!(!shell.body.contains(word), "{word} in {}", shell.body);
        }
        // For programs it stays as it was.
        let bearer = [("accept", "text/html"), ("authorization", "Bearer wrong")];
        for headers in [&[][..], &[("accept", "*/*")], &bearer] {
            let refused =
                http::request(Method::GET, &portreeve.url(page), headers, "").await.expect("an answer");
            assert_eq!((refused.status, &refused.json()["error"]), (401, &json!("Invalid API key")));
        }
    }
    let refused =
        http::request(Method::GET, &portreeve.url("/api/events"), &html, "").await.expect("an answer");
    assert_eq!(refused.status, 401);

    let browser = Browser::start().await;
    browser.open(&portreeve.url("/docs")).await;
    browser.shows("A token is needed here").await;
    browser.bring("wrong").await;
    browser.shows("This token is not known here").await;
    browser.bring(token.expose_secret()).await;
    browser.shows("Portreeve API").await;
    browser.shows("/api/events").await;
    let kept = browser.script("[localStorage.length, document.cookie, location.href]").await;
    assert_eq!(
        kept,
        json!([0, "", portreeve.url("/docs")]),
        "the token is in this tab alone, and in no address"
    );
    // The tab remembers it, also for links.
    browser.open(&portreeve.url("/")).await;
    browser.shows("every route of the API").await;
    let link = browser.element("a[href='/api/events']").await;
    browser.post(&format!("{link}/click"), json!({})).await;
    browser.shows("[").await;
    assert_eq!(browser.script("document.querySelector('pre') !== null").await, json!(true));
    if let Some(directory) = std::env::var_os("PORTREEVE_SCREENSHOT") {
        browser.open(&portreeve.url("/docs")).await;
        browser.shows("Portreeve API").await;
        let picture = browser.call(Method::GET, &format!("{}/screenshot", browser.session), &json!({})).await;
        std::fs::write(directory, picture.expect("a picture").as_str().expect("text")).expect("a file");
    }
    drop(browser.call(Method::DELETE, &browser.session, &json!({})).await);
}
