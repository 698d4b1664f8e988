-- Who may see lagerd's page. A session is a signed text that only the browser has; what is stored
-- ends it early.
CREATE TABLE IF NOT EXISTS web_operators (
  name       VARCHAR(64)  NOT NULL PRIMARY KEY,
  password   VARCHAR(255) NOT NULL COMMENT 'its Argon2id hash',
  stamp      VARCHAR(32)  NOT NULL COMMENT 'random, in each of the sessions: another one ends them',
  changed_at DATETIME(6)  NOT NULL
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={{collation}};

-- Without a row a shop's links carry no stamp.
CREATE TABLE IF NOT EXISTS web_links (
  shop       VARCHAR(64) NOT NULL PRIMARY KEY,
  stamp      VARCHAR(32) NOT NULL COMMENT 'random, in each of the links and their sessions: another one revokes them',
  changed_at DATETIME(6) NOT NULL
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={{collation}};

-- Sessions that somebody has signed out of.
CREATE TABLE IF NOT EXISTS web_ended (
  session  VARBINARY(32) NOT NULL PRIMARY KEY COMMENT 'SHA-256 of its id',
  until_at DATETIME(6)   NOT NULL COMMENT 'when it would have ended: the row is deleted then',
  KEY web_ended_until (until_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={{collation}};
