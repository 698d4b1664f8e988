-- Calls of the webhook endpoint that name a shop and have a wrong code, by shop: so many
-- on its latest day with any.
CREATE TABLE IF NOT EXISTS refused_calls (
  shop        VARCHAR(64) NOT NULL PRIMARY KEY,
  day         VARCHAR(10) NOT NULL COMMENT 'UTC date of calls',
  calls       BIGINT      NOT NULL,
  last_at     DATETIME(6) NOT NULL,
  last_remote VARCHAR(64) NOT NULL COMMENT 'the address of the caller or its proxy'
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={{collation}};
