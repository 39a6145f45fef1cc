//! Many change sets as one script: the rows of all of them, table by table, one statement each.
//!
//! # Why the order of the sets does not matter
//! What is decided about one key waits for its commit before the next is decided, so sets that meet in a batch are of different
//! keys. Where they touch the same row all the same, the last one's word holds, and what was wanted or enqueued comes before what
//! came of deliveries: an answer is to something that was committed before, and names it (the place in the outbox, the
//! generation of the cell).

use std::collections::BTreeMap;

use super::events;
use super::script::{Rows, Script, document};
use crate::observed::Nanos;
use crate::reconcile::discovery::Wanted;
use crate::resource::KindId;
use crate::store::{
    ChangeSet, LaneKey, NewEvent, OpenIntent, OutboxRow, RecordChange, Settlement, StoreError,
};

/// What is put under a key, or that nothing is any more.
type Keyed<K, V> = BTreeMap<K, Option<V>>;

/// The rows of a batch.
#[derive(Debug, Default)]
pub(super) struct Batch<'a> {
    containers: Rows,
    runs: Rows,
    outbox: Rows,
    /// The lanes of what is put into the outbox, each with the id of the row: only new rows open one.
    opened: Rows,
    cells: Rows,
    events: Vec<&'a NewEvent>,
    healing: Keyed<&'a str, (&'a str, String)>,
    intents: Keyed<&'a str, &'a OpenIntent>,
    services: Keyed<&'a str, &'a str>,
    last_specs: Keyed<(&'static str, &'a str), &'a str>,
    cursors: Rows,
    delivered: Rows,
    lanes_wait: Rows,
    parked: Rows,
    acked: Rows,
    cells_wait: Rows,
    holds: Rows,
    left: Rows,
    readers: Rows,
}

impl<'a> Batch<'a> {
    /// Adds what is in `change`.
    pub(super) fn add(&mut self, change: &'a ChangeSet) -> Result<(), StoreError> {
        let ChangeSet {
            shard,
            epoch: _,
            records,
            outbox,
            cells,
            events,
            healing,
            intents,
            services,
            last_specs,
            cursor,
            settled,
            readers,
            at,
        } = change;
        let shard = shard.to_string();
        for record in records {
            self.record(record)?;
        }
        for row in outbox {
            self.enqueue(row, *at)?;
        }
        for (LaneKey { target, subject }, wanted) in cells {
            let wanted = document("discovery cell", wanted)?;
            self.cells.push(&(target.kind.as_str(), &target.name, &shard, subject.word(), wanted, at.0))?;
        }
        self.events.extend(events);
        for (logical_id, memory) in healing {
            let memory = memory.as_ref().map(|memory| (memory.as_str(), shard.clone()));
            self.healing.insert(logical_id, memory);
        }
        for intent in intents {
            self.intents.insert(intent.id(), intent.put());
        }
        self.services.extend(services.iter().map(|(name, document)| (name.as_str(), document.as_deref())));
        let last_specs = last_specs.iter();
        self.last_specs
            .extend(last_specs.map(|(key, document)| ((key.kind.as_str(), &*key.name), document.as_deref())));
        if let (Some(cursor), crate::observed::Shard::Engine(engine)) = (cursor, &change.shard) {
            self.cursors.push(&(&**engine, document("cursor", cursor)?))?;
        }
        for settlement in settled {
            self.settle(settlement, *at)?;
        }
        for cursor in readers {
            self.readers.push(&(&cursor.reader, cursor.shard.to_string(), cursor.seq))?;
        }
        Ok(())
    }

    fn record(&mut self, RecordChange { record, runs }: &RecordChange) -> Result<(), StoreError> {
        let (engine, id) = (&*record.key.engine, &*record.key.id);
        let state = record.ledger.state.map(|state| state.as_str());
        let (removed, whole) = (record.ledger.removed.map(|at| at.0), document("container", &**record)?);
        self.containers.push(&(engine, id, &record.name, &record.image, state, removed, whole))?;
        for run in runs {
            let at = |at: Option<Nanos>| at.map(|at| at.0);
            self.runs.push(&(
                engine,
                id,
                &run.key,
                run.started.0,
                at(run.start_event),
                at(run.ended),
                at(run.end_event),
                run.exit_code,
                run.restart_count,
            ))?;
        }
        Ok(())
    }

    fn enqueue(&mut self, row: &OutboxRow, at: Nanos) -> Result<(), StoreError> {
        let OutboxRow { lane: LaneKey { target, subject }, id, event, body } = row;
        let (kind, name) = (target.kind.as_str(), &target.name);
        let (shard, subject, id) = (subject.shard().to_string(), subject.word(), id.to_string());
        // The exact bytes, also of what is no text.
        let (text, hex) = match std::str::from_utf8(body) {
            Ok(text) if !text.contains('\0') => (Some(text), None),
            _ => (None, Some(body.iter().map(|byte| format!("{byte:02x}")).collect::<String>())),
        };
        self.opened.push(&(kind, name, &shard, &subject, &id, at.0))?;
        self.outbox.push(&(kind, name, &shard, &subject, &id, event, text, hex, at.0))
    }

    fn settle(&mut self, settlement: &Settlement, at: Nanos) -> Result<(), StoreError> {
        let columns = |LaneKey { target, subject }: &LaneKey| {
            (target.kind.as_str(), target.name.clone(), subject.shard().to_string(), subject.word())
        };
        match settlement {
            Settlement::Delivered { lane, seq } => {
                let (kind, target, shard, subject) = columns(lane);
                self.delivered.push(&(kind, target, shard, subject, seq, at.0))
            }
            Settlement::LaneWaits { lane, attempts, next, hold, error } => {
                self.hold(lane, *hold)?;
                let (kind, target, shard, subject) = columns(lane);
                self.lanes_wait.push(&(kind, target, shard, subject, attempts, next.0, error))
            }
            Settlement::LaneParked { lane, error } => {
                let (kind, target, shard, subject) = columns(lane);
                self.parked.push(&(kind, target, shard, subject, error))
            }
            Settlement::CellAcked { cell, generation, state } => {
                let (kind, target, shard, subject) = columns(cell);
                let absent = *state == Wanted::Absent;
                let state = document("discovery cell", state)?;
                self.acked.push(&(kind, target, shard, subject, generation, state, absent))
            }
            Settlement::CellWaits { cell, generation, attempts, next, hold, error, keeps_ack } => {
                self.hold(cell, *hold)?;
                let (kind, target, shard, subject) = columns(cell);
                self.cells_wait
                    .push(&(kind, target, shard, subject, attempts, next.0, error, keeps_ack, generation))
            }
            Settlement::RegistryLeft { registry } => {
                self.left.push(&(KindId::DiscoveryRegistry.as_str(), registry))
            }
        }
    }

    /// The target does not want to be called until then.
    fn hold(&mut self, key: &LaneKey, until: Option<Nanos>) -> Result<(), StoreError> {
        let target = &key.target;
        until.map_or(Ok(()), |until| self.holds.push(&(target.kind.as_str(), &target.name, until.0)))
    }

    /// All of it.
    pub(super) fn script(&self) -> Result<Script, StoreError> {
        let mut script = Script::default();
        script.over(&self.containers, CONTAINERS);
        script.over(&self.runs, RUNS);
        script.over(&self.opened, OPENED);
        script.over(&self.outbox, OUTBOX);
        script.over(&self.cells, CELLS);
        events::put(&mut script, self.events.iter().copied())?;
        let (forgotten, kept) = parted(&self.healing, |id, (memory, shard)| (*id, *memory, shard.clone()))?;
        script.over(&forgotten, HEALING_FORGOTTEN);
        script.over(&kept, HEALING);
        self.put_intents(&mut script)?;
        let (forgotten, kept) = parted(&self.services, |name, document| (*name, *document))?;
        script.over(&forgotten, SERVICES_FORGOTTEN);
        script.over(&kept, SERVICES);
        let (forgotten, kept) = parted(&self.last_specs, |(kind, name), document| (*kind, *name, *document))?;
        script.over(&forgotten, LAST_SPECS_FORGOTTEN);
        script.over(&kept, LAST_SPECS);
        script.over(&self.cursors, CURSORS);
        script.over(&self.delivered, DELIVERED);
        script.over(&self.delivered, LANES_GO_ON);
        script.over(&self.delivered, LANES_DRAINED);
        script.over(&self.lanes_wait, LANES_WAIT);
        script.over(&self.parked, LANES_PARKED);
        script.over(&self.acked, CELLS_ACKED);
        script.over(&self.acked, CELLS_DONE);
        script.over(&self.cells_wait, CELLS_WAIT);
        script.over(&self.holds, HOLDS);
        script.over(&self.left, CELLS_LEFT);
        script.over(&self.readers, READERS);
        Ok(script)
    }

    fn put_intents(&self, script: &mut Script) -> Result<(), StoreError> {
        let (mut closed, mut open) = (Rows::default(), Rows::default());
        for (id, put) in &self.intents {
            match put {
                None => closed.push(id)?,
                Some(OpenIntent { owner, intent }) => {
                    let (engine, container) = (&*intent.container.engine, &*intent.container.id);
                    open.push(&(id, engine, container, owner, document("intent", intent)?))?;
                }
            }
        }
        script.over(&closed, INTENTS_CLOSED);
        script.over(&open, INTENTS);
        Ok(())
    }
}

/// Keys of which nothing is kept any more, and the rows of the others.
fn parted<K: serde::Serialize, V, R: serde::Serialize>(
    all: &Keyed<K, V>,
    row: impl Fn(&K, &V) -> R,
) -> Result<(Rows, Rows), StoreError> {
    let (mut forgotten, mut kept) = (Rows::default(), Rows::default());
    for (key, value) in all {
        match value {
            None => forgotten.push(key)?,
            Some(value) => kept.push(&row(key, value))?,
        }
    }
    Ok((forgotten, kept))
}

const CONTAINERS: &str = "INSERT INTO containers (engine, id, name, image, state, removed_ns, record)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6 FROM jsonb_each(?) WHERE true
    ON CONFLICT DO UPDATE SET name = excluded.name, image = excluded.image, state = excluded.state,
        removed_ns = excluded.removed_ns, record = excluded.record";

/// Times freeze at commit: what is there once is never changed, only completed.
const RUNS: &str = "INSERT INTO runs (engine, container_id, key, started_ns, start_event_ns, ended_ns, end_event_ns, exit_code,
        restart_count)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, value ->> 8
    FROM jsonb_each(?) WHERE true
    ON CONFLICT DO UPDATE SET start_event_ns = coalesce(start_event_ns, excluded.start_event_ns),
        ended_ns = coalesce(ended_ns, excluded.ended_ns),
        end_event_ns = coalesce(end_event_ns, excluded.end_event_ns),
        exit_code = coalesce(exit_code, excluded.exit_code)";

/// A lane only for what is new: a bill that is known may long be delivered. It falls due at once.
const OPENED: &str = "INSERT INTO lanes (kind, target, shard, subject, due_ns)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 5 FROM jsonb_each(?)
    WHERE NOT EXISTS (SELECT 1 FROM outbox o
        WHERE o.kind = value ->> 0 AND o.target = value ->> 1 AND o.event_id = value ->> 4)
    ON CONFLICT DO NOTHING";

const OUTBOX: &str = "INSERT INTO outbox (kind, target, shard, subject, event_id, event, body, created_ns)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
        coalesce(CAST(value ->> 6 AS BLOB), unhex(value ->> 7)), value ->> 8
    FROM jsonb_each(?) WHERE true ON CONFLICT (kind, target, event_id) DO NOTHING";

/// A state that was not acknowledged may have been taken all the same: then what was acknowledged before it is no longer what the
/// registry holds.
const CELLS: &str =
    "INSERT INTO cells (kind, target, shard, subject, generation, wanted, dirty, due_ns, changed_ns)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, 1, value ->> 4, 1, value ->> 5, value ->> 5
    FROM jsonb_each(?) WHERE true
    ON CONFLICT DO UPDATE SET generation = generation + 1, wanted = excluded.wanted, dirty = 1,
        acked = CASE WHEN dirty THEN NULL ELSE acked END,
        attempts = 0, due_ns = excluded.due_ns, changed_ns = excluded.changed_ns";

const HEALING_FORGOTTEN: &str = "DELETE FROM healing WHERE logical_id IN (SELECT value FROM json_each(?))";
const HEALING: &str = "INSERT INTO healing (logical_id, memory, shard)
    SELECT value ->> 0, value ->> 1, value ->> 2 FROM jsonb_each(?) WHERE true
    ON CONFLICT DO UPDATE SET memory = excluded.memory, shard = excluded.shard";

const INTENTS_CLOSED: &str = "DELETE FROM intents WHERE id IN (SELECT value FROM json_each(?))";
const INTENTS: &str = "INSERT INTO intents (id, engine, container_id, owner, intent)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(?) WHERE true
    ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, intent = excluded.intent";

const SERVICES_FORGOTTEN: &str = "DELETE FROM service_health WHERE name IN (SELECT value FROM json_each(?))";
const SERVICES: &str = "INSERT INTO service_health (name, document)
    SELECT value ->> 0, value ->> 1 FROM json_each(?) WHERE true
    ON CONFLICT DO UPDATE SET document = excluded.document";

const LAST_SPECS_FORGOTTEN: &str =
    "DELETE FROM last_specs WHERE (kind, name) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?))";
const LAST_SPECS: &str = "INSERT INTO last_specs (kind, name, document)
    SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?) WHERE true
    ON CONFLICT DO UPDATE SET document = excluded.document";

const CURSORS: &str = "INSERT INTO cursors (engine, cursor)
    SELECT value ->> 0, value ->> 1 FROM jsonb_each(?) WHERE true
    ON CONFLICT DO UPDATE SET cursor = excluded.cursor";

const DELIVERED: &str = "UPDATE outbox SET delivered_ns = v.at
    FROM (SELECT value ->> 4 AS seq, value ->> 5 AS at FROM jsonb_each(?)) AS v
    WHERE outbox.seq = v.seq AND delivered_ns IS NULL";

/// What is left of a lane falls due now, as others have waited for longer. Rows: kind, target, shard, subject, seq, at.
pub(super) const LANES_GO_ON: &str = "UPDATE lanes SET parked = 0, attempts = 0, due_ns = v.at, last_error = NULL
    FROM (SELECT value ->> 0 AS kind, value ->> 1 AS target, value ->> 2 AS shard, value ->> 3 AS subject, value ->> 5 AS at
        FROM jsonb_each(?)) AS v
    WHERE lanes.kind = v.kind AND lanes.target = v.target AND lanes.shard = v.shard AND lanes.subject = v.subject";

/// Lanes in which nothing is left. Rows: kind, target, shard, subject.
pub(super) const LANES_DRAINED: &str = "DELETE FROM lanes
    WHERE (kind, target, shard, subject) IN
            (SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM jsonb_each(?))
        AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.kind = lanes.kind AND o.target = lanes.target
            AND o.shard = lanes.shard AND o.subject = lanes.subject AND o.delivered_ns IS NULL)";

const LANES_WAIT: &str = "UPDATE lanes SET attempts = v.attempts, due_ns = v.due, last_error = v.error
    FROM (SELECT value ->> 0 AS kind, value ->> 1 AS target, value ->> 2 AS shard, value ->> 3 AS subject,
            value ->> 4 AS attempts, value ->> 5 AS due, value ->> 6 AS error FROM jsonb_each(?)) AS v
    WHERE lanes.kind = v.kind AND lanes.target = v.target AND lanes.shard = v.shard AND lanes.subject = v.subject";

const LANES_PARKED: &str = "UPDATE lanes SET parked = 1, last_error = v.error
    FROM (SELECT value ->> 0 AS kind, value ->> 1 AS target, value ->> 2 AS shard, value ->> 3 AS subject,
            value ->> 4 AS error FROM json_each(?)) AS v
    WHERE lanes.kind = v.kind AND lanes.target = v.target AND lanes.shard = v.shard AND lanes.subject = v.subject";

/// What changed while it was sent is due since it changed.
const CELLS_ACKED: &str = "UPDATE cells SET acked = v.state, attempts = 0, due_ns = changed_ns, last_error = NULL, attempted = 1,
        dirty = (cells.generation <> v.generation)
    FROM (SELECT value ->> 0 AS kind, value ->> 1 AS target, value ->> 2 AS shard, value ->> 3 AS subject,
            value ->> 4 AS generation, value ->> 5 AS state FROM jsonb_each(?)) AS v
    WHERE cells.kind = v.kind AND cells.target = v.target AND cells.shard = v.shard AND cells.subject = v.subject";

/// What is gone from engine and registry needs no memory.
const CELLS_DONE: &str = "DELETE FROM cells
    WHERE dirty = 0 AND (kind, target, shard, subject) IN
        (SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM jsonb_each(?) WHERE value ->> 6)";

/// What changed while it was sent waits for nothing.
const CELLS_WAIT: &str = "UPDATE cells SET
        attempts = iif(coalesce(v.generation, cells.generation) = cells.generation, v.attempts, cells.attempts),
        due_ns = iif(coalesce(v.generation, cells.generation) = cells.generation, v.due, due_ns),
        last_error = iif(coalesce(v.generation, cells.generation) = cells.generation, v.error, last_error),
        attempted = 1, acked = iif(v.keeps_ack, acked, NULL)
    FROM (SELECT value ->> 0 AS kind, value ->> 1 AS target, value ->> 2 AS shard, value ->> 3 AS subject,
            value ->> 4 AS attempts, value ->> 5 AS due, value ->> 6 AS error, value ->> 7 AS keeps_ack,
            value ->> 8 AS generation FROM json_each(?)) AS v
    WHERE cells.kind = v.kind AND cells.target = v.target AND cells.shard = v.shard AND cells.subject = v.subject";

const CELLS_LEFT: &str =
    "DELETE FROM cells WHERE (kind, target) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?))";

const HOLDS: &str = "INSERT INTO holds (kind, target, until_ns)
    SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?) WHERE true
    ON CONFLICT DO UPDATE SET until_ns = max(until_ns, excluded.until_ns)";

/// Moves readers on. One without any cursor was not opened, or was forgotten: it gets none by this.
const READERS: &str = "INSERT INTO event_cursors (reader, shard, seq)
    SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?)
    WHERE EXISTS (SELECT 1 FROM event_cursors WHERE reader = value ->> 0)
    ON CONFLICT DO UPDATE SET seq = max(seq, excluded.seq)";

/// Each of them, to be explained.
#[cfg(test)]
pub(super) const STATEMENTS: [&str; 25] = [
    CONTAINERS,
    RUNS,
    OPENED,
    OUTBOX,
    CELLS,
    HEALING_FORGOTTEN,
    HEALING,
    INTENTS_CLOSED,
    INTENTS,
    SERVICES_FORGOTTEN,
    SERVICES,
    LAST_SPECS_FORGOTTEN,
    LAST_SPECS,
    CURSORS,
    DELIVERED,
    LANES_GO_ON,
    LANES_DRAINED,
    LANES_WAIT,
    LANES_PARKED,
    CELLS_ACKED,
    CELLS_DONE,
    CELLS_WAIT,
    CELLS_LEFT,
    HOLDS,
    READERS,
];
