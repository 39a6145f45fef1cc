//! How what people and senders ask for is found: each by an index, and never by reading all that a growing table holds.

use super::*;
use crate::observed::{ContainerKey, Nanos, Shard};
use crate::resource::{KindId, ObjectKey};
use crate::store::{DeliveryFilter, DeliveryPlace, DeliveryState, EventFilter, OwnedShards};

/// Lines of a plan that read all of something and may: it holds no more than what is parked, held or asked for.
const ALLOWED: [&str; 4] =
    ["SCAN l USING INDEX lanes_parked", "SCAN json_each", "SCAN due", "SCAN (subquery"];

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
    let mut asked = 0;
    for event_type in [None, text("start")] {
        for named in [None, Some(events::Named::Name("web")), Some(events::Named::Id("deadbeef"))] {
            for (since, until) in [(None, None), (Some(Nanos(5)), None), (None, Some(Nanos(9)))] {
                let filter =
                    EventFilter { event_type: event_type.clone(), container: None, since, until, limit: 9 };
                let plan = events::select(&filter, named).explained(&store.readers).await;
                // A beginning of an id may be that of several containers.
                let sorts = matches!(named, Some(events::Named::Id(_)));
                assert!(faults(&plan, sorts).is_empty(), "{filter:?} {named:?}: {plan:#?}");
                asked += 1;
            }
        }
    }
    assert_eq!(asked, 18);
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
                    let queries = deliveries::bills_queries(&filter).into_iter();
                    for query in queries.chain(deliveries::cells_queries(&filter)) {
                        let plan = query.explained(&store.readers).await;
                        assert!(faults(&plan, sorts).is_empty(), "{filter:?}: {plan:#?}");
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
        let lanes = deliver::lanes_query(&target(KindId::BillingService), &owned, Nanos(9), 8);
        let cells = deliver::cells_query(&target(KindId::DiscoveryRegistry), &owned, Nanos(9), 8);
        for query in [lanes, cells] {
            let plan = query.expect("a query").explained(&store.senders).await;
            assert!(plan.iter().any(|line| line.contains("_due (kind=? AND target=?")), "{plan:#?}");
            // The few that are due are put in order once more behind their names.
            assert!(faults(&plan, true).is_empty(), "{plan:#?}");
        }
    }
}
