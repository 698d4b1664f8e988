-- What lagerd itself has stopped, by scope: one hold of each, so that none hides,
-- ends or overwrites another. Before, progress.held could tell of one.
CREATE TABLE IF NOT EXISTS holds (
  shop   VARCHAR(64)  NOT NULL,
  scope  VARCHAR(20)  NOT NULL COMMENT 'shop, stock, invoices, pdf',
  reason VARCHAR(40)  NOT NULL COMMENT 'a code',
  detail VARCHAR(500) NOT NULL DEFAULT '' COMMENT 'for people',
  since  DATETIME(6)  NOT NULL,
  PRIMARY KEY (shop, scope)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={{collation}};

INSERT IGNORE INTO holds (shop, scope, reason, detail, since)
SELECT shop, CASE WHEN held IN ('losses', 'no_inventory') THEN 'stock' ELSE 'shop' END, held, held_detail,
       COALESCE(held_at, '1970-01-01 00:00:00.000000')
FROM progress WHERE held <> '';

-- A second run must not bring back a hold that has ended meanwhile.
UPDATE progress SET held = '', held_detail = '', held_at = NULL WHERE held <> '';

-- The first change that is seen after several webhooks may be what the first of
-- them told of, so they are counted.
ALTER TABLE hints ADD COLUMN webhooks INT NOT NULL DEFAULT 0 COMMENT 'of this open period';
