-- The tree over the log (RFC 6962), in tiles of 256 hashes.

CREATE TABLE read.log_tiles (
  level    bigint NOT NULL,        -- 0: hashes of events; n: of full tiles of level n - 1
  tile     bigint NOT NULL,        -- its number, from 0
  first    bigint NOT NULL,        -- position of the first event in it
  last     bigint NOT NULL,        -- position of the last event in it
  hashes   bytea NOT NULL,         -- 32 bytes each
  PRIMARY KEY (level, tile)
);
CREATE INDEX log_tiles_by_first ON read.log_tiles (level, first);
-- Hashes cannot be compressed, and nobody has to try.
ALTER TABLE read.log_tiles ALTER COLUMN hashes SET STORAGE EXTERNAL;
