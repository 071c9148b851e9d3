"""The tables, and what is said to them. Grafana's queries are in deploy/dashboards/alerts.py."""

from __future__ import annotations

# names of what others read are an API, as those of metrics are
TABLES = """
CREATE TABLE IF NOT EXISTS heartline_alerts (
    namespace text NOT NULL, topic_id text NOT NULL, id text NOT NULL,
    generation_ns bigint NOT NULL, told timestamptz NOT NULL, generated timestamptz NOT NULL,
    source text NOT NULL, parameter text NOT NULL, name text NOT NULL, container text NOT NULL,
    kind text NOT NULL, monitor text NOT NULL, transition text NOT NULL,
    level_before text NOT NULL, level text NOT NULL, observed double precision, unit text NOT NULL,
    sentence text NOT NULL, who text NOT NULL, alert json NOT NULL,
    PRIMARY KEY (namespace, topic_id, id, generation_ns)
);
CREATE INDEX IF NOT EXISTS heartline_alerts_told ON heartline_alerts (told);
CREATE INDEX IF NOT EXISTS heartline_alerts_generated ON heartline_alerts (generated);
CREATE TABLE IF NOT EXISTS heartline_deeds (
    namespace text NOT NULL, topic_id text NOT NULL, "partition" integer NOT NULL,
    "offset" bigint NOT NULL, at timestamptz NOT NULL, what text NOT NULL, who text NOT NULL,
    why text NOT NULL, source text NOT NULL, incident text NOT NULL, level text NOT NULL,
    alarms integer NOT NULL, record json NOT NULL,
    PRIMARY KEY (namespace, topic_id, "partition", "offset", at)
);
CREATE INDEX IF NOT EXISTS heartline_deeds_at ON heartline_deeds (at);
CREATE TABLE IF NOT EXISTS heartline_read (
    namespace text NOT NULL, topic text NOT NULL, topic_id text NOT NULL,
    "partition" integer NOT NULL, next_offset bigint NOT NULL,
    PRIMARY KEY (namespace, topic, "partition")
);
"""
ALERT = """
INSERT INTO heartline_alerts VALUES
    ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
ON CONFLICT DO NOTHING
"""
DEED = """
INSERT INTO heartline_deeds VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT DO NOTHING
"""
READ = """
SELECT topic, "partition", next_offset FROM heartline_read WHERE namespace = $1 AND topic_id = $2
"""
MARK = """
INSERT INTO heartline_read VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (namespace, topic, "partition") DO UPDATE
    SET topic_id = excluded.topic_id, next_offset = excluded.next_offset
"""
# one writer a namespace: held as long as the connection
LOCK = "SELECT pg_try_advisory_lock(hashtext('heartline'), hashtext($1))"
