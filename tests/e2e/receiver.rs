//! The strict receiver: what it accepts, what it refuses, and how it fails on demand.

use std::time::Duration;

use hyper::Method;

use crate::support::http::{Response, request};
use crate::support::receiver::book::Registered;
use crate::support::receiver::faults::{Fault, Faults};
use crate::support::receiver::{Options, Receiver};

const JSON: (&str, &str) = ("Content-Type", "application/json");

async fn receiver() -> Receiver {
    Receiver::start(Options::default()).await.unwrap()
}

fn id(of: char) -> String {
    of.to_string().repeat(64)
}

fn registration(id: &str) -> String {
    format!(
        r#"{{"id":"{id}","image_id":"nginx:alpine","host":"h","port":8000,"caps":{{"cpu":"0.5","mem":"256m"}}}}"#
    )
}

fn bill(event: &str, id: &str, millis: u32) -> String {
    format!(
        r#"{{"event":"{event}","container_id":"{id}","image":"nginx:alpine","timestamp":"2025-08-19T07:17:22.{millis:03}+00:00","host":"h"}}"#
    )
}

fn key(n: u32) -> String {
    format!("00000000-0000-5000-8000-{n:012}")
}

async fn register(receiver: &Receiver, body: &str) -> Result<Response, String> {
    request(Method::POST, &format!("{}/registry/endpoints", receiver.discovery.url()), &[JSON], body).await
}

async fn send(receiver: &Receiver, key: &str, body: &str) -> Result<Response, String> {
    let url = format!("{}/events", receiver.billing.url());
    request(Method::POST, &url, &[JSON, ("Idempotency-Key", key)], body).await
}

async fn status(answer: impl Future<Output = Result<Response, String>>) -> u16 {
    answer.await.unwrap().status
}

#[tokio::test]
async fn the_registry_takes_the_life_of_a_container() {
    let receiver = receiver().await;
    let (a, base) = (id('a'), receiver.discovery.url());
    let one = format!("{base}/registry/endpoints/{a}");
    let down = format!("{one}/status?status=DOWN");
    assert_eq!(status(request(Method::PUT, &down, &[], "")).await, 404);
    assert_eq!(status(register(&receiver, &registration(&a))).await, 201);
    assert_eq!(status(register(&receiver, &registration(&a))).await, 409);
    assert!(receiver.state().up().contains(a.as_str()));
    assert_eq!(status(request(Method::PUT, &down, &[], "")).await, 200);
    assert!(matches!(receiver.state().registry[&a], Registered { up: false, .. }));
    assert_eq!(status(request(Method::DELETE, &one, &[], "")).await, 204);
    assert_eq!(status(request(Method::DELETE, &one, &[], "")).await, 404);
    let spaced = registration(&a).replace("\":", "\": ").replace(",\"", ", \"");
    assert_eq!(status(register(&receiver, &spaced)).await, 201, "either spacing");
    receiver.state().assert_clean();
    assert_eq!(receiver.state().calls.len(), 7);
    assert_eq!(
        receiver.state().calls[1].to_string(),
        "Discovery  up       aaaaaaaaaaaa  nginx:alpine on h:8000 → 201"
    );
}

#[tokio::test]
async fn the_registry_refuses_each_deviation() {
    let receiver = receiver().await;
    let good = registration(&id('a'));
    let bad = [
        good.replace(&id('a'), "abc"),
        good.replace(r#""host":"h","port":8000"#, r#""port":8000,"host":"h""#),
        good.replace(",\"", " ,\""),
        good.replace(r#","port":8000"#, ""),
        good.replace("8000", "0"),
        good.replace(r#""cpu":"0.5""#, r#""cpu":"0.50""#),
        good.replace(r#""cpu":"0.5""#, r#""cpu":0.5"#),
        good.replace("256m", "256Mi"),
        good.replace("}}", r#"},"more":1}"#),
        good.replace("}}", "}}\n"),
    ];
    for body in &bad {
        assert_eq!(status(register(&receiver, body)).await, 400, "{body}");
    }
    let base = receiver.discovery.url();
    let elsewhere = [
        (Method::POST, format!("{base}/registry/endpoints"), vec![], good.as_str()),
        (Method::POST, format!("{base}/registry/endpoints/"), vec![JSON], good.as_str()),
        (Method::GET, format!("{base}/registry/endpoints"), vec![], ""),
        (Method::PUT, format!("{base}/registry/endpoints/{}/status?status=UP", id('a')), vec![], ""),
        (Method::DELETE, format!("{base}/registry/endpoints/{}", id('a')), vec![], "{}"),
    ];
    for (method, url, headers, body) in &elsewhere {
        assert_eq!(status(request(method.clone(), url, headers, body)).await, 400, "{method} {url}");
    }
    assert_eq!(receiver.state().violations.len(), bad.len() + elsewhere.len());
    assert!(receiver.state().registry.is_empty());
}

#[tokio::test]
async fn bills_come_in_order_and_once() {
    let receiver = receiver().await;
    let (a, b) = (id('a'), id('b'));
    assert_eq!(status(send(&receiver, &key(1), &bill("started", &a, 1))).await, 201);
    assert_eq!(status(send(&receiver, &key(1), &bill("started", &a, 1))).await, 200, "a repeated attempt");
    assert_eq!(status(send(&receiver, &key(2), &bill("removed", &b, 1))).await, 201, "never started");
    assert_eq!(status(send(&receiver, &key(3), &bill("stopped", &a, 2))).await, 201);
    assert_eq!(status(send(&receiver, &key(4), &bill("started", &a, 3))).await, 201);
    receiver.state().assert_clean();

    let wrong = [
        (key(4), bill("started", &a, 4), "another body under the same key"),
        (key(5), bill("started", &a, 3), "another key for the same event"),
        (key(6), bill("started", &a, 9), "started twice"),
        (key(7), bill("removed", &a, 9), "removed while running"),
        (key(8), bill("stopped", &a, 2), "over before it began"),
        (key(9), bill("started", &b, 9), "after its removal"),
        (key(10), bill("stopped", &id('c'), 1), "stopped without a start"),
        (key(11), bill("exploded", &a, 9), "no such event"),
        (key(12), bill("stopped", &a, 9).replace("+00:00", "Z"), "another way to write the time"),
        (key(13), bill("stopped", &a, 9).replace("08-19", "02-30"), "no such day"),
        ("once".to_owned(), bill("stopped", &a, 9), "no UUID"),
    ];
    for (key, body, why) in &wrong {
        assert_eq!(status(send(&receiver, key, body)).await, 400, "{why}");
    }
    let url = format!("{}/events", receiver.billing.url());
    assert_eq!(status(request(Method::POST, &url, &[JSON], &bill("stopped", &a, 9))).await, 400, "no key");
    assert_eq!(receiver.state().violations.len(), wrong.len() + 1);
    assert_eq!(receiver.state().names_of(&a), ["started", "stopped", "started"]);
}

#[tokio::test]
async fn faults_fail_as_told_and_a_switched_off_service_refuses() {
    let receiver = receiver().await;
    let all = |fault| {
        let mut faults = Faults { seed: 7, retry_after: 3, ..Faults::default() };
        *match fault {
            Fault::ResetBefore => &mut faults.reset_before,
            Fault::ResetAfter => &mut faults.reset_after,
            Fault::HangAfter => &mut faults.hang_after,
            Fault::Error500 => &mut faults.error_500,
            Fault::Conflict409 => &mut faults.conflict_409,
            Fault::Busy429 => &mut faults.busy_429,
        } = 1.0;
        faults
    };
    let accepted = || receiver.state().billed.len();
    let attempt = |n: u32| {
        let (body, receiver) = (bill("started", &id(char::from_digit(n, 16).unwrap()), 1), &receiver);
        async move { send(receiver, &key(n), &body).await }
    };

    receiver.billing.faults(all(Fault::ResetBefore));
    assert!(attempt(1).await.is_err());
    assert_eq!(accepted(), 0);
    receiver.billing.faults(all(Fault::ResetAfter));
    assert!(attempt(1).await.is_err());
    assert_eq!(accepted(), 1);
    for (fault, status) in [(Fault::Error500, 500), (Fault::Conflict409, 409), (Fault::Busy429, 429)] {
        receiver.billing.faults(all(fault));
        let answer = attempt(2).await.unwrap();
        assert_eq!(answer.status, status);
        let after = answer.headers.get("retry-after").map(|after| after.to_str().unwrap());
        assert_eq!(after, (status == 429).then_some("3"));
    }
    receiver.billing.faults(all(Fault::HangAfter));
    assert!(tokio::time::timeout(Duration::from_millis(300), attempt(2)).await.is_err());
    assert_eq!(accepted(), 2);

    receiver.billing.faults(Faults::default());
    receiver.billing.down().await;
    assert!(attempt(3).await.unwrap_err().contains("refused"));
    receiver.billing.up().await.unwrap();
    assert_eq!(status(attempt(3)).await, 201);
    receiver.state().assert_clean();
}

#[tokio::test]
async fn the_same_seed_fails_the_same_calls() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let receiver = receiver().await;
        receiver.discovery.faults(Faults::half(42));
        for n in 0..30 {
            let url = format!("{}/registry/endpoints/{n:064x}", receiver.discovery.url());
            let _ = tokio::time::timeout(Duration::from_millis(200), request(Method::DELETE, &url, &[], ""))
                .await;
        }
        let faults: Vec<Option<Fault>> = receiver.state().calls.iter().map(|call| call.fault).collect();
        runs.push(faults);
    }
    assert_eq!(runs[0], runs[1]);
    let failed = runs[0].iter().flatten().count();
    assert!((6..=24).contains(&failed), "about half of 30: {failed}");
}
