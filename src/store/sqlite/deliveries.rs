//! Deliveries as people see them.

use sqlx::Row;
use sqlx::sqlite::{SqlitePool, SqliteRow};

use crate::observed::{ContainerKey, Nanos};
use crate::reconcile::discovery::Wanted;
use crate::store::{Delivery, DeliveryFilter, DeliveryKind, DeliveryPlace, DeliveryState, StoreError};

/// Only the first bill of a lane is tried and refused; those behind it wait.
const BILLS: &str = "SELECT *,
        CASE WHEN skipped IS NOT NULL THEN 'skipped' WHEN delivered_ns IS NOT NULL THEN 'delivered'
            WHEN parked = 1 AND seq = head THEN 'parked' ELSE 'pending' END AS progress
    FROM (SELECT o.seq, o.target, o.engine, o.container_id, c.name AS container_name, o.event_id, o.event,
            o.created_ns, o.delivered_ns, o.skipped, l.parked, l.attempts,
            max(l.next_ns, coalesce(h.until_ns, 0)) AS next_ns, l.last_error,
            CASE WHEN o.delivered_ns IS NULL THEN (SELECT min(p.seq) FROM outbox p WHERE p.target = o.target
                AND p.engine = o.engine AND p.container_id = o.container_id AND p.delivered_ns IS NULL) END AS head
        FROM outbox o
            LEFT JOIN lanes l ON l.target = o.target AND l.engine = o.engine AND l.container_id = o.container_id
            LEFT JOIN containers c ON c.engine = o.engine AND c.id = o.container_id
            LEFT JOIN holds h ON h.kind = 'BillingService' AND h.target = o.target
        WHERE (?1 IS NULL OR o.target = ?1)
            AND (?2 IS NULL OR c.name = ?2 OR (length(?2) >= 6 AND substr(o.container_id, 1, length(?2)) = ?2))
            AND (?4 IS NULL OR o.seq = ?4) AND (?5 IS NULL OR o.seq < ?5))
    WHERE ?3 IS NULL OR progress = ?3
    ORDER BY seq DESC LIMIT ?6";

const CELLS: &str = "SELECT 0 AS seq, d.registry AS target, d.engine, d.container_id, c.name AS container_name,
        NULL AS event_id, d.wanted AS event, d.changed_ns AS created_ns, NULL AS delivered_ns, NULL AS skipped,
        d.attempts, max(d.next_ns, coalesce(h.until_ns, 0)) AS next_ns, d.last_error, 'pending' AS progress,
        0 AS parked, 0 AS head
    FROM cells d LEFT JOIN containers c ON c.engine = d.engine AND c.id = d.container_id
        LEFT JOIN holds h ON h.kind = 'DiscoveryRegistry' AND h.target = d.registry
    WHERE d.dirty = 1 AND (?1 IS NULL OR d.registry = ?1)
        AND (?2 IS NULL OR c.name = ?2 OR (length(?2) >= 6 AND substr(d.container_id, 1, length(?2)) = ?2))
        AND (?3 IS NULL OR ?3 = 'pending') AND ?4 IS NULL
        AND (?5 IS NULL OR (d.registry, d.engine, d.container_id) > (?5, ?7, ?8))
    ORDER BY d.registry, d.engine, d.container_id LIMIT ?6";

/// Of each parked lane of a target the bill that was refused.
const HEADS: &str = "SELECT o.seq, o.target, o.engine, o.container_id, c.name AS container_name, o.event_id, o.event,
        o.created_ns, NULL AS delivered_ns, NULL AS skipped, l.attempts, l.next_ns, l.last_error, 'parked' AS progress,
        l.parked, o.seq AS head
    FROM lanes l
        JOIN outbox o ON o.seq = (SELECT min(p.seq) FROM outbox p WHERE p.target = l.target AND p.engine = l.engine
            AND p.container_id = l.container_id AND p.delivered_ns IS NULL)
        LEFT JOIN containers c ON c.engine = o.engine AND c.id = o.container_id
    WHERE l.target = ? AND l.parked = 1 ORDER BY l.engine, l.container_id";

pub(super) async fn deliveries(
    pool: &SqlitePool,
    filter: &DeliveryFilter,
) -> Result<Vec<Delivery>, StoreError> {
    let DeliveryFilter { target, container, state, seq, after, limit } = filter;
    let limit = usize::try_from(*limit).unwrap_or(usize::MAX);
    let mut found = Vec::new();
    for (kind, statement) in [(DeliveryKind::Cell, CELLS), (DeliveryKind::Bill, BILLS)] {
        let query = sqlx::query(statement).bind(target).bind(container);
        let query = query.bind(state.map(DeliveryState::as_str)).bind(seq);
        let query = match (kind, after) {
            (DeliveryKind::Cell, Some(DeliveryPlace::Bill { .. })) => continue,
            (DeliveryKind::Bill, Some(DeliveryPlace::Bill { seq })) => query.bind(Some(*seq)),
            (DeliveryKind::Bill, Some(DeliveryPlace::Cell { .. }) | None) => query.bind(None::<i64>),
            (DeliveryKind::Cell, Some(DeliveryPlace::Cell { registry, .. })) => query.bind(Some(registry)),
            (DeliveryKind::Cell, None) => query.bind(None::<&str>),
        };
        let query = query.bind(i64::try_from(limit.saturating_sub(found.len())).unwrap_or(i64::MAX));
        let query = match (kind, after) {
            (DeliveryKind::Cell, Some(DeliveryPlace::Cell { key, .. })) => {
                query.bind(Some(&*key.engine)).bind(Some(&*key.id))
            }
            (DeliveryKind::Cell, Some(DeliveryPlace::Bill { .. }) | None) => {
                query.bind(None::<&str>).bind(None::<&str>)
            }
            (DeliveryKind::Bill, _) => query,
        };
        for row in query.fetch_all(pool).await? {
            found.push(delivery(kind, &row)?);
        }
        if found.len() >= limit {
            break;
        }
    }
    Ok(found)
}

pub(super) async fn parked_heads(pool: &SqlitePool, target: &str) -> Result<Vec<Delivery>, StoreError> {
    let rows = sqlx::query(HEADS).bind(target).fetch_all(pool).await?;
    rows.iter().map(|row| delivery(DeliveryKind::Bill, row)).collect()
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
    let seq: i64 = row.try_get("seq")?;
    let head: Option<i64> = row.try_get("head")?;
    let parked = row.try_get::<Option<bool>, _>("parked")?.unwrap_or(false);
    // Of what is delivered, and of what was never tried, the lane's figures say nothing.
    let tried = state.is_open() && head == Some(seq);
    let next: Option<i64> = row.try_get("next_ns")?;
    Ok(Delivery {
        kind,
        seq,
        target: row.try_get("target")?,
        key: ContainerKey::new(
            row.try_get::<String, _>("engine")?,
            row.try_get::<String, _>("container_id")?,
        ),
        container_name: row.try_get("container_name")?,
        event_id: row.try_get("event_id")?,
        event,
        state,
        attempts: row.try_get::<Option<u32>, _>("attempts")?.filter(|_| tried).unwrap_or(0),
        next_attempt: next.filter(|at| *at > 0 && tried && state == DeliveryState::Pending).map(Nanos),
        last_error: row.try_get::<Option<String>, _>("last_error")?.filter(|_| tried),
        behind: head.filter(|head| parked && *head < seq),
        created: Nanos(row.try_get("created_ns")?),
        done: row.try_get::<Option<i64>, _>("delivered_ns")?.map(Nanos),
        skipped: row.try_get("skipped")?,
    })
}
