-- The log and the vault. Forward only: a change is a new file.

-- One row a stream. A stream is named, everywhere but here, by the position of its first event: a
-- small integer instead of a name of some forty characters in every event and index entry.
CREATE TABLE streams (
  first INTEGER PRIMARY KEY,
  name  TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE events (
  position       INTEGER PRIMARY KEY,   -- commit order, dense, from 1
  stream         INTEGER NOT NULL,      -- streams.first
  version        INTEGER NOT NULL,      -- place in the stream, dense, from 0
  event_id       BLOB NOT NULL,         -- 16 bytes; a retry is found by comparing it, not by an index
  type           TEXT NOT NULL,         -- 'LoginStarted.v1'
  data           TEXT NOT NULL,         -- JSON, kept exactly as it was written
  occurred_at    INTEGER NOT NULL,      -- microseconds since 1970, by the deciding node's clock
  recorded_at    INTEGER NOT NULL,      -- microseconds since 1970, when this log took it
  correlation_id BLOB NOT NULL,         -- 16 bytes: the request all of it belongs to
  causation_id   BLOB,                  -- 16 bytes: the event that led to it
  actor          TEXT NOT NULL          -- 'visitor', 'owner', 'system', 'operator:NAME'
) STRICT;

-- The writer checks versions; this makes a mistake of the writer impossible to commit.
CREATE UNIQUE INDEX events_by_stream ON events (stream, version);

CREATE TRIGGER events_never_change BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'the log is immutable'); END;
CREATE TRIGGER events_never_go BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'the log is immutable'); END;
CREATE TRIGGER streams_never_change BEFORE UPDATE ON streams
BEGIN SELECT RAISE(ABORT, 'the log is immutable'); END;
CREATE TRIGGER streams_never_go BEFORE DELETE ON streams
BEGIN SELECT RAISE(ABORT, 'the log is immutable'); END;

-- Subject keys, wrapped by the master key. Destroying one erases, at once and everywhere, all that
-- was sealed under it; the row stays to say that there was one.
CREATE TABLE subject_keys (
  subject      TEXT NOT NULL,           -- the stream whose personal fields it seals
  generation   INTEGER NOT NULL,        -- 0, and one more after each destruction
  wrapped      BLOB,                    -- NULL: destroyed
  created_at   INTEGER NOT NULL,
  destroyed_at INTEGER,
  PRIMARY KEY (subject, generation)
) STRICT, WITHOUT ROWID;

-- What the file says about itself: 'master_key' is the fingerprint of the key it was made with.
CREATE TABLE about (
  name  TEXT PRIMARY KEY,
  value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- For people: the log with names and readable times.
CREATE VIEW log AS
SELECT e.position, s.name AS stream, e.version, e.type, e.data,
       strftime('%Y-%m-%dT%H:%M:%fZ', e.occurred_at / 1e6, 'unixepoch') AS occurred_at, e.actor
FROM events e JOIN streams s ON s.first = e.stream;
