//! Probes against what they ask: real servers, and the worst that can sit at a port in their place.

mod amqp;
mod certificates;
mod dns;
mod docker_health;
mod dual_stack;
mod exec;
mod grpc;
mod http_get;
mod icmp;
mod kafka;
mod listeners;
mod mqtt;
mod mysql;
mod nats;
mod network;
mod postgres;
mod redis;
mod strangers;
mod tcp_socket;
mod tls;
mod udp;
mod verdicts;

use portreeve::guard::Guard;
use portreeve::probe::{CheckOutcome, Failure, Meaning, Place, Subject, check, verdict};
use portreeve::resource::probe::ProbeSpec;
use serde_json::Value;

/// A probe as a manifest declares it, with ten seconds unless it says otherwise: nothing but a hang takes longer.
pub fn spec(mut probe: Value) -> ProbeSpec {
    let fields = probe.as_object_mut().expect("a mapping");
    fields.entry("timeoutSeconds").or_insert(10.into());
    serde_json::from_value(probe).expect("a probe")
}

/// One check at `port` of this host.
pub async fn ask(probe: Value, port: u16) -> CheckOutcome {
    ask_at("127.0.0.1", port, probe).await
}

/// One check at `host`.
pub async fn ask_at(host: &str, port: u16, probe: Value) -> CheckOutcome {
    // As the program does at its start.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let place = Place::declared(host, port);
    check(&spec(probe), &Subject { place: Some(&place), ..Subject::within(Guard::default()) }).await
}

/// The names of the steps of a check that must have ended well.
pub fn passed(outcome: &CheckOutcome) -> Vec<&'static str> {
    assert_eq!(outcome.result, Ok(()), "{:?}", outcome.steps);
    outcome.steps.iter().map(|step| step.name).collect()
}

/// What came of the step called `name`.
pub fn step<'a>(outcome: &'a CheckOutcome, name: &str) -> &'a str {
    let found = outcome.steps.iter().find(|step| step.name == name);
    &found.unwrap_or_else(|| panic!("no step {name}: {outcome:?}")).what
}

/// The path of the function that this stands in, below `integration`.
macro_rules! this_test {
    () => {{
        let here = || {};
        $crate::integration::probes::test_of(std::any::type_name_of_val(&here))
    }};
}

/// Sees that the row of the table that covers what a check saw names the test that this stands in: so that whoever reads
/// the table finds the tests that show it.
macro_rules! shown {
    ($outcome:expr) => {
        $crate::integration::probes::shown_by(&$outcome, &$crate::integration::probes::this_test!())
    };
}
pub(crate) use {shown, this_test};

/// `all::integration::probes::redis::a_test::{{closure}}::{{closure}}`, without its ends.
pub fn test_of(closure: &str) -> String {
    let path = closure.split("::{{").next().unwrap_or_default();
    path.split_once("integration::").map_or(path, |(_, path)| path).to_owned()
}

pub fn shown_by(outcome: &CheckOutcome, test: &str) {
    let failure = failure(outcome);
    let row = verdict::row(&failure.cause);
    assert!(
        row.shown_by.contains(&test),
        "the row of {:?} does not name {test}: {:?}",
        failure.cause,
        row.shown_by
    );
}

/// Why a check did not pass.
pub fn failure(outcome: &CheckOutcome) -> &Failure {
    outcome.result.as_ref().expect_err("it passed")
}

/// The reason of a check that means this.
fn reason(outcome: &CheckOutcome, means: impl Fn(Meaning) -> bool) -> &str {
    let failure = failure(outcome);
    assert!(means(failure.means()), "it is {:?}: {failure:?}, {:?}", failure.means(), outcome.steps);
    &failure.reason
}

/// Why the target is unhealthy.
pub fn unhealthy(outcome: &CheckOutcome) -> &str {
    reason(outcome, |meaning| matches!(meaning, Meaning::Unhealthy | Meaning::Unanswered))
}

/// Why we were refused by a server that answers.
pub fn denied(outcome: &CheckOutcome) -> &str {
    reason(outcome, |meaning| meaning == Meaning::Denied)
}

/// Why it was too early.
pub fn not_yet(outcome: &CheckOutcome) -> &str {
    reason(outcome, |meaning| meaning == Meaning::NotYet)
}

/// Why the probe could not be carried out.
pub fn fault(outcome: &CheckOutcome) -> &str {
    reason(outcome, |meaning| meaning == Meaning::Fault)
}

/// What the other side said.
pub fn output(outcome: &CheckOutcome) -> &str {
    failure(outcome).output.as_deref().unwrap_or_default()
}

/// A secret in a file, as a manifest refers to it; the file is there as long as the directory.
pub fn secret(home: &tempfile::TempDir, text: &str) -> Value {
    let file = home.path().join(text);
    std::fs::write(&file, format!("{text}\n")).expect("a file");
    serde_json::json!({ "file": file })
}
