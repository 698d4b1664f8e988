-- What kept lagerd from reading something for a while, for `lagerd why`. Written when a read or a
-- pass fails and when a hold ends, and pruned like the history.
CREATE TABLE IF NOT EXISTS obstacles (
  shop      VARCHAR(64)  NOT NULL,
  what      VARCHAR(8)   NOT NULL COMMENT 'reads, pdf, passes or hold',
  kind      VARCHAR(8)   NOT NULL DEFAULT '' COMMENT 'of number',
  number    VARCHAR(64)  NOT NULL DEFAULT '' COMMENT 'whose reads failed; empty: the shop',
  scope     VARCHAR(20)  NOT NULL DEFAULT '' COMMENT 'of a hold',
  opened_at DATETIME(6)  NOT NULL COMMENT 'what tells it from the next: reads: when the hint came; passes: the last good tick; hold: since when',
  reason    VARCHAR(40)  NOT NULL DEFAULT '' COMMENT 'of a hold',
  detail    VARCHAR(500) NOT NULL DEFAULT '' COMMENT 'of a hold, or the last error; for people',
  times     INT          NOT NULL DEFAULT 1 COMMENT 'how many reads or passes failed',
  began_at  DATETIME(6)  NOT NULL COMMENT 'when the first failed, or the hold began',
  last_at   DATETIME(6)  NOT NULL COMMENT 'when the last failed, or the hold ended',
  PRIMARY KEY (shop, what, kind, number, scope, opened_at),
  KEY obstacles_last (shop, last_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={{collation}};
