-- What the columns mean, and what the index is for, is said in ../mysql.
ALTER TABLE shops ADD COLUMN notify_origin TEXT NOT NULL DEFAULT '';

ALTER TABLE shops ADD COLUMN notify_hook BLOB NULL;

ALTER TABLE progress ADD COLUMN items_announced INTEGER NOT NULL DEFAULT 0;

CREATE INDEX IF NOT EXISTS webhook_calls_outcome ON webhook_calls (outcome, shop);
