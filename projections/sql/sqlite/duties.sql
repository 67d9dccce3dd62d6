-- What whence still owes somebody. A row goes when it is done.

CREATE TABLE onboardings (
  user_id         BLOB PRIMARY KEY,
  since           INTEGER NOT NULL,
  steps           INTEGER NOT NULL,        -- 1 code issued, 2 plan given, 4 welcome mail over
  welcome_failed  INTEGER NOT NULL,        -- attempts
  tried_at        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE undecided_referrals (
  user_id    BLOB NOT NULL,
  code       TEXT NOT NULL,                -- as it came: one duty for each, so that none replaces another
  touched_at INTEGER,
  touch_id   BLOB,
  via        TEXT NOT NULL,
  refused_at INTEGER NOT NULL,
  PRIMARY KEY (user_id, code)
) STRICT, WITHOUT ROWID;

CREATE TABLE mailboxes (
  email_key BLOB PRIMARY KEY,
  asked_at  INTEGER NOT NULL,              -- when a code was last asked for
  owned     INTEGER NOT NULL               -- 1: it is somebody's, and kept as long as they are
) STRICT, WITHOUT ROWID;
CREATE INDEX mailboxes_of_nobody ON mailboxes (asked_at) WHERE owned = 0;
