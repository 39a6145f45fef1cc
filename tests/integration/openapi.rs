//! The OpenAPI document, checked by a validator that is not ours; and every route in it tried with random input, on a
//! Portreeve with something of everything in it and nobody to reach.

mod checkers;
mod scene;

use serde_json::{Value, json};

use self::checkers::Checkers;
use self::scene::Scene;
use crate::support::alone::alone;

/// The same input every time, unless `PORTREEVE_SEED` says otherwise.
const SEED: u64 = 1;
/// Kinds with so many boundaries that trying them all takes minutes: left to the soak.
const MANY: &str = "/(alertrules|monitoredservices|notificationsinks|probes)";

fn seed() -> u64 {
    std::env::var("PORTREEVE_SEED").map_or(SEED, |text| text.parse().expect("PORTREEVE_SEED is a number"))
}

/// The whole name of the test `test` of this module.
fn name(test: &str) -> String {
    let module = module_path!();
    format!("{}::{test}", module.split_once("::").map_or(module, |(_, rest)| rest))
}

#[tokio::test]
async fn the_document_is_valid_to_an_independent_validator_and_a_broken_one_is_not() {
    let checkers = Checkers::ready();
    let portreeve = scene::bare().await;
    let mut document = portreeve.get("/openapi.json").await.expect("an answer").json();
    checkers.validate(&document).expect("a valid document");
    document["paths"]["/livez"]["get"]["responses"] = Value::Null;
    checkers.validate(&document).expect_err("responses are missing");
}

#[test]
fn random_input_is_answered_on_every_route_as_the_document_says() {
    let checkers = Checkers::ready();
    alone(&name("random_input_is_answered_on_every_route_as_the_document_says"), async || {
        let scene = Scene::new(false).await;
        let document = scene.document().await;
        let report =
            checkers.passes(&scene, &document, &["--phases=fuzzing", "--max-examples=8"], seed()).await;
        report.covers(&document);
        report.hits_what_is_there(&document);
        scene.is_well().await;
    });
}

#[test]
fn every_boundary_is_answered_as_the_document_says() {
    let checkers = Checkers::ready();
    alone(&name("every_boundary_is_answered_as_the_document_says"), async || {
        let scene = Scene::new(false).await;
        let document = scene.document().await;
        let options = ["--phases=coverage", "--exclude-path-regex", MANY];
        checkers.passes(&scene, &document, &options, seed()).await;
        scene.is_well().await;
    });
}

#[test]
fn with_a_viewers_token_random_input_changes_nothing() {
    let checkers = Checkers::ready();
    alone(&name("with_a_viewers_token_random_input_changes_nothing"), async || {
        let scene = Scene::new(true).await;
        let (before, document) = (scene.objects().await, scene.document().await);
        let report =
            checkers.passes(&scene, &document, &["--phases=fuzzing", "--max-examples=4"], seed()).await;
        report.covers(&document);
        report.only_read(&document);
        assert_eq!(scene.objects().await, before);
        scene.is_well().await;
    });
}

#[test]
fn an_answer_that_is_not_in_the_document_is_noticed() {
    let checkers = Checkers::ready();
    alone(&name("an_answer_that_is_not_in_the_document_is_noticed"), async || {
        let scene = Scene::new(false).await;
        let document = scene.document().await;
        // Another type, another shape, another code.
        for (path, part, another) in [
            ("/livez", "/get/responses/200/content", json!({"text/html": {}})),
            ("/api/config", "/get/responses/200/content/application~1json/schema", json!({"type": "array"})),
            (
                "/api/events",
                "/get/responses",
                json!({"200": document["paths"]["/api/events"]["get"]["responses"]["200"]}),
            ),
        ] {
            let mut changed = document.clone();
            *changed["paths"][path].pointer_mut(part).expect(part) = another;
            let options = ["--phases=fuzzing", "--max-examples=8", "--include-path", path];
            let tried = checkers.try_routes(&scene, &changed, &options, seed()).await;
            assert!(tried.is_err(), "{path}");
        }
    });
}

#[test]
#[ignore = "takes many minutes: make soak"]
fn soak_every_boundary_of_every_route() {
    let checkers = Checkers::ready();
    alone(&name("soak_every_boundary_of_every_route"), async || {
        let scene = Scene::new(false).await;
        let document = scene.document().await;
        for options in [&["--phases=coverage"][..], &["--phases=fuzzing", "--max-examples=200"]] {
            checkers.passes(&scene, &document, options, seed()).await.covers(&document);
        }
        scene.is_well().await;
    });
}
