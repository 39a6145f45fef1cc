//! Deliveries as people see them.

use sqlx::Row;
use sqlx::sqlite::{SqlitePool, SqliteRow};

use crate::observed::{ContainerKey, Nanos};
use crate::reconcile::discovery::Wanted;
use crate::store::{Delivery, DeliveryFilter, DeliveryKind, DeliveryState, StoreError};

const BILLS: &str = "SELECT o.seq, o.target, o.engine, o.container_id, c.name AS container_name, o.event_id, o.event,
        o.created_ns, o.delivered_ns, l.parked, l.attempts, l.next_ns, l.last_error,
        CASE WHEN o.delivered_ns IS NOT NULL THEN 'delivered' WHEN l.parked = 1 THEN 'parked' ELSE 'pending' END AS progress
    FROM outbox o
        LEFT JOIN lanes l ON l.target = o.target AND l.engine = o.engine AND l.container_id = o.container_id
        LEFT JOIN containers c ON c.engine = o.engine AND c.id = o.container_id
    WHERE (?1 IS NULL OR o.target = ?1)
        AND (?2 IS NULL OR c.name = ?2 OR (length(?2) >= 6 AND substr(o.container_id, 1, length(?2)) = ?2))
        AND (?3 IS NULL OR progress = ?3) AND (?4 IS NULL OR o.seq = ?4)
    ORDER BY o.seq DESC LIMIT ?5";

const CELLS: &str = "SELECT 0 AS seq, d.registry AS target, d.engine, d.container_id, c.name AS container_name,
        NULL AS event_id, d.wanted AS event, d.changed_ns AS created_ns, NULL AS delivered_ns, d.attempts, d.next_ns,
        d.last_error, 'pending' AS progress
    FROM cells d LEFT JOIN containers c ON c.engine = d.engine AND c.id = d.container_id
    WHERE d.dirty = 1 AND (?1 IS NULL OR d.registry = ?1)
        AND (?2 IS NULL OR c.name = ?2 OR (length(?2) >= 6 AND substr(d.container_id, 1, length(?2)) = ?2))
        AND (?3 IS NULL OR ?3 = 'pending') AND ?4 IS NULL
    ORDER BY d.changed_ns DESC, d.registry, d.engine, d.container_id LIMIT ?5";

pub(super) async fn deliveries(
    pool: &SqlitePool,
    filter: &DeliveryFilter,
) -> Result<Vec<Delivery>, StoreError> {
    let mut found = Vec::new();
    for (kind, statement) in [(DeliveryKind::Cell, CELLS), (DeliveryKind::Bill, BILLS)] {
        let DeliveryFilter { target, container, state, seq, limit } = filter;
        let rows = sqlx::query(statement)
            .bind(target)
            .bind(container)
            .bind(state.map(DeliveryState::as_str))
            .bind(seq)
            .bind(limit)
            .fetch_all(pool)
            .await?;
        for row in rows {
            found.push(delivery(kind, &row)?);
        }
    }
    found.sort_by_key(|delivery| std::cmp::Reverse((delivery.created, delivery.seq)));
    Ok(found)
}

fn delivery(kind: DeliveryKind, row: &SqliteRow) -> Result<Delivery, StoreError> {
    let word: &str = row.try_get("progress")?;
    let state = DeliveryState::ALL.into_iter().find(|state| state.as_str() == word);
    let state = state.unwrap_or(DeliveryState::Pending);
    let event: String = row.try_get("event")?;
    let event = match kind {
        DeliveryKind::Bill => event,
        DeliveryKind::Cell => {
            let damaged = |source| StoreError::Damaged { what: "discovery cell", source };
            let wanted: Wanted = serde_json::from_str(&event).map_err(damaged)?;
            wanted.as_str().to_owned()
        }
    };
    // Of what is delivered the lane's figures say nothing.
    let open = state != DeliveryState::Delivered;
    let next: Option<i64> = row.try_get("next_ns")?;
    Ok(Delivery {
        kind,
        seq: row.try_get("seq")?,
        target: row.try_get("target")?,
        key: ContainerKey::new(
            row.try_get::<String, _>("engine")?,
            row.try_get::<String, _>("container_id")?,
        ),
        container_name: row.try_get("container_name")?,
        event_id: row.try_get("event_id")?,
        event,
        state,
        attempts: row.try_get::<Option<u32>, _>("attempts")?.filter(|_| open).unwrap_or(0),
        next_attempt: next.filter(|at| *at > 0 && state == DeliveryState::Pending).map(Nanos),
        last_error: row.try_get::<Option<String>, _>("last_error")?.filter(|_| open),
        created: Nanos(row.try_get("created_ns")?),
        delivered: row.try_get::<Option<i64>, _>("delivered_ns")?.map(Nanos),
    })
}
