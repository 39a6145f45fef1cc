-- One word for what a person has to act on, in events as everywhere else.
UPDATE event_log SET severity = 'critical' WHERE severity = 'error';

-- The object or policy that an event is about, as KIND/NAME; empty for events stored before.
ALTER TABLE event_log ADD COLUMN object TEXT NOT NULL DEFAULT '';

-- Events are numbered twice: in the whole log (`id`), and without a hole within their shard (`seq`), by which they are read.
ALTER TABLE event_log RENAME COLUMN seq TO id;
ALTER TABLE event_log ADD COLUMN shard TEXT NOT NULL DEFAULT 'fleet';
ALTER TABLE event_log ADD COLUMN seq INTEGER NOT NULL DEFAULT 0;
UPDATE event_log SET shard = 'engine/' || engine WHERE engine <> '';
UPDATE event_log SET seq = numbered.place
    FROM (SELECT id, row_number() OVER (PARTITION BY shard ORDER BY id) AS place FROM event_log) AS numbered
    WHERE numbered.id = event_log.id;
CREATE UNIQUE INDEX event_log_shard ON event_log (shard, seq);

-- The last number given in each shard. It stays when its event is pruned: none is given twice.
CREATE TABLE event_ends (
    shard TEXT PRIMARY KEY,
    seq   INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO event_ends (shard, seq) SELECT shard, max(seq) FROM event_log GROUP BY shard;

-- How far each reader of events has come in each shard.
CREATE TABLE event_cursors (
    reader TEXT NOT NULL,
    shard  TEXT NOT NULL,
    seq    INTEGER NOT NULL,
    PRIMARY KEY (reader, shard)
) WITHOUT ROWID;
