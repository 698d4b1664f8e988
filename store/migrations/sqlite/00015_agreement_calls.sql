-- What the columns mean is said in ../mysql.
CREATE TABLE IF NOT EXISTS agreement_calls (
  agreement_number INTEGER NOT NULL PRIMARY KEY,
  holder           TEXT NOT NULL DEFAULT '',
  calls_day        TEXT NOT NULL DEFAULT '',
  calls            INTEGER NOT NULL DEFAULT 0,
  blocked_until    DATETIME NULL,
  blocked_for_us   INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS agreement_calls_blocked ON agreement_calls (blocked_until);

CREATE INDEX IF NOT EXISTS progress_agreement ON progress (agreement_number);
