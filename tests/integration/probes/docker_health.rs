//! `dockerHealth`: what the engine has told of a container.

use portreeve::observed::{Container, Health};
use portreeve::probe::{Failure, Outcome, Subject, check};
use serde_json::json;

use super::{fault, passed, spec, step, unhealthy};

async fn look(health: Option<&str>, output: Option<&str>) -> Outcome {
    let container: Container = serde_json::from_value(json!({
        "key": {"engine": "local", "id": "c1"}, "name": "web", "image": "nginx", "state": "running", "created": 1,
        "health": health, "health_output": output,
    }))
    .unwrap();
    // That a check is waited for is shown as what else is too early.
    let shown = health.map(|word| if word == "awaited" { "starting" } else { word });
    assert_eq!(container.health.map(Health::as_str), shown);
    check(&spec(json!({"dockerHealth": {}})), &Subject { container: Some(&container), ..Subject::default() })
        .await
}

#[tokio::test]
async fn dockers_word_is_the_probes_word() {
    for (health, text) in [(Some("healthy"), "healthy"), (None, "the container has no health check; it runs")]
    {
        let outcome = look(health, None).await;
        assert_eq!((passed(&outcome), step(&outcome, "look")), (vec!["look"], text));
    }
    let outcome = look(Some("unhealthy"), Some("curl: (7)\n  Failed to connect\n")).await;
    assert_eq!(unhealthy(&outcome), "Docker's health check says unhealthy: curl: (7) Failed to connect");
    assert_eq!(unhealthy(&look(Some("unhealthy"), None).await), "Docker's health check says unhealthy");
    let early = Failure::NotYet("Docker's health check has not spoken yet".to_owned());
    assert_eq!(look(Some("starting"), None).await.result, Err(early));
    let awaited = Failure::NotYet("Docker's next health check is waited for".to_owned());
    assert_eq!(look(Some("awaited"), None).await.result, Err(awaited));
    let silent = look(Some("silent"), None).await;
    assert!(fault(&silent).starts_with("Docker's health check is silent"), "{silent:?}");
    let nobody = check(&spec(json!({"dockerHealth": {}})), &Subject::default()).await;
    assert_eq!(fault(&nobody), "there is no container");
}
