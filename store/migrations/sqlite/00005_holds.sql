-- What the columns mean is said in ../mysql.
CREATE TABLE IF NOT EXISTS holds (
  shop   TEXT NOT NULL,
  scope  TEXT NOT NULL,
  reason TEXT NOT NULL,
  detail TEXT NOT NULL DEFAULT '',
  since  DATETIME NOT NULL,
  PRIMARY KEY (shop, scope)
);

INSERT OR IGNORE INTO holds (shop, scope, reason, detail, since)
SELECT shop, CASE WHEN held IN ('losses', 'no_inventory') THEN 'stock' ELSE 'shop' END, held, held_detail,
       COALESCE(held_at, '1970-01-01 00:00:00.000000')
FROM progress WHERE held <> '';

UPDATE progress SET held = '', held_detail = '', held_at = NULL WHERE held <> '';

ALTER TABLE hints ADD COLUMN webhooks INTEGER NOT NULL DEFAULT 0;
