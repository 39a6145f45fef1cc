//! Document R5's table, asked by its name.

use portreeve::observed::Nanos;
use portreeve::resource::event::EventKind;
use portreeve::resource::event::subject::EventSubject;
use portreeve::store::{EventLog, NewEvent, Sqlite};
use sqlx::{Column, Row};
use tempfile::TempDir;

use crate::support::rows::{execute, select};

#[tokio::test]
async fn what_became_of_containers_is_the_table_events_of_document_r5() {
    let home = TempDir::new().unwrap();
    let path = home.path().join("portreeve.db");
    let store = Sqlite::open(&path).await.expect("it opens");
    let subject = |ports: &[(&str, u16)]| EventSubject::Container {
        engine: "local".to_owned(),
        id: "c1".to_owned(),
        name: "web".to_owned(),
        image: "nginx:alpine".to_owned(),
        host: "box".to_owned(),
        ports: ports.iter().map(|(port, host)| ((*port).to_owned(), *host)).collect(),
    };
    let at = Nanos(1_755_587_842_193_999_999);
    let told = |kind, ports| NewEvent::new(kind, subject(ports), at).saying("hello");
    let events = vec![
        told(EventKind::Create, &[]),
        told(EventKind::Start, &[("80/tcp", 8080), ("53/udp", 5353)]),
        // What was decided is no event of document R5, and neither is what is about no container.
        told(EventKind::Gap, &[("80/tcp", 8080)]),
        NewEvent::new(EventKind::NetworkLost, EventSubject::Portreeve, at),
        told(EventKind::Stop, &[("80/tcp", 8080)]),
        told(EventKind::Remove, &[]),
    ];
    store.append(&events).await.expect("appended");
    drop(store);
    // As an earlier version stored it.
    execute(
        &path,
        "INSERT INTO event_log (at_ns, engine, container_id, container_name, image, host, event_type, reason, status,
             message, severity, restart_count, seq) VALUES (5000000, '', 'c0', 'old', 'i', 'h', 'start', '', '', '', 'info', 0, 99)",
    )
    .await;

    let rows = select(&path, "SELECT * FROM events").await;
    let columns: Vec<_> = rows[0].columns().iter().map(Column::name).collect();
    assert_eq!(columns, ["event", "container_id", "container_name", "image", "host", "ports", "timestamp"]);
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| (0..7).map(|column| row.get(column)).collect()).collect();
    let row = |event, ports| {
        [event, "c1", "web", "nginx:alpine", "box", ports, "2025-08-19T07:17:22.193Z"]
            .map(str::to_owned)
            .to_vec()
    };
    assert_eq!(
        rows,
        [
            row("create", "{}"),
            row("start", r#"{"53/udp":5353,"80/tcp":8080}"#),
            row("stop", r#"{"80/tcp":8080}"#),
            row("remove", "{}"),
            ["start", "c0", "old", "i", "h", "{}", "1970-01-01T00:00:00.005Z"].map(str::to_owned).to_vec(),
        ]
    );
    let port = select(&path, r#"SELECT ports ->> '$."80/tcp"' FROM events WHERE event = 'stop'"#).await;
    assert_eq!(port[0].get::<i64, _>(0), 8080);
}
