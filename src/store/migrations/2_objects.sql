-- Objects: what identifies each one in force, wherever it comes from, and the document of those written by the API.
CREATE TABLE objects (
    kind       TEXT NOT NULL,
    name       TEXT NOT NULL,
    uid        TEXT NOT NULL,
    generation INTEGER NOT NULL,
    revision   INTEGER NOT NULL,
    written    INTEGER NOT NULL,
    created_ns INTEGER NOT NULL,
    spec_hash  TEXT NOT NULL,
    whole_hash TEXT NOT NULL,
    document   TEXT,
    PRIMARY KEY (kind, name)
) WITHOUT ROWID;

-- The highest revision ever given: one of an object that is gone must not be given again.
CREATE TABLE object_revision (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    revision INTEGER NOT NULL
);
INSERT INTO object_revision (one, revision) VALUES (1, 0);
