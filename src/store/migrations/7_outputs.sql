-- What a check printed; empty where none did.
ALTER TABLE event_log ADD COLUMN output TEXT NOT NULL DEFAULT '';
