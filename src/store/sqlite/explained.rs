//! How what people and senders ask for is found, and how it is written: each by an index, and never by reading all that a growing
//! table holds.

use sqlx::Row;

use super::*;
use crate::observed::{ContainerKey, Nanos, Shard};
use crate::resource::{KindId, ObjectKey};
use crate::store::{DeliveryFilter, DeliveryPlace, DeliveryState, EventFilter, OwnedShards};

/// Lines of a plan that read all of something and may: it holds no more than what is parked or asked for.
const ALLOWED: [&str; 4] =
    ["SCAN l USING INDEX lanes_parked", "SCAN json_each", "SCAN jsonb_each", "SCAN due"];

/// What of a plan reads a whole table, or sorts what is not a container's alone.
fn faults(plan: &[String], sorts: bool) -> Vec<&String> {
    let scans =
        |line: &str| line.starts_with("SCAN") && !ALLOWED.iter().any(|allowed| line.starts_with(allowed));
    plan.iter().filter(|line| scans(line) || (line.contains("TEMP B-TREE") && !sorts)).collect()
}

async fn store() -> (tempfile::TempDir, Sqlite) {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Sqlite::open(&directory.path().join("portreeve.db")).await.expect("a store");
    (directory, store)
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[tokio::test]
async fn every_filter_of_events_has_its_index() {
    let (_home, store) = store().await;
    let shapes = [
        (None, None, "event_log_at"),
        (None, text("start"), "event_log_type"),
        (Some(named::Named::Name("web")), None, "event_log_name"),
        (Some(named::Named::Name("web")), text("start"), "event_log_name"),
        (Some(named::Named::Id("deadbeef")), None, "event_log_container"),
        (Some(named::Named::Id("deadbeef")), text("start"), "event_log_container"),
    ];
    for (named, event_type, index) in shapes {
        for (since, until) in [(None, None), (Some(Nanos(5)), None), (None, Some(Nanos(9)))] {
            let event_type = event_type.clone();
            let filter = EventFilter { event_type, container: None, since, until, limit: 9 };
            let plan = events::select(&filter, named).explained(&store.readers).await;
            // A beginning of an id may be that of several containers.
            let sorts = matches!(named, Some(named::Named::Id(_)));
            assert!(faults(&plan, sorts).is_empty(), "{filter:?} {named:?}: {plan:#?}");
            let found = |line: &String| line.contains(&format!("event_log USING INDEX {index} "));
            assert!(plan.iter().any(found), "{filter:?} {named:?}: {plan:#?}");
        }
    }
}

/// By what the bills that a filter lets through are found.
fn index_of(filter: &DeliveryFilter) -> &'static [&'static str] {
    let DeliveryFilter { target, container, state, seq, .. } = filter;
    match (seq, state, container, target) {
        (Some(_), _, _, _) => &["o USING INTEGER PRIMARY KEY (rowid"],
        (_, Some(DeliveryState::Parked), _, _) => &["l USING INDEX lanes_parked"],
        (_, _, Some(_), _) => &["o USING INDEX outbox_subject"],
        (_, Some(DeliveryState::Skipped), _, _) => &["o USING INDEX outbox_skipped"],
        (_, _, _, Some(_)) => &["o USING INDEX outbox_target (kind=? AND target=? AND <expr>=? AND seq<?)"],
        (_, Some(_), _, None) => &["o USING INDEX outbox_state (<expr>=? AND seq<?)"],
        (_, None, _, None) => &["o USING INTEGER PRIMARY KEY (rowid<?)"],
    }
}

#[tokio::test]
async fn every_filter_of_deliveries_has_its_index() {
    let (_home, store) = store().await;
    let states = DeliveryState::ALL.map(Some).into_iter().chain([None]);
    let cell =
        DeliveryPlace::Cell { registry: "d".to_owned(), subject: ContainerKey::new("local", "c1").into() };
    let places = [None, Some(DeliveryPlace::Bill { seq: 9 }), Some(cell)];
    for state in states {
        for target in [None, text("billing")] {
            for container in [None, text("deadbeef")] {
                for (seq, after) in places.iter().map(|after| (None, after)).chain([(Some(7), &None)]) {
                    let filter = DeliveryFilter {
                        target: target.clone(),
                        container: container.clone(),
                        state,
                        seq,
                        after: after.clone(),
                        limit: 9,
                    };
                    // Of one container, and of what is parked, there is little.
                    let sorts = container.is_some() || state == Some(DeliveryState::Parked);
                    let cells = match container {
                        Some(_) => &["d USING INDEX cells_subject"],
                        None => &["d USING INDEX cells_listed"],
                    };
                    let bills = deliveries::bills_queries(&filter).into_iter();
                    let bills = bills.map(|query| (query, index_of(&filter)));
                    let cells =
                        deliveries::cells_queries(&filter).into_iter().map(|query| (query, &cells[..]));
                    for (query, indices) in bills.chain(cells) {
                        let plan = query.explained(&store.readers).await;
                        assert!(faults(&plan, sorts).is_empty(), "{filter:?}: {plan:#?}");
                        let found = |line: &String| indices.iter().any(|index| line.contains(index));
                        assert!(plan.iter().any(found), "{filter:?} by {indices:?}: {plan:#?}");
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn what_is_due_is_found_in_the_order_in_which_it_fell_due() {
    let (_home, store) = store().await;
    for owned in [OwnedShards::All, OwnedShards::Only([Shard::Fleet].into())] {
        let target = |kind| ObjectKey { kind, name: "x".to_owned() };
        for kind in [KindId::BillingService, KindId::DiscoveryRegistry] {
            let query = deliver::due_query(&target(kind), &owned, Nanos(9), 8).expect("a query");
            let plan = query.explained(&store.senders).await;
            assert!(plan.iter().any(|line| line.contains("_due (kind=? AND target=?")), "{plan:#?}");
            // The few that are due are put in order once more behind their names.
            assert!(faults(&plan, true).is_empty(), "{plan:#?}");
        }
    }
}

#[tokio::test]
async fn what_is_committed_is_found_by_its_key() {
    let (_home, store) = store().await;
    for statement in batch::STATEMENTS {
        let sql = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
        let rows = sqlx::query(sql).bind("[]").fetch_all(&store.readers).await.expect("a plan");
        let plan: Vec<String> = rows.iter().map(|row| row.try_get("detail").expect("a line")).collect();
        assert!(faults(&plan, true).is_empty(), "{statement}: {plan:#?}");
    }
}
