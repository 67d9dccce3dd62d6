-- The vault, also of a log that is kept elsewhere. Forward only: a change is a new file.

CREATE SCHEMA vault;

-- Which files ran: 'vault_0001', 'log_0001' and so on.
CREATE TABLE vault.migrations (
  part   text   NOT NULL,               -- 'vault' or 'log'
  number bigint NOT NULL,
  PRIMARY KEY (part, number)
);

-- Subject keys, wrapped by the master key. Destroying one erases, at once and everywhere, all that
-- was sealed under it; the row stays to say that there was one.
CREATE TABLE vault.subject_keys (
  subject      text   NOT NULL COLLATE "C", -- the stream whose personal fields it seals
  generation   bigint NOT NULL,         -- 0, and one more after each destruction
  wrapped      bytea,                   -- NULL: destroyed
  created_at   bigint NOT NULL,         -- microseconds since 1970
  destroyed_at bigint,
  PRIMARY KEY (subject, generation)
);

-- What the database says about itself: 'master_key' is the fingerprint of the key it was made with.
CREATE TABLE vault.about (
  name  text PRIMARY KEY,
  value bytea NOT NULL
);
