-- The tree over the log (RFC 6962), in tiles of 256 hashes.

CREATE TABLE log_tiles (
  level    INTEGER NOT NULL,       -- 0: hashes of events; n: of full tiles of level n - 1
  tile     INTEGER NOT NULL,       -- its number, from 0
  first    INTEGER NOT NULL,       -- position of the first event in it
  last     INTEGER NOT NULL,       -- position of the last event in it
  hashes   BLOB NOT NULL,          -- 32 bytes each
  PRIMARY KEY (level, tile)
) STRICT;
CREATE INDEX log_tiles_by_first ON log_tiles (level, first);
