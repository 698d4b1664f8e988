-- What the columns mean is said in ../mysql.
CREATE TABLE IF NOT EXISTS rackbeat_calls (
  account        INTEGER NOT NULL PRIMARY KEY,
  holder         TEXT NOT NULL DEFAULT '',
  calls_day      TEXT NOT NULL DEFAULT '',
  calls          INTEGER NOT NULL DEFAULT 0,
  blocked_until  DATETIME NULL,
  blocked_for_us INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS rackbeat_calls_blocked ON rackbeat_calls (blocked_until);

CREATE INDEX IF NOT EXISTS progress_stock_account ON progress (stock_account);
