-- How an object was last declared whose registrations are to be dealt with once it is deleted.
CREATE TABLE last_specs (
    kind     TEXT NOT NULL,
    name     TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (kind, name)
) WITHOUT ROWID;
