//! `POST /apis/portreeve/v1/test/probe`: one attempt, shown step by step.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Json;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::audit::{self, Deed};
use super::caller::Caller;
use super::status::Failure;
use super::{Api, objects, release};
use crate::catalogue::Refused;
use crate::controller::{Trial, Tried};
use crate::manifest::draft;
use crate::probe::Meaning;
use crate::resource::event::EventKind;
use crate::resource::event::subject::EventSubject;
use crate::resource::monitored_service::Target;
use crate::resource::{API_VERSION, KindId, ObjectKey, Origin, Spec, schema};

/// Seconds that an attempt may take: somebody waits for it.
const LONGEST: u32 = 20;

/// What is asked for.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(transform = schema::exactly_one(&["container", "target"]))]
pub(super) struct ProbeTest {
    /// The spec of a Probe, with or without its defaults. It is tried once, for 20 seconds at most, whatever its `attempts` and
    /// `timeoutSeconds` say.
    probe: serde_json::Map<String, serde_json::Value>,
    /// The container to ask, by name or id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    container: Option<String>,
    /// What to ask outside Docker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target: Option<Target>,
}

/// What an attempt did and how it ended.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProbeTested {
    /// The container that was probed.
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<String>,
    /// Where it was probed.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// Why this address was probed.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    steps: Vec<TrialStep>,
    /// `passed`, `failed`, `denied` (it answers and refuses the probe), `notYet` (it is not ready yet) or
    /// `fault` (the check could not be made). `portreeve explain verdicts` explains each answer.
    verdict: &'static str,
    /// What was expected and what was received.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// What the target answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
    took_ms: f64,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ProbeStep")]
struct TrialStep {
    name: &'static str,
    what: String,
    took_ms: f64,
}

const fn word(meaning: Meaning) -> &'static str {
    match meaning {
        Meaning::Unhealthy | Meaning::Unanswered => "failed",
        Meaning::Denied => "denied",
        Meaning::NotYet => "notYet",
        Meaning::Fault => "fault",
    }
}

pub(super) async fn probe(
    State(api): State<Api>,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<ProbeTested>, Failure> {
    let asked = objects::document(&headers, &body, &[])?;
    let ProbeTest { probe, container, target } = serde_json::from_value(asked).map_err(|error| {
        let message = format!("the body is not a test of a probe: {error}");
        Failure::new(StatusCode::UNPROCESSABLE_ENTITY, message)
    })?;
    let document = json!({
        "apiVersion": API_VERSION, "kind": "Probe", "metadata": {"name": "test"}, "spec": probe,
    });
    let key = ObjectKey { kind: KindId::Probe, name: "test".to_owned() };
    let draft = draft(document, Origin::Api)
        .and_then(|draft| draft.restricted(api.view.guard().secrets()))
        .map_err(|faulty| Failure::refused(&key, &Refused::Invalid(faulty.faults), ""))?;
    let Spec::Probe(mut spec) = draft.object.spec else {
        return Err(Failure::bad_request("the body is not a test of a probe"));
    };
    spec.attempts = 1;
    spec.timeout_seconds = spec.timeout_seconds.min(LONGEST);
    let whom = match (container, target) {
        (Some(name), None) => Tried::Container(release::find(&api, &name)?),
        (None, Some(target)) => Tried::Outside(target),
        _ => {
            let message = "give one of container and target";
            return Err(Failure::new(StatusCode::UNPROCESSABLE_ENTITY, message));
        }
    };
    // A probe can run a command, or reach what only this machine can.
    let how = spec.handler().map_or("", |handler| handler.field());
    let (at, subject) = match &whom {
        Tried::Container(container) => {
            let subject = EventSubject::Container {
                engine: container.key.engine.to_string(),
                id: container.key.id.to_string(),
                name: container.name.clone(),
                image: container.image.to_string(),
                host: String::new(),
                ports: Default::default(),
            };
            (container.name.clone(), subject)
        }
        Tried::Outside(target) => (target.host.clone(), EventSubject::Portreeve),
    };
    let what = format!("a probe was tried: {how} at {at}");
    audit::record(&api, &caller, Deed { kind: EventKind::ProbeTried, status: "tried", what, subject }).await;
    let Trial { place, outcome } = api.requests.try_probe(&spec, &whom).await;
    let millis = |took: std::time::Duration| (took.as_secs_f64() * 1e6).round() / 1e3;
    let verdict = outcome.result.as_ref().map_or_else(|failure| word(failure.means()), |()| "passed");
    let (reason, output) = match outcome.result {
        Ok(()) => (None, None),
        Err(failure) => (Some(failure.reason), failure.output),
    };
    let steps = outcome.steps.into_iter();
    Ok(Json(ProbeTested {
        container: match whom {
            Tried::Container(container) => Some(container.name.clone()),
            Tried::Outside(_) => None,
        },
        address: place.as_ref().map(ToString::to_string),
        why: place.map(|place| place.why),
        steps: steps
            .map(|step| TrialStep { name: step.name, what: step.what, took_ms: millis(step.took) })
            .collect(),
        verdict,
        reason,
        output,
        took_ms: millis(outcome.took),
    }))
}
