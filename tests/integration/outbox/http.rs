//! The call itself: redirects, secrets, addresses.

use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use portreeve::reconcile::lifecycle::EventName;
use serde_json::json;
use sha2::Sha256;
use tempfile::TempDir;

use super::post::{Post, TARGET};
use super::scripted::{Scripted, status};
use crate::integration::fixtures::{bill, bills, container};
use crate::support::alone::passes_with;
use crate::support::wait;

async fn start_one(post: &Post) {
    post.commit(bills(vec![bill(TARGET, &container(1), EventName::Started, 1)])).await;
}

fn signature(key: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

#[tokio::test]
async fn redirects_are_not_followed_but_tried_again() {
    let statuses = [301, 302, 303, 307, 308];
    let service = Scripted::start(move |_, before| match statuses.get(before) {
        Some(redirect) => (*redirect, vec![("location", "/elsewhere".to_owned())]),
        None => status(201),
    })
    .await;
    let mut post = Post::new().await;
    post.bill(&service.url(), json!({}));
    start_one(&post).await;
    post.drained().await;
    assert_eq!(service.lines(), ["POST /events"; 6]);
}

#[tokio::test]
async fn token_and_signing_key_are_read_for_each_try() {
    let home = TempDir::new().unwrap();
    let (token, key) = (home.path().join("token"), home.path().join("key"));
    write(&token, "first-token\n");
    write(&key, "first-key\n");
    let (new_token, new_key) = (token.clone(), key.clone());
    let service = Scripted::start(move |_, before| {
        // Rotated while the first try is under way.
        write(&new_token, "second-token\n");
        write(&new_key, "second-key\r\n");
        status(if before == 0 { 401 } else { 201 })
    })
    .await;
    let mut post = Post::new().await;
    let spec = json!({ "auth": { "bearer": { "file": token } }, "signing": { "secret": { "file": key } } });
    post.bill(&service.url(), spec);
    start_one(&post).await;
    post.drained().await;
    let asked = service.asked();
    let tokens: Vec<_> = asked.iter().map(|asked| asked.header("authorization")).collect();
    assert_eq!(tokens, ["Bearer first-token", "Bearer second-token"]);
    let signatures: Vec<_> = asked.iter().map(|asked| asked.header("x-portreeve-signature")).collect();
    let expected = ["first-key", "second-key"].map(|key| signature(key, &asked[0].body));
    assert_eq!(signatures, expected);
}

#[tokio::test]
async fn basic_authentication_is_sent_to_both_kinds_of_services() {
    let home = TempDir::new().unwrap();
    let password = home.path().join("password");
    write(&password, "s3cret");
    let service = Scripted::start(|_, _| status(201)).await;
    let mut post = Post::new().await;
    let spec = json!({
        "auth": { "basic": { "username": "portreeve", "password": { "file": password } } }
    });
    post.bill(&service.url(), spec.clone());
    post.register(&service.url(), spec);
    let mut change = bills(vec![bill(TARGET, &container(1), EventName::Started, 1)]);
    change.cells =
        vec![(portreeve::store::LaneKey::discovery(TARGET, container(1)), super::discovery::up(1))];
    post.commit(change).await;
    post.drained().await;
    let given: Vec<_> =
        service.asked().iter().map(|asked| asked.header("authorization").to_owned()).collect();
    assert_eq!(given, ["Basic cG9ydHJlZXZlOnMzY3JldA=="; 2]);
}

#[tokio::test]
async fn a_secret_that_is_not_there_yet_is_waited_for_and_nothing_is_sent_without_it() {
    let home = TempDir::new().unwrap();
    let token = home.path().join("token");
    let service = Scripted::start(|_, _| status(201)).await;
    let mut post = Post::new().await;
    post.bill(&service.url(), json!({ "auth": { "bearer": { "file": token } } }));
    start_one(&post).await;
    wait::until("the missing secret is named", wait::SOON, || async {
        let left = post.bills_left().await;
        let error = left.last_error.clone().unwrap_or_default();
        wait::is(error.contains("secret") && error.contains(token.to_str().unwrap()), left)
    })
    .await;
    assert_eq!(service.asked().len(), 0);
    write(&token, "here");
    post.drained().await;
    assert_eq!(service.asked()[0].header("authorization"), "Bearer here");
}

#[tokio::test]
async fn an_unusable_secret_does_not_show_in_the_error() {
    let home = TempDir::new().unwrap();
    let token = home.path().join("token");
    write(&token, "hunter2\nhunter3");
    let service = Scripted::start(|_, _| status(201)).await;
    let mut post = Post::new().await;
    post.bill(&service.url(), json!({ "auth": { "bearer": { "file": token } } }));
    start_one(&post).await;
    let error = wait::until("the call fails", wait::SOON, || async {
        post.bills_left().await.last_error.ok_or("no error")
    })
    .await;
    assert!(!error.contains("hunter"), "{error}");
    assert_eq!(service.asked().len(), 0);
}

#[tokio::test]
async fn link_local_addresses_are_never_called() {
    for url in ["http://169.254.169.254", "http://[fe80::1]:80", "http://[::ffff:169.254.169.254]/x"] {
        let mut post = Post::new().await;
        post.bill(url, json!({}));
        start_one(&post).await;
        wait::until("it is refused", wait::SOON, || async {
            let left = post.bills_left().await;
            wait::is(left.last_error.as_deref().is_some_and(|error| error.contains("link-local")), left)
        })
        .await;
    }
}

/// Not a test: what the test below runs where there is no certificate authority.
#[tokio::test]
#[ignore = "the child of another test"]
async fn the_child_that_delivers_over_plain_http() {
    if std::env::var("SSL_CERT_FILE").as_deref() != Ok("/nonexistent") {
        return;
    }
    let service = Scripted::start(|_, _| status(201)).await;
    let mut post = Post::new().await;
    post.bill(&service.url(), json!({}));
    start_one(&post).await;
    post.drained().await;
}

#[tokio::test]
async fn plain_http_needs_no_certificate_authorities() {
    let variables = [("SSL_CERT_FILE", "/nonexistent"), ("SSL_CERT_DIR", "/nonexistent")];
    passes_with("integration::outbox::http::the_child_that_delivers_over_plain_http", &variables).await;
}
