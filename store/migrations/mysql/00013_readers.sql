-- The accounts of the database server that may read the views, and what each sees
-- there. "account" is a user name without its host. Most see one shop; one that sees
-- all has a row of readers_of_all for each shop, and one with an empty shop, which
-- says that shops added later are to have theirs. "sees" repeats the shop: the views
-- show "shop" and look up with "sees", so that a shop that a reader asks for leads
-- nowhere until the reader's own row has been found.
CREATE TABLE IF NOT EXISTS readers (
  account    VARCHAR(128) NOT NULL PRIMARY KEY,
  shop       VARCHAR(64)  NOT NULL,
  sees       VARCHAR(64)  NOT NULL COMMENT 'the same shop',
  granted_at DATETIME(6)  NOT NULL,
  KEY readers_shop (shop)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={{collation}};

CREATE TABLE IF NOT EXISTS readers_of_all (
  account    VARCHAR(128) NOT NULL,
  shop       VARCHAR(64)  NOT NULL COMMENT 'empty: the account sees shops that are added later too',
  sees       VARCHAR(64)  NOT NULL COMMENT 'the same shop',
  granted_at DATETIME(6)  NOT NULL,
  PRIMARY KEY (account, shop),
  KEY readers_of_all_shop (shop)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={{collation}};

-- Where there are shops, their readers see what they saw before, until a person enforces it.
INSERT IGNORE INTO meta (name, value) SELECT 'readers_enforced', CASE WHEN COUNT(*) = 0 THEN 1 ELSE 0 END FROM shops;

-- Grows with each change: an account that is to see all, and a shop that is added at the same moment, wait for each other.
INSERT IGNORE INTO meta (name, value) VALUES ('readers_changed', 0);
