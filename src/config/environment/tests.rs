use super::*;
use crate::resource::Spec;

fn read(pairs: &[(&str, &str)]) -> Result<Environment, Vec<VariableError>> {
    let variables = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Environment::read(&variables.collect())
}

/// The objects as JSON, `Kind/name spec`, with only the fields that differ from a plain spec's worth looking at.
fn spec(pairs: &[(&str, &str)]) -> serde_json::Value {
    let environment = read(pairs).expect("usable variables");
    let [object] = &environment.objects[..] else { panic!("not one object: {environment:?}") };
    assert_eq!(object.origin().to_string(), "environment");
    assert_eq!(object.validate().violations, [], "{pairs:?}");
    serde_json::json!({"key": object.key().to_string(), "spec": object.spec})
}

#[test]
fn a_variable_that_is_not_set_makes_no_object() {
    assert_eq!(read(&[]), Ok(Environment::default()));
    assert_eq!(read(&[("DISCOVERY_SERVICE_URL", " "), ("PATH", "/bin")]), Ok(Environment::default()));
}

#[test]
fn service_urls_make_services_for_managed_containers_or_for_all() {
    let discovery = spec(&[("DISCOVERY_SERVICE_URL", "http://localhost:7000")]);
    assert_eq!(discovery["key"], "DiscoveryRegistry/discovery");
    assert_eq!(discovery["spec"]["url"], "http://localhost:7000");
    assert_eq!(discovery["spec"]["selector"], serde_json::json!({"labels": {"managed-by": "*"}}));
    let billing = spec(&[("BILLING_SERVICE_URL", "http://localhost:8001"), ("PORTREEVE_SELECT", "all")]);
    assert_eq!(billing["key"], "BillingService/billing");
    assert_eq!(billing["spec"]["path"], "/events");
    assert_eq!(billing["spec"]["selector"], serde_json::json!({"all": true}));
}

#[test]
fn the_settings_variables_give_their_fields_and_no_others() {
    let environment = read(&[
        ("HEALTH_INTERVAL_SECONDS", "120"),
        ("HEALTH_RETENTION_DAYS", "1"),
        ("METRICS_RETENTION_DAYS", "2"),
        ("SYSTEM_CHECK_INTERVAL", "3"),
        ("SERVICE_CHECK_INTERVAL", "4"),
        ("ENABLE_ALERTING", "False"),
        ("CRITICAL_CPU_THRESHOLD", "5"),
        ("CRITICAL_MEMORY_THRESHOLD", "6"),
    ]);
    let object = environment.expect("usable variables").objects.remove(0);
    assert_eq!(object.given.len(), 8);
    let Spec::Settings(spec) = object.spec else { panic!("not Settings") };
    let text = serde_json::to_value(&spec).expect("JSON");
    let field = |name: &str| text[name].to_string();
    assert_eq!(field("resync"), "\"2m\"");
    assert_eq!([field("healthRetentionDays"), field("metricsRetentionDays")], ["1", "2"]);
    assert_eq!([field("systemCheckInterval"), field("serviceCheckInterval")], ["\"3s\"", "\"4s\""]);
    assert_eq!([field("alerting"), field("criticalCpu"), field("criticalMemory")], ["false", "5", "6"]);
}

#[test]
fn the_engine_is_found_by_dockers_and_docker_autoheals_variables() {
    for (pairs, endpoint) in [
        (&[("DOCKER_HOST", "tcp://h:2375"), ("DOCKER_SOCK", "/x")][..], "tcp://h:2375"),
        (&[("DOCKER_SOCK", "/run/docker.sock")], "unix:///run/docker.sock"),
        (&[("DOCKER_SOCK", "tcp://h:2375")], "tcp://h:2375"),
        (&[("DOCKER_API_VERSION", "1.41")], "unix:///var/run/docker.sock"),
    ] {
        let host = spec(pairs);
        assert_eq!(host["key"], "DockerHost/local");
        assert_eq!(host["spec"]["endpoint"], endpoint);
    }
    let tls =
        spec(&[("DOCKER_HOST", "tcp://h:2376"), ("DOCKER_TLS_VERIFY", "1"), ("DOCKER_CERT_PATH", "/certs/")]);
    assert_eq!(tls["spec"]["tls"]["ca"], "/certs/ca.pem");
}

#[test]
fn docker_autoheals_variables_make_the_default_policy() {
    let policy = spec(&[
        ("AUTOHEAL_CONTAINER_LABEL", "all"),
        ("AUTOHEAL_START_PERIOD", "30"),
        ("AUTOHEAL_DEFAULT_STOP_TIMEOUT", "15"),
    ]);
    assert_eq!(policy["key"], "AutohealPolicy/default");
    assert_eq!(policy["spec"]["selector"], serde_json::json!({"all": true}));
    assert_eq!(policy["spec"]["startGrace"], "30s");
    assert_eq!(policy["spec"]["stopTimeout"], "15s");
    let named = spec(&[("AUTOHEAL_CONTAINER_LABEL", "heal-me")]);
    assert_eq!(named["spec"]["selector"], serde_json::json!({"labels": {"heal-me": "true"}}));
}

#[test]
fn variables_without_an_effect_are_noted_and_make_nothing() {
    let environment = read(&[
        ("AUTOHEAL_INTERVAL", "5"),
        ("AUTOHEAL_ONLY_MONITOR_RUNNING", "false"),
        ("CURL_TIMEOUT", "30"),
        ("WEBHOOK_URL", "https://hooks.example/secret"),
    ])
    .expect("usable variables");
    assert!(environment.objects.is_empty());
    assert_eq!(environment.notes.len(), 4);
    assert_eq!(environment.notes[3], "WEBHOOK_URL is not used by this version");
}

#[test]
fn every_bad_value_is_named_and_no_secret_is_repeated() {
    let errors = read(&[
        ("HEALTH_INTERVAL_SECONDS", "0"),
        ("HEALTH_SERVICE_PORT", "http"),
        ("ENABLE_ALERTING", "perhaps"),
        ("DISCOVERY_SERVICE_URL", "http://user:hunter2@host"),
        ("BILLING_SERVICE_URL", "localhost:8001"),
        ("DOCKER_HOST", "http://user:hunter2@host"),
        ("DOCKER_API_VERSION", "1.24"),
        ("AUTOHEAL_START_PERIOD", "-1"),
        ("PORTREEVE_SELECT", "some"),
    ])
    .expect_err("bad values");
    let mut names: Vec<_> = errors.iter().map(|error| error.name).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "AUTOHEAL_START_PERIOD",
            "BILLING_SERVICE_URL",
            "DISCOVERY_SERVICE_URL",
            "DOCKER_API_VERSION",
            "DOCKER_HOST",
            "ENABLE_ALERTING",
            "HEALTH_INTERVAL_SECONDS",
            "HEALTH_SERVICE_PORT",
            "PORTREEVE_SELECT",
        ]
    );
    let text = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(!text.contains("hunter2"), "{text}");
    assert!(text.contains("HEALTH_INTERVAL_SECONDS must be a whole number from 1 to 86400"), "{text}");
}
