-- Keys that the service signs with, wrapped by the master key. What is missing of generation 0 derives
-- from the master key. While the master key is rotated, 'master_key_next' in vault.about is the
-- fingerprint of the key that takes its place.
CREATE TABLE vault.service_keys (
  purpose     text   NOT NULL COLLATE "C", -- 'bearer', 'cookie' and so on
  generation  bigint NOT NULL,
  wrapped     bytea  NOT NULL,
  created_at  bigint NOT NULL,          -- microseconds since 1970
  active_from bigint NOT NULL,          -- when it begins to sign
  overlap     bigint NOT NULL,          -- for how many microseconds after that older ones still count
  PRIMARY KEY (purpose, generation)
);
