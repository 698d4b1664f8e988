-- Which of a shop's codes e-conomic calls with: a code that works is never
-- retired because a newer one was made.
CREATE TABLE IF NOT EXISTS code_uses (
  shop      TEXT NOT NULL,
  code_hash BLOB NOT NULL,
  used_at   DATETIME NOT NULL,
  PRIMARY KEY (shop, code_hash)
) WITHOUT ROWID;

ALTER TABLE progress ADD COLUMN command_calls_day TEXT NOT NULL DEFAULT '';

ALTER TABLE progress ADD COLUMN command_calls INTEGER NOT NULL DEFAULT 0;
