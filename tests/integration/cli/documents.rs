//! What `-o json` prints is valid by the schemas in `schemas/`, which are for those who read it.

use std::path::Path;
use std::time::Duration;

use bollard::models::HealthStatusEnum as Health;
use jsonschema::Validator;
use serde_json::{Value, json};

use super::streams::Going;
use super::transcript::Shell;
use super::{BINARY, serving};
use crate::support::engine::Engine;
use crate::support::lab::Lab;
use crate::support::portreeve::Portreeve;
use crate::support::wait;

fn validator(name: &str) -> Validator {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    jsonschema::draft202012::new(&serde_json::from_str(&text).expect("JSON")).expect("a schema")
}

/// The document must be what the schema says; without any of its fields it must not.
fn check(schema: &str, document: &Value) {
    let validator = validator(schema);
    let faults: Vec<_> =
        validator.iter_errors(document).map(|e| format!("{} {e}", e.instance_path())).collect();
    assert!(faults.is_empty(), "{schema}: {faults:#?}\n{document:#}");
    let emptied = if document.is_array() { json!([{}]) } else { json!({}) };
    assert!(!validator.is_valid(&emptied), "{schema} takes anything");
}

/// What `command` prints, whatever its exit code: a document, or one a line.
fn printed(shell: &Shell, command: &str) -> Vec<Value> {
    // Unmasked: ages and times are part of what is checked.
    let text = shell.run_raw(command);
    let documents: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(&text).into_iter().collect();
    let documents = documents.unwrap_or_else(|e| panic!("{command}: {e}:\n{text}"));
    assert!(!documents.is_empty(), "{command} printed nothing");
    documents
}

#[tokio::test(flavor = "multi_thread")]
async fn every_json_output_is_valid_by_its_schema() {
    let engine = Engine::shared().await;
    let lab = Lab::new(&engine).await;
    let web = lab.container("web").publish(8080).switched_health(Duration::from_millis(200), 2).start().await;
    web.wait_health(Health::HEALTHY).await;
    let portreeve = Portreeve::new(BINARY).docker_host(engine.endpoint()).healing_only(&lab);
    let portreeve = serving(portreeve).await;
    portreeve.wait_ready().await;
    let shell = Shell::of(&portreeve);
    let billing = format!(
        "apiVersion: portreeve/v1\nkind: BillingService\nmetadata: {{name: billing}}\nspec: {{url: http://127.0.0.1:1, selector: {{names: [{}]}}}}\n",
        web.name(),
    );
    shell.file("billing.yaml", &billing);
    shell.file("other.yaml", &billing.replace("127.0.0.1:1", "127.0.0.1:2"));
    let probe = "apiVersion: portreeve/v1\nkind: Probe\nmetadata: {name: own}\nspec: {dockerHealth: {}}\n";
    shell.file("probe.yaml", probe);
    shell.file(
        "bad.yaml",
        "apiVersion: portreeve/v1\nkind: Settings\nmetadata: {name: portreeve}\nspec: {resinc: 5m}\n",
    );
    assert_eq!(shell.run("portreeve apply -f billing.yaml"), "BillingService/billing created\n");
    wait::until("a bill is waiting", wait::SOON, || async {
        let said = shell.run("portreeve get deliveries -o name");
        wait::is(said.starts_with("Delivery/"), (said, portreeve.log()))
    })
    .await;

    let name = web.name();
    for (command, schema) in [
        (format!("get container {name} -o json"), "output/container"),
        ("get containers -o json".to_owned(), "output/list"),
        ("get events -o json".to_owned(), "output/list"),
        (format!("events --for {name} -o json"), "output/event"),
        ("get deliveries -o json".to_owned(), "output/list"),
        ("get all -o json".to_owned(), "output/list"),
        ("get bill -o json".to_owned(), "output/list"),
        ("get bill billing -o json".to_owned(), "billingservice"),
        ("get settings portreeve -o json".to_owned(), "settings"),
        ("diff -f billing.yaml -o json".to_owned(), "output/diff"),
        ("diff -f other.yaml -o json".to_owned(), "output/diff"),
        ("status -o json".to_owned(), "output/status"),
        (format!("top c {name} -o json"), "output/top-containers"),
        ("top svc -o json".to_owned(), "output/top-services"),
        ("validate -f billing.yaml -o json".to_owned(), "output/validate"),
        ("validate -f bad.yaml -o json".to_owned(), "output/validate"),
        ("version -o json".to_owned(), "output/version"),
        (format!("test probe -f probe.yaml --container {name} -o json"), "output/test-probe"),
    ] {
        for document in printed(&shell, &format!("portreeve {command}")) {
            check(schema, &document);
        }
    }
    // What lists hold.
    for (noun, schema) in [
        ("containers", "output/container"),
        ("events", "output/event"),
        ("deliveries", "output/delivery"),
        ("heal", "autohealpolicy"),
        ("host", "dockerhost"),
    ] {
        let list = printed(&shell, &format!("portreeve get {noun} -o json"));
        let items = list[0]["items"].as_array().expect("items");
        assert!(!items.is_empty(), "{noun}");
        items.iter().for_each(|item| check(schema, item));
    }
    let watch = Going::new(shell.spawn(&format!("portreeve get container {name} -w -o json")));
    let change: Value = serde_json::from_str(&watch.line("ADDED")).expect("JSON");
    check("output/change", &change);
    check("output/container", &change["object"]);
    let measured = printed(&shell, &format!("portreeve top c {name} -o json"));
    let figures = &measured[0]["containers"][0];
    assert!(figures["memory_bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{figures:#}");
    assert!(figures["cpu_percent"].is_number(), "{figures:#}");
}
