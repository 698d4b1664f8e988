CREATE TABLE IF NOT EXISTS approvals (
  shop        VARCHAR(64) NOT NULL PRIMARY KEY,
  losses      BIGINT      NOT NULL COMMENT 'how many items may lose their stock',
  approved_at DATETIME(6) NOT NULL
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={{collation}};
