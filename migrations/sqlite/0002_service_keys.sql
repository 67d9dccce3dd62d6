-- Keys that the service signs with, wrapped by the master key. What is missing of generation 0 derives
-- from the master key. While the master key is rotated, 'master_key_next' in about is the fingerprint
-- of the key that takes its place.
CREATE TABLE service_keys (
  purpose     TEXT NOT NULL,            -- 'bearer', 'cookie' and so on
  generation  INTEGER NOT NULL,
  wrapped     BLOB NOT NULL,
  created_at  INTEGER NOT NULL,         -- microseconds since 1970
  active_from INTEGER NOT NULL,         -- when it begins to sign
  overlap     INTEGER NOT NULL,         -- for how many microseconds after that older ones still count
  PRIMARY KEY (purpose, generation)
) STRICT, WITHOUT ROWID;
