-- An account at Rackbeat has one ledger of calls, and one lagerd that makes them, as an agreement
-- at e-conomic has in agreement_calls. Either numbers its accounts itself, so each has its table.
CREATE TABLE IF NOT EXISTS rackbeat_calls (
  account        BIGINT      NOT NULL PRIMARY KEY,
  holder         VARCHAR(64) NOT NULL DEFAULT '' COMMENT 'the instance that calls Rackbeat for it, while that holds the lease of one of its shops',
  calls_day      VARCHAR(10) NOT NULL DEFAULT '' COMMENT 'UTC date of calls',
  calls          BIGINT      NOT NULL DEFAULT 0 COMMENT 'calls to Rackbeat on calls_day, booked in advance: some may not have been made yet',
  blocked_until  DATETIME(6) NULL COMMENT 'no call before this, by the clock of the database',
  blocked_for_us BIGINT      NOT NULL DEFAULT 0 COMMENT 'how long to wait after a 429, at blocked_until less this',
  KEY rackbeat_calls_blocked (blocked_until)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={{collation}};

CREATE INDEX progress_stock_account ON progress (stock_account);
