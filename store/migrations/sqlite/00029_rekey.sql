-- sqlite
-- What the table and the columns mean is said in ../mysql.
ALTER TABLE key_check ADD COLUMN next_value BLOB NULL;

CREATE TABLE IF NOT EXISTS kept_keys (
  check_value BLOB NOT NULL PRIMARY KEY,
  sealed      BLOB NOT NULL,
  noted_at    DATETIME NOT NULL
);

ALTER TABLE instances ADD COLUMN master_keys BLOB NOT NULL DEFAULT '';
