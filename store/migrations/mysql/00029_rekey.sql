-- The master key can be changed while lagerd runs: `lagerd rekey`. While next_value is set, both keys
-- are needed, and what is stored is sealed with the next one.
ALTER TABLE key_check ADD COLUMN next_value BINARY(32) NULL COMMENT 'check value of the key that takes its place: a rekeying has begun';

-- The key of the integration codes' hashes, once another master key than the one that it was derived
-- from is in force. Without a row it is derived from the master key.
CREATE TABLE IF NOT EXISTS kept_keys (
  check_value BINARY(32)     NOT NULL PRIMARY KEY COMMENT 'of the master key that opens it',
  sealed      VARBINARY(255) NOT NULL COMMENT 'sealed with that master key',
  noted_at    DATETIME(6)    NOT NULL
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={{collation}};

-- A rekeying begins only once every lagerd that is alive knows the new key.
ALTER TABLE instances ADD COLUMN master_keys VARBINARY(512) NOT NULL DEFAULT '' COMMENT 'check values of the keys in its key file, one after the other';
