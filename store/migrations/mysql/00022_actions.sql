-- What people did to a shop by commands, and who. Pruned like the history.
CREATE TABLE IF NOT EXISTS actions (
  id       BIGINT       NOT NULL AUTO_INCREMENT PRIMARY KEY,
  shop     VARCHAR(64)  NOT NULL,
  what     VARCHAR(16)  NOT NULL COMMENT 'added, set, paused, resumed, approved, accepted, code_added, code_replaced, code_retired or asked',
  kind     VARCHAR(8)   NOT NULL DEFAULT '' COMMENT 'of number; empty: the whole shop',
  number   VARCHAR(64)  NOT NULL DEFAULT '' COMMENT 'the item or invoice that was asked for',
  detail   VARCHAR(500) NOT NULL DEFAULT '' COMMENT 'settings before and after, a reason, or a number; never a secret',
  account  VARCHAR(64)  NOT NULL DEFAULT '' COMMENT 'of the operating system, as the command saw it; empty: unknown',
  command  VARCHAR(64)  NOT NULL DEFAULT '',
  acted_at DATETIME(6)  NOT NULL,
  KEY actions_shop (shop, acted_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={{collation}};
