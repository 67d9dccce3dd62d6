-- Who is who. Personal fields stay sealed: the vault opens them when they are read.

CREATE TABLE login_requests (
  request_id BLOB PRIMARY KEY,
  email_key  BLOB NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX login_requests_by_end ON login_requests (expires_at);

CREATE TABLE users (
  user_id              BLOB PRIMARY KEY,
  email                BLOB NOT NULL,      -- sealed, in event 0 of the user
  display_name         BLOB,               -- sealed
  display_name_version INTEGER NOT NULL,   -- in this event of the user
  avatar_url           TEXT,
  billing_customer_id  TEXT,
  provider             TEXT NOT NULL,
  created_at           INTEGER NOT NULL,
  updated_at           INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
  session_id          BLOB PRIMARY KEY,
  user_id             BLOB NOT NULL,
  token_hash          BLOB NOT NULL,
  kind                TEXT NOT NULL,
  opened_at           INTEGER NOT NULL,
  expires_at          INTEGER NOT NULL,
  absolute_expires_at INTEGER NOT NULL,
  device              BLOB NOT NULL,       -- sealed
  device_version      INTEGER NOT NULL,    -- in this event of the user
  device_class        TEXT,
  country             TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_end ON sessions (expires_at);
