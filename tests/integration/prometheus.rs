//! What Prometheus makes of the rules that are shipped, and of the metrics: `promtool`, from Debian's package, judges both.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::fake_engine::{Container, FakeEngine};
use crate::support::portreeve::Portreeve;
use crate::support::server::{install, program};
use crate::support::wait;

const RULES: &str = "manifests/prometheus/rules.yaml";
const TESTS: &str = "tests/prometheus/rules.yaml";

fn here(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

/// Runs promtool with `input`; what it says, if it finds nothing to say against it.
async fn promtool(arguments: &[&str], input: &str) -> Result<String, String> {
    install("prometheus").await;
    let mut command: Command = program("promtool");
    command.args(arguments).current_dir(here("")).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("promtool");
    child.stdin.take().expect("its input").write_all(input.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("promtool");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if output.status.success() { Ok(said) } else { Err(said) }
}

fn named(file: &str, key: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(here(file)).expect(file);
    let after = text.split(key).skip(1);
    after.map(|rest| rest.split([',', '\n', '}']).next().unwrap_or_default().trim().to_owned()).collect()
}

#[tokio::test]
async fn every_rule_that_is_shipped_fires_when_it_should_and_not_before() {
    promtool(&["check", "rules", RULES], "").await.unwrap_or_else(|said| panic!("{said}"));
    promtool(&["test", "rules", TESTS], "").await.unwrap_or_else(|said| panic!("{said}"));
    let (rules, tried) = (named(RULES, "- alert: "), named(TESTS, "alertname: "));
    assert!(rules.len() > 10);
    assert_eq!(rules, tried, "each has a test");
    // What fires in a test is expected there, at least once for each.
    let text = std::fs::read_to_string(here(TESTS)).expect("tests");
    for rule in &rules {
        let fires = text.split(&format!("alertname: {rule}\n")).count() > 1;
        assert!(fires, "{rule} never fires");
    }
}

#[tokio::test]
async fn metrics_are_well_formed_and_begin_at_zero_and_what_has_finished_is_no_service() {
    let engine = FakeEngine::start();
    let now = i64::try_from(jiff::Timestamp::now().as_nanosecond()).expect("nanoseconds");
    for (id, name, running) in [("a1", "web", true), ("b2", "job", false)] {
        let (created, started) = (now - 9_000_000_000, now - 8_000_000_000);
        let finished = if running { 0 } else { started + 1_000_000_000 };
        let name = name.to_owned();
        let container = Container { name, created, started, finished, running, ..Container::default() };
        engine.show(&id.repeat(32), Some(container));
    }
    // Its checks pass.
    let open = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = open.local_addr().expect("an address").port();
    let mut portreeve = Portreeve::new(env!("CARGO_BIN_EXE_portreeve")).arg("--observe");
    portreeve.manifest(
        "all.yaml",
        &format!(
            "apiVersion: portreeve/v1\nkind: DockerHost\nmetadata: {{name: local}}\nspec: {{endpoint: '{}'}}\n---\n\
             apiVersion: portreeve/v1\nkind: BillingService\nmetadata: {{name: billing}}\nspec: {{url: 'http://127.0.0.1:1', \
             selector: {{names: [nobody]}}}}\n---\n\
             apiVersion: portreeve/v1\nkind: MonitoredService\nmetadata: {{name: out}}\nspec: {{target: {{host: 127.0.0.1, port: {port}}}, \
             probes: [{{name: p, tcpSocket: {{port: {port}}}}}]}}\n",
            engine.endpoint()
        ),
    );
    portreeve.start().await;
    let metrics = async || portreeve.get("/metrics").await.expect("an answer").body;
    wait::until("both containers are known", wait::SOON, || async {
        let text = metrics().await;
        wait::is(text.contains("\nsystem_total_containers 2\n"), text)
    })
    .await;
    let text = metrics().await;
    let said = promtool(&["check", "metrics"], &text).await.err().unwrap_or_default();
    // This name is the reference documents'.
    let complaints: Vec<&str> = said
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with("container_memory_usage_mb "))
        .collect();
    assert_eq!(complaints, Vec::<&str>::new(), "{text}");
    for line in [
        "portreeve_restarts_total{engine=\"local\",action=\"restart\",outcome=\"succeeded\"} 0",
        "portreeve_restarts_total{engine=\"local\",action=\"recreate\",outcome=\"failed\"} 0",
        "portreeve_healing_notes_total{kind=\"Quarantined\",reason=\"BudgetExhausted\"} 0",
        "portreeve_healing_notes_total{kind=\"Skipped\",reason=\"DependencyDown\"} 0",
        "portreeve_deliveries_total{kind=\"BillingService\",target=\"billing\",outcome=\"parked\"} 0",
        "portreeve_probes_total{type=\"tcpSocket\",outcome=\"failed\"} 0",
        "portreeve_events_total{engine=\"local\",type=\"oom\"} 0",
        "health_check_failure_total{service=\"out\"} 0",
        "portreeve_containers{how=\"quarantined\"} 0",
        "service_health_status{service=\"web\"} 1",
    ] {
        assert!(text.lines().any(|known| known == line), "no `{line}` in:\n{text}");
    }
    assert!(!text.contains("service_health_status{service=\"job\"}"), "{text}");
}
