-- What whence still owes somebody. A row goes when it is done.

CREATE TABLE read.onboardings (
  user_id         uuid PRIMARY KEY,
  since           bigint NOT NULL,
  steps           bigint NOT NULL,         -- 1 code issued, 2 plan given, 4 welcome mail over
  welcome_failed  bigint NOT NULL,         -- attempts
  tried_at        bigint NOT NULL
);

CREATE TABLE read.undecided_referrals (
  user_id    uuid NOT NULL,
  code       text COLLATE "C" NOT NULL,    -- as it came: one duty for each, so that none replaces another
  touched_at bigint,
  touch_id   uuid,
  via        text NOT NULL,
  refused_at bigint NOT NULL,
  PRIMARY KEY (user_id, code)
);

CREATE TABLE read.mailboxes (
  email_key bytea PRIMARY KEY,
  asked_at  bigint NOT NULL,               -- when a code was last asked for
  owned     bigint NOT NULL                -- 1: it is somebody's, and kept as long as they are
);
CREATE INDEX mailboxes_of_nobody ON read.mailboxes (asked_at) WHERE owned = 0;
