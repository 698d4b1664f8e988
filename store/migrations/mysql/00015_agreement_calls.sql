-- However many shops share an agreement, its calls of the day and e-conomic's Retry-After
-- are one. A lagerd works on all of them or on none.
CREATE TABLE IF NOT EXISTS agreement_calls (
  agreement_number BIGINT      NOT NULL PRIMARY KEY,
  holder           VARCHAR(64) NOT NULL DEFAULT '' COMMENT 'the instance that calls e-conomic for it, while that holds the lease of one of its shops',
  calls_day        VARCHAR(10) NOT NULL DEFAULT '' COMMENT 'UTC date of calls',
  calls            BIGINT      NOT NULL DEFAULT 0 COMMENT 'calls to e-conomic on calls_day, booked in advance: some may not have been made yet',
  blocked_until    DATETIME(6) NULL COMMENT 'no call before this, by the clock of the database',
  blocked_for_us   BIGINT      NOT NULL DEFAULT 0 COMMENT 'how long e-conomic said to wait, at blocked_until less this',
  KEY agreement_calls_blocked (blocked_until)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={{collation}};

CREATE INDEX progress_agreement ON progress (agreement_number);
