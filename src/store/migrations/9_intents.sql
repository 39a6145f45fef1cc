-- What is being done to containers, of whichever reconciler: committed before the call, and at most one open for a container.
CREATE TABLE intents (
    id           TEXT PRIMARY KEY,
    engine       TEXT NOT NULL,
    container_id TEXT NOT NULL,
    owner        TEXT NOT NULL,
    intent       TEXT NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX intents_container ON intents (engine, container_id);

-- They were part of healing's memories. Two memories had one for the same container only after it was renamed: the last holds.
INSERT OR REPLACE INTO intents (id, engine, container_id, owner, intent)
    SELECT memory ->> '$.intent.id', memory ->> '$.intent.container.engine', memory ->> '$.intent.container.id', logical_id,
        memory -> '$.intent'
    FROM healing
    WHERE json_valid(memory) AND memory ->> '$.intent.id' IS NOT NULL
        AND memory ->> '$.intent.container.engine' IS NOT NULL AND memory ->> '$.intent.container.id' IS NOT NULL
    ORDER BY memory ->> '$.intent.committedAt';
UPDATE healing SET memory = json_remove(memory, '$.intent') WHERE json_valid(memory) AND memory -> '$.intent' IS NOT NULL;
