-- What others wrote into streams of a log in KurrentDB, which cannot refuse it, or did to them: the
-- first of it in each stream. Commands on these streams are refused.
CREATE TABLE vault.foreign_events (
  stream   text   NOT NULL COLLATE "C" PRIMARY KEY,
  position bigint NOT NULL,             -- where the server's log has it
  found    text   NOT NULL              -- what it is, in words
);
