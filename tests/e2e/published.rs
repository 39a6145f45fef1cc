//! Document R5's events, with the ports that were published at their time, from a real engine to SQL.

use sqlx::Row;

use super::scene::Scene;
use crate::support::container::Container;
use crate::support::rows::select;

async fn published(container: &Container) -> String {
    let ports = container.inspect().await.network_settings.unwrap().ports.unwrap();
    let port = ports["8080/tcp"].as_ref().unwrap()[0].host_port.clone().unwrap();
    format!(r#"{{"8080/tcp":{port}}}"#)
}

#[tokio::test]
async fn sql_finds_each_event_with_the_ports_of_its_run() {
    let mut scene = Scene::shared().await;
    scene.portreeve.start().await;
    let web = scene.lab.container("web").publish(8080).start().await;
    scene.billed(web.id(), &["started"]).await;
    let first = published(&web).await;
    web.stop().await;
    scene.billed(web.id(), &["started", "stopped"]).await;
    web.start().await;
    scene.billed(web.id(), &["started", "stopped", "started"]).await;
    let second = published(&web).await;
    web.stop().await;
    web.remove().await;
    scene.billed(web.id(), &["started", "stopped", "started", "stopped", "removed"]).await;
    scene.portreeve.terminate().await;

    let path = scene.portreeve.state_dir().join("portreeve.db");
    let events =
        format!("SELECT event, ports, host, timestamp FROM events WHERE container_id = '{}'", web.id());
    let rows = select(&path, &events).await;
    let found: Vec<(String, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let expected = [
        ("create", "{}"),
        ("start", &first),
        ("stop", &first),
        ("start", &second),
        ("stop", &second),
        ("remove", &second),
    ];
    assert_eq!(found, expected.map(|(event, ports)| (event.to_owned(), ports.to_owned())));
    let host = scene.engine.docker().info().await.unwrap().name.unwrap();
    assert!(rows.iter().all(|row| row.get::<String, _>("host") == host));
    let time: String = rows[0].get("timestamp");
    assert!(time.len() == 24 && time.ends_with('Z'), "{time}");
}
