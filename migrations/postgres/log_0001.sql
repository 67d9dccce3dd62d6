-- The log. Forward only: a change is a new file.

CREATE SCHEMA log;

-- One row a stream. A stream is named, everywhere but here, by the position of its first event: a
-- small integer instead of a name of some forty characters in every event and index entry.
CREATE TABLE log.streams (
  first bigint PRIMARY KEY,
  name  text NOT NULL COLLATE "C" UNIQUE
);

-- The wide columns come first, in the order that leaves no padding between them.
CREATE TABLE log.events (
  position       bigint NOT NULL PRIMARY KEY, -- commit order, dense, from 1
  stream         bigint NOT NULL,       -- streams.first
  version        bigint NOT NULL,       -- place in the stream, dense, from 0
  occurred_at    bigint NOT NULL,       -- microseconds since 1970, by the deciding node's clock
  recorded_at    bigint NOT NULL,       -- microseconds since 1970, when this log took it; never falls
  event_id       uuid NOT NULL,         -- a retry is found by comparing it, not by an index
  correlation_id uuid NOT NULL,         -- the request all of it belongs to
  causation_id   uuid,                  -- the event that led to it
  actor          text NOT NULL,         -- 'visitor', 'owner', 'system', 'operator:NAME'
  type           text NOT NULL,         -- 'LoginStarted.v1'
  data           text NOT NULL          -- JSON, kept exactly as it was written, which jsonb would not
);

-- The function below checks versions; this makes a mistake of it impossible to commit.
CREATE UNIQUE INDEX events_by_stream ON log.events (stream, version);

-- The end of the log, and the lock that makes positions commit order: a sequence would not, for its
-- numbers can be committed in another order than they were drawn, and some never are.
CREATE TABLE log.head (
  single      boolean PRIMARY KEY DEFAULT true CHECK (single),
  position    bigint NOT NULL,
  recorded_at bigint NOT NULL
) WITH (fillfactor = 10);
INSERT INTO log.head (position, recorded_at) VALUES (0, 0);

CREATE FUNCTION log.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the log is immutable' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER events_never_change BEFORE UPDATE OR DELETE OR TRUNCATE ON log.events
  FOR EACH STATEMENT EXECUTE FUNCTION log.refuse();
CREATE TRIGGER streams_never_change BEFORE UPDATE OR DELETE OR TRUNCATE ON log.streams
  FOR EACH STATEMENT EXECUTE FUNCTION log.refuse();
-- Replicas and restores switch ordinary triggers off; these stay.
ALTER TABLE log.events ENABLE ALWAYS TRIGGER events_never_change;
ALTER TABLE log.streams ENABLE ALWAYS TRIGGER streams_never_change;

-- Appends a batch: of each append, whose stream has the expected length, all events; of any other,
-- nothing. An append is one place in `names`, `expected`, `counts`, `generations` and `keys`; no two
-- are for the same stream. An event is one place in the arrays after them, append by append.
-- Gives the head before it, the time that was recorded, and the length each stream had.
CREATE FUNCTION log.append(
  names text[], expected bigint[], counts int[], generations bigint[], keys bytea[],
  appends int[], versions bigint[], occurred bigint[], ids uuid[], correlations uuid[],
  causations uuid[], actors text[], types text[], contents bytea[],
  now_there bigint, node text,
  OUT before bigint, OUT at bigint, OUT lengths bigint[]
) LANGUAGE plpgsql AS $$
DECLARE
  starts bigint[];                      -- of each append: the position before its first event, or -1
  firsts bigint[];                      -- of each append: streams.first
  written bigint;
BEGIN
  -- From here to the commit nobody else appends. What is read below is read by later statements,
  -- which see all that those have committed who held the lock before.
  SELECT h.position, greatest(h.recorded_at, now_there) INTO before, at FROM log.head h FOR UPDATE;

  -- Materialized, or each look-up would be made anew wherever its result is used.
  WITH asked AS MATERIALIZED (
    SELECT a.*, (SELECT s.first FROM log.streams s WHERE s.name = a.name) AS first
      FROM unnest(names, expected, counts) WITH ORDINALITY AS a (name, expected, count, n)
  ), found AS MATERIALIZED (
    SELECT a.*, coalesce((SELECT max(e.version) + 1 FROM log.events e WHERE e.stream = a.first), 0)
             AS length
      FROM asked a
  ), placed AS MATERIALIZED (
    SELECT f.*, CASE WHEN f.length = f.expected THEN before - f.count
             + sum(f.count) FILTER (WHERE f.length = f.expected) OVER (ORDER BY f.n)
             ELSE -1 END AS start
      FROM found f
  )
  SELECT array_agg(p.length ORDER BY p.n), array_agg(p.start ORDER BY p.n),
         array_agg(coalesce(p.first, p.start + 1) ORDER BY p.n),
         coalesce(sum(p.count) FILTER (WHERE p.start >= 0), 0)
    INTO lengths, starts, firsts, written FROM placed p;
  IF written = 0 THEN
    RETURN;
  END IF;

  INSERT INTO log.streams (first, name)
    SELECT firsts[a.n], a.name FROM unnest(names, expected) WITH ORDINALITY AS a (name, expected, n)
     WHERE a.expected = 0 AND starts[a.n] >= 0;
  INSERT INTO vault.subject_keys (subject, generation, wrapped, created_at)
    SELECT a.name, a.generation, a.wrapped, at
      FROM unnest(names, generations, keys) WITH ORDINALITY AS a (name, generation, wrapped, n)
     WHERE a.generation IS NOT NULL AND starts[a.n] >= 0;
  INSERT INTO log.events (position, stream, version, occurred_at, recorded_at, event_id,
      correlation_id, causation_id, actor, type, data)
    SELECT starts[e.append] + 1 + e.version - expected[e.append], firsts[e.append], e.version,
           e.occurred_at, at, e.event_id, e.correlation_id, e.causation_id, e.actor, e.type,
           convert_from(e.data, 'UTF8')
      FROM unnest(appends, versions, occurred, ids, correlations, causations, actors, types,
             contents) AS e (append, version, occurred_at, event_id, correlation_id, causation_id,
             actor, type, data)
     WHERE starts[e.append] >= 0;
  UPDATE log.head h SET position = before + written, recorded_at = at;

  -- Once a batch: every transaction that notifies takes one lock of the whole server.
  PERFORM pg_notify('whence_log', (before + written)::text || ' ' || node);
END $$;

-- For people: the log with names and readable times.
CREATE VIEW log.log AS
SELECT e.position, s.name AS stream, e.version, e.type, e.data,
       to_timestamp(e.occurred_at / 1e6) AS occurred_at, e.actor
FROM log.events e JOIN log.streams s ON s.first = e.stream;
