//! Which lifecycle events each Billing Service is sent, with their exact bytes.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::lifecycle::{EventName, Ledger, Transition, event_id};
use crate::observed::Nanos;
use crate::resource::Subject;
use crate::resource::billing_service::{BillingEvent, BillingServiceSpec};

/// What one Billing Service has been told of a container.
///
/// Whoever got `started` gets `stopped` and `removed`, whatever a selector says later.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Follower {
    /// Keys of open runs whose `started` it was sent.
    pub open: BTreeSet<String>,
    /// Whether it was sent anything, so that it gets `removed`.
    pub told: bool,
    /// The events it last asked for.
    #[serde(default)]
    pub events: Vec<BillingEvent>,
    /// The host it last asked to be named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

/// One event to send to one service: the bytes are frozen here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bill {
    /// Name of the BillingService.
    pub target: String,
    /// The `Idempotency-Key`.
    pub id: Uuid,
    /// What happened.
    pub event: EventName,
    /// The body, as sent on every try.
    pub body: Vec<u8>,
}

/// What a bill is made from.
#[derive(Clone, Copy, Debug)]
pub struct Account<'a> {
    /// What selectors look at.
    pub subject: Subject<'a>,
    /// Full container id.
    pub container: &'a str,
    /// The engine's name for its host.
    pub host: &'a str,
    /// The container's runs, with the transitions already entered.
    pub ledger: &'a Ledger,
}

/// Document R1's body, in its field order.
#[derive(Serialize)]
struct Body<'a> {
    event: &'a str,
    container_id: &'a str,
    image: &'a str,
    timestamp: String,
    host: &'a str,
}

/// What a service asked for, as declared now or, while it is not declared, as it last was.
struct Terms<'a> {
    target: &'a str,
    selected: bool,
    events: &'a [BillingEvent],
    host: Option<&'a str>,
}

/// The events that `transitions` cause, and the `started` of open runs that a service selects but was not told of
/// (a service declared, or a selector widened, while they run).
///
/// What happens while a service is not declared is billed on its last terms, and held until it comes back.
pub fn bills(
    account: &Account<'_>,
    services: &BTreeMap<String, BillingServiceSpec>,
    followers: &mut BTreeMap<String, Follower>,
    transitions: &[Transition],
) -> Vec<Bill> {
    let mut all = Vec::new();
    for (target, spec) in services {
        let selected = spec.selector.matches(&account.subject);
        if !selected && !followers.get(target).is_some_and(|follower| follower.told) {
            continue;
        }
        let follower = followers.entry(target.clone()).or_default();
        follower.events.clone_from(&spec.events);
        follower.host.clone_from(&spec.host);
        let terms = Terms { target, selected, events: &spec.events, host: spec.host.as_deref() };
        all.extend(bills_of(account, &terms, &mut follower.open, &mut follower.told, transitions));
    }
    for (target, follower) in followers.iter_mut().filter(|(target, _)| !services.contains_key(*target)) {
        let Follower { open, told, events, host } = follower;
        if *told {
            let terms = Terms { target, selected: false, events, host: host.as_deref() };
            all.extend(bills_of(account, &terms, open, told, transitions));
        }
    }
    all
}

fn bills_of(
    account: &Account<'_>,
    terms: &Terms<'_>,
    open: &mut BTreeSet<String>,
    told: &mut bool,
    transitions: &[Transition],
) -> Vec<Bill> {
    let mut bills = Vec::new();
    let mut send = |run: Option<&str>, event: EventName, at: Nanos| {
        if terms.events.iter().any(|wanted| name(*wanted) == event) {
            bills.push(bill(account, terms, run, event, at));
        }
    };
    for transition in transitions {
        let (event, run, at) = transition.parts();
        match transition {
            Transition::Created { .. } => {
                if terms.selected {
                    send(None, event, at);
                }
            }
            Transition::Started { run: key, .. } => {
                if terms.selected {
                    open.insert(key.clone());
                    *told = true;
                    send(run, event, at);
                }
            }
            Transition::Stopped { run: key, .. } => {
                // A run whose beginning nobody saw has an end all the same.
                if open.remove(key) || (terms.selected && key.starts_with("d:")) {
                    *told = true;
                    send(run, event, at);
                }
            }
            Transition::Removed { .. } => send(None, event, at),
        }
    }
    if terms.selected && account.ledger.removed.is_none() {
        for run in account.ledger.runs.iter().filter(|run| run.ended.is_none()) {
            if open.insert(run.key.clone()) {
                *told = true;
                send(Some(&run.key), EventName::Started, run.started);
            }
        }
    }
    bills
}

fn bill(account: &Account<'_>, terms: &Terms<'_>, run: Option<&str>, event: EventName, at: Nanos) -> Bill {
    let body = Body {
        event: event.as_str(),
        container_id: account.container,
        image: account.subject.image,
        timestamp: at.rfc3339_millis_offset(),
        host: terms.host.unwrap_or(account.host),
    };
    Bill {
        target: terms.target.to_owned(),
        id: event_id(account.container, run, event),
        event,
        // A struct of strings always serialises.
        body: serde_json::to_vec(&body).unwrap_or_default(),
    }
}

const fn name(event: BillingEvent) -> EventName {
    match event {
        BillingEvent::Created => EventName::Created,
        BillingEvent::Started => EventName::Started,
        BillingEvent::Stopped => EventName::Stopped,
        BillingEvent::Removed => EventName::Removed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::lifecycle::Run;
    use crate::resource::Selector;

    const STARTED: i64 = 1_755_587_842_193_999_999;

    fn spec(selector: Selector) -> BillingServiceSpec {
        let mut spec: BillingServiceSpec =
            serde_json::from_value(serde_json::json!({"url": "http://localhost:8001"})).expect("a spec");
        spec.selector = selector;
        spec
    }

    fn open_run() -> Ledger {
        let run = Run {
            key: "s:1".into(),
            started: Nanos(STARTED),
            start_event: None,
            ended: None,
            end_event: None,
            exit_code: None,
            restart_count: 0,
        };
        Ledger { runs: vec![run], ..Ledger::default() }
    }

    fn sent(
        ledger: &Ledger,
        spec: &BillingServiceSpec,
        followers: &mut BTreeMap<String, Follower>,
        transitions: &[Transition],
    ) -> Vec<String> {
        let labels = BTreeMap::from([("bill".to_owned(), "yes".to_owned())]);
        let subject = Subject { engine: "local", name: "web", image: "nginx:alpine", labels: &labels };
        let account = Account { subject, container: "c1", host: "box", ledger };
        let services = BTreeMap::from([("billing".to_owned(), spec.clone())]);
        bills(&account, &services, followers, transitions)
            .into_iter()
            .map(|bill| String::from_utf8(bill.body).expect("text"))
            .collect()
    }

    fn started() -> Transition {
        Transition::Started { run: "s:1".into(), at: Nanos(STARTED) }
    }

    fn stopped() -> Transition {
        Transition::Stopped { run: "s:1".into(), at: Nanos(STARTED + 1_000_000), exit_code: Some(0) }
    }

    #[test]
    fn the_body_is_that_of_document_r1_with_truncated_milliseconds() {
        let sent = sent(&open_run(), &spec(Selector::everything()), &mut BTreeMap::new(), &[started()]);
        assert_eq!(
            sent,
            [
                r#"{"event":"started","container_id":"c1","image":"nginx:alpine","timestamp":"2025-08-19T07:17:22.193+00:00","host":"box"}"#
            ]
        );
    }

    #[test]
    fn an_open_run_is_told_once_to_whoever_selects_it() {
        let (all, mut followers) = (spec(Selector::everything()), BTreeMap::new());
        assert_eq!(sent(&open_run(), &all, &mut followers, &[]).len(), 1);
        assert_eq!(sent(&open_run(), &all, &mut followers, &[]).len(), 0);
    }

    #[test]
    fn whoever_got_started_gets_stopped_and_removed_whatever_the_selector_says_later() {
        let mut followers = BTreeMap::new();
        assert_eq!(
            sent(&open_run(), &spec(Selector::label("bill", "yes")), &mut followers, &[started()]).len(),
            1
        );
        let narrowed = spec(Selector::label("bill", "no"));
        let mut ledger = open_run();
        ledger.runs[0].ended = Some(Nanos(STARTED));
        ledger.removed = Some(Nanos(STARTED));
        let removed = Transition::Removed { at: Nanos(STARTED) };
        assert_eq!(sent(&ledger, &narrowed, &mut followers, &[stopped(), removed.clone()]).len(), 2);
        assert_eq!(sent(&ledger, &narrowed, &mut BTreeMap::new(), &[stopped(), removed]).len(), 0);
    }

    #[test]
    fn what_happens_while_a_service_is_not_declared_is_billed_all_the_same() {
        let mut followers = BTreeMap::new();
        sent(&open_run(), &spec(Selector::everything()), &mut followers, &[started()]);
        let mut ledger = open_run();
        ledger.runs[0].ended = Some(Nanos(STARTED));
        let subject = Subject { engine: "local", name: "web", image: "nginx", labels: &BTreeMap::new() };
        let account = Account { subject, container: "c1", host: "box", ledger: &ledger };
        let bills = bills(&account, &BTreeMap::new(), &mut followers, &[stopped()]);
        assert_eq!(bills.len(), 1);
        assert_eq!((bills[0].target.as_str(), bills[0].event), ("billing", EventName::Stopped));
    }

    #[test]
    fn created_is_sent_only_where_listed() {
        let created = [Transition::Created { at: Nanos(STARTED) }];
        let mut listing = spec(Selector::everything());
        assert_eq!(sent(&Ledger::default(), &listing, &mut BTreeMap::new(), &created).len(), 0);
        listing.events.push(BillingEvent::Created);
        assert_eq!(sent(&Ledger::default(), &listing, &mut BTreeMap::new(), &created).len(), 1);
    }
}
