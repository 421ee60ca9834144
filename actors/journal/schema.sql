-- The newest version of the journal. To change it, append a migration too (migrations.py).
CREATE TABLE IF NOT EXISTS meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    source TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT,
    agent TEXT,
    key TEXT,
    document BLOB NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS events_by_key ON events (key) WHERE key IS NOT NULL;

CREATE TABLE IF NOT EXISTS rejected (
    number INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    origin TEXT NOT NULL,
    reason TEXT NOT NULL,
    size INTEGER NOT NULL,
    raw BLOB NOT NULL
);

CREATE TABLE IF NOT EXISTS nodes (
    id TEXT PRIMARY KEY,
    status TEXT NOT NULL,
    document BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS nodes_open ON nodes (id) WHERE status IN ('unknown', 'open');

CREATE TABLE IF NOT EXISTS edges (
    upstream TEXT NOT NULL,
    dependent TEXT NOT NULL,
    PRIMARY KEY (upstream, dependent)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS deliveries (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    agent TEXT NOT NULL,
    kind TEXT NOT NULL,
    subtask_id TEXT,
    text TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    receipt TEXT,
    reason TEXT,
    queued_at REAL NOT NULL,
    handed_at REAL,
    written_at REAL,
    accepted_at REAL,
    started_at REAL,
    completed_at REAL,
    dropped_at REAL,
    document TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS deliveries_open ON deliveries (agent, number)
    WHERE state NOT IN ('completed', 'withdrawn', 'dead');
CREATE INDEX IF NOT EXISTS deliveries_dead ON deliveries (number)
    WHERE state = 'dead' AND dropped_at IS NULL;
CREATE INDEX IF NOT EXISTS deliveries_of_subtask ON deliveries (subtask_id, agent);

CREATE TABLE IF NOT EXISTS steps (
    number INTEGER PRIMARY KEY,
    document BLOB NOT NULL
);

CREATE TABLE IF NOT EXISTS publications (
    number INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    event_type TEXT NOT NULL,
    payload BLOB NOT NULL,
    state TEXT NOT NULL,
    reason TEXT
);
CREATE INDEX IF NOT EXISTS publications_open ON publications (number) WHERE state = 'waiting';
CREATE INDEX IF NOT EXISTS publications_refused ON publications (number) WHERE state = 'refused';

CREATE TABLE IF NOT EXISTS agents (
    agent TEXT PRIMARY KEY,
    session_id TEXT NOT NULL,
    state TEXT NOT NULL,
    detail TEXT NOT NULL DEFAULT '',
    pid INTEGER,
    in_hand TEXT,
    reminders INTEGER NOT NULL DEFAULT 0,
    cost_usd REAL,
    since REAL NOT NULL,
    began_at REAL NOT NULL DEFAULT 0
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS knowledge (
    number INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    agent TEXT NOT NULL,
    topic TEXT NOT NULL,
    text TEXT NOT NULL
);
