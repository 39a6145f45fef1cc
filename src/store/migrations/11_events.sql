-- The published ports of the container at the time of the event, such as {"80/tcp": 8080}; of events stored before: unknown.
ALTER TABLE event_log ADD COLUMN ports TEXT NOT NULL DEFAULT '{}';

-- Document R5's table: what became of containers, by that name and with those columns, in the order of recording.
CREATE VIEW events (event, container_id, container_name, image, host, ports, timestamp) AS
    SELECT event_type, container_id, container_name, image, host, ports,
        strftime('%Y-%m-%dT%H:%M:%S', at_ns / 1000000000, 'unixepoch') || printf('.%03dZ', at_ns / 1000000 % 1000)
    FROM event_log WHERE event_type IN ('create', 'start', 'stop', 'remove') ORDER BY id;
