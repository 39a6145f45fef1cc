-- Who asked for what an event is about; empty where nobody did.
ALTER TABLE event_log ADD COLUMN caller TEXT NOT NULL DEFAULT '';
