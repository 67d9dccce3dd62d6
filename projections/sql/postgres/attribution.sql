-- Whence they came, and who referred them.

CREATE TABLE read.attributions (
  user_id              uuid PRIMARY KEY,
  first_referrer_url   bytea,              -- sealed, in event 1 of the user
  first_landing_page   text,
  utm_source           text,
  utm_medium           text,
  utm_campaign         text,
  utm_term             text,
  utm_content          text,
  creator_id           uuid,
  registration_device  text,
  registration_country text,
  created_at           bigint NOT NULL,
  referrer_id          uuid,
  referral_code        text,
  attributed_at        bigint
);
CREATE INDEX attributions_by_referrer ON read.attributions (referrer_id, attributed_at)
  WHERE referrer_id IS NOT NULL;

CREATE TABLE read.referral_codes (
  folded      text COLLATE "C" PRIMARY KEY,  -- lower case; in the order of its bytes everywhere
  code        text NOT NULL,                 -- as issued
  kind        text NOT NULL,
  owner       uuid NOT NULL,
  issued_at   bigint NOT NULL,
  disabled_at bigint
);
CREATE INDEX referral_codes_by_owner ON read.referral_codes (owner);

CREATE TABLE read.clicks (
  owner uuid PRIMARY KEY,
  count bigint NOT NULL
);

CREATE TABLE read.visitor_touches (
  first_touch_id uuid NOT NULL,
  touch_id       uuid NOT NULL,            -- a later one of the same visitor
  PRIMARY KEY (first_touch_id, touch_id)
);
