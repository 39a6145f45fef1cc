//! What the faces say while the store fails. No engine answers here.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use http_body_util::BodyExt;
use hyper::Request;
use portreeve::api::{Access, Api, Peer};
use portreeve::catalogue::Catalogue;
use portreeve::controller::Controller;
use portreeve::desired::{Desired, Layers};
use portreeve::guard::Guard;
use portreeve::resource::docker_host::DockerHostSpec;
use portreeve::resource::event::EventKind;
use portreeve::store::{ChangeSet, Commit};
use serde_json::Value;
use tokio::sync::watch;
use tower::ServiceExt;

use super::failing::failing;
use crate::integration::fixtures::event;

async fn get(api: &Api, path: &str) -> (u16, String) {
    let mut request = Request::get(path).body(Body::empty()).unwrap();
    request.extensions_mut().insert(Peer::Unix { uid: 0 });
    let answer = api.clone().router().oneshot(request).await.unwrap();
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn detailed(api: &Api) -> Value {
    let (status, body) = get(api, "/health/detailed").await;
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

fn note() -> ChangeSet {
    ChangeSet::told(event(1, EventKind::Start, "noted"))
}

#[tokio::test]
async fn the_faces_stay_up_say_what_fails_and_say_when_it_is_over() {
    let store = failing().await;
    let nowhere = DockerHostSpec {
        endpoint: "unix:///nonexistent/docker.sock".to_owned(),
        ..DockerHostSpec::default()
    };
    let hosts = BTreeMap::from([("local".to_owned(), nowhere)]);
    let (_tell, desired) = watch::channel(Arc::new(Desired { hosts, ..Desired::default() }));
    let controller = Controller::start(store.clone(), desired, Guard::default()).await.unwrap();
    let catalogue = Catalogue::load(&*store, Layers::default()).await.unwrap();
    let api = Api::new(
        controller.view(),
        controller.requests(),
        catalogue,
        portreeve::metrics::install(),
        Access::default(),
    );
    assert_eq!(detailed(&api).await["store"]["status"], "ok");

    store.hook.fail_writes(true);
    let error = controller.requests().committer().commit(note()).await.expect_err("it fails").to_string();
    assert!(error.contains("disk is full"), "{error}");
    let health = detailed(&api).await;
    assert_eq!((&health["status"], &health["store"]["status"]), (&"degraded".into(), &"failing".into()));
    assert!(health["store"]["error"].as_str().unwrap().contains("disk is full"), "{health}");
    let (status, body) = get(&api, "/readyz").await;
    assert!(status == 503 && body.contains("the store fails"), "{status} {body}");
    for path in ["/livez", "/metrics", "/api/events", "/api/config", "/api/containers"] {
        assert_eq!(get(&api, path).await.0, 200, "{path}");
    }

    store.hook.fail_reads(true);
    let (status, body) = get(&api, "/api/events").await;
    let refusal: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &refusal["status"]), (503, &"error".into()), "{body}");
    assert_eq!(detailed(&api).await["store"]["status"], "failing");
    for path in ["/livez", "/metrics", "/api/containers"] {
        assert_eq!(get(&api, path).await.0, 200, "{path}");
    }

    store.hook.fail_writes(false);
    controller.requests().committer().commit(note()).await.unwrap();
    let health = detailed(&api).await;
    assert_eq!(health["store"]["status"], "failing", "it still cannot be read: {health}");
    store.hook.fail_reads(false);
    let health = detailed(&api).await;
    assert_eq!((&health["store"]["status"], &health["store"]["error"]), (&"ok".into(), &Value::Null));
    assert!(!get(&api, "/readyz").await.1.contains("store"));
    let (status, events) = get(&api, "/api/events").await;
    assert_eq!(status, 200);
    assert_eq!(events.matches("noted").count(), 1, "the one that was committed: {events}");
    controller.finish().await;
}
