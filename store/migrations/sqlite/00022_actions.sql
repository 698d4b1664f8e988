-- What the columns mean is said in ../mysql.
CREATE TABLE IF NOT EXISTS actions (
  id       INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  shop     TEXT NOT NULL,
  what     TEXT NOT NULL,
  kind     TEXT NOT NULL DEFAULT '',
  number   TEXT NOT NULL DEFAULT '',
  detail   TEXT NOT NULL DEFAULT '',
  account  TEXT NOT NULL DEFAULT '',
  command  TEXT NOT NULL DEFAULT '',
  acted_at DATETIME NOT NULL
);
CREATE INDEX IF NOT EXISTS actions_shop ON actions (shop, acted_at);
