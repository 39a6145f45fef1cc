//! A service that is suspended is asked nothing and told of to nobody, and goes on where it was.

use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpListener;

use crate::support::portreeve::Portreeve;
use crate::support::wait;

fn service(port: u16, annotations: &str) -> String {
    format!(
        "apiVersion: portreeve/v1\nkind: MonitoredService\nmetadata: {{name: db, annotations: {{{annotations}}}}}\n\
         spec:\n  target: {{host: 127.0.0.1}}\n  probes:\n    - {{name: port, tcpSocket: {{port: {port}}}, \
         periodSeconds: 1, failureThreshold: 2}}\n"
    )
}

async fn object(portreeve: &Portreeve) -> Result<Value, String> {
    Ok(portreeve.get("/apis/portreeve/v1/monitoredservices/db").await?.json())
}

fn is_suspended(object: &Value) -> bool {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|condition| condition["type"] == "Suspended")
}

async fn downs(portreeve: &Portreeve) -> Result<usize, String> {
    let events = portreeve.get("/api/events?type=ServiceDown").await?.json();
    Ok(events.as_array().map_or(0, Vec::len))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_service_is_not_asked_and_its_end_is_told_once_it_goes_on() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let mut portreeve =
        Portreeve::new(env!("CARGO_BIN_EXE_portreeve")).docker_host("unix:///nowhere/docker.sock");
    portreeve.manifest("db.yaml", &service(port, ""));
    portreeve.spawn();
    wait::until("it is healthy", wait::SOON, || async {
        let object = object(&portreeve).await?;
        wait::is(object["status"]["health"] == "healthy", object.to_string())
    })
    .await;
    portreeve.manifest("db.yaml", &service(port, "portreeve/suspend: \"true\""));
    wait::until("it is suspended", wait::SOON, || async {
        let object = object(&portreeve).await?;
        wait::is(is_suspended(&object), object.to_string())
    })
    .await;
    drop(listener);
    let stands = || async {
        let object = object(&portreeve).await?;
        let same = object["status"]["health"] == "healthy" && downs(&portreeve).await? == 0;
        wait::is(same && is_suspended(&object), object.to_string())
    };
    wait::throughout("its last verdict stands", Duration::from_secs(4), stands).await;
    portreeve.manifest("db.yaml", &service(port, ""));
    wait::until("it is asked again, and told of", wait::SOON, || async {
        let object = object(&portreeve).await?;
        let told = downs(&portreeve).await? == 1;
        wait::is(told && object["status"]["health"] == "unhealthy", object.to_string())
    })
    .await;
}
