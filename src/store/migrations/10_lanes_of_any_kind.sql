-- Lanes and cells are keyed by kind and name of their target, and by shard and subject: those of a sink and of a BillingService
-- with one name are not the same, and a lane need not be a container's.
CREATE TABLE outbox_of_any_kind (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    kind         TEXT NOT NULL,
    target       TEXT NOT NULL,
    shard        TEXT NOT NULL,
    subject      TEXT NOT NULL,
    event_id     TEXT NOT NULL,
    event        TEXT NOT NULL,
    body         BLOB NOT NULL,
    created_ns   INTEGER NOT NULL,
    delivered_ns INTEGER,
    skipped      TEXT,
    UNIQUE (kind, target, event_id)
);
INSERT INTO outbox_of_any_kind
    SELECT seq, 'BillingService', target, 'engine/' || engine, container_id, event_id, event, body, created_ns, delivered_ns,
        skipped
    FROM outbox ORDER BY seq;
-- A number is given once, also that of a bill that was forgotten.
UPDATE sqlite_sequence SET seq = (SELECT seq FROM sqlite_sequence WHERE name = 'outbox') WHERE name = 'outbox_of_any_kind';
INSERT INTO sqlite_sequence (name, seq)
    SELECT 'outbox_of_any_kind', seq FROM sqlite_sequence WHERE name = 'outbox'
        AND NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'outbox_of_any_kind');
DROP TABLE outbox;
ALTER TABLE outbox_of_any_kind RENAME TO outbox;
-- What is open of a lane; what is open and what is done of a target, and of all, in the order of the list; of a subject; by age.
CREATE INDEX outbox_lane ON outbox (kind, target, shard, subject, seq) WHERE delivered_ns IS NULL;
CREATE INDEX outbox_target ON outbox (kind, target, (delivered_ns IS NULL), seq);
CREATE INDEX outbox_state ON outbox ((delivered_ns IS NULL), seq);
CREATE INDEX outbox_skipped ON outbox (seq) WHERE skipped IS NOT NULL;
CREATE INDEX outbox_subject ON outbox (subject, shard, seq);
CREATE INDEX outbox_delivered ON outbox (delivered_ns) WHERE delivered_ns IS NOT NULL;

-- A lane exists while something of its subject is not delivered to its target. due_ns: when it fell or falls due.
CREATE TABLE lanes_of_any_kind (
    kind       TEXT NOT NULL,
    target     TEXT NOT NULL,
    shard      TEXT NOT NULL,
    subject    TEXT NOT NULL,
    attempts   INTEGER NOT NULL DEFAULT 0,
    due_ns     INTEGER NOT NULL,
    parked     INTEGER NOT NULL DEFAULT 0,
    last_error TEXT,
    PRIMARY KEY (kind, target, shard, subject)
) WITHOUT ROWID;
INSERT INTO lanes_of_any_kind (kind, target, shard, subject, attempts, due_ns, parked, last_error)
    SELECT 'BillingService', target, 'engine/' || engine, container_id, attempts,
        CASE WHEN next_ns > 0 THEN next_ns ELSE coalesce((SELECT min(o.created_ns) FROM outbox o
            WHERE o.kind = 'BillingService' AND o.target = lanes.target AND o.shard = 'engine/' || lanes.engine
                AND o.subject = lanes.container_id AND o.delivered_ns IS NULL), 0) END,
        parked, last_error
    FROM lanes;
DROP TABLE lanes;
ALTER TABLE lanes_of_any_kind RENAME TO lanes;
CREATE INDEX lanes_due ON lanes (kind, target, parked, due_ns);
CREATE INDEX lanes_subject ON lanes (subject, shard);
CREATE INDEX lanes_parked ON lanes (kind, target, shard, subject) WHERE parked = 1;

CREATE TABLE cells_of_any_kind (
    kind       TEXT NOT NULL,
    target     TEXT NOT NULL,
    shard      TEXT NOT NULL,
    subject    TEXT NOT NULL,
    generation INTEGER NOT NULL,
    wanted     TEXT NOT NULL,
    acked      TEXT,
    attempted  INTEGER NOT NULL DEFAULT 0,
    dirty      INTEGER NOT NULL,
    attempts   INTEGER NOT NULL DEFAULT 0,
    due_ns     INTEGER NOT NULL,
    changed_ns INTEGER NOT NULL,
    last_error TEXT,
    PRIMARY KEY (kind, target, shard, subject)
) WITHOUT ROWID;
INSERT INTO cells_of_any_kind (kind, target, shard, subject, generation, wanted, acked, attempted, dirty, attempts, due_ns,
        changed_ns, last_error)
    SELECT 'DiscoveryRegistry', registry, 'engine/' || engine, container_id, generation, wanted, acked, attempted, dirty,
        attempts, CASE WHEN next_ns > 0 THEN next_ns ELSE changed_ns END, changed_ns, last_error
    FROM cells;
DROP TABLE cells;
ALTER TABLE cells_of_any_kind RENAME TO cells;
CREATE INDEX cells_due ON cells (kind, target, due_ns) WHERE dirty = 1;
CREATE INDEX cells_listed ON cells (target, shard, subject) WHERE dirty = 1;
CREATE INDEX cells_subject ON cells (subject, shard) WHERE dirty = 1;

-- Every memory belongs to a shard, and is loaded with it. Groups' keys are `/crowd/ENGINE/POLICY`, all others begin with the engine.
ALTER TABLE healing ADD COLUMN shard TEXT NOT NULL DEFAULT 'fleet';
UPDATE healing SET shard = 'engine/' || CASE
    WHEN logical_id LIKE '/crowd/%/%' THEN substr(logical_id, 8, instr(substr(logical_id, 8), '/') - 1)
    ELSE substr(logical_id, 1, instr(logical_id, '/') - 1) END
    WHERE logical_id LIKE '_%/%';
CREATE INDEX healing_shard ON healing (shard);

-- How people look for containers and events: each filter has its index.
CREATE INDEX containers_name ON containers (name);
DROP INDEX event_log_type;
CREATE INDEX event_log_type ON event_log (event_type, at_ns);
CREATE INDEX event_log_name ON event_log (container_name, at_ns) WHERE container_name <> '';
CREATE INDEX event_log_container ON event_log (container_id, at_ns) WHERE container_id <> '';

-- Objects that are gone, so that whoever follows the changes hears of that; forgotten in time, up to and with `forgotten`.
CREATE TABLE objects_gone (
    kind     TEXT NOT NULL,
    name     TEXT NOT NULL,
    revision INTEGER NOT NULL,
    gone_ns  INTEGER NOT NULL,
    PRIMARY KEY (kind, name)
) WITHOUT ROWID;
CREATE INDEX objects_gone_revision ON objects_gone (revision);
CREATE INDEX objects_revision ON objects (revision);
ALTER TABLE object_revision ADD COLUMN forgotten INTEGER NOT NULL DEFAULT 0;
-- Of what went before this, nothing is known.
UPDATE object_revision SET forgotten = revision;
