-- What probes found out about each service: verdicts and how often it passed. A summary, rewritten now and then.
CREATE TABLE service_health (
    name     TEXT PRIMARY KEY,
    document TEXT NOT NULL
) WITHOUT ROWID;
