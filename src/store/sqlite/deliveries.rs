//! Deliveries as people see them.

use sqlx::Row;
use sqlx::sqlite::{SqlitePool, SqliteRow};

use super::deliver::subject;
use super::named::{Named, beyond, ways};
use super::query::Query;
use crate::observed::Nanos;
use crate::reconcile::discovery::Wanted;
use crate::resource::{KindId, ObjectKey};
use crate::store::{Delivery, DeliveryFilter, DeliveryKind, DeliveryPlace, DeliveryState, StoreError};

/// Kinds of targets that have lanes.
const LANE_KINDS: [KindId; 2] = [KindId::BillingService, KindId::NotificationSink];

/// Only the first bill of a lane is tried and refused; those behind it wait.
const BILLS: &str = "SELECT o.seq, o.kind, o.target, o.shard, o.subject, c.name AS container_name, o.event_id, o.event,
        o.created_ns, o.delivered_ns, o.skipped, IFNULL(l.parked, 0) AS parked, l.attempts, l.due_ns, h.until_ns, l.last_error,
        CASE WHEN o.delivered_ns IS NULL THEN (SELECT min(p.seq) FROM outbox p WHERE p.kind = o.kind AND p.target = o.target
            AND p.shard = o.shard AND p.subject = o.subject AND p.delivered_ns IS NULL) END AS head
    FROM outbox o
        LEFT JOIN lanes l ON l.kind = o.kind AND l.target = o.target AND l.shard = o.shard AND l.subject = o.subject
        LEFT JOIN containers c ON c.engine = substr(o.shard, 8) AND c.id = o.subject AND o.shard LIKE 'engine/%'
        LEFT JOIN holds h ON h.kind = o.kind AND h.target = o.target";

/// Of each parked lane the bill that was refused.
const HEADS: &str = "SELECT o.seq, o.kind, o.target, o.shard, o.subject, c.name AS container_name, o.event_id, o.event,
        o.created_ns, NULL AS delivered_ns, NULL AS skipped, l.parked, l.attempts, l.due_ns, NULL AS until_ns, l.last_error,
        o.seq AS head
    FROM lanes l INDEXED BY lanes_parked
        JOIN outbox o ON o.seq = (SELECT min(p.seq) FROM outbox p WHERE p.kind = l.kind AND p.target = l.target
            AND p.shard = l.shard AND p.subject = l.subject AND p.delivered_ns IS NULL)
        LEFT JOIN containers c ON c.engine = substr(l.shard, 8) AND c.id = l.subject AND l.shard LIKE 'engine/%'";

const CELLS: &str = "SELECT 0 AS seq, d.kind, d.target, d.shard, d.subject, c.name AS container_name, NULL AS event_id,
        d.wanted AS event, d.changed_ns AS created_ns, NULL AS delivered_ns, NULL AS skipped, 0 AS parked, d.attempts, d.due_ns,
        h.until_ns, d.last_error, 0 AS head
    FROM cells d LEFT JOIN containers c ON c.engine = substr(d.shard, 8) AND c.id = d.subject AND d.shard LIKE 'engine/%'
        LEFT JOIN holds h ON h.kind = d.kind AND h.target = d.target";

pub(super) async fn deliveries(
    pool: &SqlitePool,
    filter: &DeliveryFilter,
) -> Result<Vec<Delivery>, StoreError> {
    let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
    let mut found = found(pool, DeliveryKind::Cell, cells_queries(filter)).await?;
    // As they are stored, which is how the next page is found.
    found.sort_by_cached_key(|cell| {
        (cell.target.name.clone(), cell.subject.shard().to_string(), cell.subject.word())
    });
    found.dedup();
    if found.len() < limit {
        let mut bills = self::found(pool, DeliveryKind::Bill, bills_queries(filter)).await?;
        bills.sort_by_key(|bill| std::cmp::Reverse(bill.seq));
        bills.dedup();
        found.append(&mut bills);
    }
    found.truncate(limit);
    Ok(found)
}

async fn found(
    pool: &SqlitePool,
    kind: DeliveryKind,
    queries: Vec<Query>,
) -> Result<Vec<Delivery>, StoreError> {
    let mut found = Vec::new();
    for query in queries {
        for row in query.rows(pool).await? {
            found.push(delivery(kind, &row)?);
        }
    }
    Ok(found)
}

/// What finds the bills that are asked for, each in the order of the list and with an index of its own: by target and whether it
/// is open, by container, by what is parked or skipped, or all.
pub(super) fn bills_queries(filter: &DeliveryFilter) -> Vec<Query> {
    let targets: Vec<_> = match &filter.target {
        None => vec![None],
        Some(name) => LANE_KINDS.map(|kind| Some((kind, name.as_str()))).into(),
    };
    let open: &[Option<bool>] = match filter.state {
        Some(DeliveryState::Pending) => &[Some(true)],
        Some(DeliveryState::Delivered) => &[Some(false)],
        Some(DeliveryState::Parked | DeliveryState::Skipped) => &[None],
        // Of a target each of the two has its index.
        None if filter.target.is_some() => &[Some(true), Some(false)],
        None => &[None],
    };
    let mut queries = Vec::new();
    for target in targets {
        for named in ways(filter.container.as_deref()) {
            queries.extend(open.iter().map(|open| bills_query(filter, target, named, *open)));
        }
    }
    queries
}

fn bills_query(
    filter: &DeliveryFilter,
    target: Option<(KindId, &str)>,
    named: Option<Named<'_>>,
    open: Option<bool>,
) -> Query {
    let parked = filter.state == Some(DeliveryState::Parked);
    let mut query = Query::new(if parked { HEADS } else { BILLS });
    // A plus keeps a condition from choosing the index: a container's is the narrower one, and that of what was skipped.
    let narrow = named.is_some() || filter.seq.is_some() || filter.state == Some(DeliveryState::Skipped);
    if let Some((kind, name)) = target {
        let (of_kind, of_target) = match (parked, narrow) {
            (true, _) => ("l.kind = ?", "l.target = ?"),
            (false, true) => ("+o.kind = ?", "+o.target = ?"),
            (false, false) => ("o.kind = ?", "o.target = ?"),
        };
        query.and(of_kind, kind.as_str());
        query.and(of_target, name);
    }
    match (named, parked) {
        (Some(Named::Name(name)), false) => query.and(
            "(o.subject, o.shard) IN (SELECT id, 'engine/' || engine FROM containers WHERE name = ?)",
            name,
        ),
        (Some(Named::Name(name)), true) => query.and("c.name = ?", name),
        (Some(Named::Id(id)), false) => {
            query.and("o.subject >= ?", id);
            query.and("o.subject < ?", beyond(id));
        }
        (Some(Named::Id(id)), true) => {
            query.and("l.subject >= ?", id);
            query.and("l.subject < ?", beyond(id));
        }
        (None, _) => {}
    }
    match (open, narrow) {
        (Some(true), false) => query.condition("(o.delivered_ns IS NULL) = 1"),
        (Some(true), true) => query.condition("+o.delivered_ns IS NULL"),
        (Some(false), false) => query.condition("(o.delivered_ns IS NULL) = 0"),
        (Some(false), true) => query.condition("+o.delivered_ns IS NOT NULL"),
        (None, _) => {}
    }
    match filter.state {
        Some(DeliveryState::Pending) => query.condition(
            "NOT (IFNULL(l.parked, 0) = 1 AND NOT EXISTS (SELECT 1 FROM outbox p WHERE p.kind = o.kind
                 AND p.target = o.target AND p.shard = o.shard AND p.subject = o.subject AND p.delivered_ns IS NULL
                 AND p.seq < o.seq))",
        ),
        Some(DeliveryState::Parked) => query.condition("l.parked = 1"),
        Some(DeliveryState::Delivered) => query.condition("o.skipped IS NULL"),
        Some(DeliveryState::Skipped) => query.condition("o.skipped IS NOT NULL"),
        None => {}
    }
    if let Some(seq) = filter.seq {
        query.and("o.seq = ?", seq);
    }
    // Also the first page has its place in the index: what is read ends with the page.
    let before = match filter.after {
        Some(DeliveryPlace::Bill { seq }) => seq,
        Some(DeliveryPlace::Cell { .. }) | None => i64::MAX,
    };
    query.and("o.seq < ?", before);
    query.end("ORDER BY o.seq DESC LIMIT ?", filter.limit);
    query
}

/// What finds the cells that are asked for.
pub(super) fn cells_queries(filter: &DeliveryFilter) -> Vec<Query> {
    let waits = matches!(filter.state, None | Some(DeliveryState::Pending));
    let begun = matches!(filter.after, Some(DeliveryPlace::Bill { .. }));
    if !waits || begun || filter.seq.is_some() {
        return Vec::new();
    }
    let query = |named: Option<Named<'_>>| {
        let mut query = Query::new(CELLS);
        query.condition("d.dirty = 1");
        match named {
            Some(Named::Name(name)) => query.and(
                "(d.subject, d.shard) IN (SELECT id, 'engine/' || engine FROM containers WHERE name = ?)",
                name,
            ),
            Some(Named::Id(id)) => {
                query.and("d.subject >= ?", id);
                query.and("d.subject < ?", beyond(id));
            }
            None => {}
        }
        if let Some(target) = &filter.target {
            query.and(if named.is_some() { "+d.target = ?" } else { "d.target = ?" }, target);
        }
        let (registry, shard, word) = match &filter.after {
            Some(DeliveryPlace::Cell { registry, subject }) => {
                (registry.as_str(), subject.shard().to_string(), subject.word())
            }
            Some(DeliveryPlace::Bill { .. }) | None => ("", String::new(), String::new()),
        };
        query.and("(d.target, d.shard, d.subject) > (?", registry);
        query.bind(shard);
        query.bind(word);
        query.text(", ?, ?)");
        query.end("ORDER BY d.target, d.shard, d.subject LIMIT ?", filter.limit);
        query
    };
    ways(filter.container.as_deref()).into_iter().map(query).collect()
}

/// The bills that parked lanes of a target wait for, in the order of their subjects.
pub(super) async fn parked_heads(pool: &SqlitePool, target: &ObjectKey) -> Result<Vec<Delivery>, StoreError> {
    let mut query = Query::new(HEADS);
    query.and("l.kind = ?", target.kind.as_str());
    query.and("l.target = ?", &target.name);
    query.condition("l.parked = 1");
    query.text("ORDER BY l.shard, l.subject");
    found(pool, DeliveryKind::Bill, vec![query]).await
}

fn delivery(kind: DeliveryKind, row: &SqliteRow) -> Result<Delivery, StoreError> {
    let (seq, head): (i64, Option<i64>) = (row.try_get("seq")?, row.try_get("head")?);
    let done: Option<i64> = row.try_get("delivered_ns")?;
    let (skipped, parked): (Option<String>, bool) = (row.try_get("skipped")?, row.try_get("parked")?);
    let state = match (&skipped, done) {
        (Some(_), _) => DeliveryState::Skipped,
        (None, Some(_)) => DeliveryState::Delivered,
        (None, None) if parked && head == Some(seq) => DeliveryState::Parked,
        (None, None) => DeliveryState::Pending,
    };
    let event: String = row.try_get("event")?;
    let event = match kind {
        DeliveryKind::Bill => event,
        DeliveryKind::Cell => {
            let damaged = |source| StoreError::Damaged { what: "discovery cell", source };
            let wanted: Wanted = serde_json::from_str(&event).map_err(damaged)?;
            wanted.as_str().to_owned()
        }
    };
    // Of what is delivered, and of what was never tried, the lane's figures say nothing.
    let tried = state.is_open() && head == Some(seq);
    let attempts = row.try_get::<Option<u32>, _>("attempts")?.filter(|_| tried).unwrap_or(0);
    // What was never tried is due in its turn, unless its target has named a time.
    let due: Option<i64> = row.try_get::<Option<i64>, _>("due_ns")?.filter(|_| attempts > 0);
    let next = due.max(row.try_get("until_ns")?);
    let word: &str = row.try_get("kind")?;
    let unknown = || sqlx::Error::Decode(format!("`{word}` is no kind of target").into());
    Ok(Delivery {
        kind,
        seq,
        target: ObjectKey { kind: KindId::of(word).ok_or_else(unknown)?, name: row.try_get("target")? },
        subject: subject(row)?,
        container_name: row.try_get("container_name")?,
        event_id: row.try_get("event_id")?,
        event,
        state,
        attempts,
        next_attempt: next.filter(|at| *at > 0 && tried && state == DeliveryState::Pending).map(Nanos),
        last_error: row.try_get::<Option<String>, _>("last_error")?.filter(|_| tried),
        behind: head.filter(|head| parked && *head < seq),
        created: Nanos(row.try_get("created_ns")?),
        done: done.map(Nanos),
        skipped,
    })
}
