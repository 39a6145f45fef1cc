-- Containers: one document each; name, image and state beside it for people with an SQL prompt.
CREATE TABLE containers (
    engine     TEXT NOT NULL,
    id         TEXT NOT NULL,
    name       TEXT NOT NULL,
    image      TEXT NOT NULL,
    state      TEXT,
    removed_ns INTEGER,
    record     TEXT NOT NULL,
    PRIMARY KEY (engine, id)
) WITHOUT ROWID;
CREATE INDEX containers_removed ON containers (removed_ns);

-- The ledger: a run's key is minted once and never changed.
CREATE TABLE runs (
    engine         TEXT NOT NULL,
    container_id   TEXT NOT NULL,
    key            TEXT NOT NULL,
    started_ns     INTEGER NOT NULL,
    start_event_ns INTEGER,
    ended_ns       INTEGER,
    end_event_ns   INTEGER,
    exit_code      INTEGER,
    restart_count  INTEGER NOT NULL,
    PRIMARY KEY (engine, container_id, key)
) WITHOUT ROWID;

-- The outbox: exact bytes, one id per target, delivered rows kept until the retention ends.
CREATE TABLE outbox (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    target       TEXT NOT NULL,
    engine       TEXT NOT NULL,
    container_id TEXT NOT NULL,
    event_id     TEXT NOT NULL,
    event        TEXT NOT NULL,
    body         BLOB NOT NULL,
    created_ns   INTEGER NOT NULL,
    delivered_ns INTEGER,
    UNIQUE (target, event_id)
);
CREATE INDEX outbox_pending ON outbox (target, engine, container_id, seq) WHERE delivered_ns IS NULL;
CREATE INDEX outbox_delivered ON outbox (delivered_ns) WHERE delivered_ns IS NOT NULL;

-- A lane exists while its container has undelivered events for its target.
CREATE TABLE lanes (
    target       TEXT NOT NULL,
    engine       TEXT NOT NULL,
    container_id TEXT NOT NULL,
    attempts     INTEGER NOT NULL DEFAULT 0,
    next_ns      INTEGER NOT NULL DEFAULT 0,
    firm         INTEGER NOT NULL DEFAULT 0,
    parked       INTEGER NOT NULL DEFAULT 0,
    last_error   TEXT,
    PRIMARY KEY (target, engine, container_id)
) WITHOUT ROWID;
CREATE INDEX lanes_due ON lanes (target, parked, next_ns);

-- Discovery: the latest state per registry and container; dirty while the registry may hold something else.
CREATE TABLE cells (
    registry     TEXT NOT NULL,
    engine       TEXT NOT NULL,
    container_id TEXT NOT NULL,
    generation   INTEGER NOT NULL,
    wanted       TEXT NOT NULL,
    acked        TEXT,
    attempted    INTEGER NOT NULL DEFAULT 0,
    dirty        INTEGER NOT NULL,
    attempts     INTEGER NOT NULL DEFAULT 0,
    next_ns      INTEGER NOT NULL DEFAULT 0,
    firm         INTEGER NOT NULL DEFAULT 0,
    changed_ns   INTEGER NOT NULL,
    last_error   TEXT,
    PRIMARY KEY (registry, engine, container_id)
) WITHOUT ROWID;
CREATE INDEX cells_due ON cells (registry, next_ns) WHERE dirty = 1;

CREATE TABLE healing (
    logical_id TEXT PRIMARY KEY,
    memory     TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE cursors (
    engine TEXT PRIMARY KEY,
    cursor TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE event_log (
    seq            INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ns          INTEGER NOT NULL,
    engine         TEXT NOT NULL,
    container_id   TEXT NOT NULL,
    container_name TEXT NOT NULL,
    image          TEXT NOT NULL,
    host           TEXT NOT NULL,
    event_type     TEXT NOT NULL,
    reason         TEXT NOT NULL,
    status         TEXT NOT NULL,
    message        TEXT NOT NULL,
    severity       TEXT NOT NULL,
    restart_count  INTEGER NOT NULL
);
CREATE INDEX event_log_at ON event_log (at_ns, seq);
CREATE INDEX event_log_type ON event_log (event_type, seq);
