CREATE TABLE IF NOT EXISTS key_check (
  id       INT         NOT NULL PRIMARY KEY COMMENT 'always 1',
  value    BINARY(32)  NOT NULL COMMENT 'derived from the master key, which it does not reveal',
  noted_at DATETIME(6) NOT NULL
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={{collation}};

CREATE TABLE IF NOT EXISTS instance_secrets (
  instance  VARCHAR(64) NOT NULL PRIMARY KEY,
  app_token VARCHAR(64) NOT NULL COMMENT 'keyed hash of the app secret token that it uses',
  noted_at  DATETIME(6) NOT NULL
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={{collation}};
