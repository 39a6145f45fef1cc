-- Until when a target is not called because it said so (`Retry-After`).
CREATE TABLE holds (
    kind     TEXT NOT NULL,
    target   TEXT NOT NULL,
    until_ns INTEGER NOT NULL,
    PRIMARY KEY (kind, target)
) WITHOUT ROWID;

-- It held one lane or cell only.
INSERT INTO holds (kind, target, until_ns)
    SELECT 'BillingService', target, max(next_ns) FROM lanes WHERE firm = 1 GROUP BY target
    UNION ALL
    SELECT 'DiscoveryRegistry', registry, max(next_ns) FROM cells WHERE firm = 1 GROUP BY registry;
ALTER TABLE lanes DROP COLUMN firm;
ALTER TABLE cells DROP COLUMN firm;

-- Why a bill was passed over, if it was; then delivered_ns says when.
ALTER TABLE outbox ADD COLUMN skipped TEXT;
