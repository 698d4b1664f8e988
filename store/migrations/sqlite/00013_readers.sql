-- What the columns mean is said in ../mysql. A file has no accounts, so nothing is
-- ever stored here; the statements that keep the tables are the same for both.
CREATE TABLE IF NOT EXISTS readers (
  account    TEXT     NOT NULL PRIMARY KEY,
  shop       TEXT     NOT NULL,
  sees       TEXT     NOT NULL,
  granted_at DATETIME NOT NULL
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS readers_shop ON readers (shop);

CREATE TABLE IF NOT EXISTS readers_of_all (
  account    TEXT     NOT NULL,
  shop       TEXT     NOT NULL,
  sees       TEXT     NOT NULL,
  granted_at DATETIME NOT NULL,
  PRIMARY KEY (account, shop)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS readers_of_all_shop ON readers_of_all (shop);
