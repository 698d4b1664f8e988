CREATE TABLE IF NOT EXISTS warnings (
  shop     VARCHAR(64)  NOT NULL,
  kind     VARCHAR(8)   NOT NULL,
  number   VARCHAR(64)  NOT NULL COMMENT 'an item or invoice; empty: those whose number cannot be read',
  warning  VARCHAR(500) NOT NULL COMMENT 'what of e-conomic''s answer cannot be understood; the rest of it is stored',
  first_at DATETIME(6)  NOT NULL,
  PRIMARY KEY (shop, kind, number)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={{collation}};
