//! The OpenAPI document and its page.

use portreeve::api::Access;
use portreeve::config::tokens::{self, Role};
use secrecy::ExposeSecret;

use super::{LOOPBACK, Server, registry, temporary};

async fn document(server: &Server) -> serde_json::Value {
    let answer = server.send("GET", "/openapi.json", &[], Vec::new()).await;
    assert_eq!(answer.code, 200);
    answer.body
}

#[tokio::test]
async fn every_route_of_the_document_answers_as_it_says() {
    let directory = temporary();
    let server = Server::new(directory.path()).await;
    let document = document(&server).await;
    assert_eq!(document["openapi"], "3.1.0");
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (verb, operation) in item.as_object().expect("operations") {
            let asked = path.replace("{name}", "main");
            let answer = server.send(&verb.to_uppercase(), &asked, &[], Vec::new()).await;
            assert_ne!(answer.code, 405, "{verb} {path}");
            let message = answer.body["message"].as_str().unwrap_or_default();
            assert!(!message.contains("no such route"), "{verb} {path}");
            let succeeds = ["200", "201"].iter().any(|code| operation["responses"][code].is_object());
            assert!(succeeds, "{verb} {path}");
        }
    }
}

#[tokio::test]
async fn every_route_but_the_probes_asks_for_a_token_and_every_change_for_an_editors() {
    let directory = temporary();
    let path = tokens::path(directory.path());
    let access = Access::default().with_tokens(path.clone());
    let mut server = Server::with(directory.path(), access, Vec::new()).await;
    let document = document(&server).await;
    server.peer = LOOPBACK;
    let (_, view) = tokens::create(&path, Role::View, None).expect("a token");
    let bearer = format!("Bearer {}", view.expose_secret());
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (verb, operation) in item.as_object().expect("operations") {
            let asked = path.replace("{name}", "main");
            let ask = async |headers: &[(&str, &str)]| {
                let answer = server.send(&verb.to_uppercase(), &asked, headers, b"{}".to_vec()).await;
                let code = answer.code.as_u16();
                assert!(operation["responses"][code.to_string()].is_object(), "{verb} {path}: {code}");
                code
            };
            let (stranger, viewer) = (ask(&[]).await, ask(&[("authorization", &bearer)]).await);
            let open = path == "/livez" || path == "/readyz";
            assert_eq!(stranger == 401, !open, "{verb} {path}: {stranger}");
            assert_eq!(viewer == 403, verb != "get", "{verb} {path}: {viewer}");
        }
    }
}

#[tokio::test]
async fn answers_are_valid_by_their_schemas() {
    let directory = temporary();
    let server = Server::new(directory.path()).await;
    server.put("reg/main", &registry("main", "http://a")).await;
    let document = document(&server).await;
    for (path, item) in document["paths"].as_object().expect("paths") {
        let schema = &item["get"]["responses"]["200"]["content"]["application/json"]["schema"];
        if schema.is_null() || path.contains("{name}") && !path.contains("discoveryregistries") {
            continue;
        }
        let answer = server.send("GET", &path.replace("{name}", "main"), &[], Vec::new()).await;
        assert_eq!(answer.code, 200, "{path}");
        let whole = serde_json::json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "allOf": [schema], "components": document["components"],
        });
        let validator = jsonschema::validator_for(&whole).expect("a schema");
        let faults: Vec<_> = validator
            .iter_errors(&answer.body)
            .map(|error| format!("{} {error}", error.instance_path()))
            .collect();
        assert!(faults.is_empty(), "{path}: {faults:?}\n{}", answer.body);
    }
}

#[tokio::test]
async fn the_page_is_shown_without_scripts() {
    let directory = temporary();
    let server = Server::new(directory.path()).await;
    let answer = server.send("GET", "/docs", &[], Vec::new()).await;
    assert_eq!(answer.code, 200);
    assert_eq!(answer.headers["content-type"], "text/html; charset=utf-8");
    assert!(
        answer.headers["content-security-policy"].to_str().expect("text").starts_with("default-src 'none'")
    );
    let page = answer.body.as_str().expect("text");
    assert!(page.contains("/apis/portreeve/v1/settings/{name}") && !page.contains("<script"));
}
