-- Whence they came, and who referred them.

CREATE TABLE attributions (
  user_id              BLOB PRIMARY KEY,
  first_referrer_url   BLOB,               -- sealed, in event 1 of the user
  first_landing_page   TEXT,
  utm_source           TEXT,
  utm_medium           TEXT,
  utm_campaign         TEXT,
  utm_term             TEXT,
  utm_content          TEXT,
  creator_id           BLOB,
  registration_device  TEXT,
  registration_country TEXT,
  created_at           INTEGER NOT NULL,
  referrer_id          BLOB,
  referral_code        TEXT,
  attributed_at        INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX attributions_by_referrer ON attributions (referrer_id, attributed_at)
  WHERE referrer_id IS NOT NULL;

CREATE TABLE referral_codes (
  folded      TEXT PRIMARY KEY,            -- lower case
  code        TEXT NOT NULL,               -- as issued
  kind        TEXT NOT NULL,
  owner       BLOB NOT NULL,
  issued_at   INTEGER NOT NULL,
  disabled_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX referral_codes_by_owner ON referral_codes (owner);

CREATE TABLE clicks (
  owner BLOB PRIMARY KEY,
  count INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE visitor_touches (
  first_touch_id BLOB NOT NULL,
  touch_id       BLOB NOT NULL,            -- a later one of the same visitor
  PRIMARY KEY (first_touch_id, touch_id)
) STRICT, WITHOUT ROWID;
