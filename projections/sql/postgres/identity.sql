-- Who is who. Personal fields stay sealed: the vault opens them when they are read.

CREATE TABLE read.login_requests (
  request_id uuid PRIMARY KEY,
  email_key  bytea NOT NULL,
  expires_at bigint NOT NULL
);
CREATE INDEX login_requests_by_end ON read.login_requests (expires_at);

CREATE TABLE read.users (
  user_id              uuid PRIMARY KEY,
  email                bytea NOT NULL,     -- sealed, in event 0 of the user
  display_name         bytea,              -- sealed
  display_name_version bigint NOT NULL,    -- in this event of the user
  avatar_url           text,
  billing_customer_id  text,
  provider             text NOT NULL,
  created_at           bigint NOT NULL,
  updated_at           bigint NOT NULL
);

CREATE TABLE read.sessions (
  session_id          uuid PRIMARY KEY,
  user_id             uuid NOT NULL,
  token_hash          bytea NOT NULL,
  kind                text NOT NULL,
  opened_at           bigint NOT NULL,
  expires_at          bigint NOT NULL,
  absolute_expires_at bigint NOT NULL,
  device              bytea NOT NULL,      -- sealed
  device_version      bigint NOT NULL,     -- in this event of the user
  device_class        text,
  country             text
);
CREATE INDEX sessions_by_user ON read.sessions (user_id);
CREATE INDEX sessions_by_end ON read.sessions (expires_at);
