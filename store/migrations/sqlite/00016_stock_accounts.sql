-- What the columns mean is said in ../mysql.
ALTER TABLE shops ADD COLUMN stock_dataset TEXT NOT NULL DEFAULT '';

UPDATE shops SET stock_dataset = dataset WHERE stock_dataset = '';

ALTER TABLE shops ADD COLUMN rackbeat_key BLOB NULL;

ALTER TABLE shops ADD COLUMN rackbeat_token_hash BLOB NULL;

ALTER TABLE shops ADD COLUMN places TEXT NOT NULL DEFAULT '';

ALTER TABLE progress ADD COLUMN stock_account INTEGER NOT NULL DEFAULT 0;

ALTER TABLE progress ADD COLUMN stock_calls_day TEXT NOT NULL DEFAULT '';

ALTER TABLE progress ADD COLUMN stock_calls INTEGER NOT NULL DEFAULT 0;

CREATE TABLE IF NOT EXISTS stock_accounts (
  dataset     TEXT NOT NULL PRIMARY KEY,
  shop        TEXT NOT NULL,
  source      TEXT NOT NULL,
  account     INTEGER NOT NULL,
  places      TEXT NOT NULL,
  accepted_at DATETIME NOT NULL
);

CREATE INDEX IF NOT EXISTS stock_accounts_shop ON stock_accounts (shop);

ALTER TABLE changes ADD COLUMN source TEXT NOT NULL DEFAULT 'economic';
