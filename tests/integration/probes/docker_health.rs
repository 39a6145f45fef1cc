//! `dockerHealth`: what the engine has told of a container.

use portreeve::guard::Guard;
use portreeve::observed::{Container, Health};
use portreeve::probe::{CheckOutcome, Subject, check};
use serde_json::json;

use super::{fault, not_yet, output, passed, shown, spec, step, unhealthy};

async fn look(health: Option<&str>, output: Option<&str>) -> CheckOutcome {
    let container: Container = serde_json::from_value(json!({
        "key": {"engine": "local", "id": "c1"}, "name": "web", "image": "nginx", "state": "running", "created": 1,
        "health": health, "health_output": output,
    }))
    .unwrap();
    // That a check is waited for is shown as what else is too early.
    let shown = health.map(|word| if word == "awaited" { "starting" } else { word });
    assert_eq!(container.health.map(Health::as_str), shown);
    check(
        &spec(json!({"dockerHealth": {}})),
        &Subject { container: Some(&container), ..Subject::within(Guard::default()) },
    )
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
    assert_eq!(unhealthy(&outcome), "Docker's health check says unhealthy");
    shown!(outcome);
    assert_eq!(output(&outcome), "curl: (7) Failed to connect");
    assert_eq!(unhealthy(&look(Some("unhealthy"), None).await), "Docker's health check says unhealthy");
    let starting = look(Some("starting"), None).await;
    shown!(starting);
    assert_eq!(not_yet(&starting), "Docker's health check has no result yet");
    let awaited = look(Some("awaited"), None).await;
    shown!(awaited);
    assert_eq!(not_yet(&awaited), "waiting for Docker's next health check");
    let silent = look(Some("silent"), None).await;
    shown!(silent);
    assert!(fault(&silent).starts_with("Docker's health check is silent"), "{silent:?}");
    let nobody = check(&spec(json!({"dockerHealth": {}})), &Subject::within(Guard::default())).await;
    assert_eq!(fault(&nobody), "there is no container");
}
